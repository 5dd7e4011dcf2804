"""The tables of a run: what was measured before, what was measured now, joined and written."""

import json
from pathlib import Path

import pandas as pd

from robust.files import write_whole
from robust.measure import TEST_KEY, Measurement, condition_title, scores, summarize
from robust.runs import ROWS, Identity, read_rows

#: the columns of every table of rows
COLUMNS = [
    "run",
    "data",
    "model",
    "technique",
    "train_perturbation",
    "train_level",
    "seed",
    "test_perturbation",
    "test_level",
    "trial",
    "n",
    "accuracy",
    "evaluation_seed",
    "kind",
    "reference",
]
_TRIALS, _PREDICTIONS = "confusion.parquet", "predictions.parquet"


def complete_rows(rows: pd.DataFrame, identity: Identity, reference: str) -> pd.DataFrame:
    """Rows of a test with the columns that say what was trained.

    `kind` is the same for runs that differ by their seed alone, `reference` the natural run that it is held against.
    """
    trained = rows.assign(
        run=identity.folder,
        data=identity.data,
        model=identity.model,
        technique=identity.technique,
        train_perturbation=identity.perturbation,
        train_level=identity.level,
        seed=identity.seed,
        kind=identity.kind,
        reference=reference,
    )
    return trained[COLUMNS]


def known_tests(folder: Path, *, keep_predictions: bool) -> set[tuple[str, float, int, int]]:
    """The tests in a run's folder (see TEST_KEY); of those with predictions, if predictions are wanted."""
    if not (folder / ROWS).is_file():
        return set()
    known = set(read_rows(folder)[TEST_KEY].itertuples(index=False, name=None))
    if keep_predictions:
        path = folder / _PREDICTIONS
        kept = pd.read_parquet(path, columns=TEST_KEY).drop_duplicates() if path.is_file() else pd.DataFrame()
        known &= set(kept.itertuples(index=False, name=None))
    return known


def write_tables(folder: Path, measured: Measurement, identity: Identity, reference: str) -> None:
    """Writes a run's tables, old and new tests together.

    Each test stands in them once, whatever was written before; the rows come last, since they say what is known.
    """
    rows = complete_rows(measured.rows, identity, reference)
    if (folder / ROWS).is_file():
        rows = _join(read_rows(folder), rows)
    trials = _join(_read(folder / _TRIALS), measured.confusion)
    trials = trials.merge(rows[TEST_KEY].drop_duplicates(), on=TEST_KEY)
    if measured.predictions is not None:
        predictions = _join(_read(folder / _PREDICTIONS), measured.predictions)
        write_whole(folder / _PREDICTIONS, predictions.to_parquet(index=False))
    summary = summarize(rows)
    content = {**scores(summary), "conditions": summary.drop(columns="run").to_dict("records")}
    write_whole(folder / _TRIALS, trials.to_parquet(index=False))
    write_whole(folder / "confusion.csv", _sum_trials(trials).to_csv(index=False))
    write_whole(folder / "summary.json", json.dumps(content, indent=2) + "\n")
    write_whole(folder / ROWS, rows.to_csv(index=False))


def _read(path: Path) -> pd.DataFrame | None:
    return pd.read_parquet(path) if path.is_file() else None


def _join(before: pd.DataFrame | None, now: pd.DataFrame) -> pd.DataFrame:
    """The old tests that were not made again, then the new ones."""
    if before is None or before.empty:
        return now
    again = before.set_index(TEST_KEY).index.isin(now.set_index(TEST_KEY).index)
    return pd.concat([before[~again], now], ignore_index=True)


def _sum_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The confusion of each condition over all its trials: condition, true, predicted, count."""
    titles = [condition_title(*pair) for pair in zip(trials["test_perturbation"], trials["test_level"], strict=True)]
    by = ["condition", "true", "predicted"]
    return trials.assign(condition=titles).groupby(by, sort=False, as_index=False).agg({"count": "sum"})
