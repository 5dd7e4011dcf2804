"""Which of the document's claims hold (Berntsen, Kuijper, Heskes, "The Artificial Mind's Eye", 2016)."""

import functools
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from robust.measure.intervals import percentile, resampled_medians, student, wilson
from robust.report.claims import COLUMNS, claim_line
from robust.report.minds_eye.results import Network, pose_errors, slug
from robust.report.minds_eye.tables import (
    THRESHOLDS,
    best_error,
    error_table,
    recognition_table,
)

_ERRORS = {"direct": (0.01,), "direct + parameters": (0.01,), "triple-staged": (1.34, 0.57, 3.09)}  # %
_LEFT_OUT = {"direct": (0.0,), "direct + parameters": (0.01,), "triple-staged": (0.17, 0.77, 4.12)}  # %
_ANGLES = ("pitch", "yaw", "roll")
_DATA = "scenes"


def minds_eye_claims(networks: Sequence[Network]) -> pd.DataFrame:
    """One line for each claim that these runs can decide; columns as in `robust.report.claims`, errors in percent.

    The intervals are over images (Wilson for shares, Student for means, bootstrap for medians), of one seed.
    """
    plain = {network.title: network for network in networks if network.title in _ERRORS}
    lines = _errors(list(plain.values()))
    if eye := plain.get("triple-staged"):
        lines += _stages(list(plain.values()), eye)
    attacks = [network.attacks for network in plain.values() if len(network.attacks)]
    efforts = {str(name): table for one in attacks for name, table in one.groupby("network")}
    lines += _false_positives(efforts) + _false_negatives(efforts) + _left_out(efforts)
    return pd.DataFrame(lines, columns=COLUMNS)


_claim = functools.partial(claim_line, data=_DATA, seeds=1)


def _percent(interval: tuple[float, float]) -> tuple[float, float]:
    return 100 * interval[0], 100 * interval[1]


def _errors(networks: Sequence[Network]) -> list[dict[str, object]]:
    """Table 1, to within half a point, as the sets of images differ."""
    published = {
        (title if len(errors) == 1 else f"{title}, {threshold:g}"): error
        for title, errors in _ERRORS.items()
        for threshold, error in zip(THRESHOLDS, errors, strict=False)
    }
    table = error_table(networks)
    return [
        _claim(
            f"minds-eye-error-{slug(line.network)}",
            "Table 1",
            f"{line.network}: {published[line.network]:g} % of the test images are told wrong",
            "equal",
            published[line.network],
            100 * line.error,
            (100 * line.low, 100 * line.high),
            tolerance=0.5,
        )
        for line in table.itertuples()
    ]


def _stages(networks: Sequence[Network], eye: Network) -> list[dict[str, object]]:
    """What the stages must do for the whole to work; limits of this project's."""
    assert eye.stages is not None
    threshold, error = best_error(eye)
    n = len(eye.stages)
    lines = [
        _claim(
            "minds-eye-best-threshold",
            "ours",
            f"triple-staged: at most 3 % are told wrong at its best threshold (here {threshold:.2f})",
            "at most",
            3,
            100 * error,
            _percent(wilson(error, n)),
        )
    ]
    errors = pose_errors(eye)
    for name, group in errors[errors["parameter"].isin(_ANGLES)].groupby("parameter", sort=False)["error"]:
        mean, low, high = student(group.abs())
        lines.append(
            _claim(
                f"minds-eye-pose-{name}", "ours", f"estimator: {name} is off by at most 0.06 on average", "at most",
                0.06, mean, (low, high), digits=4,
            )
        )  # fmt: skip
    return lines + [
        _claim(
            f"minds-eye-drawings-{slug(line.network)}",
            "ours",
            f"{line.network}: recognises at least 95 % of the projector's drawings over new photographs",
            "at least",
            95,
            100 * line.recognised,
            (100 * line.low, 100 * line.high),
        )
        for line in recognition_table(networks, eye).itertuples()
    ]


def _of(efforts: Mapping[str, pd.DataFrame], name: str, aim: str) -> pd.DataFrame | None:
    table = efforts.get(name)
    return None if table is None else table[(table["aim"] == aim) & table["right"]]


