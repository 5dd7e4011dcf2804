"""`python -m robust.store FOLDER`: a data set that is perturbed ahead of time and kept as images."""

import argparse
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust.errors import reported

_AT_ONCE = 500  # images that are perturbed together
_SETTINGS, MANIFEST = "settings.json", "manifest.parquet"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.store",
        description="Stores a perturbed data set as PNG images, to be read with data=folder data.path=FOLDER, with a "
        "manifest of what was done to each. The same command again goes on where it was interrupted.",
    )
    parser.add_argument("folder", type=Path, help="where it goes: FOLDER/train/CLASS/*.png and FOLDER/test/CLASS/*.png")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help="as for train.py: data=tiny_imagenet, perturb=world, perturb.level=1, seed=0; several perturbations "
        "(perturb=shift,zoom) store each image once for each",
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the images that are perturbed, from 0 to 1 (1)")
    parser.add_argument(
        "--held-out",
        type=float,
        default=None,
        help="the share of the training images that becomes FOLDER/test (default: the data set's test images do)",
    )
    arguments = parser.parse_args()

    manifest = store(
        arguments.folder, arguments.settings, share=arguments.share, held_out=arguments.held_out, progress=True
    )
    counts = manifest.groupby("part", sort=False).size()
    print(f"{', '.join(f'{count} in {part}' for part, count in counts.items())}: {arguments.folder}")


@dataclass(frozen=True)
class _Part:
    """Images that go to one part of the stored set."""

    name: str  # train or test
    source: str  # of which part of the data set they are
    indices: Any  # int64: which of it


def store(
    folder: Path,
    settings: Sequence[str] = (),
    *,
    share: float = 1.0,
    held_out: float | None = None,
    progress: bool = False,
) -> Any:
    """Stores a perturbed data set in `folder`, and returns its manifest, a data frame: file, part, source (train or
    test), index (of the source), class, perturbation, level, and `drawn`, what was drawn for the image, as JSON.

    `settings` are those of the command line; a perturbation is drawn by (seed, perturbation, image). Of a `share` below
    1 the other images stay as they are. Images have 8 bits, which swallow changes below 1/510. Raises ValueError for
    settings that do not fit, or where `folder` holds a set of others.
    """
    import pandas as pd

    from robust.experiment.build import build_perturbation, build_splits
    from robust.experiment.compose import compose, each_perturbation
    from robust.experiment.validate import check_values
    from robust.files import atomic_write

    configs = [compose(job) for job in each_perturbation(settings, perturb="world")]
    config = configs[0]
    check_values(config)
    perturbations = [built for one in configs if (built := build_perturbation(one.perturb)) is not None]
    names = [one.name for one in perturbations]
    if len(set(names)) < len(names):
        raise ValueError(f"`perturb` must name each perturbation once; got {','.join(names)}.")
    if not 0 <= share <= 1:
        raise ValueError(f"`--share` must be from 0 to 1; got {share}.")
    splits = build_splits(config.data, seed=config.seed)
    held = _held_out(splits, config.seed, held_out)
    for perturbation in perturbations:
        perturbation.check(splits.train.shape)
    _claim(folder, {"settings": sorted(settings), "share": share, "held_out": held_out, "digest": splits.digest})
    lines = []
    for part in _parts(splits, held):
        images = getattr(splits, part.source)
        for name in images.classes:
            (folder / part.name / _file_name(name)).mkdir(parents=True, exist_ok=True)
        for place, perturbation in enumerate(perturbations):
            title = f"{part.name}: {perturbation.name}" if progress else None
            # An image that stays as it is is stored once, however many perturbations there are.
            lines += _store_part(folder, part, images, perturbation, config.seed, share, title, natural=not place)
    manifest = pd.DataFrame(lines)
    atomic_write(folder / MANIFEST, manifest.to_parquet(index=False, compression="zstd"))
    return manifest


def _claim(folder: Path, about: dict[str, Any]) -> None:
    """Says what the folder holds. Raises ValueError where it holds something else."""
    from robust.files import atomic_write

    path = folder / _SETTINGS
    if path.is_file():
        if json.loads(path.read_text()) != about:
            raise ValueError(f"{folder} holds a set that was made with other settings ({path}). Name another folder.")
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds something else. Name another folder.")
    else:
        atomic_write(path, json.dumps(about, indent=2) + "\n")


def _held_out(splits: Any, seed: int, share: float | None) -> Any:
    """Which training images are held out, boolean: of each class this share; None for None. Raises ValueError where a
    class would have none to train on, or none to test."""
    import torch

    from robust.perturb import ImageRandom, key

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
                f"`--held-out` must leave every class images to train on and images to test; got {share}, of the "
                f"{len(mine)} images of {name}. It is a share, such as 0.15."
            )
        held[mine[drawn[mine].argsort(stable=True)[:count]]] = True
    return held


def _parts(splits: Any, held: Any) -> Iterator[_Part]:
    import torch

    if held is None:
        yield _Part("train", "train", torch.arange(len(splits.train)))
        yield _Part("test", "test", torch.arange(len(splits.test)))
    else:
        yield _Part("train", "train", (~held).nonzero()[:, 0])
        yield _Part("test", "train", held.nonzero()[:, 0])


def _store_part(
    folder: Path, part: _Part, images: Any, perturbation: Any, seed: int, share: float, title: str | None, natural: bool
) -> list[dict[str, Any]]:
    """Stores the images that are not there yet; a line of the manifest for each."""
    import torch
    from tqdm.auto import tqdm

    from robust.data import to_float
    from robust.perturb import ImageRandom, key

    drawn = ImageRandom(key("stored share", seed, part.source), part.indices).uniform()
    changed = torch.zeros(len(part.indices), dtype=torch.bool)
    changed[drawn.argsort(stable=True)[: round(share * len(drawn))]] = True
    lines = []
    bar = tqdm(total=len(part.indices), desc=title, unit="image", disable=None if title else True, delay=1)
    for start in range(0, len(part.indices), _AT_ONCE):
        rows, which = part.indices[start : start + _AT_ONCE], changed[start : start + _AT_ONCE]
        random = ImageRandom(key("store", seed, part.source, perturbation.name, perturbation.level), rows[which])
        parameters = perturbation.sample(random, images.shape)
        asked = f"{perturbation.name}-{perturbation.level:g}"
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
        bar.update(len(rows))
    bar.close()
    return lines


def _line(part: _Part, images: Any, row: int, asked: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """An image's line of the manifest: what was `asked` for, and what was done."""
    name = images.classes[int(images.labels[row])]
    drawn = dict(about)
    perturbation, level = drawn.pop("perturbation"), float(drawn.pop("level"))
    file = Path(part.name) / _file_name(name) / f"{part.source}-{row:06d}-{asked}.png"
    return {
        "file": str(file),
        "part": part.name,
        "source": part.source,
        "index": row,
        "class": name,
        "perturbation": perturbation,
        "level": level,
        "drawn": json.dumps(drawn),
    }


def _keep(folder: Path, lines: Sequence[Mapping[str, Any]], images: Any) -> None:
    """Writes the images that are not there yet, uint8, one for each line of the manifest."""
    from PIL import Image

    from robust.files import atomic_write

    for line, image in zip(lines, images, strict=True):
        if not (folder / line["file"]).is_file():
            content = io.BytesIO()
            pixels = image.permute(1, 2, 0).numpy()
            Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(content, "PNG")
            atomic_write(folder / line["file"], content.getvalue(), durable=False)


def _file_name(name: str) -> str:
    """A class's name as a folder's."""
    return name.replace("/", "_").lstrip(".") or "_"


if __name__ == "__main__":
    reported(main)
