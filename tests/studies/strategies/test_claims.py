import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robust.measure.claims import COLUMNS, claims_summary, read_claims
from robust.studies.strategies.claims import strategies_claims as claims
from robust.studies.strategies.paper import MODELS, TECHNIQUES
from robust.studies.strategies.quantities import Quantity, Setting, read_figure

T_3 = 4.302653  # Student's 97.5 % quantile for three seeds
KINDS = ("stuck", "hot", "dead")
NOISES = (0.001, 0.01325, 0.0255, 0.03775, 0.05)
BLURS = (0.04, 0.28, 0.52, 0.76, 1.0)
BLUR = {"mnist": "blur", "cifar10": "blur_channels"}
Accuracy = Callable[[str, Setting], float]
CALIBRATION = {
    "expected_calibration_error": 0.1,
    "rms_calibration_error": 0.1,
    "brier_score": 0.2,
    "nll": 0.3,
    "aurc": 0.1,
}


def row(setting: Setting, accuracy: float, *, data: str = "mnist", seed: int = 0, variant: str = "", **others) -> dict:
    """A row as runs write them; `accuracy` in percent, of 10,000 images."""
    kind = f"{data}-{setting.technique}-{setting.trained}-{setting.train_level}{variant}"
    named = dict(zip(["technique", "train_perturbation", "train_level"], setting[:3], strict=True))
    tested = {"test_perturbation": setting.test, "test_level": setting.test_level, "trial": 0, "n": 10_000}
    reference = f"{data}-natural-none-0-{seed}"
    known = {"run": f"{kind}-{seed}", "data": data, "model": MODELS.get(data), "seed": seed, "kind": kind}
    return {**known, **named, **tested, "accuracy": accuracy / 100, "reference": reference, **CALIBRATION, **others}


def natural(test: str = "natural", level: float = 0.0) -> Setting:
    return Setting("natural", "none", 0, test, level)


def decided(rows: Iterable[dict]) -> pd.DataFrame:
    return claims(pd.DataFrame(rows)).set_index("id")


def grid(accuracy: Accuracy, seeds: Iterable[int] = (0, 1)) -> pd.DataFrame:
    """Rows of all 240 models and the natural ones, as the sweeps make them."""
    rows = []
    for data, blur in BLUR.items():
        tests = {("natural", 0.0): [], **{(kind, 2.0): KINDS for kind in KINDS}}
        tests |= {("noise", level): ["noise"] for level in (0.0255, 0.03775, 0.05)}
        tests |= {(blur, level): [blur] for level in (0.5, 0.75, 1.0)}
        models = [(kind, n) for kind in KINDS for n in range(1, 11)]
        models += [("noise", level) for level in NOISES] + [(blur, level) for level in BLURS]
        settings = [natural(*test) for test in [*tests, *((kind, 5.0) for kind in KINDS)]]
        for technique in TECHNIQUES:
            for model in models:
                settings += [Setting(technique, *model, *test) for test in tests if model[0] in (*tests[test], *KINDS)]
                settings += [Setting(technique, *model, "natural", 0.0)] * (model[0] not in KINDS)
        rows += [row(one, accuracy(data, one), data=data, seed=seed) for one in settings for seed in seeds]
    return pd.DataFrame(rows)


def as_published(data: str, setting: Setting) -> float:
    """A world in which the paper's natural models fall as far as it says."""
    worst, level = {
        "mnist": {"hot": (45, 5), "stuck": (30, 5), "dead": (0, 5), "noise": (80.12, 0.05), "blur": (7, 1)},
        "cifar10": {"hot": (9, 5), "stuck": (4, 5), "dead": (8.1, 5), "noise": (24.4, 0.05), BLUR[data]: (55.9, 1)},
    }[data].get(setting.test, (0, 1))  # fmt: skip
    fall = {"mnist": 1, "cifar10": 1.8}[data]  # the fewer pixels, the less each costs on CIFAR-10
    return {"mnist": 97.42, "cifar10": 86.92}[data] - worst * (setting.test_level / level) ** fall


