"""One picture of a file: whatever Pillow reads, as it looks, in 8 bits."""

import functools
import os
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from robust.errors import ParameterError

# of what Pillow names, what it cannot decode (all but EPS), or has another program run (EPS)
_UNREADABLE = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
LONG = 10  # times as long as wide: of a longer picture next to nothing is in its middle
_ORIENTATION = 0x0112  # in EXIF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # tags of TIFF


class Style(NamedTuple):
    """What pictures are made into: squares of `size` pixels a side, with 1 or 3 `channels`, over a `background` (red,
    green, blue) where they are transparent; of a picture whose shorter side was resized to `resize` pixels (None: to
    `size`)."""

    size: int
    channels: int
    background: tuple[int, ...] = (255, 255, 255)
    resize: int | None = None


@functools.cache
def suffixes() -> dict[str, str]:
    """The formats that are read, in Pillow's words, by a file's suffix."""
    known = Image.registered_extensions()
    return {suffix: name for suffix, name in known.items() if name in Image.OPEN and name not in _UNREADABLE}


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for an image."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes()


def shown(path: str) -> str:
    """A path as it can be printed: what is no text is escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def colour(name: str) -> tuple[int, ...]:
    """The red, green and blue of a background, each from 0 to 255. Raises ParameterError for what is no colour."""
    try:
        return ImageColor.getrgb(name)[:3]
    except (ValueError, AttributeError):
        raise ParameterError("data.background", "a colour such as white, black or '#808080'", name) from None


def fitted(picture: Image.Image, style: Style) -> Image.Image:
    """A picture's middle, of the style's size, after its shorter side was resized."""
    size, resize = style.size, style.resize
    if resize is None:
        fits = picture.size == (size, size)
        return picture if fits else ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR)
    short = min(picture.size)
    if max(picture.size) > LONG * short:  # resized whole, it might not fit into memory
        picture = ImageOps.fit(picture, tuple(min(side, LONG * short) for side in picture.size))  # type: ignore[arg-type]
    if short != resize:
        width, height = (resize if side == short else resize * side // short for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (round((side - size) / 2) for side in picture.size)
    return picture.crop((left, top, left + size, top + size))


def read_picture(path: str, style: Style) -> tuple[Image.Image, list[str]]:
    """The picture of a file, in colour or grey, of its own size, and what is to be said of it. Raises ValueError, with
    the file's name, for one that cannot be read."""
    formats = sorted({*suffixes().values()})  # whatever the suffix says
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=formats) as image:
            animated = bool(getattr(image, "is_animated", False)) and image.format != "MPO"  # a telephone's photograph
            image.load()  # before it is asked for its orientation: some formats turn it themselves
            turn, notes = _turn(image)
            picture = flat(image, style)
    except Exception as error:  # a decoder may raise anything
        reason = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
        raise ValueError(f"The image {shown(path)} cannot be read ({reason}). Repair or remove it.") from error
    if animated:
        notes.append("holds several pictures, of which the first is read")
    return (picture if turn is None else picture.transpose(turn)), notes


def _turn(image: Image.Image) -> tuple[Image.Transpose | None, list[str]]:
    """How the camera was held, as EXIF says; what says something else is not believed."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1)), []
    except Exception:  # noqa: BLE001, damaged: the picture itself is not
        return None, ["has a damaged EXIF, which may say how to turn it"]


def flat(image: Image.Image, style: Style) -> Image.Image:
    """A picture in colour or grey, as the style says, over its background where it is transparent. Raises ValueError
    for values whose range is not known."""
    mode = "RGB" if style.channels == 3 else "L"
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode == "F":
        raise ValueError("it holds floating-point values; convert it to 8 or 16 bits")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if alpha is None:
        return image.convert(mode)
    over = image.convert("RGBA")
    over.putalpha(alpha)
    behind = Image.new("RGBA", image.size, (*style.background, 255))
    return Image.alpha_composite(behind, over).convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of up to 16 bits, of which Pillow would clip what is above 255."""
    tags = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]
    if tags and image.mode == "I":
        raise ValueError("it holds signed integers or such of 32 bits, whose range is not known; convert it to 16 bits")
    values, bits = np.asarray(image), tags.get(_BITS, (16,))[0]
    low, high = int(values.min()), int(values.max())
    if not 0 <= low <= high < 2**bits:
        raise ValueError(f"its values are from {low} to {high}, not from 0 to {2**bits - 1}; convert it to 16 bits")
    grey = (values >> (bits - 8)).astype(np.uint8)
    return Image.fromarray(255 - grey if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else grey)
