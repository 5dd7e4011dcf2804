"""Pictures and labels one by one, as the data sets of other libraries give them: made into ours, once."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robust.data.cache import kept
from robust.data.images import ImageSet, Splits
from robust.data.memory import GB, fits
from robust.data.own import told
from robust.data.picture import Style, colour, fitted, flat
from robust.errors import ParameterError, check
from robust.progress import progressing
from robust.values.numbers import is_whole, plain


class Items(NamedTuple):
    """Pairs of a picture (of PIL, or an array of uint8) and a label (a number or a name), and how many they are."""

    pairs: Iterable[tuple[object, object]]
    total: int


class Wanted(NamedTuple):
    """What pictures are made into: squares of `size` pixels a side (None: as they are, of one size) with 1 or 3
    `channels` (None: as the first one has), over a `background` where they are transparent."""

    size: int | None
    channels: int | None
    background: str

    def check(self) -> None:
        """Raises ParameterError for what is none of that."""
        check("data.size", self.size, "a whole number >= 1, or null", self.size is None or is_whole(self.size, 1))
        check("data.channels", self.channels, "3 (colour), 1 (grey) or null", self.channels in (1, 3, None))
        colour(self.background)


def read_items(
    parts: Mapping[str, Items],
    classes: Sequence[str] | None,
    wanted: Wanted,
    title: str,
    *,
    cache: Path | None,
    listing: str,
) -> Splits:
    """The images of the parts `test` and, where there is one, `train`; kept in the file `cache` for this `listing` of
    what they depend on. Classes are named by `classes`; without them labels name them, numbers from 0. Raises
    ValueError for what is no picture or no label, for pictures of several sizes where `wanted` names none, and for
    more than fit into memory."""

    def read() -> dict[str, Any]:
        images, labels, asked = {}, {}, wanted
        for part, items in parts.items():
            images[part], labels[part] = _read(items, asked, f"reading {title}, {part}")
            asked = asked._replace(channels=images[part].shape[1])
        names = list(classes) if classes is not None else _names(label for some in labels.values() for label in some)
        numbers = {part: _numbers(some, names, title) for part, some in labels.items()}
        return {"images": images, "labels": numbers, "classes": names}

    content = kept(cache, listing, read)
    names = tuple(content["classes"])
    sets = {part: ImageSet(content["images"][part], content["labels"][part], names) for part in parts}
    return told(Splits(sets.get("train", sets["test"][:0]), sets["test"]), title)


def _read(items: Items, wanted: Wanted, title: str) -> tuple[Tensor, list[object]]:
    images, labels = np.empty(0, np.uint8), []
    for place, (given, label) in enumerate(progressing(items.pairs, title, "image", items.total)):
        picture = _picture(given, place)
        if not place:
            channels = wanted.channels or (1 if picture.mode in ("1", "L") or picture.mode.startswith("I") else 3)
            width, height = picture.size if wanted.size is None else (wanted.size, wanted.size)
            images = _room(items.total, channels, height, width)
        shown = flat(picture, style := Style(wanted.size or width, channels, colour(wanted.background)))
        shown = shown if wanted.size is None else fitted(shown, style)
        if shown.size != (width, height):
            rule = "given where pictures are of several sizes"
            raise ParameterError("data.size", rule, f"{width} x {height} and {shown.width} x {shown.height}")
        images[place] = np.asarray(shown).reshape(height, width, channels).transpose(2, 0, 1)
        labels.append(plain(label))
    return torch.from_numpy(images), labels


def _room(count: int, channels: int, height: int, width: int) -> np.ndarray:
    if not fits(size := count * channels * height * width):
        rule = "small enough for all images to fit into memory"
        advice = f"They take {size / GB:.1f} GB. Pictures in folders need not fit: data=folder."
        raise ParameterError("data.size", rule, height, advice)
    return np.empty((count, channels, height, width), np.uint8)


def _picture(given: object, place: int) -> Image.Image:
    if isinstance(given, Image.Image):
        return given
    try:
        return Image.fromarray(np.asarray(given))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Image {place} must be a picture of PIL, or an array of uint8 of shape (height, width) or (height, width, "
            f"3); got {type(given).__name__}."
        ) from error


def _names(labels: Iterable[object]) -> list[str]:
    different = {*labels}
    if any(isinstance(one, str) for one in different):
        return sorted(map(str, different))
    return [str(number) for number in range(1 + max((one for one in different if isinstance(one, int)), default=0))]


def _numbers(labels: Sequence[object], names: Sequence[str], title: str) -> Tensor:
    """The place of each label's class."""
    places = {name: place for place, name in enumerate(names)}
    found = [label if isinstance(label, Integral) else places.get(str(label)) for label in labels]
    if None in found:
        odd = labels[found.index(None)]
        raise ValueError(f"{title} must have one class for each image, a number or a name; got {odd!r}.")
    return torch.tensor([int(one) for one in found if one is not None], dtype=torch.int64)
