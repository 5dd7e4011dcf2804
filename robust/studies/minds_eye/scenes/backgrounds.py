"""What stands behind the objects: grey photographs, others for training than for testing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robust.data.cache import digest, kept
from robust.data.decode import decode
from robust.data.picture import Style, is_image
from robust.perturb.random import ImageRandom

#: which of scikit-image's photographs are whose
_PHOTOGRAPHS = {
    "train": (
        "astronaut",
        "brick",
        "camera",
        "coffee",
        "coins",
        "grass",
        "hubble_deep_field",
        "moon",
        "motorcycle_left",
    ),
    "test": ("chelsea", "clock_motion", "gravel", "retina", "rocket"),
}
# folders of each part, the first that is there; Tiny-ImageNet tests on `val`
_PARTS = {
    "train": ("train",),
    "test": ("val", "test"),
}
_FEWEST = 20  # images of a part: fewer would be learnt by heart


@dataclass(frozen=True)
class Backgrounds:
    """Grey images to draw from: `draw` gives as many as there are draws, uint8 of shape (n, size, size); `identity`
    tells these backgrounds from others."""

    draw: Callable[[ImageRandom], Tensor]
    identity: str


def photographs(part: str, *, size: int) -> Backgrounds:
    """Random crops of the photographs that scikit-image carries, each of a random place, size and side."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    files = [next(folder.glob(f"{name}.*g")) for name in _PHOTOGRAPHS[part]]
    pictures = [Image.open(file).convert("L") for file in files]

    def draw(random: ImageRandom) -> Tensor:
        which, place = random.integers(len(pictures)), random.uniform(4)
        crops = [
            _crop(pictures[number], draws, size) for number, draws in zip(which.tolist(), place.tolist(), strict=True)
        ]
        return torch.from_numpy(np.stack(crops))

    return Backgrounds(draw, "photographs")


def _crop(picture: Image.Image, draws: list[float], size: int) -> np.ndarray:
    """A square of the picture, at least `size` wide, made that wide; every second one is mirrored."""
    widest = min(picture.size)
    side = size + int(draws[0] * (widest - size + 1))
    left, top = (int(draw * (length - side + 1)) for draw, length in zip(draws[1:3], picture.size, strict=True))
    square = picture.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(square)[:, ::-1] if draws[3] < 0.5 else np.asarray(square)


def open_backgrounds(source: str, part: str, *, size: int, cache_dir: Path | None) -> Backgrounds:
    """The backgrounds that `data.backgrounds` names: `photographs`, or a folder."""
    if source == "photographs":
        return photographs(part, size=size)
    return in_folder(source, part, size=size, cache_dir=cache_dir)


def in_folder(path: str, part: str, *, size: int, cache_dir: Path | None) -> Backgrounds:
    """The images of a folder in grey: those anywhere in its `train`, or in its `test` or `val`; the middle of each,
    its shorter side `size` pixels.

    Raises FileNotFoundError where a folder is missing, ValueError where it holds too few images, or one that cannot be
    read or is too small.
    """
    root = Path(path)
    folders = [root / name for name in _PARTS[part] if (root / name).is_dir()]
    if not folders:
        names = " or ".join(_PARTS[part])
        raise FileNotFoundError(
            f"`data.backgrounds` must be photographs, or a folder that holds train and test (or val); "
            f"there is no {names} in {root}."
        )
    files = sorted(file for file in folders[0].rglob("*") if is_image(file.name) and file.is_file())
    if len(files) < _FEWEST:
        raise ValueError(
            f"`data.backgrounds` must hold at least {_FEWEST} images for each part; {folders[0]} holds {len(files)}."
        )
    stats = [(str(file.relative_to(root)), file.stat()) for file in files]
    listing = digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])
    title = f"reading {root.name}/{folders[0].name}"
    name = f"grey-{root.name}-{folders[0].name}-{size}-{digest(str(root.resolve()))[:16]}.pt"
    content = kept(
        cache_dir / name if cache_dir else None,
        listing,
        lambda: {"images": decode([str(file) for file in files], Style(size, 1), title, least=size)[0]},
    )
    images = content["images"][:, 0]
    return Backgrounds(lambda random: images[random.integers(len(images))], listing)
