"""What runs are called: alike where they differ by their seed alone, and only then."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from robust.measure import NATURAL, condition_title
from robust.runs.settings import beside_recipe, differing_settings, given_settings, read_settings

_NAMED = ["technique", "train_perturbation", "train_level"]
_MOST = 6  # settings that a title names
KindFolders = Mapping[str, Path]  # of a run of each kind


def run_title(row: Mapping[str, Any] | pd.Series) -> str:
    """What a run is called: its technique and what it was trained on."""
    technique, trained = str(row["technique"]), row["train_perturbation"]
    return technique if trained == "none" else f"{technique} {condition_title(trained, row['train_level'])}"


def plain_titles(runs: pd.DataFrame) -> pd.Series:
    """What these runs, a row for each, are called, whether or not that tells them apart."""
    return pd.Series([run_title(run) for run in runs[_NAMED].to_dict("records")], runs.index, dtype=object)


def only_measured(runs: pd.DataFrame) -> pd.Series:
    """Which of these runs trained nothing: their network was measured as it was given."""
    return (runs["technique"] != NATURAL) & (runs["reference"] == runs["run"])


def run_titles(runs: pd.DataFrame, folders: KindFolders) -> pd.Series:
    """What each of these runs, a row for each, is called: alike for runs that differ by their seed alone, and only for
    those. `folders`: where their configurations are."""
    titles = plain_titles(runs)
    for names in (runs["data"], short_models(runs["model"])):
        ambiguous = runs["kind"].groupby(titles).transform("nunique") > 1
        differs = names.groupby(titles).transform("nunique") > 1
        titles = titles.where(~(ambiguous & differs), titles + " (" + names + ")")
    return disambiguate(titles, runs["kind"], folders=folders)


def kind_folders(folders: Iterable[Path], rows: pd.DataFrame) -> dict[str, Path]:
    """The folder of a run of each kind of these rows, where it is among `folders`."""
    places = {folder.name: folder for folder in folders}
    runs = rows.drop_duplicates("run")
    return {kind: places[run] for kind, run in zip(runs["kind"], runs["run"], strict=True) if run in places}


def disambiguate(titles: pd.Series, kinds: pd.Series, *within: pd.Series, folders: KindFolders) -> pd.Series:
    """Titles, and behind those that several kinds bear in one place (of the same data, say) the settings in which these
    differ, such as "natural lr=0.01": those that their commands gave, where they tell them apart, else those of the
    configurations in `folders`; where these are not there or say nothing, the kind itself. What a kind's training has
    that its recipe has not is named too, unless all have it."""
    by = [titles, *within]
    named = titles.copy()
    known = {kind: folders[kind] for kind in kinds.unique() if kind in folders}
    for _, mine in kinds[_collide(by, kinds)].groupby([one.to_numpy()[_collide(by, kinds)] for one in by], sort=False):
        places = {kind: known[kind] for kind in mine.unique() if kind in known}
        words = _given_in_words(places)
        if len({*words.values()}) < mine.nunique():
            words = _settings_in_words(differing_settings({kind: read_settings(one) for kind, one in places.items()}))
        named[mine.index] += [words.get(kind, "") for kind in mine]
    named = _with_training(named, kinds, known)
    still = _collide([named, *within], kinds)
    return named.where(~still, named + " (" + kinds + ")")


def given_beside(titles: Mapping[str, str], folders: KindFolders) -> tuple[list[str], dict[str, str]]:
    """What the commands of all these kinds set, such as "optimizer=sgd"; of each kind what else its own set, and its
    title does not say."""
    given = {kind: given_settings(folders[kind]) if kind in folders else [] for kind in titles}
    shared = [word for word in next(iter(given.values()), []) if all(word in one for one in given.values())]
    said = {kind: tuple(f".{word}" for word in title.lower().split()) for kind, title in titles.items()}
    own = {kind: [word for word in words if word not in shared] for kind, words in given.items()}
    return shared, {
        kind: " ".join(word for word in words if not f".{word}".lower().endswith(said[kind]))
        for kind, words in own.items()
    }


def _with_training(titles: pd.Series, kinds: pd.Series, folders: KindFolders) -> pd.Series:
    """Titles, and what each kind's training has that its recipe has not, unless the title says of that setting what it
    is; where all have one that their recipes have not, what most have is not said."""
    trained = {
        kind: {_short(key): _word(key, value) for key, value in beside_recipe(one).items()}
        for kind, one in folders.items()
    }
    of_all = set.intersection(*(set(one) for one in trained.values())) if trained else set()
    usual = {name: Counter(one[name] for one in trained.values()).most_common(1)[0][0] for name in of_all}
    words = [
        sorted(
            word
            for name, word in trained.get(kind, {}).items()
            if word != usual.get(name) and f" {name}=" not in f" {title}"
        )
        for title, kind in zip(titles, kinds, strict=True)
    ]
    named = [" ".join([title, *more]) for title, more in zip(titles, words, strict=True)]
    return pd.Series(named, index=titles.index, dtype=object)


def _given_in_words(folders: KindFolders) -> dict[str, str]:
    """Such as " lr=0.01 momentum=0.9" of each kind: what its command gave that not all commands did."""
    given = {kind: given_settings(folder) for kind, folder in folders.items()}
    shared = set.intersection(*map(set, given.values())) if given else set()
    own = {
        kind: [_word(*word.lstrip("+").split("=", 1)) for word in words if word not in shared]
        for kind, words in given.items()
    }
    return {kind: "".join(f" {word}" for word in words[:_MOST]) for kind, words in own.items()}


def _collide(by: Sequence[pd.Series], kinds: pd.Series) -> pd.Series:
    """Which titles several kinds bear."""
    return kinds.groupby([one.to_numpy() for one in by]).transform("nunique") > 1


def _settings_in_words(table: pd.DataFrame) -> pd.Series:
    """Such as " lr=0.01 momentum=0.9" of each row; a setting by the last word of its name where that is enough."""
    columns = list(table)[:_MOST]
    words = {name: _short(name) for name in columns}
    names = {name: word if list(words.values()).count(word) == 1 else name for name, word in words.items()}
    lines = [
        "".join(f" {names[name]}={_value(name, value)}" for name, value in zip(columns, line, strict=True) if value)
        for line in table[columns].itertuples(index=False, name=None)
    ]
    return pd.Series(lines, index=table.index, dtype=object)


def _word(name: str, value: str) -> str:
    return f"{_short(name)}={_value(name, value)}"


def _value(name: str, value: str) -> str:
    return value.rpartition(".")[2] if name.endswith("_target_") else value


def _short(name: str) -> str:
    *path, last = name.split(".")
    return path[-1] if path and last in ("_target_", "name") else last


def changes(model: str) -> dict[str, str]:
    """What was changed of a network, from its name such as "convnet_mnist dropout=0.0"."""
    return dict(re.findall(r" (\w+)=(.*?)(?= \w+=|$)", model))


def short_models(models: pd.Series) -> pd.Series:
    """The names of networks less what was changed of all of them alike, such as "dropout=0.0"."""
    shared = set.intersection(*(set(changes(model).items()) for model in models.unique())) if len(models) else ()
    for name, value in shared:
        models = models.str.replace(f" {name}={value}", "", regex=False)
    return models
