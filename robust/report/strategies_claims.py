"""Which of the paper's claims hold in these rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from robust.measure import NATURAL, condition_title, summarize
from robust.measure.intervals import normal, student
from robust.report.choice import comparable, of_one_kind
from robust.report.claims import COLUMNS, FEWEST_SEEDS, claim_line
from robust.report.pairs import correct_images
from robust.report.published import STATEMENTS
from robust.report.statements import MODELS, REFERENCE, TECHNIQUES, Quantity, Setting, Statement
from robust.report.titles import run_title
from robust.runs import RunFolder


class _Accuracy(NamedTuple):
    """In percent, with Wilson's interval for n images, and the run that it is of."""

    mean: float
    low: float
    high: float
    n: int
    run: str


class _Found(NamedTuple):
    """What one seed comes to, and the quantity that it comes from."""

    value: float
    quantity: Quantity
    seed: int


_Accuracies = dict[Setting, _Accuracy]  # of one data set and seed


class _Verdicts:
    """How often each image was recognised, read when it is asked for."""

    def __init__(self, folders: Mapping[str, Path]):
        self.folders = folders
        self.tables: dict[str, pd.DataFrame] = {}

    def of(self, run: str, setting: Setting) -> np.ndarray | None:
        """By one run under the setting's condition, a fraction of the trials for each image; None if nobody knows."""
        if run not in self.folders:
            return None
        if run not in self.tables:
            self.tables[run] = correct_images(self.folders[run])[1]
        return self.tables[run].loc[condition_title(setting.test, setting.test_level)].to_numpy()


def claims(rows: pd.DataFrame, folders: Sequence[Path] = ()) -> pd.DataFrame:
    """One line for each claim of arXiv 2004.03452 that these rows can decide; `COLUMNS`, figures in percent and points.

    `met` is `yes` where the 95 % interval, `low` to `high`, reaches what was published. Over several seeds the
    interval is Student's, over their paired figures; for one it is over images, paired where the runs' `folders` hold
    the verdicts. A claim is left out where a run or a condition is missing in every seed.
    """
    known = _accuracies(plain_runs(rows))
    verdicts = _Verdicts({folder.name: folder for folder in folders if RunFolder(folder).predictions.is_file()})
    lines = []
    for statement in STATEMENTS:
        settings = {one for group in statement.groups for quantity in group for one in _settings(quantity)}
        seeds = known.get(statement.data, {})
        complete = {seed: seeds[seed] for seed in sorted(seeds) if settings <= seeds[seed].keys()}
        if complete:
            lines.append(_line(statement, complete, verdicts))
    return pd.DataFrame(lines, columns=COLUMNS)


def claims_summary(table: pd.DataFrame) -> str:
    """How many of the claims hold, and how many rest on too few seeds to say much."""
    if table.empty:
        return "None of the paper's claims can be decided from these runs."
    few = (table["seeds"] < FEWEST_SEEDS).sum()
    rest = f" {few} of them rest{'s' if few == 1 else ''} on fewer than {FEWEST_SEEDS} seeds." if few else ""
    return f"{(table['met'] == 'yes').sum()} of {len(table)} claims hold.{rest}"


def plain_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the paper's own networks and techniques, without variants: one kind of each."""
    rows = comparable(rows)
    return of_one_kind(
        rows[(rows["model"] == rows["data"].map(MODELS)) & rows["technique"].isin([NATURAL, *TECHNIQUES])]
    )


def _accuracies(rows: pd.DataFrame) -> dict[str, dict[int, _Accuracies]]:
    """By data and seed, what was measured in every setting."""
    what = ["run", "data", "technique", "train_perturbation", "train_level", "seed"]
    known: dict[str, dict[int, _Accuracies]] = defaultdict(lambda: defaultdict(dict))
    for line in rows[what].drop_duplicates("run").merge(summarize(rows), on="run").itertuples():
        levels = round(float(line.train_level), 6), round(float(line.test_level), 6)
        setting = Setting(line.technique, line.train_perturbation, levels[0], line.test_perturbation, levels[1])
        accuracy = _Accuracy(100 * line.mean, 100 * line.low, 100 * line.high, line.n, line.run)
        known[line.data][line.seed][setting] = accuracy
    return known


