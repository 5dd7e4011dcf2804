"""The tables of a run: what was measured before, what was measured now, joined and written."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet

from robust.files import atomic_write
from robust.measure import SURENESS, TEST_KEY, Measurement, condition_title, scores, summarize
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
    *SURENESS,
]
PREDICTIONS, ATTACKS = "predictions.parquet", "attacks.parquet"
STAGES, VIEWS = "stages.parquet", "views.npz"
NATURAL_ADVERSARIAL = "natural_adversarial.csv"
NEIGHBOURS = "neighbours.csv"
_ATTACK_KEY = ["attack", "settings", "image", "target", "threshold"]
_IMAGES = ("original", "adversarial")


def complete_rows(rows: pd.DataFrame, identity: Identity, reference: str) -> pd.DataFrame:
    """Rows of a test with the columns that say what was trained.

    `kind` is the same for runs that differ by their seed alone, `reference` the natural run that it is held against.
    """
    return _with_run(rows, identity, reference)[COLUMNS]


def _with_run(rows: pd.DataFrame, identity: Identity, reference: str) -> pd.DataFrame:
    return rows.assign(
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


def known_tests(folder: Path) -> set[tuple[str, float, int, int]]:
    """The tests in a run's folder (see TEST_KEY): those whose row and whose verdicts are there."""
    predictions = _read(folder / PREDICTIONS, columns=TEST_KEY)
    if predictions is None or not (folder / ROWS).is_file():
        return set()
    tables = (read_rows(folder)[TEST_KEY], predictions)
    return set.intersection(*(set(table.itertuples(index=False, name=None)) for table in tables))


def write_tables(
    folder: Path, measured: Measurement, identity: Identity, reference: str, classes: Sequence[str]
) -> None:
    """Writes a run's tables, old and new tests together.

    Each test stands in them once, whatever was written before; the rows come last, since they say what is known.
    """
    rows = complete_rows(measured.rows, identity, reference)
    if (folder / ROWS).is_file():
        rows = _join(read_rows(folder), rows)
    predictions = _join(_read(folder / PREDICTIONS), measured.predictions)
    predictions = predictions.merge(rows[TEST_KEY].drop_duplicates(), on=TEST_KEY)
    summary = summarize(rows)
    conditions = summary.drop(columns="run").astype(object).where(summary.notna(), None)
    content = {**scores(summary), "conditions": conditions.to_dict("records")}
    atomic_write(folder / PREDICTIONS, predictions.to_parquet(index=False, compression="zstd"))
    atomic_write(folder / "confusion.csv", confusion(predictions, classes).to_csv(index=False))
    atomic_write(folder / "summary.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    atomic_write(folder / ROWS, rows.to_csv(index=False))


def known_confidence(folder: Path) -> pd.DataFrame | None:
    """How sure a run was in its tests: test_perturbation, test_level and the arrays of `confidence_bins`; None where
    that was not kept."""
    path, bins = folder / PREDICTIONS, ["bin_counts", "bin_right", "bin_confidence"]
    if not path.is_file() or not {*bins} <= {*pyarrow.parquet.read_schema(path).names}:
        return None
    known = pd.read_parquet(path, columns=["test_perturbation", "test_level", *bins])
    kept = known.dropna(subset=bins).reset_index(drop=True)
    return kept if len(kept) else None


def known_attacks(folder: Path, *, images: bool = True) -> pd.DataFrame | None:
    """The attacks in a run's folder, with the few `images` that were kept or without."""
    path = folder / ATTACKS
    if images or not path.is_file():
        return _read(path)
    return _read(path, [name for name in pyarrow.parquet.read_schema(path).names if name not in _IMAGES])


def made_attacks(folder: Path) -> pd.DataFrame | None:
    """Which attacks there are in a run's folder: what tells them apart, and the label."""
    return _read(folder / ATTACKS, columns=[*_ATTACK_KEY, "label"])


def write_attacks(folder: Path, attacks: pd.DataFrame, run: str) -> None:
    """Adds attacks to those of a run; each of an image at a threshold stands there once."""
    before = known_attacks(folder)
    joined = (
        pd.concat([before, attacks.assign(run=run)], ignore_index=True)
        if before is not None
        else attacks.assign(run=run)
    )
    joined = joined.drop_duplicates(_ATTACK_KEY, keep="last")
    first = ["run", "attack", "image", "label", "target"]
    joined = joined[[*first, *(name for name in joined if name not in first)]]
    atomic_write(folder / ATTACKS, joined.to_parquet(index=False, compression="zstd"))


def known_natural_adversarial(folder: Path) -> str | None:
    """Which natural adversarial examples a run was tested on: their digest."""
    path = folder / NATURAL_ADVERSARIAL
    return str(pd.read_csv(path, dtype=str)["images"].iloc[0]) if path.is_file() else None


def write_natural_adversarial(
    folder: Path, measured: pd.DataFrame, images: str, identity: Identity, reference: str
) -> None:
    """Writes how a run does on natural adversarial examples, in place of what was known; `images` is their digest."""
    table = _with_run(measured.assign(images=images), identity, reference)
    atomic_write(folder / NATURAL_ADVERSARIAL, table.to_csv(index=False))


def write_neighbours(folder: Path, **figures: float) -> None:
    """Writes how much of the classes is in a network's features (see `neighbours_accuracy`)."""
    atomic_write(folder / NEIGHBOURS, pd.DataFrame([figures]).to_csv(index=False))


def _read(path: Path, columns: list[str] | None = None) -> pd.DataFrame | None:
    return pd.read_parquet(path, columns=columns) if path.is_file() else None


def _join(before: pd.DataFrame | None, now: pd.DataFrame) -> pd.DataFrame:
    """The old tests that were not made again, then the new ones."""
    if before is None or before.empty:
        return now
    again = before.set_index(TEST_KEY).index.isin(now.set_index(TEST_KEY).index)
    return pd.concat([before[~again], now], ignore_index=True)


def confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """How often a class was taken for which, over all trials of each condition: condition, true, predicted, count."""
    tables = []
    for (name, level), group in predictions.groupby(["test_perturbation", "test_level"], sort=False):
        label, predicted = (np.concatenate(group[column].to_list()).astype(int) for column in ("label", "predicted"))
        counts = np.bincount(label * len(classes) + predicted, minlength=len(classes) ** 2)
        pairs = counts.nonzero()[0]
        named = {
            "true": np.take(classes, pairs // len(classes)),
            "predicted": np.take(classes, pairs % len(classes)),
        }
        tables.append(pd.DataFrame({"condition": condition_title(name, level), **named, "count": counts[pairs]}))
    return pd.concat(tables, ignore_index=True)
