"""What a network comes to under the common corruptions: means over severities, and errors beside a baseline's."""

import math

import pandas as pd

from robust.measure.conditions import NATURAL
from robust.measure.suites import SUITES
from robust.measure.until import as_whole
from robust.perturb.corruptions import SEVERITIES

#: the 15 corruptions by the published categories, with drawn frost where there were no photographs
CATEGORIES = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "frost_drawn", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
#: the error of AlexNet on ImageNet's validation images, and on ImageNet-C, for each severity: what errors there are
#: held against (Hendrycks and Dietterich 2019, arXiv 1903.12261; torchvision's weights)
ALEXNET_NATURAL = 0.4348
ALEXNET = {
    "gaussian_noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
    "shot_noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
    "impulse_noise": (0.78374, 0.89808, 0.9487, 0.9872, 0.99548),
    "defocus_blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
    "glass_blur": (0.64308, 0.75054, 0.88806, 0.91622, 0.93344),
    "motion_blur": (0.5843, 0.70048, 0.82108, 0.8975, 0.92638),
    "zoom_blur": (0.70008, 0.76992, 0.80784, 0.84198, 0.87198),
    "snow": (0.71726, 0.88392, 0.86468, 0.9187, 0.94952),
    "frost": (0.6139, 0.79734, 0.8879, 0.89942, 0.9343),
    "fog": (0.67474, 0.7605, 0.84378, 0.8726, 0.945),
    "brightness": (0.4514, 0.48502, 0.54048, 0.62166, 0.7244),
    "contrast": (0.64548, 0.7615, 0.88874, 0.9776, 0.9927),
    "elastic_transform": (0.52596, 0.70116, 0.55686, 0.64076, 0.80554),
    "pixelate": (0.52218, 0.5462, 0.73728, 0.87092, 0.91262),
    "jpeg_compression": (0.51002, 0.54718, 0.57294, 0.65458, 0.74778),
}

_IMAGENET = "imagenet"  # the data that AlexNet's errors are of
_COMMON = len(SUITES["corruptions"]) // SEVERITIES
_EXTRA = [*dict.fromkeys(name for name, _ in SUITES["corruptions_extra"])]


def corruption_accuracy(rows: pd.DataFrame) -> pd.DataFrame:
    """The accuracy of each run, a row, under each corruption, a column: the mean over its five severities, each the
    mean over its trials; NaN where a severity was not tested."""
    known = {test for suite in ("corruptions", "corruptions_drawn", "corruptions_extra") for test in SUITES[suite]}
    tests = zip(rows["test_perturbation"], rows["test_level"].astype(float), strict=True)
    mine = as_whole(rows[[test in known for test in tests]])
    each = mine.groupby(["run", "test_perturbation", "test_level"])["accuracy"].mean()
    of_all = each.groupby(["run", "test_perturbation"]).agg(["mean", "size"])
    means = of_all["mean"].where(of_all["size"] == SEVERITIES).unstack()
    order = [*dict.fromkeys(name for members in CATEGORIES.values() for name in members)]
    return means.reindex(columns=[name for name in (*order, *_EXTRA) if name in means])


def corruption_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """What each run comes to, a row, where it was tested under a corruption at all five severities.

    Columns: natural, the accuracy on natural images; corruptions, the mean over the 15 (with drawn frost where there
    were no photographs), and those over their CATEGORIES; extra, over the 4 others; mce and relative_mce (see
    `mean_corruption_error`), and `baseline`, whose errors they stand beside: AlexNet's as published where `data` is
    imagenet, else those of the natural run that a run is compared with. Fractions, NaN where a test is missing.
    """
    accuracy = corruption_accuracy(rows).dropna(how="all")
    runs = rows.drop_duplicates("run").set_index("run").reindex(accuracy.index)
    natural = rows[rows["test_perturbation"] == NATURAL].groupby("run")["accuracy"].first()
    if {"frost", "frost_drawn"} <= {*accuracy}:  # of a run with both, the photographs count
        accuracy["frost_drawn"] = accuracy["frost_drawn"].where(accuracy["frost"].isna())
    common = accuracy[[name for members in CATEGORIES.values() for name in members if name in accuracy]]
    whole = common.notna().sum(axis=1) == _COMMON
    found = pd.DataFrame({"natural": natural.reindex(accuracy.index), "corruptions": common.mean(axis=1).where(whole)})
    for category, members in CATEGORIES.items():
        found[category] = common[[name for name in members if name in common]].mean(axis=1).where(whole)
    found["extra"] = accuracy.reindex(columns=_EXTRA).mean(axis=1, skipna=False)
    beside = [_beside(run, 1 - common[whole], 1 - natural, runs.loc[run]) for run in found.index]
    return found.join(pd.DataFrame(beside, found.index, ["mce", "relative_mce", "baseline"]))


def mean_corruption_error(errors: pd.Series, baseline: pd.Series) -> float:
    """mCE: the mean over the corruptions of the error beside the baseline's, 1 for the baseline itself. Both are errors
    by corruption, each a mean over severities 1 to 5, fractions. Of how far errors rise above those on natural images,
    relative mCE. NaN where a corruption of the baseline is missing."""
    return float((errors.reindex(baseline.index) / baseline).mean(skipna=False))


def alexnet() -> pd.Series:
    """AlexNet's errors on ImageNet-C by corruption, means over the severities."""
    return pd.Series({name: sum(each) / SEVERITIES for name, each in ALEXNET.items()})


def _beside(run: str, errors: pd.DataFrame, natural: pd.Series, own: pd.Series) -> tuple[float, float, str]:
    """mCE, relative mCE and whose errors they are beside; NaN and nothing where there are none."""
    if run not in errors.index:
        return math.nan, math.nan, ""
    mine, reference = errors.loc[run].dropna(), own["reference"]
    if own["data"] == _IMAGENET:
        baseline, before, name = alexnet(), ALEXNET_NATURAL, "AlexNet"
    elif reference != run and reference in errors.index:
        baseline, before, name = errors.loc[reference].dropna(), natural.get(reference, math.nan), reference
    else:
        return math.nan, math.nan, ""
    relative = mean_corruption_error(mine - natural.get(run, math.nan), baseline - before)
    return mean_corruption_error(mine, baseline), relative, name
