"""Drawing the objects of a set, and laying them over what stands behind."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import joblib
import torch

from robust.data.cache import digest, digest_of_images
from robust.data.images import fixed_order
from robust.errors import notify
from robust.perturb.random import ImageRandom, key
from robust.progress import Progress
from robust.studies.minds_eye.scenes.backgrounds import Backgrounds
from robust.studies.minds_eye.scenes.composition import NONE, RANGES, over
from robust.studies.minds_eye.scenes.rendering import Camera, draw_all
from robust.studies.minds_eye.scenes.shapes import SHAPES, read_shape
from robust.values.numbers import is_whole

_DRAWINGS_A_JOB = 250
_WORTH_WORKERS = 2_000  # drawings; to start the workers takes some seconds


class Shown:
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


def check(objects: Mapping[str, Mapping[str, Any]], parameters: Sequence[str], numbers: Mapping[str, int]) -> None:
    """Raises ValueError for what cannot be drawn; `numbers` must be whole and at least 1."""
    for name, value in numbers.items():
        if not is_whole(value, 1):
            raise ValueError(f"`data.{name}` must be a whole number >= 1; got {value}.")
    if not objects or NONE in objects:
        raise ValueError(
            f"`data.objects` must name at least one object, none of them {NONE!r}; got {', '.join(objects)}."
        )
    if unknown := [name for name in parameters if name not in RANGES]:
        raise ValueError(f"`data.parameters` must be among {', '.join(RANGES)}; got {', '.join(unknown)}.")
    if not parameters or len(set(parameters)) < len(parameters):
        raise ValueError(f"`data.parameters` must name at least one, and none twice; got {', '.join(parameters)}.")
    allowed = set(inspect.signature(Shown).parameters) - {"name"}
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


def draw(
    shown: Sequence[Shown],
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
    if total >= _WORTH_WORKERS:
        notify(f"{total:,} scenes ({part}) are drawn first, which takes minutes; data.cache_dir keeps them.")
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
    job = joblib.delayed(draw_all)
    calls = (job(one.shape, one.camera(size, samples), parameters, values[rows].numpy()) for one, rows in jobs)
    workers = -1 if len(jobs) * _DRAWINGS_A_JOB >= _WORTH_WORKERS else 1
    with Progress(f"drawing {part}", total - count, "image") as progress:
        for (_, rows), (drawing, alpha) in zip(
            jobs, joblib.Parallel(workers, return_as="generator")(calls), strict=True
        ):
            drawings[rows, 0], alphas[rows, 0] = torch.from_numpy(drawing), torch.from_numpy(alpha)
            images[rows] = over(images[rows], drawings[rows], alphas[rows])
            progress.add(len(rows))
    drawn = {"images": images, "labels": labels, "parameters": values, "drawing": drawings, "alpha": alphas}
    return {**drawn, "digest": digest_of_images("", drawn.values())}
