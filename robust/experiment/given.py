"""What a network of others brings: files that say what it is, the classes that its outputs mean."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust.data import Splits
from robust.errors import ParameterError, check, one_line
from robust.models import input_shape, read_description
from robust.runs.config import Config

#: the keys of a model that name a file or a folder: where it lies changes nothing, what it holds does
FILES = ("classes", "file", "path")
_FEW = 3  # names that are told
#: by network: the key of the file or folder that says what it is, the file in it, and what reads it
_DESCRIBED: dict[str, tuple[str, str, Callable[[str], dict[str, Any]]]] = {
    "robust.models.HuggingFaceNetwork": ("path", "config.json", read_description),
    "robust.models.OnnxNetwork": ("file", "", lambda file: {"shape": input_shape(file)}),
}


def given_files(model: Config) -> dict[str, Path]:
    """The files and folders that a model's configuration names, by their key. Raises FileNotFoundError for one that is
    not there."""
    named = {name: model.get(name) for name in (FILES if "network" not in model else ("classes",))}
    found = {name: Path(str(path)) for name, path in named.items() if path}
    for name, path in found.items():
        if not path.exists():
            raise FileNotFoundError(f"`model.{name}` must be a file or folder that is there; there is no {path}.")
    return found


def described(model: Config) -> dict[str, Any]:
    """What the files that a model names say of it, as its constructor takes it. Raises FileNotFoundError or ValueError
    for what is not there, or no such file."""
    key, file, read = _DESCRIBED.get(str(model["_target_"]), ("", "", dict))
    if not key:
        return {}
    path = Path(str(model[key])) / file
    stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else ()
    return _read(read, str(model[key]), stamp)


@functools.lru_cache(maxsize=64)
def _read(read: Callable[[str], dict[str, Any]], path: str, _: tuple[int, ...]) -> dict[str, Any]:
    return read(path)


def mapped_classes(path: str, splits: Splits) -> tuple[int, list[list[int]]]:
    """How many outputs a network has by the file `model.classes`, and for each class of the data which of them mean it.

    The file names for each output, in order, a line or an element of a JSON list each, the class that it means: a class
    of the data, by its name or its number in WordNet, or any other word for one that the data does not have; or it is a
    JSON object of names by number, as in Hugging Face's `id2label`. Raises FileNotFoundError or ValueError for a file
    that is not there, is none of that or leaves a class of the data out.
    """
    names = _names(Path(path))
    train = splits.train
    keys: dict[str, int] = {_plain(name): place for place, name in enumerate(train.classes)}
    keys |= {_plain(wnid): place for place, wnid in enumerate(splits.wnids or ())}
    outputs: list[list[int]] = [[] for _ in train.classes]
    for number, name in enumerate(names):
        words = [name, *name.split(",", 1), *name.split(maxsplit=1)[:1]]
        place = next((keys[word] for word in map(_plain, words) if word in keys), None)
        if place is not None:
            outputs[place].append(number)
    if absent := [name for name, mine in zip(train.classes, outputs, strict=True) if not mine]:
        more = f" and {len(absent) - _FEW} more" if len(absent) > _FEW else ""
        raise ValueError(
            f"`model.classes` must name every class of the data; {path} names no output for "
            f"{', '.join(absent[:_FEW])}{more}. It says for each of the network's outputs, a line each, which class it "
            "means."
        )
    return len(names), outputs


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", " ")


def _names(path: Path) -> Sequence[str]:
    rule = "a file with a line for each of the network's outputs, the class that it means"
    if not path.is_file():
        raise FileNotFoundError(f"`model.classes` must be {rule}; there is no {path}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError("model.classes", rule, f"{path} ({one_line(error)})") from error
    if path.suffix != ".json":
        return text.splitlines()
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ParameterError("model.classes", rule, f"{path} ({one_line(error)})") from error
    if isinstance(content, Mapping) and isinstance(content.get("id2label"), Mapping):
        content = content["id2label"]
    if isinstance(content, Mapping):
        places = {str(number): value for number, value in content.items()}
        check("model.classes", path, f"{rule}, by the numbers from 0", set(places) == set(map(str, range(len(places)))))
        content = [places[str(number)] for number in range(len(places))]
    check("model.classes", path, rule, isinstance(content, list) and all(isinstance(one, str) for one in content))
    return list(content)
