"""The tables of a run: what was measured before, what was measured now, joined and written."""

import json
from pathlib import Path

import pandas as pd

from robust.files import write_whole
from robust.measure import TEST_KEY, Measurement, scores, summarize
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
]
_CONFUSION, _PREDICTIONS, _SUMMARY = "confusion.csv", "predictions.parquet", "summary.json"


def complete_rows(rows: pd.DataFrame, identity: Identity) -> pd.DataFrame:
    """Rows of a test with the columns that say what was trained."""
    trained = rows.assign(
        run=identity.folder,
        data=identity.data,
        model=identity.model,
        technique=identity.technique,
        train_perturbation=identity.perturbation,
        train_level=identity.level,
        seed=identity.seed,
    )
    return trained[COLUMNS]


def known_tests(folder: Path, *, keep_predictions: bool) -> set[tuple[str, float, int, int]]:
    """The tests in a run's folder (see TEST_KEY); none of them if predictions are wanted and were not kept."""
    if not (folder / ROWS).is_file() or (keep_predictions and not (folder / _PREDICTIONS).is_file()):
        return set()
    return set(read_rows(folder)[TEST_KEY].itertuples(index=False, name=None))


def write_tables(folder: Path, measured: Measurement, identity: Identity) -> None:
    """Writes a run's tables, old and new tests together; the rows last, since they say what is known."""
    rows, confusion, predictions = complete_rows(measured.rows, identity), measured.confusion, measured.predictions
    if known_tests(folder, keep_predictions=predictions is not None):
        rows = pd.concat([read_rows(folder), rows], ignore_index=True)
        before = pd.read_csv(folder / _CONFUSION, dtype={"true": str, "predicted": str}, keep_default_na=False)
        pair = ["condition", "true", "predicted"]
        confusion = pd.concat([before, confusion]).groupby(pair, sort=False, as_index=False).agg({"count": "sum"})
        if predictions is not None:
            predictions = pd.concat([pd.read_parquet(folder / _PREDICTIONS), predictions], ignore_index=True)
    summary = summarize(rows)
    content = {**scores(summary), "conditions": summary.drop(columns="run").to_dict("records")}
    if predictions is not None:
        write_whole(folder / _PREDICTIONS, predictions.to_parquet(index=False))
    write_whole(folder / _CONFUSION, confusion.to_csv(index=False))
    write_whole(folder / _SUMMARY, json.dumps(content, indent=2) + "\n")
    write_whole(folder / ROWS, rows.to_csv(index=False))
