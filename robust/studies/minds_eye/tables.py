"""A mind's eye in numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from robust.measure.intervals import percentile, resampled_medians, wilson
from robust.runs import load
from robust.studies.minds_eye.results import Network, pose_errors, predictions, titled

THRESHOLDS = (0.2, 0.45, 0.7)


def error_table(networks: Sequence[Network]) -> pd.DataFrame:
    """Table 1 of Berntsen et al. 2016: network, threshold (NaN where it has none), n, error, low, high; fractions."""
    lines = []
    for network in networks:
        if network.stages is None:
            row = network.rows.iloc[0]
            lines.append(_line(network, float("nan"), round((1 - row["accuracy"]) * row["n"]), int(row["n"])))
            continue
        label = network.stages["label"].to_numpy()
        for threshold in THRESHOLDS:
            wrong = int((predictions(network, threshold) != label).sum())
            lines.append(_line(network, threshold, wrong, len(label)))
    return pd.DataFrame(lines, columns=["network", "threshold", "n", "error", "low", "high"])


def best_error(network: Network) -> tuple[float, int, int]:
    """The threshold, of those in steps of 0.01, at which it errs least on a random half of the test images, and how
    many of the other half it tells wrong there, of how many: it is not chosen on the images that it is measured on."""
    assert network.stages is not None
    label = network.stages["label"].to_numpy()
    thresholds = np.linspace(0.01, 0.99, 99)
    wrong = np.stack([predictions(network, threshold) != label for threshold in thresholds])
    order = np.random.default_rng(0).permutation(len(label))
    chosen, others = order[: len(label) // 2], order[len(label) // 2 :]
    best = int(wrong[:, chosen].sum(1).argmin())
    return float(thresholds[best]), int(wrong[best, others].sum()), len(others)


def _line(network: Network, threshold: float, wrong: int, n: int) -> dict[str, object]:
    low, high = wilson(wrong / n, n)
    name = titled(network.title, threshold)
    return {"network": name, "threshold": threshold, "n": n, "error": wrong / n, "low": low, "high": high}


def pose_table(network: Network) -> pd.DataFrame:
    """Of each class and parameter: the mean, median and 95th percentile of the absolute error."""
    errors = pose_errors(network)
    absolute = errors.assign(error=errors["error"].abs()).groupby(["class", "parameter"], sort=False)["error"]
    return absolute.agg(mean="mean", median="median", p95=lambda values: values.quantile(0.95)).reset_index()


def effort_table(attacks: pd.DataFrame) -> pd.DataFrame:
    """Of each aim and network: how many attacks on how many images that were told right, the share of images left out
    because they were not, of attacks that succeeded, and the medians of steps and distortion with 95 % intervals
    (bootstrap over images)."""
    lines = []
    for (aim, network), every in attacks.groupby(["aim", "network"], sort=False):
        right = every[every["right"]]
        line = {"aim": aim, "network": network, "images": right["image"].nunique(), "attacks": len(right)}
        line |= {"left_out": 1 - every["right"].mean(), "success": right["success"].mean()}
        for column in ("steps", "distortion"):
            low, high = percentile(resampled_medians(right[column], right["image"]))
            line |= {column: right[column].median(), f"{column}_low": low, f"{column}_high": high}
        lines.append(line)
    return pd.DataFrame(lines)


def recognition_table(networks: Sequence[Network], eye: Network) -> pd.DataFrame:
    """How many of a mind's eye's drawings, over new photographs, each network without stages tells right: network, n,
    recognised, low, high."""
    images = torch.from_numpy(eye.views.pasted).float() / 255
    labels = torch.from_numpy(eye.views.pasted_labels)
    lines = []
    for network in networks:
        if network.stages is None and network.classes == eye.classes:
            with torch.inference_mode():
                right = int((load(network.folder)(images).argmax(1) == labels).sum())
            low, high = wilson(right / len(labels), len(labels))
            lines.append(
                {
                    "network": network.title,
                    "n": len(labels),
                    "recognised": right / len(labels),
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(lines)
