"""The scenes: objects over photographs, and what is known of each."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robust.data.cache import digest, kept
from robust.data.images import ImageSet, Splits
from robust.errors import require
from robust.studies.minds_eye.scenes.backgrounds import open_backgrounds
from robust.studies.minds_eye.scenes.composition import NONE

_VERSION = 1  # of how scenes are drawn; another one draws kept sets anew


def scenes(
    *,
    objects: Mapping[str, Mapping[str, Any]],
    parameters: Sequence[str] = ("pitch", "yaw", "roll"),
    backgrounds: str = "photographs",
    train: int = 40_000,
    test: int = 10_000,
    background_class: bool = True,
    size: int = 64,
    samples: int = 2,
    seed: int = 0,
    cache_dir: str | None = None,
) -> Splits:
    """Grey images of rendered objects over photographs (Berntsen et al. 2016, section 3.1).

    A class for each of `objects`, by name: its `mesh` (see `read_shape`), and on request `size`, `turn`, and the
    camera's `distance` and `height`; the last class, with `background_class`, is a bare photograph. `train` and `test`
    images a class, `size` pixels wide. `parameters`, of RANGES, are drawn uniformly from theirs.

    `extras` of the sets: `parameters`, float32 of shape (n, parameters), in [0, 1]; `drawing`, the object on black, and
    `alpha`, uint8 of shape (n, 1, size, size); all zero for a bare photograph; and `is_object`, bool. Every image
    belongs to (`seed`, part, class, its number). Raises ValueError or FileNotFoundError for what cannot be drawn.
    """
    for module in ("trimesh", "embreex", "skimage"):
        require(module, what="`data=scenes`", extra="scenes")
    from robust.studies.minds_eye.scenes.drawing import Shown, check, draw

    check(objects, parameters, {"train": train, "test": test, "size": size, "samples": samples})
    cache = Path(cache_dir) if cache_dir else None
    shown = [Shown(name, **description) for name, description in objects.items()]
    sets, digests = [], []
    for part, count in (("train", train), ("test", test)):
        behind = open_backgrounds(backgrounds, part, size=size, cache_dir=cache)
        about = [
            _VERSION,
            part,
            count,
            list(parameters),
            size,
            samples,
            seed,
            behind.identity,
            [one.identity for one in shown],
        ]
        make = functools.partial(
            draw, shown, parameters, behind, part=part, count=count, size=size, samples=samples, seed=seed
        )
        listing = digest(about)
        drawn = kept(cache / f"scenes-{part}-{listing[:16]}.pt" if cache else None, listing, make)
        sets.append(_as_set(drawn, tuple(objects), background_class))
        digests.append(drawn["digest"])
    return Splits(sets[0], sets[1], digest([*digests, background_class]))


def _as_set(drawn: Mapping[str, Any], names: tuple[str, ...], background_class: bool) -> ImageSet:
    extras = {name: drawn[name] for name in ("parameters", "drawing", "alpha")}
    extras["is_object"] = drawn["labels"] < len(names)
    whole = ImageSet(drawn["images"], drawn["labels"], (*names, NONE), extras, background=len(names))
    if background_class:
        return whole
    objects = whole[extras["is_object"]]
    return ImageSet(objects.images, objects.labels, names, objects.extras)
