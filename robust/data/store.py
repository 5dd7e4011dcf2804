"""A data set that is perturbed ahead of time and kept as images, with a manifest of what was done to each."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from robust.data.images import ImageSet, Splits, to_float
from robust.errors import check, started
from robust.files import atomic_write
from robust.files.places import check_inside, file_name
from robust.perturb import ImageRandom, Perturbation, key
from robust.progress import progressing
from robust.values.secrets import masked_word

_AT_ONCE = 500  # images that are perturbed together
_SETTINGS, MANIFEST = "settings.json", "manifest.parquet"


@dataclass(frozen=True)
class _Part:
    """Images that go to one part of the stored set."""

    name: str  # train or test
    source: str  # of which part of the data set they are
    indices: Tensor  # int64: which of it


def store(
    folder: Path,
    splits: Splits,
    perturbations: Sequence[Perturbation],
    *,
    seed: int = 0,
    share: float = 1.0,
    held_out: float | None = None,
    settings: Sequence[str] = (),
    progress: bool = False,
) -> pd.DataFrame:
    """Stores these images, perturbed, in `folder`, once for each perturbation, and returns its manifest.

    Columns: file, part, source (train or test), index (of the source), class, perturbation, level, and `drawn`, what
    was drawn for the image, as JSON. A perturbation is drawn by (seed, perturbation, image). Of a `share` below 1 the
    other images stay as they are, stored once. The test part is made of the test images, or of the share `held_out` of
    each class's training images. `settings` say in words what is stored: a folder that holds a set of others is left
    alone. Images have 8 bits, which swallow changes below 1/510. Raises ValueError for what does not fit, before
    anything is written.
    """
    names = [one.name for one in perturbations]
    check("perturb", ",".join(names), "different perturbations", len(set(names)) == len(names))
    check("share", share, "from 0 to 1", 0 <= share <= 1)
    held = _held_out(splits, seed, held_out)
    for perturbation in perturbations:
        perturbation.check(splits.train.shape)
    places = [
        folder / part.name / file_name(name)
        for part in _parts(splits, held)
        for name in getattr(splits, part.source).classes
    ]
    for place in places:
        check_inside(place / MANIFEST, folder)
    _claim(
        folder,
        {"settings": sorted(map(masked_word, settings)), "share": share, "held_out": held_out, "digest": splits.digest},
    )
    with started():  # what there is now is a part of the set
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        lines = []
        for part in _parts(splits, held):
            images = getattr(splits, part.source)
            for number, perturbation in enumerate(perturbations):
                title = f"{part.name}: {perturbation.name}" if progress else None
                # An image that stays as it is is stored once, however many perturbations there are.
                lines += _store_part(folder, part, images, perturbation, seed, share, title, natural=not number)
        manifest = pd.DataFrame(lines)
        atomic_write(folder / MANIFEST, manifest.to_parquet(index=False, compression="zstd"))
        return manifest


def _claim(folder: Path, about: dict[str, Any]) -> None:
    """Says what the folder holds. Raises ValueError where it holds something else."""
    path = folder / _SETTINGS
    if path.is_file():
        if json.loads(path.read_text()) != about:
            raise ValueError(f"{folder} holds a set that was made with other settings ({path}). Name another folder.")
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds something else. Name another folder.")
    else:
        atomic_write(path, json.dumps(about, indent=2) + "\n")


def _held_out(splits: Splits, seed: int, share: float | None) -> Tensor | None:
    """Which training images are held out, boolean: of each class this share; None for None. Raises ValueError where a
    class would have none to train on, or none to test."""
    if share is None:
        return None
    train = splits.train
    drawn = ImageRandom(key("held out", seed), torch.arange(len(train))).uniform()
    held = torch.zeros(len(train), dtype=torch.bool)
    for label, name in enumerate(train.classes):
        mine = (train.labels == label).nonzero()[:, 0]
        count = round(share * len(mine)) if 0 < share < 1 else 0
        if not 0 < count < len(mine):
            raise ValueError(
                f"`held_out` must leave every class images to train on and images to test; got {share}, of the "
                f"{len(mine)} images of {name}. It is a share, such as 0.15."
            )
        held[mine[drawn[mine].argsort(stable=True)[:count]]] = True
    return held


def _parts(splits: Splits, held: Tensor | None) -> Iterator[_Part]:
    if held is None:
        yield _Part("train", "train", torch.arange(len(splits.train)))
        yield _Part("test", "test", torch.arange(len(splits.test)))
    else:
        yield _Part("train", "train", (~held).nonzero()[:, 0])
        yield _Part("test", "train", held.nonzero()[:, 0])


def _store_part(
    folder: Path,
    part: _Part,
    images: ImageSet,
    perturbation: Perturbation,
    seed: int,
    share: float,
    title: str | None,
    natural: bool,
) -> list[dict[str, Any]]:
    """Stores the images that are not there yet; a line of the manifest for each."""
    drawn = ImageRandom(key("stored share", seed, part.source), part.indices).uniform()
    changed = torch.zeros(len(part.indices), dtype=torch.bool)
    changed[drawn.argsort(stable=True)[: round(share * len(drawn))]] = True
    lines = []
    starts = range(0, len(part.indices), _AT_ONCE)
    for start in progressing(starts, title, "block", len(starts)):
        rows, which = part.indices[start : start + _AT_ONCE], changed[start : start + _AT_ONCE]
        random = ImageRandom(key("store", seed, part.source, perturbation.name, perturbation.level), rows[which])
        parameters = perturbation.sample(random, images.shape)
        asked = file_name(f"{perturbation.name}-{perturbation.level:g}")
        done = [
            _line(part, images, row, asked, perturbation.describe(parameters, place))
            for place, row in enumerate(random.indices.tolist())
        ]
        if any(not (folder / line["file"]).is_file() for line in done):
            result = perturbation.apply_transform(to_float(images.images[rows[which]]), **parameters)
            _keep(folder, done, (result * 255).round().to(torch.uint8))
        if natural:
            about = {"perturbation": "natural", "level": 0.0}
            left = [_line(part, images, row, "natural", about) for row in rows[~which].tolist()]
            _keep(folder, left, images.images[rows[~which]])
            done = sorted(done + left, key=lambda line: line["index"])
        lines += done
    return lines


def _line(part: _Part, images: ImageSet, row: int, asked: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """An image's line of the manifest: what was `asked` for, and what was done."""
    name = images.classes[int(images.labels[row])]
    drawn = dict(about)
    perturbation, level = drawn.pop("perturbation"), float(drawn.pop("level"))
    file = Path(part.name) / file_name(name) / f"{part.source}-{row:06d}-{asked}.png"
    return {
        "file": str(file),
        "part": part.name,
        "source": part.source,
        "index": row,
        "class": name.encode(errors="backslashreplace").decode(),
        "perturbation": perturbation,
        "level": level,
        "drawn": json.dumps(drawn),
    }


def _keep(folder: Path, lines: Sequence[Mapping[str, Any]], images: Tensor) -> None:
    """Writes the images that are not there yet, uint8, one for each line of the manifest."""
    for line, image in zip(lines, images, strict=True):
        if not (folder / line["file"]).is_file():
            content = io.BytesIO()
            pixels = image.permute(1, 2, 0).numpy()
            Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(content, "PNG")
            atomic_write(folder / line["file"], content.getvalue(), durable=False)
