"""What the stages of a mind's eye make of images."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from robust.data import ImageSet, to_float
from robust.models import device_of
from robust.perturb import ImageRandom, key
from robust.progress import progressing
from robust.runs import RunFolder
from robust.studies.minds_eye.networks import TripleStaged, View

#: the files of a run's folder that hold what `measure_stages` and `take_views` gave
STAGES, VIEWS = "stages.parquet", "views.npz"
_ARRAYS = {"queries": 3, "labels": 1, "scores": 2, "pasted": 4, "pasted_labels": 1, "classes": 1} | dict.fromkeys(
    ("drawings", "alphas", "similarities", "weights"), 4
)
_SHOWN = 4  # images of each class that are kept to be looked at
_PASTED = 1_000  # drawings that are kept, over new backgrounds


@dataclass(frozen=True)
class Views:
    """A few images as the network saw them, and its drawings over photographs that it never saw them on.

    `queries`, uint8 of shape (n, height, width), with their `labels`; for each and each assumed class the `drawings`,
    `alphas` (uint8, (n, classes, height, width)), `similarities` and `weights` (uint8, 9 pixels smaller) and `scores`,
    (n, classes). `pasted`, uint8 of shape (m, 1, height, width), and `pasted_labels`. `classes` are names, the last of
    which is no object.
    """

    queries: np.ndarray
    labels: np.ndarray
    drawings: np.ndarray
    alphas: np.ndarray
    similarities: np.ndarray
    weights: np.ndarray
    scores: np.ndarray
    pasted: np.ndarray
    pasted_labels: np.ndarray
    classes: np.ndarray


def read_stages(folder: RunFolder) -> pd.DataFrame | None:
    """What the stages of a run's network made of each test image (see `measure_stages`); None where it has none."""
    return folder.read_extra_table(STAGES, ("image", "label"))


def read_views(folder: RunFolder) -> Views | None:
    """A few test images as a run's network saw them."""
    arrays = folder.read_extra_arrays(VIEWS, _ARRAYS)
    return None if arrays is None else Views(**arrays)


def measure_stages(model: TripleStaged, images: ImageSet, *, batch_size: int, title: str | None = None) -> pd.DataFrame:
    """A row for each image: image (its number), label, `score_CLASS` for each object, and for each parameter
    `true_NAME` and `estimated_NAME`, given the true class; both NaN where there is no object."""
    tables = []
    for chosen, view in _look(model, images, torch.arange(len(images)), batch_size, title):
        labels = images.labels[chosen]
        is_object = labels < model.num_objects
        own = labels.clamp(max=model.num_objects - 1).to(view.parameters.device)
        estimated = view.parameters[torch.arange(len(own)), own].cpu()
        columns = {"image": chosen, "label": labels}
        columns |= {f"score_{name}": view.score[:, place].cpu() for place, name in enumerate(images.classes[:-1])}
        for place, name in enumerate(model.pose):
            true = images.extras["parameters"][chosen, place]
            columns[f"true_{name}"] = true.where(is_object, torch.nan)
            columns[f"estimated_{name}"] = estimated[:, place].where(is_object, torch.nan)
        tables.append(pd.DataFrame({name: column.numpy() for name, column in columns.items()}))
    return pd.concat(tables, ignore_index=True)


def take_views(model: TripleStaged, images: ImageSet, *, batch_size: int) -> Views:
    """A few test images of each class as the network sees them, and drawings of others, given their true classes, over
    bare photographs of the test set."""
    rows = torch.cat([(images.labels == label).nonzero()[:_SHOWN, 0] for label in range(len(images.classes))])
    shown = [view for _, view in _look(model, images, rows, batch_size, None)]
    parts = {name: torch.cat([getattr(view, name) for view in shown]).cpu() for name in View._fields}
    pasted, labels = _paste(model, images, batch_size)
    return Views(
        queries=images.images[rows, 0].numpy(),
        labels=images.labels[rows].numpy(),
        drawings=_bytes(parts["drawing"]),
        alphas=_bytes(parts["alpha"]),
        similarities=_bytes(parts["similarity"]),
        weights=_bytes(parts["weight"]),
        scores=parts["score"].numpy(),
        pasted=_bytes(pasted),
        pasted_labels=labels.numpy(),
        classes=np.array(images.classes),
    )


def _look(
    model: TripleStaged, images: ImageSet, rows: Tensor, batch_size: int, title: str | None
) -> Iterator[tuple[Tensor, View]]:
    device = device_of(model)
    starts = range(0, len(rows), batch_size)
    with torch.inference_mode():
        for start in progressing(starts, title, "block", len(starts)):
            chosen = rows[start : start + batch_size]
            yield chosen, model.look(to_float(images.images[chosen]).to(device))


def _paste(model: TripleStaged, images: ImageSet, batch_size: int) -> tuple[Tensor, Tensor]:
    device = device_of(model)
    rows = (images.labels < model.num_objects).nonzero()[:, 0]
    rows = rows[ImageRandom(key("paste"), rows).uniform().argsort(stable=True)[:_PASTED]]
    bare = (images.labels == model.num_objects).nonzero()[:, 0]
    behind = bare[ImageRandom(key("behind"), rows).integers(len(bare))]
    pasted = []
    with torch.inference_mode():
        for start in range(0, len(rows), batch_size):
            chosen = rows[start : start + batch_size]
            view = model.compare(to_float(images.images[chosen]).to(device), images.labels[chosen].to(device))
            background = to_float(images.images[behind[start : start + batch_size]]).to(device)
            over = view.drawing[:, None] + (1 - view.alpha[:, None]) * background
            pasted.append(over.clamp(0, 1).cpu())
    return torch.cat(pasted), images.labels[rows]


def _bytes(values: Tensor) -> np.ndarray:
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
