"""What restoration, adaptation and training again win over a natural network, by perturbation."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from robust.measure import NATURAL, SUITES, as_whole
from robust.measure.claims import FEWEST_SEEDS, Figure, Subject
from robust.measure.intervals import student
from robust.perturb.corruptions import SEVERITIES
from robust.runs.titles import kind_folders, only_measured, run_titles

#: ways to bring a network back: a restoration or an adaptation of the natural one, training, both; a natural network of
#: another size
WITHOUT, RETRAINED, BOTH, OTHER = "without retraining", "retrained", "both", "another network"
_TEST = ["test_perturbation", "test_level"]
_AROUND = " +"  # in a technique's name: what stands around its network
_STRONGEST = {(name, level) for name, level in SUITES["corruptions"] if level == SEVERITIES}
AT_5 = "corruptions at severity 5"


def won_by_ways(rows: pd.DataFrame, folders: Sequence[Path] = ()) -> pd.DataFrame:
    """A line for each run beside the natural one of its data and seed that networks are brought back from, and each
    perturbation, a mean over its levels: data, title, `way`, run, seed, perturbation, accuracy, `before` and `won`,
    fractions. Nothing where no natural network is measured with anything around it."""
    runs = rows.drop_duplicates("run").set_index("run", drop=False)
    runs = runs[~only_measured(runs) | runs["technique"].str.contains(_AROUND, regex=False)]
    titles = (run_titles(mine, kind_folders(folders, mine)) for _, mine in runs.groupby("data", sort=False))
    runs = runs.assign(way=runs["technique"].map(_way), title=pd.concat([*titles, pd.Series(dtype=object)]))
    base = runs.loc[runs["way"] == WITHOUT, ["data", "seed", "reference"]].drop_duplicates(["data", "seed"])
    runs = runs[["data", "title", "way", "run", "seed"]].merge(base, on=["data", "seed"])
    accuracy = _accuracy(rows, runs)
    before = accuracy.rename(columns={"run": "reference", "accuracy": "before"})
    lines = runs[runs["run"] != runs["reference"]].merge(accuracy, on="run").merge(before)
    return lines.assign(won=lines["accuracy"] - lines["before"])


def _way(technique: str) -> str:
    trained, around, _ = technique.partition(_AROUND)
    if around:
        return WITHOUT if trained == NATURAL else BOTH
    return OTHER if trained == NATURAL else RETRAINED


def _accuracy(rows: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The accuracy of each of these runs under each perturbation: the mean over the levels that all runs of its data
    were tested at, each the mean over its trials; and under all corruptions at severity 5."""
    mine = as_whole(rows[rows["run"].isin(runs["run"])])
    each = mine.groupby(["data", "run", *_TEST], sort=False)["accuracy"].mean().reset_index()
    count = each.groupby("data")["run"].transform("nunique")
    each = each[each.groupby(["data", *_TEST])["run"].transform("nunique") == count]
    strongest = [test in _STRONGEST for test in each[_TEST].itertuples(index=False, name=None)]
    each = pd.concat([each, each[strongest].assign(test_perturbation=AT_5)])
    each = each.rename(columns={"test_perturbation": "perturbation"})
    return each.groupby(["run", "perturbation"], sort=False)["accuracy"].mean().reset_index()


def answers(won: pd.DataFrame) -> pd.DataFrame:
    """A line for each data set and perturbation: `before`, the natural network's accuracy; the best without retraining
    and the best retrained, with what each wins; by how much the first wins more, `apart`; and which is `better`, ""
    where the interval holds 0 or one side is missing. Fractions; each with `_low` and `_high`, paired over seeds
    (Student)."""
    lines = []
    for (data, perturbation), mine in won.groupby(["data", "perturbation"], sort=False):
        line = {"data": data, "perturbation": perturbation, "before": mine.drop_duplicates("seed")["before"].mean()}
        best = {}
        for name, way in (("without", WITHOUT), ("retrained", RETRAINED)):
            by_seed = mine[mine["way"] == way].pivot(index="seed", columns="title", values="won").dropna(axis=1)
            if by_seed.shape[1]:
                best[name] = by_seed[by_seed.mean().idxmax()]
                line[name] = best[name].name
                line |= _interval(f"{name}_won", best[name])
        if len(best) > 1:
            line |= _interval("apart", best["without"] - best["retrained"])
            sides = {"without": line["apart_low"] > 0, "retrained": line["apart_high"] < 0}
            line["better"] = next((str(line[name]) for name, holds in sides.items() if holds), "")
        lines.append(line)
    return pd.DataFrame(lines).fillna(dict.fromkeys(("without", "retrained", "better"), ""))


def _interval(name: str, values: pd.Series) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), student(values.dropna()), strict=True))


def subjects(won: pd.DataFrame) -> Iterator[Subject]:
    """What claims are held against: of each data set `TITLE over TITLE under PERTURBATION`, in points; `natural` is the
    network that the others are brought back from."""
    for data, mine in won.groupby("data", sort=False):

        def figure(asked: str, mine: pd.DataFrame = mine) -> Figure | None:
            (first, _, rest) = asked.partition(" over ")
            (second, _, perturbation) = rest.partition(" under ")
            by_seed = mine[mine["perturbation"] == perturbation].pivot(index="seed", columns="title", values="won")
            by_seed["natural"] = 0.0
            if not {first, second} <= {*by_seed}:
                return None
            apart = 100 * (by_seed[first] - by_seed[second]).dropna()
            return Figure(*student(apart), len(apart)) if len(apart) >= FEWEST_SEEDS else None

        yield Subject(str(data), figure)
