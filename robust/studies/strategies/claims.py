"""What was measured for each claim of arXiv 2004.03452, which claims.yaml lists."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from robust.measure import NATURAL, condition_title, summarize
from robust.measure.claims import Comparison, Figure, Subject, decide, read_claims
from robust.measure.intervals import normal, student
from robust.measure.paired import correct_images
from robust.runs import RunFolder
from robust.runs.titles import run_title
from robust.studies.strategies.choice import comparable, select_kind
from robust.studies.strategies.paper import DATA_TITLES, MODELS, TECHNIQUES
from robust.studies.strategies.quantities import REFERENCE, Quantity, Setting, read_figure


class _Accuracy(NamedTuple):
    """In percent, with Wilson's interval for n images, and the run that it is of."""

    mean: float
    low: float
    high: float
    n: int
    run: str


_Accuracies = dict[Setting, _Accuracy]  # of one data set and seed


class _Found(NamedTuple):
    """What one seed comes to, and the quantity that it comes from."""

    value: float
    quantity: Quantity
    seed: int


class _Asked(NamedTuple):
    """A claim's figure: of each group the best quantity counts, and of the groups the worst."""

    groups: list[list[Quantity]]
    comparison: Comparison
    published: float

    def badness(self, found: _Found) -> float:
        """How little this speaks for the claim, to compare with others."""
        if self.comparison == "equal":
            return abs(found.value - self.published)
        return found.value if self.comparison in ("at most", "below") else -found.value


class _Predictions:
    """How often each image was recognised, read when it is asked for."""

    def __init__(self, folders: Sequence[Path]):
        self.folders = {folder.name: folder for folder in folders if RunFolder(folder).predictions.is_file()}
        self.tables: dict[str, pd.DataFrame] = {}

    def of(self, run: str, setting: Setting) -> np.ndarray | None:
        """By one run under the setting's condition, a fraction of the trials for each image; None where
        that was not kept, or ended early."""
        if run not in self.folders:
            return None
        if run not in self.tables:
            predictions = RunFolder(self.folders[run]).read_whole_tests()
            assert predictions is not None
            self.tables[run] = correct_images(predictions)[1] if len(predictions) else pd.DataFrame()
        title = condition_title(setting.test, setting.test_level)
        return self.tables[run].loc[title].to_numpy() if title in self.tables[run].index else None


def strategies_claims(rows: pd.DataFrame, folders: Sequence[Path] = ()) -> pd.DataFrame:
    """A line for each claim that these rows can decide, data set by data set.

    Over several seeds the interval is Student's, over their paired figures; for one seed it is over images, paired
    where the runs' `folders` hold the predictions. A claim is left out where a run or a condition is missing in every
    seed.
    """
    known, predictions = _accuracies(plain_runs(rows)), _Predictions(folders)
    figures = {data: partial(_figure, known[data], predictions) for data in MODELS if data in known}
    return decide(_claims(), [Subject(data, one, {"title": DATA_TITLES[data]}) for data, one in figures.items()])


@cache
def _claims() -> list[dict[str, Any]]:
    """The claims with their figures read, each with what decides which of its quantities is worst."""
    return [
        {"tolerance": 0.0, **one, "figure": _Asked(read_figure(one["figure"]), one["comparison"], one["published"])}
        for one in read_claims(__package__)
    ]


def plain_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the paper's own networks and techniques, without variants: one kind of each."""
    rows = comparable(rows)
    return select_kind(
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


def _figure(known: Mapping[int, _Accuracies], predictions: _Predictions, asked: _Asked) -> Figure | None:
    """What the seeds that were measured in all of a claim's settings come to; None where there are none."""
    settings = {one for group in asked.groups for quantity in group for one in quantity.settings}
    found = [_worst(asked, known[seed], seed) for seed in sorted(known) if settings <= known[seed].keys()]
    if not found:
        return None
    if len(found) > 1:
        figures = student([one.value for one in found])
    else:
        figures = (found[0].value, *_over_images(found[0], known[found[0].seed], predictions))
    quantity = found[0].quantity
    least = 0.0 if quantity.minus is None or quantity.apart else -100.0
    mean, low, high = np.clip(figures, least, 100)
    return Figure(mean, low, high, len(found), partial(_reason, asked, found))


def _worst(asked: _Asked, accuracies: _Accuracies, seed: int) -> _Found:
    """The worst group's best quantity."""
    groups = [[_Found(_value(one, accuracies), one, seed) for one in group] for group in asked.groups]
    return max((min(group, key=asked.badness) for group in groups), key=asked.badness)


def _value(quantity: Quantity, accuracies: _Accuracies) -> float:
    value = accuracies[quantity.setting].mean
    if quantity.minus is not None:
        value -= accuracies[quantity.minus].mean
    return abs(value) if quantity.apart else value


def _over_images(found: _Found, accuracies: _Accuracies, predictions: _Predictions) -> tuple[float, float]:
    """The interval of one seed's figure: Wilson's for an accuracy, normal for a difference, paired over the images.

    Where predictions are missing, the variances of both accuracies are added: more than a difference on the same images
    has.
    """
    settings = found.quantity.settings
    both = [accuracies[setting] for setting in settings]
    if len(both) == 1:
        return both[0].low, both[0].high
    first, second = (predictions.of(one.run, setting) for one, setting in zip(both, settings, strict=True))
    if first is None or second is None:
        variance = sum(one.mean * (100 - one.mean) / one.n for one in both)
    else:
        variance = np.var(100 * (first - second), ddof=1) / both[0].n
    return normal(found.value, variance)


def _reason(asked: _Asked, found: Sequence[_Found], line: Mapping[str, Any]) -> str:
    """Why a claim does not hold: by how much, and where it is worst."""
    measured, published, tolerance = line["measured"], line["published"], line["tolerance"]
    under = measured < published
    edge = published + (-tolerance if under else tolerance)
    bound = "" if asked.comparison == "equal" else "the bound of "
    about = f" ± {tolerance:g}" if tolerance else ""
    where = f"{'under' if under else 'over'} {bound}{published:g}{about}"
    reason = f"{measured:.2f} [{line['low']:.2f}, {line['high']:.2f}] is {abs(measured - edge):.2f} points {where}"
    if len(asked.groups) == 1:
        return reason
    worst = max(found, key=asked.badness)
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
    model = run_title({**trained, "train_level": setting.train_level})
    return f"{model} tested on {condition_title(setting.test, setting.test_level)}"