def _false_positives(efforts: Mapping[str, pd.DataFrame]) -> list[dict[str, object]]:
    lines, medians = [], {}
    for name in efforts:
        attacks = _of(efforts, name, "false positive")
        if attacks is not None and len(attacks):
            medians[name] = attacks["distortion"].median(), resampled_medians(attacks["distortion"], attacks["image"])
    for name in ("direct", "direct + parameters"):
        if name in medians:
            median, draws = medians[name]
            lines.append(
                _claim(
                    f"minds-eye-false-positive-{slug(name)}", "Figure 4",
                    f"{name}: the median distortion of false positives stays below 0.1", "below", 0.1, median,
                    percentile(draws), digits=4,
                )
            )  # fmt: skip
    eye = "triple-staged, 0.45"
    for name in ("direct", "direct + parameters"):
        if name in medians and eye in medians:
            ratio, draws = medians[eye][0] / medians[name][0], medians[eye][1] / medians[name][1]
            lines.append(
                _claim(
                    f"minds-eye-false-positive-times-{slug(name)}", "Figure 4",
                    f"triple-staged, 0.45: false positives take at least twice the median distortion of {name}",
                    "at least", 2, ratio, percentile(draws),
                )
            )  # fmt: skip
    lines += _rising(medians, "minds-eye-false-positive", "Figure 4", "false positives take more distortion", sign=1)
    return lines


def _rising(
    medians: Mapping[str, tuple[float, np.ndarray]], name: str, section: str, text: str, *, sign: int
) -> list[dict[str, object]]:
    """From each threshold to the next."""
    lines = []
    for lower, upper in pairwise(THRESHOLDS):
        one, other = (f"triple-staged, {threshold:g}" for threshold in (lower, upper))
        if one in medians and other in medians:
            difference = sign * (medians[other][0] - medians[one][0])
            draws = sign * (medians[other][1] - medians[one][1])
            lines.append(
                _claim(
                    f"{name}-{lower:g}-{upper:g}", section,
                    f"triple-staged: {text} at threshold {upper:g} than at {lower:g} (difference of the medians)",
                    "above", 0, difference, percentile(draws), digits=4,
                )
            )  # fmt: skip
    return lines


def _false_negatives(efforts: Mapping[str, pd.DataFrame]) -> list[dict[str, object]]:
    medians = {}
    for name in efforts:
        attacks = _of(efforts, name, "false negative")
        if attacks is not None and len(attacks):
            medians[name] = attacks["steps"].median(), resampled_medians(attacks["steps"], attacks["image"])
    lines = _rising(medians, "minds-eye-false-negative", "Figure 6", "false negatives take fewer steps", sign=-1)
    lowest = f"triple-staged, {THRESHOLDS[0]:g}"
    for name in ("direct", "direct + parameters"):
        if name in medians and lowest in medians:
            difference = medians[lowest][0] - medians[name][0]
            draws = medians[lowest][1] - medians[name][1]
            lines.append(
                _claim(
                    f"minds-eye-false-negative-{slug(name)}", "Figure 6",
                    f"{lowest}: false negatives take more steps than with {name} (difference of the medians)",
                    "above", 0, difference, percentile(draws),
                )
            )  # fmt: skip
    return lines


def _left_out(efforts: Mapping[str, pd.DataFrame]) -> list[dict[str, object]]:
    """How many images could not be attacked, since they were told wrong before; to within a point."""
    lines = []
    for title, shares in _LEFT_OUT.items():
        for threshold, published in zip(THRESHOLDS, shares, strict=False):
            name = title if len(shares) == 1 else f"{title}, {threshold:g}"
            if name in efforts:
                images = efforts[name].drop_duplicates("image")
                wrong = int((~images["right"]).sum())
                lines.append(
                    _claim(
                        f"minds-eye-left-out-{slug(name)}", "Figure 6",
                        f"{name}: {published:g} % of the images are told wrong before any attack", "equal", published,
                        100 * wrong / len(images),
                        _percent(wilson(wrong / len(images), len(images))), tolerance=1,
                    )
                )  # fmt: skip
    return lines
