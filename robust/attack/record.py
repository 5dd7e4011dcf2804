"""What came of attacks, as a table."""

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from robust.attack.gate import FAULTS
from robust.attack.result import AttackResult


def distances(images: Tensor, attacked: Tensor) -> dict[str, Tensor]:
    """How far images moved, both of shape (n, channels, height, width) in [0, 1]: the number of values that changed
    (l0), the Euclidean distance (l2), the largest change (linf), and the distortion, the root of the mean square
    (Szegedy et al. 2014)."""
    change = (attacked - images).flatten(1)
    l2 = change.square().sum(1).sqrt()
    return {
        "l0": (change.abs() > 1e-6).sum(1),
        "l2": l2,
        "linf": change.abs().amax(1),
        "distortion": l2 / change.shape[1] ** 0.5,
    }


def record(
    attacked: AttackResult,
    images: Tensor,
    *,
    numbers: Tensor,
    labels: Tensor,
    targets: Tensor,
    thresholds: Sequence[float],
) -> pd.DataFrame:
    """A row for each image and rule; `images` are those before the attack, shape (n, channels, height, width), and
    `numbers`, `labels` and `targets` int64 of shape (n,). Columns: image (its number), label, target, threshold,
    before, after, success, steps, queries, l0, l2, linf, distortion, fault (one of FAULTS: why the image that was found
    was not taken, else "")."""
    tables, faults = [], attacked.faults if attacked.faults is not None else torch.zeros_like(attacked.steps)
    for rule, threshold in enumerate(thresholds):
        columns = {
            "image": numbers,
            "label": labels,
            "target": targets,
            "before": attacked.before[:, rule],
            "after": attacked.after[:, rule],
            "success": attacked.success[:, rule],
            "steps": attacked.steps[:, rule],
            "queries": attacked.queries[:, rule],
            **distances(images, attacked.images[:, rule]),
        }
        table = pd.DataFrame({name: torch.as_tensor(column).cpu().numpy() for name, column in columns.items()})
        words = [FAULTS[fault] for fault in faults[:, rule].tolist()]
        tables.append(table.assign(threshold=threshold, fault=words))
    return pd.concat(tables, ignore_index=True)