def robust(data: str, setting: Setting) -> float:
    """And in which training brings them back as far as it says."""
    if setting.technique == "natural":
        return as_published(data, setting)
    if data == "mnist":
        return 97.3
    special = {
        ("constant", "dead", "hot"): 83.0,
        ("constant", "noise", "noise"): 84.0,
        ("constant", "blur_channels", "blur_channels"): 71.1,
        ("incremental", "blur_channels", "blur_channels"): 84.0,
        ("transfer", "hot", "dead"): 87.0,
        ("transfer", "noise", "noise"): 85.0,
    }
    return special.get((setting.technique, setting.trained, setting.test), 87.5)


def entries() -> list[tuple[str, dict]]:
    """Each data set with each claim about it, in the order of the file."""
    found = read_claims("robust.studies.strategies")
    return [(data, one) for data in MODELS for one in found if one.get("where", {}).get("data", data) == data]


def test_every_claim_has_a_name_of_its_own_and_a_figure() -> None:
    names = [one["id"].format(data=data) for data, one in entries()]
    assert len(set(names)) == len(names) == 76
    for data, one in entries():
        assert re.fullmatch(rf"{data}-[a-z0-9.-]+", one["id"].format(data=data))
        groups = read_figure(one["figure"])
        assert groups
        assert all(groups)
        if one["comparison"] == "equal":
            assert (len(groups), len(groups[0])) == (1, 1)
            assert one["tolerance"] > 0
        else:
            assert "tolerance" not in one


def test_braces_ask_for_every_combination_and_brackets_for_any() -> None:
    hot = [Setting("constant", "hot", level, *test) for level in (1, 2) for test in (("dead", 2), ("natural", 0))]
    assert read_figure("constant hot {1..2} on {dead 2, natural}") == [[Quantity(one)] for one in hot]
    assert read_figure("constant hot [1..2] on {dead 2, natural}") == [
        [Quantity(one) for one in hot[::2]],
        [Quantity(one) for one in hot[1::2]],
    ]
    assert read_figure(["natural on natural", "natural on hot 2"]) == [
        [Quantity(natural())],
        [Quantity(natural("hot", 2))],
    ]


def test_a_figure_may_be_a_difference_to_the_same_model_or_in_the_same_test() -> None:
    noise = Setting("transfer", "noise", 0.05, "noise", 0.5)
    for text, other in (("natural on same", natural("noise", 0.5)), ("same on dead 2", Setting(*noise[:3], "dead", 2))):
        assert read_figure(f"transfer noise 0.05 on own 0.5 - {text}") == [[Quantity(noise, other)]]
        assert read_figure(f"apart(transfer noise 0.05 on own 0.5, {text})") == [[Quantity(noise, other, apart=True)]]


@pytest.mark.parametrize("text", ["hot 2", "constant on hot 2", "natural on hot", "natural on hot 2 + natural on same"])
def test_a_text_that_is_no_figure_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`figure` must be MODEL on TEST"):
        read_figure(text)


def test_the_published_world_keeps_every_claim_but_those_at_odds_with_others() -> None:
    table = claims(grid(robust))
    assert list(table.columns) == COLUMNS
    assert list(table["id"]) == [one["id"].format(data=data) for data, one in entries()]
    assert set(table["seeds"]) == {2}
    # To within 1 point of 97.42 % it is over 75 points from 18 %, and under 20 from a fall of at most 19; to 86.92 % it
    # is under 60 points from 31 %.
    odd = {
        *("mnist-incremental-noise-gain", "mnist-constant-hot-7-gain-at-least"),
        *("cifar10-incremental-blur-gain-60", "cifar10-incremental-blur-gain-60-at-least"),
    }
    assert set(table.loc[table["met"] == "no", "id"]) == odd


