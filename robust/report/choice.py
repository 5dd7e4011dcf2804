"""Which runs one line of a figure stands for, where several kinds claim it."""

import re
from collections.abc import Callable, Iterable

import pandas as pd

_POINT = ["data", "technique", "train_perturbation", "train_level", "test_perturbation", "test_level"]

#: what data sets are called, in the paper's order; others follow
DATA_TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}


def in_order(data: Iterable[str]) -> list[str]:
    """The data sets, those of the paper first."""
    names = set(data)
    return [name for name in DATA_TITLES if name in names] + sorted(names - set(DATA_TITLES))


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with levels that compare equal where they are, a run's `settings` ("" where the natural run that it is held
    against, by which they are known, is not there), and `company`: how many runs share them."""
    runs = rows.drop_duplicates("run").set_index("run")
    settings = runs["reference"].map(runs["kind"])
    shared = settings.fillna(runs["reference"])
    company = shared.map(shared.value_counts())
    levels = {name: rows[name].astype(float).round(6) for name in ("train_level", "test_level")}
    of_runs = {"settings": settings.fillna(""), "company": company}
    return rows.assign(**{name: rows["run"].map(one) for name, one in of_runs.items()}, **levels)


def of_one_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one network for each data set, in the settings that most runs share, and of one kind of run for each
    training; of none where two have as much to say for themselves."""
    by = ["data", "technique", "train_perturbation", "train_level"]
    kinds = rows.groupby([*by, "model", "kind"], as_index=False).agg(
        settings=("settings", "first"),
        company=("company", "max"),
        seeds=("seed", "nunique"),
        tests=("accuracy", "size"),
    )
    kinds["changes"] = kinds["model"].map(lambda model: len(changes(model)))
    tests = kinds.groupby(["data", "model"])["tests"].transform("sum")
    models = kinds.assign(tests=tests).sort_values(["changes", "tests", "model"], ascending=[True, False, True])
    kinds = _in_the_same_settings(kinds.merge(models.drop_duplicates("data")[["data", "model"]]))
    better = ["company", "seeds", "tests"]
    kinds = kinds.sort_values(better, ascending=False)
    # Kinds that nothing but their accuracy tells apart: to choose by that would be to choose the result.
    kinds = kinds[~kinds.duplicated([*by, *better], keep=False)].drop_duplicates(by)
    return rows.merge(kinds[[*by, "model", "kind"]])


def _in_the_same_settings(kinds: pd.DataFrame) -> pd.DataFrame:
    """Of each data set the kinds in the settings that most runs share, one line's points and its natural model alike;
    and those whose settings nobody knows."""
    known = kinds[kinds["settings"] != ""]
    most = known[known["company"] == known.groupby("data")["company"].transform("max")]
    alone = most[most.groupby("data")["settings"].transform("nunique") == 1]
    return pd.concat([alone, kinds[kinds["settings"] == ""]])


def changes(model: str) -> dict[str, str]:
    """What was changed of a network, from its name such as "convnet_mnist dropout=0.0"."""
    return dict(re.findall(r" (\w+)=(.*?)(?= \w+=|$)", model))


def shared_changes(models: Iterable[str]) -> list[str]:
    """What was changed of all of these networks alike, such as "dropout=0.0"."""
    each = [changes(model).items() for model in set(models)]
    return [f"{name}={value}" for name, value in each[0] if all((name, value) in others for others in each)]


def without(shared: Iterable[str]) -> Callable[[str], str]:
    """What takes these changes out of a text that names networks."""
    alike = re.compile("|".join(rf"(?<=\S)\s+{re.escape(change)}(?![\w.])" for change in shared) or "(?!)")
    return lambda text: alike.sub("", text)


def points_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each training and test: seeds, trials (of a seed), mean (over seeds of the mean over trials), std
    (over all trials of all seeds; NaN for one)."""
    runs = rows.groupby([*_POINT, "run"])["accuracy"].agg(["size", "mean"]).reset_index()
    points = runs.groupby(_POINT).agg(seeds=("run", "size"), trials=("size", "max"), mean=("mean", "mean"))
    points["std"] = rows.groupby(_POINT)["accuracy"].std()
    return points.reset_index()


def left_out(rows: pd.DataFrame, chosen: pd.DataFrame) -> str:
    """How many runs were not chosen, as a sentence; nothing for none."""
    others = rows["run"].nunique() - chosen["run"].nunique()
    return f" Left out: {others} run{'s' if others > 1 else ''} of other networks or settings." if others else ""
