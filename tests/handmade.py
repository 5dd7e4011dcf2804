"""Runs written by hand, for reports that need no training."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from robust.measure import CALIBRATION, SUITES
from robust.runs.tables import COLUMNS

Test = tuple[str, float]


def make_rows(
    run: str,
    accuracies: dict[Test, float],
    *,
    technique: str = "natural",
    trained: Test = ("none", 0.0),
    trials: int | dict[Test, int] = 1,
    **changed: Any,
) -> pd.DataFrame:
    """The rows of one run: `accuracies` of each condition, the same in each of its trials plus a hundredth of it."""
    about = {"run": run, "data": "digits", "model": "convnet_mnist", "technique": technique, "seed": 0, "n": 100}
    about |= {"train_perturbation": trained[0], "train_level": trained[1], "kind": technique, "reference": "natural"}
    about |= {"exposure": ""}
    counts = dict.fromkeys(accuracies, trials) if isinstance(trials, int) else trials
    rows = [
        {"test_perturbation": name, "test_level": level, "trial": trial, "evaluation_seed": 0}
        | {"accuracy": accuracy + 0.01 * trial}
        for (name, level), accuracy in accuracies.items()
        for trial in range(counts.get((name, level), 1) if not name.startswith(("blur", "natural")) else 1)
    ]
    return pd.DataFrame(rows).assign(**about, **dict.fromkeys(CALIBRATION, 0.1)).assign(**changed)[COLUMNS]


def of_suites(*suites: str, natural: float = 0.9, accuracy: float = 0.5) -> dict[Test, float]:
    """Natural images, and all conditions of these suites."""
    return {("natural", 0.0): natural} | {test: accuracy for suite in suites for test in SUITES[suite]}


def write_run(folder: Path, rows: pd.DataFrame, config: str = "") -> Path:
    """A run's folder with these rows, done."""
    folder.mkdir(parents=True)
    rows.to_csv(folder / "rows.csv", index=False)
    (folder / "status.json").write_text(json.dumps({"state": "done", "reason": ""}))
    if config:
        (folder / "config.yaml").write_text(config)
    return folder


@pytest.fixture
def rows_of() -> Callable[..., pd.DataFrame]:
    return make_rows


@pytest.fixture
def suites_of() -> Callable[..., dict[Test, float]]:
    return of_suites


@pytest.fixture
def write() -> Callable[..., Path]:
    return write_run


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Iterable[pd.DataFrame]], Sequence[Path]]:
    """Folders of runs with these rows, each named as its run."""
    return lambda tables: [write_run(tmp_path / "runs" / table["run"].iloc[0], table) for table in tables]