def test_training_that_changes_nothing_keeps_no_claim_about_training() -> None:
    table = claims(grid(as_published)).set_index("id")
    trained = table[table.index.str.contains("|".join([*TECHNIQUES, "within-3"]))]
    easy = {"cifar10-constant-dead-on-hot", "cifar10-transfer-noise-on-natural"}  # the natural model does it
    easy |= {"cifar10-transfer-pixels-at-training-level-stuck"}
    assert set(trained.index[trained["met"] == "yes"]) == easy
    assert (table.drop(trained.index)["met"] == "yes").all()
    assert (trained.loc[trained["met"] == "no", "reason"] != "").all()
    assert (table.loc[table["met"] == "yes", "reason"] == "").all()


def test_a_world_without_a_fall_keeps_no_claim_about_it() -> None:
    rows = grid(lambda data, setting: 50.0)
    table = claims(rows[rows["technique"] == "natural"]).set_index("id")
    assert set(table.index[table["met"] == "yes"]) == {
        *("mnist-impact-dead-5", "mnist-impact-pixels-2"),
        *("cifar10-impact-pixels-5", "cifar10-impact-pixels-2", "cifar10-impact-noise-0.05-bound"),
    }


def test_one_seeds_accuracy_has_wilsons_interval() -> None:
    line = decided([row(natural(), 96.2)]).loc["mnist-natural"]
    p, n, z = 0.962, 10_000, 1.959964
    centre, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n**2)
    bounds = [100 * (centre + sign * half) / (1 + z * z / n) for sign in (-1, 1)]
    assert [line["low"], line["high"]] == pytest.approx(bounds, abs=0.0051)
    assert (line["measured"], line["met"], line["seeds"]) == (
        96.2,
        "yes",
        1,
    )  # 96.2 < 96.42, which the interval reaches


def test_one_seeds_difference_adds_the_variances() -> None:
    line = decided([row(natural(), 97), row(natural("hot", 5.0), 52)]).loc["mnist-impact-hot-5"]
    assert (line["measured"], line["low"], line["high"]) == (45, 43.97, 46.03)  # 1.96 sqrt((.97 .03 + .52 .48) / 10^4)


def test_one_seeds_difference_is_paired_over_the_images_where_the_predictions_are_there(tmp_path: Path) -> None:
    right = np.zeros((2, 10_000), dtype=np.uint8)
    right[0, :9700] = right[1, :5200] = 1  # whatever is known with hot pixels is known without
    tests = [("natural", 0.0), ("hot", 5.0)]
    rows = [row(natural(*test), 100 * one.mean()) for test, one in zip(tests, right, strict=True)]
    folder = tmp_path / rows[0]["run"]
    folder.mkdir()
    kept = pd.DataFrame(tests, columns=["test_perturbation", "test_level"])
    kept = kept.assign(trial=0, evaluation_seed=0)
    kept.assign(label=[np.ones(10_000, np.uint8)] * 2, predicted=list(right)).to_parquet(folder / "predictions.parquet")
    line = claims(pd.DataFrame(rows), [folder]).set_index("id").loc["mnist-impact-hot-5"]
    half = 1.959964 * math.sqrt(0.45 * 0.55 / 10_000) * 100  # 45 % of the images change, all in one direction
    assert [line["low"], line["high"]] == pytest.approx([45 - half, 45 + half], abs=0.011)


def test_several_seeds_are_paired_and_have_students_interval() -> None:
    pairs = [(97, 52), (96, 50), (95, 51)]
    rows = [row(natural(*test), one[place], seed=seed) for seed, one in enumerate(pairs)
            for place, test in enumerate([("natural", 0.0), ("hot", 5.0)])]  # fmt: skip
    line = decided(rows).loc["mnist-impact-hot-5"]
    half = T_3 * 1 / math.sqrt(3)
    assert (line["measured"], line["seeds"]) == (45, 3)
    assert [line["low"], line["high"]] == pytest.approx([45 - half, 45 + half], abs=0.0051)


def test_seeds_are_paired_by_seed_not_by_order() -> None:
    rows = [row(natural(), 97, seed=0), row(natural(), 87, seed=1)]
    rows += [row(natural("hot", 5.0), 42, seed=1), row(natural("hot", 5.0), 52, seed=0)]
    line = decided(rows).loc["mnist-impact-hot-5"]
    assert (line["measured"], line["low"], line["high"]) == (45, 45, 45)


