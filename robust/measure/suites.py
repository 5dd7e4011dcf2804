"""Suites of tests: what a mean is over."""

from collections.abc import Collection, Sequence

import pandas as pd

from robust.measure.conditions import NATURAL, condition_title
from robust.measure.until import as_whole
from robust.perturb.corruptions import CORRUPTIONS, SEVERITIES

_FAMILIES = {
    "pixel": tuple((fault, 2.0) for fault in ("stuck", "hot", "dead")),
    "noise": (("noise", 0.0255), ("noise", 0.03775), ("noise", 0.05)),
    "blur": (("blur", 0.5), ("blur", 0.75), ("blur", 1.0)),
}
_COMMON = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
_DRAWN = tuple("frost_drawn" if name == "frost" else name for name in _COMMON)
_EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")


def _at_all_severities(names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    return tuple((name, float(severity)) for name in names for severity in range(1, SEVERITIES + 1))


#: the perturbed conditions of each suite, as `conf/evaluation` has them: `camera` is its three families together
SUITES: dict[str, tuple[tuple[str, float], ...]] = {
    "camera": sum(_FAMILIES.values(), ()),
    **_FAMILIES,
    "blur_channels": tuple(("blur_channels", level) for _, level in _FAMILIES["blur"]),
    "pixel_persistent": tuple((f"{fault}_persistent", level) for fault, level in _FAMILIES["pixel"]),
    "environment": (
        *(("shift", 0.4), ("zoom", 1.0), ("shear", 30.0), ("rotate", 45.0), ("perspective", 50.0), ("erase", 0.3)),
        *(("mesh", 0.3), ("texture", 0.5), ("pixel_dropout", 0.15), ("environment", 1.0)),
    ),
    "corruptions": _at_all_severities(_COMMON),
    "corruptions_drawn": _at_all_severities(_DRAWN),
    "corruptions_extra": _at_all_severities(_EXTRA),
}
#: a suite is that of a run only where this perturbation was tested, which no other has
_MARKS = {"corruptions": "frost", "corruptions_drawn": "frost_drawn"}
#: what the level of a test is, where it is no plain number
UNITS = {
    "noise": "standard deviation",
    "blur": "sigma, pixels",
    "blur_channels": "sigma, pixels",
    "shift": "share of a side, at most",
    "zoom": "times as large or small less 1, at most",
    **dict.fromkeys(("shear", "rotate", "perspective"), "degrees, at most"),
    "erase": "share of the picture, at most",
    "mesh": "width of lines over their distance, at most",
    "texture": "weight of the pattern, at most",
    "pixel_dropout": "share of the pixels, at most",
    **dict.fromkeys(("environment", "grid", "all"), "share of each range"),
    **dict.fromkeys(CORRUPTIONS, "severity"),
    **dict.fromkeys(("iso", "camera", "triangle"), "ISO"),
    "defocus": "f-number",
    "shutter": "seconds",
    "row_noise": "electrons",
    "light": "lux",
    **{
        f"{fault}{kind}": "faulty pixels" for fault in ("stuck", "hot", "dead", "pixel") for kind in ("", "_persistent")
    },
}
#: perturbations of which a lower level is harder
LESS_IS_WORSE = ("defocus", "light")
#: perturbations in which nothing is random: one trial is all there are
NOT_RANDOM = ("blur", "blur_channels", *(name for name, one in CORRUPTIONS.items() if not one.random))


def unit_of(name: str) -> str:
    """What the level of a test is; of what a camera does, whose name the camera's is behind too. "" where it is a plain
    number."""
    return UNITS.get(name.partition("@")[0], "")


#: the columns of `suite_scores`
SUITE_COLUMNS = ["run", "suite", "mean", "worst", "worst_condition", "trials", "tests", "missing"]
_RUN = ["run", "suite"]
_TEST = ["test_perturbation", "test_level"]
_TRIAL = ["evaluation_seed", "trial"]
_DIGITS = 6  # of a level
_MOST_NAMED = 12  # conditions that a sentence names


def suite_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """What each run comes to in each suite of which some test was made: a line for each of these pairs.

    Columns: run, suite; mean, over the suite's conditions, each the mean over its trials (a fraction); worst, the least
    of these, and worst_condition, its name; trials, how many; tests, a text that is equal where the trials and the
    number of images are; missing, what the run was not tested under, in words. Trials are those that all conditions of
    the suite share, so that none is measured otherwise than another. Where a condition is missing, or no trial is
    shared, there is no mean: NaN.
    """
    made = _tests_of_suites(rows)
    if made.empty:
        return pd.DataFrame(columns=SUITE_COLUMNS)
    shared = _in_shared_trials(made)
    means = shared.groupby([*_RUN, "place"], sort=False)["accuracy"].mean().reset_index()
    over = means.groupby(_RUN, sort=False)["accuracy"].agg(mean="mean", worst="min", least="idxmin", size="size")
    over["place"] = means["place"].reindex(over["least"]).to_numpy()
    found = made[_RUN].drop_duplicates().set_index(_RUN).join(over).join(_trials(shared)).reset_index()
    whole = found["size"] == found["suite"].map({suite: len(tests) for suite, tests in SUITES.items()})
    found[["mean", "worst"]] = found[["mean", "worst"]].where(whole)
    found["worst_condition"] = [
        condition_title(*SUITES[suite][int(place)]) if is_whole else ""
        for suite, place, is_whole in zip(found["suite"], found["place"], whole, strict=True)
    ]
    lacking = made[made["suite"].isin(found.loc[~whole, "suite"])].groupby(_RUN)["place"].agg(set)
    found["missing"] = [
        "" if is_whole else _missing(str(suite), lacking[run, suite])
        for run, suite, is_whole in zip(found["run"], found["suite"], whole, strict=True)
    ]
    found = found.assign(trials=found["trials"].where(whole, 0).astype(int), tests=found["tests"].where(whole, ""))
    return found[SUITE_COLUMNS]


def comparable_suites(rows: pd.DataFrame) -> pd.DataFrame:
    """`suite_scores`, without the means over other trials or images than most runs of the same data have."""
    found = suite_scores(rows).merge(rows[["run", "data"]].drop_duplicates("run"), on="run")
    whole = found[found["mean"].notna()]
    usual = whole.groupby(["data", "suite", "tests"], as_index=False).agg(size=("run", "size"), most=("trials", "max"))
    usual = usual.sort_values(["size", "most", "tests"], ascending=False).drop_duplicates(["data", "suite"])
    found = found.merge(usual.rename(columns={"tests": "usual"})[["data", "suite", "usual", "most"]], how="left")
    others = found["mean"].notna() & (found["tests"] != found["usual"])
    found["mean"] = found["mean"].where(~others)
    other = [
        f"{trials} trials, other than the {most:.0f} of most"
        for trials, most in found.loc[others, ["trials", "most"]].itertuples(index=False, name=None)
    ]
    found.loc[others, "missing"] = other
    return found


def suite_tests(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that the means of `suite_scores` are over, once for each suite: with its name, `suite`."""
    return _in_shared_trials(_tests_of_suites(rows)).drop(columns=["place", "fixed", "random"])


def comparable_tests(rows: pd.DataFrame, suites: Collection[str]) -> pd.DataFrame:
    """The rows of natural images, and those of each of these suites that a run was tested under whole, in the trials
    that most runs of the same data have; `tested` names the suite, or says natural."""
    found = comparable_suites(rows)
    whole = found[found["mean"].notna() & found["suite"].isin(suites)]
    tests = suite_tests(rows).merge(whole[["run", "suite"]]).rename(columns={"suite": "tested"})
    natural = rows[rows["test_perturbation"] == NATURAL].assign(tested=NATURAL)
    return pd.concat([natural, tests], ignore_index=True)


def _in_shared_trials(made: pd.DataFrame) -> pd.DataFrame:
    tests = made.groupby([*_RUN, "fixed", *_TRIAL])["place"].transform("size")
    return made[made["fixed"] | (tests == made["random"])]


def _tests_of_suites(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of these conditions, once for each suite that has them: the `place` of the condition there, whether it
    is `fixed`, and how many of the suite are `random`."""
    named = [
        (suite, place, *test, test[0] in NOT_RANDOM, sum(name not in NOT_RANDOM for name, _ in tests))
        for suite, tests in SUITES.items()
        for place, test in enumerate(tests)
    ]
    known = pd.DataFrame(named, columns=["suite", "place", *_TEST, "fixed", "random"])
    rows = as_whole(rows)
    levels = rows["test_level"].astype(float).round(_DIGITS)
    made = rows.assign(evaluation_seed=rows.get("evaluation_seed", 0), test_level=levels)
    made = made.merge(known, on=_TEST).drop_duplicates([*_RUN, "place", *_TRIAL])
    known_by = made["suite"].map(_MARKS)
    marked = made.loc[made["test_perturbation"] == known_by, _RUN].drop_duplicates().assign(marked=True)
    is_marked = made.merge(marked, on=_RUN, how="left")["marked"].notna().to_numpy()
    return made[known_by.isna() | is_marked]


def _trials(shared: pd.DataFrame) -> pd.DataFrame:
    """How many trials each run has in a suite, and which, of how many images, as a text; of what is random, where
    something is."""
    of_random = shared[~shared["fixed"] | (shared["random"] == 0)]
    each = of_random[[*_RUN, *_TRIAL, "n"]].drop_duplicates().sort_values([*_TRIAL, "n"], kind="stable")
    each["test"] = each["n"].astype(str) + ":" + each["evaluation_seed"].astype(str) + ":" + each["trial"].astype(str)
    runs, tests = each.groupby(_RUN), each["test"].to_numpy(object)
    trials, of_run = runs.size(), runs.indices
    return trials.to_frame("trials").assign(tests=[" ".join(tests[of_run[one]]) for one in trials.index])


def suite_text(suite: str) -> str:
    """The conditions of a suite, in words."""
    names = dict.fromkeys(name for name, _ in SUITES[suite])
    if all(name in CORRUPTIONS for name in names):
        return f"{', '.join(names)}, at severities 1 to {SEVERITIES}"
    return ", ".join(condition_title(*test) for test in SUITES[suite])


def _missing(suite: str, places: set[int]) -> str:
    tests = [condition_title(*test) for place, test in enumerate(SUITES[suite]) if place not in places]
    if len(tests) > _MOST_NAMED:
        return f"lacks {', '.join(tests[:_MOST_NAMED])} and {len(tests) - _MOST_NAMED} others"
    return f"lacks {', '.join(tests)}" if tests else "no trial that all of it shares"
