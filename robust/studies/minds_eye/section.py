"""What a report says about a mind's eye."""

from collections.abc import Sequence

import pandas as pd

from robust.report.figures import Drawing
from robust.report.section import Section, Table
from robust.report.tables import percent
from robust.studies.minds_eye.figures import effort_figure, error_figure, pose_figure, strip_figure, views_figure
from robust.studies.minds_eye.results import Network, slug
from robust.studies.minds_eye.tables import best_error, effort_table, error_table, pose_table, recognition_table

_AIMS = ("false positive", "false negative")
_STRIP_THRESHOLD = 0.7  # as published


def minds_eye_section(networks: Sequence[Network]) -> Section:
    """Errors, poses, drawings and attacks of these networks, of which the last is a mind's eye."""
    eye = networks[-1]
    threshold, wrong, count = best_error(eye)
    text = (
        "Networks that tell rendered objects over photographs, and one that has to draw what it sees (Berntsen, "
        f'Kuijper, Heskes, "The Artificial Mind\'s Eye", 2016). At threshold {threshold:.2f}, at which it '
        f"errs least on a random half of the test images, it tells {100 * wrong / count:.2f} % of the other half wrong."
    )
    return Section("The mind's eye", text, _drawings(networks, eye), _tables(networks, eye))


def _drawings(networks: Sequence[Network], eye: Network) -> dict[str, Drawing]:
    others = error_table([network for network in networks if network.stages is None])
    drawings = {"minds-eye-views": views_figure(eye), "minds-eye-errors": error_figure(eye, others)}
    drawings["minds-eye-poses"] = pose_figure(eye)
    attacked = [network for network in networks if len(network.attacks)]
    if attacked:
        attacks = pd.concat([network.attacks for network in attacked], ignore_index=True)
        for aim in _AIMS:
            if (attacks["right"] & (attacks["aim"] == aim)).any():
                drawings[f"minds-eye-{aim.replace(' ', '-')}s"] = effort_figure(attacks, aim)
    for network in attacked:
        threshold = float("nan") if network.stages is None else _STRIP_THRESHOLD
        name = f"minds-eye-strip-{slug(network.title)}"
        if strip := strip_figure(network, threshold, 0):
            drawings[name] = strip
    return drawings


def _tables(networks: Sequence[Network], eye: Network) -> dict[str, Table]:
    errors = error_table(networks)
    shown = pd.DataFrame(
        {
            "network": errors["network"],
            "images": errors["n"],
            "error, %": [f"{100 * value:.2f}" for value in errors["error"]],
            "95 % interval": [f"{100 * line.low:.2f} to {100 * line.high:.2f}" for line in errors.itertuples()],
        }
    )
    tables = {"minds-eye-errors": Table(shown, errors, "Of all test images; intervals over images (Wilson).")}
    poses = pose_table(eye)
    rounded = (
        poses.astype(dict.fromkeys(poses.select_dtypes("number"), float))
        .round(4)
        .rename(columns={"p95": "95th percentile"})
    )
    tables["minds-eye-poses"] = Table(rounded, poses, "Absolute errors given the true class, in rad for angles.")
    recognised = recognition_table(networks, eye)
    if len(recognised):
        shown = pd.DataFrame(
            {
                "network": recognised["network"],
                "drawings": recognised["n"],
                "recognised, %": recognised["recognised"].map(percent),
                "95 % interval": [f"{percent(one.low)} to {percent(one.high)}" for one in recognised.itertuples()],
            }
        )
        note = "The projector's drawings of test images, over photographs they were never seen on."
        tables["minds-eye-drawings"] = Table(shown, recognised, note)
    attacked = [network.attacks for network in networks if len(network.attacks)]
    if attacked:
        efforts = effort_table(pd.concat(attacked, ignore_index=True))
        tables["minds-eye-attacks"] = Table(
            _efforts(efforts), efforts, "Medians with 95 % intervals (bootstrap over images)."
        )
    return tables


def _efforts(efforts: pd.DataFrame) -> pd.DataFrame:
    lines = list(efforts.itertuples())
    return pd.DataFrame(
        {
            "aim": efforts["aim"],
            "network": efforts["network"],
            "images": efforts["images"],
            "attacks": efforts["attacks"],
            "left out, %": efforts["left_out"].map(percent),
            "succeeded, %": efforts["success"].map(percent),
            "steps": [f"{one.steps:g} ({one.steps_low:g} to {one.steps_high:g})" for one in lines],
            "distortion": [
                f"{one.distortion:.4f} ({one.distortion_low:.4f} to {one.distortion_high:.4f})" for one in lines
            ],
        }
    )