@pytest.mark.parametrize("seeds", [1, 2])
def test_an_interval_of_accuracies_ends_where_accuracy_does(seeds: int) -> None:
    line = decided([row(natural(), 100 - 2 * seed, seed=seed) for seed in range(seeds)]).loc["mnist-natural"]
    assert line["high"] == 100
    assert 0 <= line["low"] < line["measured"]


def test_a_distance_is_never_under_nought() -> None:
    tests = [("natural", 0.0), *((kind, 2.0) for kind in KINDS)]
    rows = [row(Setting("incremental", "hot", 2, *test), 97 + place / 10) for place, test in enumerate(tests)]
    line = decided(rows).loc["mnist-incremental-hot-spread-at-training-level"]
    assert (line["measured"], line["low"]) == (0.3, 0)


def test_trials_of_a_condition_count_as_one_figure() -> None:
    rows = [row(natural("noise", 0.05), 10 + 8 * trial, trial=trial) for trial in range(3)]
    line = decided(rows).loc["mnist-impact-noise-0.05"]
    assert (line["measured"], line["low"], line["high"]) == (18, 17.26, 18.77)


@pytest.mark.parametrize(
    ("name", "drop", "met"),
    [
        ("mnist-impact-hot-5", 50, "yes"),
        ("mnist-impact-hot-5", 50.01, "no"),
        ("mnist-impact-hot-5", 40, "yes"),
        ("mnist-impact-hot-5", 39.99, "no"),
        ("mnist-impact-pixels-2", 19, "yes"),
        ("mnist-impact-pixels-2", 19.01, "no"),
        ("cifar10-impact-pixels-5", 9.99, "yes"),
        ("cifar10-impact-pixels-5", 10, "no"),
        ("mnist-impact-worst-drop", 80.01, "yes"),
        ("mnist-impact-worst-drop", 80, "no"),
        ("mnist-constant-hot-7-gain-at-least", 20, "yes"),
        ("mnist-constant-hot-7-gain-at-least", 19.99, "no"),
    ],
)
def test_what_a_bound_includes(name: str, drop: float, met: str) -> None:
    """Two seeds that agree have an interval without width."""
    data = name.partition("-")[0]
    settings = {natural(): 90, natural("hot", 5.0): 90 - drop, natural("noise", 0.05): 90 - drop}
    settings |= {natural("stuck", 5.0): 90, natural("dead", 5.0): 90}
    settings |= {natural("stuck", 2.0): 90, natural("hot", 2.0): 90 - drop, natural("dead", 2.0): 90}
    settings[Setting("constant", "hot", 7, "hot", 2.0)] = 90
    table = decided([row(one, value, data=data, seed=seed) for one, value in settings.items() for seed in (0, 1)])
    assert table.loc[name, "met"] == met


def spread_rows(seed: int = 0, *, worst: float = 95.2, level: int = 4, without: int = 0) -> list[dict]:
    """Incremental models of hot pixels, all at 97 %, one of them at `worst` under dead pixels."""
    tests = [("natural", 0.0), *((kind, 2.0) for kind in KINDS)]
    return [
        row(Setting("incremental", "hot", n, *test), worst if (n, test[0]) == (level, "dead") else 97, seed=seed)
        for n in range(1, 11)
        for test in tests
        if n != without
    ]


def test_the_worst_of_a_collection_counts_and_is_named() -> None:
    line = decided(spread_rows()).loc["mnist-incremental-hot-spread-all-levels"]
    assert line["met"] == "no"
    assert line["reason"] == (
        "1.80 [1.26, 2.34] is 1.30 points over the bound of 0.5; "
        "worst at incremental hot 4 tested on stuck 2 and dead 2"
    )


def test_each_seed_has_its_own_worst() -> None:
    rows = [*spread_rows(0, worst=95.0, level=4), *spread_rows(1, worst=94.98, level=9)]
    line = decided(rows).loc["mnist-incremental-hot-spread-all-levels"]
    assert (line["measured"], line["met"], line["seeds"]) == (2.01, "no", 2)
    assert line["reason"].endswith("; worst at incremental hot 9 tested on stuck 2 and dead 2 (2.02, seed 1)")


