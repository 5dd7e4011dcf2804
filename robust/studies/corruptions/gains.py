"""What ways of training win over natural training under the common corruptions, and what they cost."""

import pandas as pd

from robust.measure.conditions import NATURAL
from robust.measure.corruption_error import CATEGORIES, corruption_accuracy, corruption_scores
from robust.measure.exposure import FAR, knows_exposure
from robust.measure.suites import suite_scores

#: what a training may win: accuracy on natural images, means under corruptions, those of them that are far from it, and
#: under the two other suites
GAINS = (NATURAL, "corruptions", *CATEGORIES, "extra", FAR, "camera", "environment")
_PLACE = ["data", "model", "seed"]


def gains_of_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """What each run wins over the natural run of its data, network and seed that most others there are compared with: a
    line for each by its name, a fraction in each column `<one of GAINS>_won`, NaN where either was not tested so.

    Far are the corruptions that the run has seen nothing like in training (see `exposure_of`).
    """
    accuracy = _accuracy(rows)
    runs = rows.drop_duplicates("run").set_index("run", drop=False)
    others = runs[runs["reference"].isin(runs.index) & (runs["reference"] != runs["run"])]
    base = others.groupby(_PLACE)["reference"].agg(lambda names: names.mode()[0]).rename("base")
    runs = runs.join(base, on=_PLACE)
    compared = runs[runs["base"].notna() & (runs["base"] != runs["run"]) & runs["run"].isin(accuracy.index)]
    bases = accuracy.reindex(compared["base"]).set_axis(compared.index)
    won = accuracy.reindex(compared.index) - bases
    won[FAR] = _far(rows, compared["base"])
    return won.dropna(how="all").add_suffix("_won")


def _accuracy(rows: pd.DataFrame) -> pd.DataFrame:
    """Each run's accuracy on natural images and its means, by what they are over."""
    suites = suite_scores(rows).pivot_table(index="run", columns="suite", values="mean")
    return corruption_scores(rows).join(suites.filter(["camera", "environment"])).reindex(columns=GAINS)


def _far(rows: pd.DataFrame, bases: pd.Series) -> pd.Series:
    """What each of these runs wins over its base under the corruptions that are far from its training."""
    accuracy = corruption_accuracy(rows).reindex(columns=[name for names in CATEGORIES.values() for name in names])
    if not knows_exposure(rows) or accuracy.empty:
        return pd.Series(float("nan"), bases.index)
    exposure = rows.groupby(["run", "test_perturbation"])["exposure"].first().unstack()
    is_far = (exposure == FAR).reindex(index=bases.index, columns=accuracy.columns, fill_value=False)
    won = accuracy.reindex(bases.index) - accuracy.reindex(bases).set_axis(bases.index)
    return won.where(is_far).mean(axis=1)