def _line(statement: Statement, seeds: dict[int, _Accuracies], verdicts: _Verdicts) -> dict[str, object]:
    found = [_found(statement, accuracies, seed) for seed, accuracies in seeds.items()]
    if len(found) > 1:
        figures = student([one.value for one in found])
    else:
        figures = (found[0].value, *_over_images(found[0], seeds[found[0].seed], verdicts))
    quantity = found[0].quantity
    least = 0.0 if quantity.minus is None or quantity.apart else -100.0
    measured, low, high = np.clip(figures, least, 100)
    line = claim_line(
        statement.id, statement.section, statement.text, statement.comparison, statement.published, measured,
        (low, high), data=statement.data, seeds=len(found), tolerance=statement.tolerance,
    )  # fmt: skip
    return line if line["met"] == "yes" else {**line, "reason": _reason(statement, line, found)}


def _found(statement: Statement, accuracies: _Accuracies, seed: int) -> _Found:
    """The worst group's best quantity."""

    def badness(one: _Found) -> float:
        return _badness(statement, one.value)

    groups = [[_Found(_value(one, accuracies), one, seed) for one in group] for group in statement.groups]
    return max((min(group, key=badness) for group in groups), key=badness)


def _badness(statement: Statement, value: float) -> float:
    """How little a figure speaks for the statement, to compare with others."""
    if statement.comparison == "equal":
        return abs(value - statement.published)
    return value if statement.comparison in ("at most", "below") else -value


def _settings(quantity: Quantity) -> list[Setting]:
    return [quantity.setting] if quantity.minus is None else [quantity.setting, quantity.minus]


def _value(quantity: Quantity, accuracies: _Accuracies) -> float:
    value = accuracies[quantity.setting].mean
    if quantity.minus is not None:
        value -= accuracies[quantity.minus].mean
    return abs(value) if quantity.apart else value


def _over_images(found: _Found, accuracies: _Accuracies, verdicts: _Verdicts) -> tuple[float, float]:
    """The interval of one seed's figure: Wilson's for an accuracy, normal for a difference, paired over the images.

    Where verdicts are missing, the variances of both accuracies are added: more than a difference on the same images
    has.
    """
    if found.quantity.minus is None:
        accuracy = accuracies[found.quantity.setting]
        return accuracy.low, accuracy.high
    settings = _settings(found.quantity)
    both = [accuracies[setting] for setting in settings]
    first, second = (verdicts.of(one.run, setting) for one, setting in zip(both, settings, strict=True))
    if first is None or second is None:
        variance = sum(one.mean * (100 - one.mean) / one.n for one in both)
    else:
        variance = np.var(100 * (first - second), ddof=1) / both[0].n
    return normal(found.value, variance)


def _reason(statement: Statement, line: Mapping[str, Any], found: list[_Found]) -> str:
    """Why a claim does not hold: by how much, and where it is worst."""
    measured, low, high = line["measured"], line["low"], line["high"]
    under = measured < statement.published
    edge = statement.published + (-statement.tolerance if under else statement.tolerance)
    bound = "" if statement.comparison == "equal" else "the bound of "
    tolerance = f" ± {statement.tolerance:g}" if statement.tolerance else ""
    where = f"{'under' if under else 'over'} {bound}{statement.published:g}{tolerance}"
    reason = f"{measured:.2f} [{low:.2f}, {high:.2f}] is {abs(measured - edge):.2f} points {where}"
    if len(statement.groups) == 1:
        return reason
    worst = max(found, key=lambda one: _badness(statement, one.value))
    reason += f"; worst at {_title(worst.quantity)}"
    return reason if len(found) == 1 else f"{reason} ({worst.value:.2f}, seed {worst.seed})"


def _title(quantity: Quantity) -> str:
    """What is compared; of a difference to the natural model the claim says the rest."""
    one, other = quantity.setting, quantity.minus
    if other is not None and one.technique == NATURAL:
        one, other = other, one
    title = _setting_title(one)
    if other is not None and other != REFERENCE and one[:3] == other[:3]:
        return f"{title} and {condition_title(other.test, other.test_level)}"
    return title


def _setting_title(setting: Setting) -> str:
    trained = {"technique": setting.technique, "train_perturbation": setting.trained}
    model = run_title(pd.Series({**trained, "train_level": setting.train_level}))
    return f"{model} tested on {condition_title(setting.test, setting.test_level)}"