def test_a_seed_whose_collection_has_a_gap_is_not_counted() -> None:
    rows = [*spread_rows(0), *spread_rows(1, without=7), *spread_rows(2, without=1)]
    table = decided(rows)
    assert table.loc["mnist-incremental-hot-spread-all-levels", "seeds"] == 1
    assert table.loc["mnist-incremental-hot-spread-at-training-level", "seeds"] == 3


def test_claims_whose_runs_are_missing_are_left_out() -> None:
    assert set(decided(spread_rows(without=7)).index) == {"mnist-incremental-hot-spread-at-training-level"}
    assert set(decided([row(natural("noise", 0.05), 18)]).index) == {
        "mnist-impact-noise-0.05",
        "mnist-impact-noise-0.05-roughly",
    }


@pytest.mark.parametrize("others", [{"data": "digits"}, {"model": "convnet_mnist dropout=0"}, {"technique": "harden"}])
def test_other_networks_data_and_techniques_say_nothing(others: dict) -> None:
    table = claims(pd.DataFrame([{**row(natural(), 97), **others}]))
    assert table.empty
    assert list(table.columns) == COLUMNS


def test_a_single_accuracy_out_of_reach_says_by_how_much() -> None:
    line = decided([row(natural(), 90)]).loc["mnist-natural"]
    assert line["reason"] == "90.00 [89.40, 90.57] is 6.42 points under 97.42 ± 1"
    line = decided([row(natural(*test), 97 - 10 * test[1]) for test in [("natural", 0), *((one, 2) for one in KINDS)]])
    assert line.loc["mnist-impact-pixels-2", "reason"].endswith("of 19; worst at natural tested on stuck 2")


def transfer_rows(seed: int, accuracy: float, **others: str) -> dict:
    return row(Setting("transfer", "noise", 0.05, "noise", 0.05), accuracy, data="cifar10", seed=seed, **others)


def test_of_two_kinds_the_one_with_more_runs_counts() -> None:
    name = "cifar10-transfer-noise-on-noise-0.05"
    plain = [transfer_rows(seed, 85) for seed in (0, 1)]
    frozen = [transfer_rows(seed, 60, variant="-frozen") for seed in (0, 1, 2)]
    assert decided([*frozen[:1], *plain]).loc[name, "measured"] == 85
    assert decided([*plain, *frozen[:1]]).loc[name, "measured"] == 85
    assert decided([*plain, *frozen]).loc[name, "measured"] == 60
    assert name not in decided([*plain, *frozen[:2]]).index  # nothing says which is the plain one


def test_models_held_against_another_natural_model_do_not_count() -> None:
    short = {"variant": "-short", "reference": "mnist-natural-none-0-short-0"}
    rows = [row(natural(), 97), row(natural("hot", 5.0), 52), row(natural(), 60, **short)]
    rows += [row(Setting("constant", "hot", 7, kind, 2.0), 97.5) for kind in KINDS]
    assert decided(rows).loc["mnist-natural", "measured"] == 97
    rows += [row(Setting("constant", "stuck", n, "hot", 2.0), 90) for n in (1, 2)]
    rows += [row(Setting("constant", "hot", 7, kind, 2.0), 60, seed=seed, **short) for kind in KINDS for seed in (0, 1)]
    assert decided(rows).loc["mnist-constant-hot-7", "measured"] == 97.5


def test_the_order_of_rows_changes_nothing() -> None:
    rows = grid(robust, seeds=[0])
    pd.testing.assert_frame_equal(claims(rows), claims(rows.sample(frac=1, random_state=0)))


def test_the_summary_says_how_many_rest_on_few_seeds() -> None:
    table = pd.DataFrame({"met": ["yes", "no", "yes"], "seeds": [3, 3, 3]})
    assert claims_summary(table) == "2 of 3 claims hold."
    assert claims_summary(table.assign(seeds=[3, 1, 2])) == (
        "2 of 3 claims hold. 2 of them rest on fewer than 3 seeds."
    )
