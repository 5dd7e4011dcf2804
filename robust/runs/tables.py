"""The tables of a run: which columns they have, and how what is measured now joins what was measured before."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from robust.measure import (
    CALIBRATION,
    NATURAL,
    PUBLISHED_KEY,
    TEST_KEY,
    UNKNOWN,
    UNTIL,
    ended_early,
    scores,
    summarize,
)
from robust.runs.identity import Identity

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
    *CALIBRATION,
    "exposure",
]
#: what tells the tests of published sets apart, and the images of each
PUBLISHED = [*PUBLISHED_KEY, "images"]
#: what tells the attacks of a run apart
ATTACK_KEY = ["attack", "settings", "image", "target", "threshold"]


def complete_rows(rows: pd.DataFrame, identity: Identity, reference: str) -> pd.DataFrame:
    """Rows of a test with the columns that say what was trained.

    `kind` is the same for runs that differ by their seed alone, `reference` the natural run that it is held against.
    Rows that do not say what the network has seen (`exposure`) are of one of whose training nothing is known.
    """
    perturbed = rows["test_perturbation"] != NATURAL
    known = rows if "exposure" in rows else rows.assign(exposure=perturbed.map({True: UNKNOWN, False: ""}))
    return with_run(known, identity, reference)[[*COLUMNS, *(name for name in UNTIL if name in rows)]]


def with_run(table: pd.DataFrame, identity: Identity, reference: str) -> pd.DataFrame:
    """A table with the columns of a run added."""
    return table.assign(
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


def rows_in(rows: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows of the tests (see TEST_KEY) that stand in both tables."""
    both = pd.MultiIndex.from_frame(rows[TEST_KEY]).isin(pd.MultiIndex.from_frame(predictions[TEST_KEY]))
    return rows[both]


def whole_tests(rows: pd.DataFrame) -> set[tuple[str, float, int, int]]:
    """The tests (see TEST_KEY) of these rows that are of no condition that ended early."""
    return keys_in(rows[~ended_early(rows)], TEST_KEY)


def keys_in(table: pd.DataFrame, columns: Sequence[str]) -> set[tuple[Any, ...]]:
    """What stands in these columns, row by row."""
    return set(table[[*columns]].itertuples(index=False, name=None))


def join_tests(before: pd.DataFrame | None, now: pd.DataFrame) -> pd.DataFrame:
    """The old tests that were not made again, then the new ones: each stands there once; of a condition that ended
    early and is measured again none of the old."""
    if before is None or before.empty:
        return now
    again = before.set_index(TEST_KEY).index.isin(now.set_index(TEST_KEY).index)
    condition = [name for name in TEST_KEY if name != "trial"]
    conditions, theirs, ended = before.set_index(condition).index, now.set_index(condition).index, ended_early(now)
    again |= conditions.isin(theirs[ended]) | (ended_early(before) & conditions.isin(theirs))
    return pd.concat([before[~again], now], ignore_index=True)


def without_until(table: pd.DataFrame) -> pd.DataFrame:
    """A table of tests without the columns that are of tests that ended early, where none did."""
    some = ended_early(table).any() or ("images" in table and table["images"].notna().any())
    return table if some else table.drop(columns=[*UNTIL, "images"], errors="ignore")


def join_attacks(before: pd.DataFrame | None, now: pd.DataFrame) -> pd.DataFrame:
    """Old and new attacks; of an image at a threshold the last one stands there."""
    joined = now if before is None else pd.concat([before, now], ignore_index=True)
    joined = joined.drop_duplicates(ATTACK_KEY, keep="last")
    first = ["run", "attack", "image", "label", "target"]
    return joined[[*first, *(name for name in joined if name not in first)]]


def join_published(
    before: pd.DataFrame | None, now: pd.DataFrame, planned: Collection[tuple[Any, ...]]
) -> pd.DataFrame:
    """Old and new tests of published sets, each once; of the sets that are `planned` without the tests that are not."""
    if before is None:
        return now
    made, sets = pd.MultiIndex.from_frame(now[PUBLISHED_KEY]), {one[0] for one in planned}
    stays = pd.MultiIndex.from_frame(before[PUBLISHED]).isin(list(planned)) | ~before["set"].isin(sets)
    again = pd.MultiIndex.from_frame(before[PUBLISHED_KEY]).isin(made)
    return pd.concat([before[stays & ~again], now], ignore_index=True)


def join_stability(before: pd.DataFrame | None, now: pd.DataFrame) -> pd.DataFrame:
    """Old and new tests under sequences of frames; of each sequence the last one stands there."""
    joined = now if before is None else pd.concat([before, now], ignore_index=True)
    return joined.drop_duplicates("sequence", keep="last", ignore_index=True)


def summary_of(rows: pd.DataFrame) -> Mapping[str, Any]:
    """What a run's rows come to, as plain values: its scores, and a record for each of its `conditions`."""
    summary = summarize(rows)
    conditions = summary.drop(columns="run").astype(object).where(summary.notna(), None)
    return {**scores(rows, summary), "conditions": conditions.to_dict("records")}
