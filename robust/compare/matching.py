"""Which runs of one side are those of the other: by what they are, whatever their folders are called."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from robust.compare.sides import Side
from robust.measure import NATURAL
from robust.runs import read_status
from robust.runs.settings import read_settings
from robust.runs.tables import COLUMNS
from robust.runs.titles import kind_folders, run_titles

_NAMES = ["data", "model", "technique", "train_perturbation", "train_level"]
_WITHIN = {  # the settings that a name stands for
    "model": ("model.",),
    "technique": ("technique.", "task.", "recipe."),
    "train_perturbation": ("perturb.",),
}
_MOST = 10  # kinds, or values, that a sentence names
Changes = dict[str, tuple[str, str]]  # of settings, by their names: from which value to which


@dataclass(frozen=True)
class Pair:
    """A kind of run on each side: what it is called, its runs by seed, of the seeds that both have, and what is set
    otherwise."""

    title: str
    first: Mapping[int, str]
    second: Mapping[int, str]
    changed: Changes


@dataclass(frozen=True)
class Matching:
    """The kinds that stand on both sides, what is set otherwise in all of them, and in words what has no partner."""

    pairs: Sequence[Pair]
    changed: Changes
    gone: Sequence[str]
    new: Sequence[str]


def match(first: Side, second: Side) -> Matching:
    """Pairs the kinds of runs of two sides, each once.

    Kinds of one identity are pairs. Of the others those are that have the same data, model, technique and training
    perturbation; what is the same throughout each side, and another on each, is not asked for. Where several are so
    alike, those settings decide that vary on a side and have values in common. Raises ValueError where the data are
    others, and where no run has a partner.
    """
    one, two = _kinds(first), _kinds(second)
    _check_data(first, second, one, two)
    same = [(kind, kind) for kind in one.index if kind in two.index]
    left = one.drop(index=[kind for kind, _ in same]), two.drop(index=[kind for kind, _ in same])
    partners = dict([*same, *_alike(*left)])
    pairs, gone, new = [], [], []
    for mine, other in sorted(partners.items(), key=lambda kinds: [*one.index].index(kinds[0])):
        runs, others = one.loc[mine, "runs"], two.loc[other, "runs"]
        seeds = sorted({*runs} & {*others})
        if seeds:
            title = " → ".join(dict.fromkeys([one.loc[mine, "title"], two.loc[other, "title"]]))
            first_runs, second_runs = ({seed: side[seed] for seed in seeds} for side in (runs, others))
            pairs.append(Pair(title, first_runs, second_runs, _changes(one.loc[mine], two.loc[other])))
        gone += _seeds_in_words(one.loc[mine, "title"], {*runs} - {*seeds})
        new += _seeds_in_words(two.loc[other, "title"], {*others} - {*seeds})
        left = left[0].drop(index=mine, errors="ignore"), left[1].drop(index=other, errors="ignore")
    gone += [text for _, kind in left[0].iterrows() for text in _seeds_in_words(kind["title"], kind["runs"])]
    new += [text for _, kind in left[1].iterrows() for text in _seeds_in_words(kind["title"], kind["runs"])]
    if not pairs:
        raise ValueError(
            f"No run of one side has a partner on the other. {first.name} has {few(gone)}; {second.name} has "
            f"{few(new)}. Runs are pairs by data, model, technique, training perturbation and seed."
        )
    return Matching(pairs, {**_in_all(pairs), **_circumstances(first, second)}, gone, new)


def _kinds(side: Side) -> pd.DataFrame:
    """A line for each kind of run: its names, title, settings, and its runs by seed."""
    runs = side.rows.drop_duplicates("run").sort_values("seed", kind="stable")
    runs = runs.sort_values("technique", key=lambda names: names != NATURAL, kind="stable")
    by_kind = {
        kind: dict(zip(group["seed"], group["run"], strict=True)) for kind, group in runs.groupby("kind", sort=False)
    }
    kinds = runs.drop_duplicates("kind")
    folders = kind_folders(side.folders.values(), kinds)
    titles = run_titles(kinds, folders)
    noted = [name for name in kinds if name not in COLUMNS]  # as `robust collect` notes them
    settings = [
        dict(read_settings(folders[run["kind"]])) if run["kind"] in folders else run[noted].astype(str).to_dict()
        for _, run in kinds.iterrows()
    ]
    alone = ~kinds["kind"].isin(folders)
    found = {"title": titles, "settings": settings, "rows_alone": alone, "runs": kinds["kind"].map(by_kind)}
    return kinds.assign(**found).set_index("kind")


def _check_data(first: Side, second: Side, one: pd.DataFrame, two: pd.DataFrame) -> None:
    data = [list(side["data"].unique()) for side in (one, two)]
    if not {*data[0]} & {*data[1]}:
        raise ValueError(
            f"{first.name} and {second.name} must be of the same data; they are of {few(data[0])} and of "
            f"{few(data[1])}."
        )


def _alike(one: pd.DataFrame, two: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Kinds of the same names, but for names that each side has but one of."""
    throughout = [
        name
        for name in _NAMES[1:]
        if one[name].nunique() == two[name].nunique() == 1 and one[name].iloc[0] != two[name].iloc[0]
    ]
    by = [name for name in _NAMES if name not in throughout]
    others = dict(iter(two.groupby(by, sort=False)))
    for names, mine in one.groupby(by, sort=False):
        if names in others:
            yield from _by_settings(mine, others[names])


