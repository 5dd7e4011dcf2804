"""What there is to track of a run, and of the report of a sweep."""

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from robust.experiment.build import build
from robust.experiment.compose import plain
from robust.measure import condition_title
from robust.runs import MODEL, Identity, read_rows
from robust.track.tracker import Picture, Subject, Tracker

if TYPE_CHECKING:
    from robust.report import Drawing, Section

_log = logging.getLogger(__name__)


def make_tracker(config: DictConfig, subject: Subject) -> Tracker:
    """The tracker that `logger` names, not opened. Raises ValueError where it cannot be."""
    return build(config.logger, _partial_=True)(subject)


@contextlib.contextmanager
def tracked(config: DictConfig, identity: Identity, folder: Path) -> Iterator[Tracker]:
    """The tracker that `logger` names, of a run, open as long as the block lasts."""
    subject = Subject(
        folder,
        name=f"{identity.title}, seed {identity.seed}",
        job_type="test" if (folder / MODEL).is_file() else "train",
        tags=[identity.data, config.model.name, identity.technique, identity.perturbation],
        config={**plain(config, without=["logger"]), "run": identity.folder},
    )
    with _opened(make_tracker(config, subject)) as tracker:
        yield tracker


def track_run(tracker: Tracker, folder: Path) -> None:
    """Logs what a run measured: its rows, scores, figures, confusions."""
    if not tracker.shows:
        return
    from robust.report import run_drawings  # draws: a second that nothing need wait for

    summary = json.loads((folder / "summary.json").read_text())
    means = {condition_title(one["test_perturbation"], one["test_level"]): one["mean"] for one in summary["conditions"]}
    name, level = summary["worst_condition"]
    tracker.log_scores(
        {
            **{f"accuracy/{name}": summary[name] for name in ("natural", "mean", "worst", "spread")},
            "accuracy/worst_condition": condition_title(name, level),
            **{f"conditions/{name}": mean for name, mean in means.items()},
        }
    )
    words = {"true": str, "predicted": str}
    confusion = pd.read_csv(folder / "confusion.csv", dtype=words, keep_default_na=False)
    conditions = pd.DataFrame(summary["conditions"])
    tracker.log_tables({"rows": read_rows(folder), "confusion": confusion, "conditions": conditions})
    tracker.log_pictures(_pictures(run_drawings(folder)))


def track_report(config: DictConfig, sections: "Sequence[Section]", page: Path, runs: Sequence[Path]) -> None:
    """Logs the report of a sweep as a run of its own."""
    name = OmegaConf.select(config, "sweep.name", default=config.data.name)
    settings = {"runs": [run.name for run in runs]}
    subject = Subject(page.parent, f"report of {name}", "report", [config.data.name], settings)
    tracker = make_tracker(config, subject)
    if not tracker.shows:
        return
    with _opened(tracker):
        for section in sections:
            tracker.log_tables({name: table.numbers for name, table in section.tables.items()})
            tracker.log_pictures(_pictures(section.drawings))
        tracker.log_page(page.read_text())


@contextlib.contextmanager
def _opened(tracker: Tracker) -> Iterator[Tracker]:
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


def _pictures(drawings: "dict[str, Drawing]") -> dict[str, Picture]:
    from robust.report import draw

    return {name: Picture(draw(one.figure, "png"), one.caption) for name, one in drawings.items()}
