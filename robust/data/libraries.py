"""Data sets of torchvision, by the name of their class, and of Hugging Face, from a folder."""

import contextlib
import inspect
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from robust.data.cache import digest
from robust.data.images import Splits
from robust.data.items import Items, Wanted, read_items
from robust.errors import ParameterError, check, one_line, require, suggest

_VERSION = 1  # of how items are read; another one reads kept ones anew
#: what the splits to train on and to test on are called, the likelier first
_SPLITS = {"train": ("train", "trainval", "train-standard"), "test": ("test", "val", "valid", "validation")}

_KINDS = ("Image", "ClassLabel")  # of columns


def torchvision(
    *,
    dataset: str,
    dir: str,
    download: bool = False,
    size: int | None = None,
    channels: int | None = None,
    background: str = "white",
    cache_dir: str | None = None,
) -> Splits:
    """The images of a class of torchvision.datasets, `dataset`, such as GTSRB or Food101, in `dir` as that class lays
    them out; one that is made with `train=` or `split=` and gives pictures with a class each.

    Pictures are made into squares of `size` pixels (None: left as they are, which must be of one size) with 1 or 3
    `channels` (None: as the first has), over the `background` where they are transparent; what was read is kept in
    `cache_dir` until there are more or fewer. Raises FileNotFoundError where the images are not there, ValueError for
    a class that is none of these.
    """
    import torchvision.datasets as library

    wanted = Wanted(size, channels, background)
    wanted.check()
    made = getattr(library, dataset) if dataset in library.__all__ else None
    arguments = set(inspect.signature(made).parameters) if isinstance(made, type) else set()
    if not {"train", "split"} & arguments:
        rule = "a class of torchvision.datasets that is made with train= or split=, such as GTSRB"
        raise ParameterError("data.dataset", rule, dataset, suggest(dataset, library.__all__).strip())
    given = {"root": dir, **({"download": download} if "download" in arguments else {})}
    assert made is not None
    make = partial(made, **given)
    with _absence_explained(dataset, dir, download), contextlib.redirect_stdout(io.StringIO()):
        parts = (
            {"train": make(train=True), "test": make(train=False)}
            if "train" in arguments
            else {part: _of_split(make, names) for part, names in _SPLITS.items()}
        )
    listing = digest([_VERSION, version("torchvision"), dataset, dir, *map(len, parts.values()), wanted])
    cache = Path(cache_dir) / f"torchvision-{dataset}-{listing[:16]}.pt" if cache_dir else None
    items = {part: Items(_each(one), len(one)) for part, one in parts.items()}
    names = getattr(parts["test"], "classes", None)
    classes = names and [name if isinstance(name, str) else name[0] for name in names]  # of several the first
    return read_items(items, classes, wanted, f"torchvision's {dataset}", cache=cache, listing=listing)


def _each(items: Any) -> Iterator[Any]:
    return (items[place] for place in range(len(items)))


def _of_split(make: Any, names: Sequence[str]) -> Any:
    """The first split of these names that there is."""
    for name in names:
        try:
            return make(split=name)
        except ValueError as error:
            if "Unknown value" not in str(error) or name == names[-1]:
                raise
    raise AssertionError


@contextlib.contextmanager
def _absence_explained(dataset: str, dir: str, download: bool) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each class raises its own
        also = "" if download else " or set `data.download=true`,"
        raise FileNotFoundError(
            f"torchvision's {dataset} cannot be read in {dir} ({one_line(error)}). Set `data.dir` (or ROBUST_DATA) to "
            f"the folder that holds it,{also} or take another `data.dataset`."
        ) from error


def huggingface(
    *,
    path: str,
    columns: Sequence[str] | None = None,
    size: int | None = None,
    channels: int | None = None,
    background: str = "white",
    cache_dir: str | None = None,
) -> Splits:
    """The images of a data set of Hugging Face's `datasets` that lies in the folder `path`: as `save_to_disk` wrote it,
    or with the files of a repository (parquet, or pictures in folders). Nothing is downloaded, no program of it run.

    Its split train is trained on, and test tested on, or validation where there is no test; one split alone is tested
    on. `columns` name that of the images and that of the labels; None: the one of type Image and the one of type
    ClassLabel. Pictures are made into squares as those of `torchvision` are, and kept in `cache_dir`. Raises
    FileNotFoundError or ValueError for a folder that is not there or holds no such data set.
    """
    root, wanted = Path(path), Wanted(size, channels, background)
    wanted.check()
    if not root.is_dir():
        raise FileNotFoundError(f"`data.path` must be the folder of a data set of Hugging Face's; {path} is not there.")
    library = require("datasets", what="data=huggingface", extra="huggingface")
    parts = _splits(_loaded(library, root, cache_dir))
    names = _columns(parts["test"].features, columns)
    files = sorted((str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in root.rglob("*") if one.is_file())
    listing = digest([_VERSION, files, names, wanted])
    cache = Path(cache_dir) / f"{root.resolve().name}-{digest(str(root.resolve()))[:16]}.pt" if cache_dir else None
    items = {
        part: Items(((row[names[0]], row[names[1]]) for row in one.select_columns(names)), len(one))
        for part, one in parts.items()
    }
    classes = getattr(parts["test"].features[names[1]], "names", None)
    return read_items(items, classes, wanted, f"`data.path` ({path})", cache=cache, listing=listing)


def _loaded(library: Any, root: Path, cache_dir: str | None) -> Mapping[str, Any]:
    """The splits in a folder, by name."""
    rule = "the folder of a data set of Hugging Face's"
    if programs := sorted(root.glob("*.py")):
        raise ParameterError("data.path", f"{rule} without a program of its own", str(programs[0]), "None is run.")
    try:
        saved = any((root / name).is_file() for name in ("dataset_dict.json", "state.json"))
        found = library.load_from_disk(str(root)) if saved else library.load_dataset(str(root), cache_dir=cache_dir)
    except Exception as error:  # of any of its builders
        raise ParameterError("data.path", rule, str(root), f"It says: {one_line(error)}.") from error
    return found if isinstance(found, Mapping) else {"test": found}


def _splits(found: Mapping[str, Any]) -> dict[str, Any]:
    """What to train on, where there is any, and what to test on."""
    chosen = {part: found[name] for part, names in _SPLITS.items() for name in reversed(names) if name in found}
    if "test" not in chosen and len(found) == 1:
        return {"test": next(iter(found.values()))}
    rule = "a data set with a split test or validation, or with one split"
    check("data.path", ", ".join(found), rule, "test" in chosen)
    return chosen


def _columns(features: Mapping[str, Any], given: Sequence[str] | None) -> list[str]:
    """The columns of the images and of the labels."""
    of_type = {kind: [name for name, one in features.items() if type(one).__name__ == kind] for kind in _KINDS}
    found = list(given) if given is not None else [name for names in of_type.values() for name in names]
    rule = "the columns of the images and of the labels, such as [image, label]"
    holds = len(found) == 2 and set(found) <= set(features)
    check("data.columns", given if given is not None else "nothing", rule, holds, f"There are {', '.join(features)}.")
    return found
