"""Short words for models and data, as `robust evaluate MODEL DATA` takes them, and the overrides they stand for."""

import re
from collections.abc import Sequence
from pathlib import Path

from robust.errors import check, loading, suggest
from robust.experiment.overrides import as_overrides, parse
from robust.experiment.rules import locate, why_not
from robust.experiment.search_path import choice_folders
from robust.runs import RunFolder
from robust.runs.config import check_targets

_LIBRARIES = ("timm", "torchvision", "robustbench")
_MODEL = (
    "timm:NAME, torchvision:NAME, robustbench:NAME, an .onnx file, a folder of Hugging Face's, package.module:name, a "
    "run's folder or a choice of model"
)
_DATA = "a choice of data, a folder of images or an .npz file"
_OWN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_USUAL = {"evaluation": "camera"}
_SIZE = 224  # pixels, of a folder's images where the model is of a library that trains at about this size
_LARGE = ("model=timm", "model=torchvision", "model=huggingface")
_COLOURS = 3
_FIXED = ("model", "data", "technique")


def evaluation_overrides(model: str, data: str, settings: Sequence[str] = ()) -> list[str]:
    """The overrides of the run that measures a model as it is given: `model` and `data` in short words, further
    `settings` as on the command line. Raises ValueError or FileNotFoundError for what they do not stand for."""
    given = {parse(one).key_or_group for one in settings}
    for key in _FIXED:
        if key in given:
            raise ValueError(
                f"`{key}` must be left out of robust evaluate, which measures MODEL on DATA as it is. There is robust "
                "train."
            )
    meant = model_overrides(model)
    images = data_overrides(data)
    if images[0] == "data=folder" and "data.size" not in given and (size := _usual_size(model, meant[0])):
        images.append(f"data.size={size}")
    usual = [f"{key}={value}" for key, value in _USUAL.items() if key not in given]
    return [*images, *meant, "technique=pretrained", *usual, *settings]


def _usual_size(model: str, choice: str) -> int | None:
    """The pixels a side that a model's images usually have; None where nothing says it."""
    if choice in _LARGE:
        return _SIZE
    if choice != "model=onnx":
        return None
    with loading():
        from robust.models import input_shape  # imports torch: not to refuse a command

    sides = [one for one in input_shape(model)[1:] if one and one > _COLOURS]
    return min(sides, default=None)


def model_overrides(word: str) -> list[str]:
    """What a model's short word stands for: its choice first."""
    library, colon, name = word.partition(":")
    path = Path(word)
    if colon and library in _LIBRARIES:
        return [f"model={library}", *as_overrides({"model": {"architecture": name}})]
    if path.suffix == ".onnx":
        if not path.is_file():
            raise FileNotFoundError(f"MODEL must be {_MODEL}; there is no {word}.")
        return ["model=onnx", *as_overrides({"model": {"file": word}})]
    if (path / "config.json").is_file():
        return ["model=huggingface", *as_overrides({"model": {"path": word}})]
    if RunFolder(path).config.is_file():
        return _of_run(path)
    if word in (known := _choices("model")):
        return [f"model={word}"]
    if _OWN.fullmatch(word):
        _check_own(word)
        return ["model=own", *as_overrides({"model": {"path": word}})]
    what = "a folder with neither a config.json nor a run" if path.is_dir() else "none"
    raise ValueError(f"MODEL must be {_MODEL}; {word} is {what}.{suggest(word, known)}")


def _check_own(word: str) -> None:
    """Raises ValueError where package.module:name stands for nothing that can be called."""
    with loading():  # it imports torch
        try:
            locate(word)
        except Exception as error:  # of any kind: it imports what others wrote
            raise ValueError(f"MODEL {word} cannot be imported. {why_not(word, error)}") from error


def data_overrides(word: str) -> list[str]:
    """What a data set's short word stands for: its choice first."""
    if word in (known := _choices("data")):
        return [f"data={word}"]
    path = Path(word)
    if path.is_dir():
        return ["data=folder", *as_overrides({"data": {"path": word}})]
    if path.suffix == ".npz" and path.is_file():
        return ["data=npz", *as_overrides({"data": {"path": word}})]
    check("data", word, f"{_DATA} that is there", False, f"Choices are {', '.join(known)}.{suggest(word, known)}")
    raise AssertionError


def _of_run(folder: Path) -> list[str]:
    """The network of a run, and its weights."""
    files = RunFolder(folder)
    with loading():
        check_targets(config := files.read_config(), files.config)
    model = config.model
    others = as_overrides({"model": model.without(["name", "_target_"])})
    return [f"model={model.name}", *others, *as_overrides({"technique": {"start": str(folder)}})]


def _choices(group: str) -> list[str]:
    files = [file for folder in choice_folders() for file in sorted((folder / group).glob("*.yaml"))]
    return [file.stem for file in files if not file.stem.startswith("_")]