def _by_settings(one: pd.DataFrame, two: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Of kinds of the same names those that agree in the settings that tell them apart on a side."""
    if len(one) == len(two) == 1:
        yield one.index[0], two.index[0]
        return
    keys: list[dict[tuple[Any, ...], list[str]]] = [{}, {}]
    names = dict.fromkeys(name for side in (one, two) for settings in side["settings"] for name in settings)
    values = {name: [{each.get(name, "") for each in side["settings"]} for side in (one, two)] for name in names}
    asked = [name for name, (mine, others) in values.items() if max(len(mine), len(others)) > 1 and mine & others]
    for side, found in zip((one, two), keys, strict=True):
        for kind, settings in side["settings"].items():
            found.setdefault(tuple(settings.get(name, "") for name in asked), []).append(str(kind))
    for key, mine in keys[0].items():
        if len(mine) == len(keys[1].get(key, [])) == 1:
            yield mine[0], keys[1][key][0]


def _changes(one: pd.Series, two: pd.Series) -> Changes:
    """What is set otherwise, by the names that say it or, of the rest, by the settings."""
    found = {name: (str(one[name]), str(two[name])) for name in _NAMES if one[name] != two[name]}
    said = tuple(prefix for name in found for prefix in _WITHIN.get(name, ()))
    mine, others = one["settings"], two["settings"]
    of_one = {*mine} ^ {*others} if one["rows_alone"] or two["rows_alone"] else set()  # which the other does not note
    for name in dict.fromkeys([*mine, *others]):
        values = mine.get(name, "null"), others.get(name, "null")
        if values[0] != values[1] and name not in of_one and not name.startswith(said or "\0"):
            found[name] = values
    return found


def _in_all(pairs: Sequence[Pair]) -> Changes:
    """What is set otherwise, alike, in every pair."""
    return {
        name: values
        for name, values in pairs[0].changed.items()
        if all(one.changed.get(name) == values for one in pairs)
    }


def _circumstances(first: Side, second: Side) -> Changes:
    """What code and which versions of packages the runs of each side were made with, where these are others."""
    said: list[dict[str, set[str]]] = [{}, {}]
    for side, known in zip((first, second), said, strict=True):
        for folder in side.folders.values():
            for session in (read_status(folder).record or {}).get("sessions", []):
                known.setdefault("code", set()).add(str(session["git_commit"] or "")[:12] or "unknown")
                for name, version in session["versions"].items():
                    known.setdefault(name, set()).add(str(version))
    return {
        name: (few(sorted(said[0][name])), few(sorted(said[1][name])))
        for name in said[0]
        if name in said[1] and said[0][name] != said[1][name]
    }


def _seeds_in_words(title: str, seeds: Any) -> list[str]:
    return [f"{title} (seed{'s' * (len(seeds) > 1)} {few(sorted(seeds))})"] if seeds else []


def few(words: Sequence[object], between: str = ", ") -> str:
    """The first of these, and how many others there are."""
    more = len(words) - _MOST
    return between.join([*map(str, words[:_MOST]), *([f"{more} others"] if more > 0 else [])])
