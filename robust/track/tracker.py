"""What an experiment tracker is told of a run, or of a report."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from pytorch_lightning.loggers import Logger

from robust.measure import condition_title

_log = logging.getLogger(__name__)
#: what the record of a run calls our trackers, by their class; "" where nothing of a run is shown
_KEYS = {
    "robust.track.Tracker": "",
    "robust.track.TensorBoardTracker": "tensorboard",
    "robust.track.WandbTracker": "wandb",
}
#: scores of what a run tolerates, by perturbation, and the columns that they stand in
TOLERATED = {"tolerated": "level", "tolerated_ratio": "ratio"}


@dataclass(frozen=True)
class TrackedRun:
    """What is tracked: a run, or the report of a sweep.

    `folder` is where its files lie, `job_type` train, test (of a network that was trained before) or report.
    """

    folder: Path
    name: str
    job_type: str
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)


class Picture(Protocol):
    """A figure: what it shows, and itself as PNG, drawn when it is asked for."""

    @property
    def caption(self) -> str: ...

    def png(self) -> bytes: ...


class Tracker:
    """Tracks nothing; the others do what these methods say. They are told, and ask nothing.

    `logger` is Lightning's, for the curves of a training; None until `start`, and for none. `shows` says whether
    scores, tables, figures and pages have a place in it: where not, none need be made.
    """

    shows = False

    def __init__(self, tracked: TrackedRun):
        self.tracked = tracked
        self.logger: Logger | None = None

    def start(self) -> None:
        """Opens it, or goes on where an interrupted run was."""

    def log_scores(self, scores: Mapping[str, float | str]) -> None:
        """Single figures to sort and plot runs by."""

    def log_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Tables, by name."""

    def log_pictures(self, pictures: Mapping[str, Picture]) -> None:
        """Figures, by name."""

    def log_page(self, page: str) -> None:
        """A page as HTML."""

    def close(self, *, failed: str = "") -> None:
        """Ends it; `failed` is what went wrong."""


@contextlib.contextmanager
def opened(tracker: Tracker) -> Iterator[Tracker]:
    """The tracker, open as long as the block lasts, and told of what ended it."""
    failed = "interrupted"
    try:
        tracker.start()
        yield tracker
        failed = ""
    except Exception as error:
        failed = str(error) or type(error).__name__
        raise
    finally:
        try:
            tracker.close(failed=failed)
        except Exception:  # noqa: BLE001, what is trained and measured stays so
            _log.exception("the tracker was not closed well")


def track_run(
    tracker: Tracker,
    *,
    summary: Mapping[str, Any],
    rows: pd.DataFrame,
    confusion: pd.DataFrame,
    pictures: Mapping[str, Picture],
    found: pd.DataFrame,
    tolerated: pd.DataFrame,
    price: Mapping[str, Any],
) -> None:
    """Logs what a run measured: `summary` as in its summary.json, its rows, how it confuses classes, its figures; the
    sentences that were `found`; what it tolerates (a line for each perturbation, with level and ratio); and its
    `price`, as in its status.json."""
    conditions, suites = summary["conditions"], summary.get("suites", {})
    means = {condition_title(one["test_perturbation"], one["test_level"]): one["mean"] for one in conditions}
    tracker.log_scores(
        {
            **{f"accuracy/{name}": summary[name] for name in ("natural", "worst")},
            "accuracy/worst_condition": condition_title(*summary["worst_condition"]),
            **{f"{name}/{suite}": own[name] for suite, own in suites.items() for name in ("mean", "worst")},
            **{f"conditions/{name}": mean for name, mean in means.items()},
            **{
                f"{what}/{name}": value
                for what, column in TOLERATED.items()
                for name, value in tolerated.set_index("perturbation")[column].dropna().items()
            },
            **{f"price/{name}": value for name, value in price.items() if not isinstance(value, Mapping)},
        }
    )
    tables = {"rows": rows, "confusion": confusion, "conditions": pd.DataFrame(conditions), "findings": found}
    tracker.log_tables(tables if tolerated.empty else {**tables, "tolerance": tolerated})
    tracker.log_pictures(pictures)


def tracking_key(logger: str) -> str:
    """What the record of a run calls the tracker of this class (`_target_`) once that was told of it; "" for one that
    shows nothing. The agent of a W&B sweep has a W&B run of its own, also where our run was done before."""
    key = _KEYS.get(logger, logger)
    if key == "wandb" and "WANDB_SWEEP_ID" in os.environ:
        return f"{key}:{os.environ.get('WANDB_RUN_ID', '')}"
    return key
