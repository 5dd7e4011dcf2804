"""The scenes: objects over photographs, and what is known of each."""

import functools
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import torch
from torch import Tensor
from tqdm.auto import tqdm

from robust.data.cache import digest, digest_of_images, kept
from robust.data.images import ImageSet, Splits, fixed_order
from robust.data.scenes.backgrounds import Backgrounds, open_backgrounds
from robust.data.scenes.rendering import RANGES, Camera, draw_all
from robust.data.scenes.shapes import SHAPES, read_shape
from robust.perturb.random import ImageRandom, key

NONE = "none"
_VERSION = 1  # of how scenes are drawn; another one draws kept sets anew
_DRAWINGS_A_JOB = 250
_WORTH_WORKERS = 2_000  # drawings; to start the workers takes some seconds


def scenes(
    *,
    objects: Mapping[str, Mapping[str, Any]],
    parameters: Sequence[str] = ("pitch", "yaw", "roll"),
    backgrounds: str = "photographs",
    train: int = 40_000,
    test: int = 10_000,
    none: bool = True,
    size: int = 64,
    samples: int = 2,
    seed: int = 0,
    cache_dir: str | None = None,
) -> Splits:
    """Grey images of rendered objects over photographs (Berntsen et al. 2016, section 3.1).

    A class for each of `objects`, by name: its `mesh` (see `read_shape`), and on request `size`, `turn`, and the
    camera's `distance` and `height`; the last class, with `none=True`, is a bare photograph. `train` and `test` images
    a class, `size` pixels wide. `parameters`, of RANGES, are drawn uniformly from theirs.

    `extras` of the sets: `parameters`, float32 of shape (n, parameters), in [0, 1]; `drawing`, the object on black, and
    `alpha`, uint8 of shape (n, 1, size, size); all zero for a bare photograph; and `is_object`, bool. Every image
    belongs to (`seed`, part, class, its number). Raises ValueError or FileNotFoundError for what cannot be drawn.
    """
    _check(objects, parameters, {"train": train, "test": test, "size": size, "samples": samples})
    cache = Path(cache_dir) if cache_dir else None
    shown = [_Shown(name, **description) for name, description in objects.items()]
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
        draw = functools.partial(
            _draw, shown, parameters, behind, part=part, count=count, size=size, samples=samples, seed=seed
        )
        listing = digest(about)
        drawn = kept(cache / f"scenes-{part}-{listing[:16]}.pt" if cache else None, listing, draw)
        sets.append(_as_set(drawn, tuple(objects), none))
        digests.append(drawn["digest"])
    return Splits(sets[0], sets[1], digest([*digests, none]))


class _Shown:
    """An object and how the camera sees it."""

    def __init__(
        self,
        name: str,
        *,
        mesh: str,
        size: float | None = None,
        turn: Sequence[float] = (0, 0, 0),
        distance: float = 3.0,
        height: float = 0.0,
    ):
        self.name = name
        self.shape = read_shape(mesh, size=size, turn=turn)
        self.distance, self.height = distance, height
        meshes = [self.shape.body, *([self.shape.joint.part] if self.shape.joint else [])]
        self.identity = [name, distance, height, *(digest(mesh.triangles.round(6).tolist()) for mesh in meshes)]

    def camera(self, size: int, samples: int) -> Camera:
        return Camera(self.distance, self.height, size=size, samples=samples)


def _check(objects: Mapping[str, Mapping[str, Any]], parameters: Sequence[str], numbers: Mapping[str, int]) -> None:
    for name, value in numbers.items():
        if not (isinstance(value, int) and value >= 1):
            raise ValueError(f"`data.{name}` must be a whole number >= 1; got {value}.")
    if not objects or NONE in objects:
        raise ValueError(
            f"`data.objects` must name at least one object, none of them {NONE!r}; got {', '.join(objects)}."
        )
    if unknown := [name for name in parameters if name not in RANGES]:
        raise ValueError(f"`data.parameters` must be among {', '.join(RANGES)}; got {', '.join(unknown)}.")
    if not parameters or len(set(parameters)) < len(parameters):
        raise ValueError(f"`data.parameters` must name at least one, and none twice; got {', '.join(parameters)}.")
    allowed = set(inspect.signature(_Shown).parameters) - {"name"}
    for name, description in objects.items():
        if "mesh" not in description or not set(description) <= allowed:
            raise ValueError(
                f"`data.objects.{name}` must have a mesh, and may have {', '.join(sorted(allowed - {'mesh'}))}; "
                f"got {', '.join(description)}."
            )
        if "joint" in parameters and description["mesh"] not in SHAPES:
            raise ValueError(
                f"`data.parameters` must not name joint with the mesh {description['mesh']}: only {', '.join(SHAPES)} "
                "have one."
            )


def _draw(
    shown: Sequence[_Shown],
    parameters: Sequence[str],
    backgrounds: Backgrounds,
    *,
    part: str,
    count: int,
    size: int,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """All scenes of a part: of each class `count`, those to train on in a fixed random order."""
    total = (len(shown) + 1) * count
    place = fixed_order(total).argsort() if part == "train" else torch.arange(total)
    images, drawings, alphas = (torch.zeros(total, 1, size, size, dtype=torch.uint8) for _ in range(3))
    labels, values = torch.empty(total, dtype=torch.int64), torch.zeros(total, len(parameters))
    jobs = []
    for label, name in enumerate([*(one.name for one in shown), NONE]):
        for start in range(0, count, _DRAWINGS_A_JOB):
            numbers = torch.arange(start, min(start + _DRAWINGS_A_JOB, count))
            rows, random = place[label * count + numbers], ImageRandom(key("scene", seed, part, name), numbers)
            labels[rows] = label
            images[rows, 0] = backgrounds.draw(random)
            if name != NONE:
                values[rows] = random.uniform(len(parameters))
                jobs.append((shown[label], rows))
    draw = joblib.delayed(draw_all)
    calls = (draw(one.shape, one.camera(size, samples), parameters, values[rows].numpy()) for one, rows in jobs)
    workers = -1 if len(jobs) * _DRAWINGS_A_JOB >= _WORTH_WORKERS else 1
    with tqdm(total=total - count, desc=f"drawing {part}", unit="image", disable=None, delay=1) as bar:
        for (_, rows), (drawing, alpha) in zip(
            jobs, joblib.Parallel(workers, return_as="generator")(calls), strict=True
        ):
            drawings[rows, 0], alphas[rows, 0] = torch.from_numpy(drawing), torch.from_numpy(alpha)
            images[rows] = over(images[rows], drawings[rows], alphas[rows])
            bar.update(len(rows))
    drawn = {"images": images, "labels": labels, "parameters": values, "drawing": drawings, "alpha": alphas}
    return {**drawn, "digest": digest_of_images("", drawn.values())}


def over(backgrounds: Tensor, drawings: Tensor, alphas: Tensor) -> Tensor:
    """Objects on black laid over backgrounds; all uint8."""
    behind = (255 - alphas.int()) * backgrounds.int()
    return (drawings.int() + (behind + 127) // 255).clamp_(max=255).to(torch.uint8)


def _as_set(drawn: Mapping[str, Any], names: tuple[str, ...], none: bool) -> ImageSet:
    extras = {name: drawn[name] for name in ("parameters", "drawing", "alpha")}
    extras["is_object"] = drawn["labels"] < len(names)
    whole = ImageSet(drawn["images"], drawn["labels"], (*names, NONE), extras)
    if none:
        return whole
    objects = whole[extras["is_object"]]
    return ImageSet(objects.images, objects.labels, names, objects.extras)
