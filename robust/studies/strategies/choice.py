"""Which runs one line of a figure stands for, where several kinds claim it."""

import pandas as pd

from robust.runs.titles import changes


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


def select_kind(rows: pd.DataFrame) -> pd.DataFrame:
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
    and those whose settings are unknown."""
    known = kinds[kinds["settings"] != ""]
    most = known[known["company"] == known.groupby("data")["company"].transform("max")]
    alone = most[most.groupby("data")["settings"].transform("nunique") == 1]
    return pd.concat([alone, kinds[kinds["settings"] == ""]])
