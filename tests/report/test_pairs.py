import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from robust.measure import CALIBRATION
from robust.measure.paired import MEAN
from robust.report.pairs import technique_differences
from robust.runs.tables import COLUMNS

IMAGES = 400
LABELS = np.arange(IMAGES, dtype=np.uint8) % 10
NATURAL = ("natural", 0.0)
HOT = ("hot", 2.0)


def write_run(folder, technique, seed, right, *, perturbation="hot", level=5.0, kind="", labels=LABELS):
    """A run's rows and predictions; `right`: condition -> whether each image is recognised, a row for each trial."""
    if technique == "natural":
        perturbation, level = "none", 0.0
    name = f"{technique}{kind}-{perturbation}-{level:g}-seed{seed}"
    run = folder / name
    run.mkdir()
    tests = [
        {"test_perturbation": test, "test_level": at, "trial": trial, "evaluation_seed": 0, "label": labels,
         "predicted": np.where(row, labels, (labels + 1) % 10).astype(np.uint8)}
        for (test, at), trials in right.items()
        for trial, row in enumerate(np.atleast_2d(trials))
    ]  # fmt: skip
    trained = {"run": name, "data": "digits", "model": "convnet", "technique": technique, "seed": seed}
    trained |= {"train_perturbation": perturbation, "train_level": level, "kind": f"{technique}{kind}{perturbation}"}
    trained |= {"reference": f"natural-none-0-seed{seed}", "n": len(labels), "exposure": ""}
    rows = [
        trained | {name: test[name] for name in ("test_perturbation", "test_level", "trial", "evaluation_seed")}
        | {"accuracy": np.mean(test["label"] == test["predicted"]), **dict.fromkeys(CALIBRATION, 0.1)}
        for test in tests
    ]  # fmt: skip
    pd.DataFrame(rows)[COLUMNS].to_csv(run / "rows.csv", index=False)
    pd.DataFrame(tests).to_parquet(run / "predictions.parquet")
    return run


def chance(accuracy, seed, size=IMAGES):
    return np.random.default_rng(seed).random(size) < accuracy


def sweep(folder, accuracies, seeds=3, conditions=(NATURAL, HOT)):
    """Runs of each technique and seed, whose images are recognised by chance."""
    runs = []
    for place, (technique, accuracy) in enumerate(accuracies.items()):
        for seed in range(seeds):
            right = {test: chance(accuracy, [place, seed, at]) for at, test in enumerate(conditions)}
            runs.append(write_run(folder, technique, seed, right))
    return runs


def test_every_pair_of_techniques_is_compared_and_each_with_natural(tmp_path):
    found = technique_differences(sweep(tmp_path, {"natural": 0.5, "constant": 0.9, "transfer": 0.9}))
    pairs = list(found[["first", "second"]].drop_duplicates().itertuples(index=False, name=None))
    assert pairs == [("constant", "transfer"), ("constant", "natural"), ("transfer", "natural")]
    assert list(found["condition"]) == ["natural", "hot 2", MEAN] * 3
    assert set(found["seeds"]) == {3}
    assert set(found["images"]) == {IMAGES}
    better = found.groupby(["first", "second"])["better"].agg(set)
    assert better["constant", "natural"] == {"constant"}
    assert better["transfer", "natural"] == {"transfer"}
    assert better["constant", "transfer"] == {""}


def test_a_difference_is_of_mean_accuracies_over_trials_and_seeds(tmp_path):
    half = np.arange(IMAGES) < IMAGES / 2
    runs = [write_run(tmp_path, "constant", seed, {HOT: np.stack([half, ~half, half, half])}) for seed in range(3)]
    runs += [write_run(tmp_path, "transfer", seed, {HOT: np.zeros((4, IMAGES), bool)}) for seed in range(3)]
    line = technique_differences(runs).iloc[0]
    assert line["difference"] == pytest.approx(0.5)
    assert line["better"] == "constant"


def test_only_the_same_trials_are_compared(tmp_path):
    right = np.ones((2, IMAGES), bool)
    runs = [write_run(tmp_path, "constant", seed, {NATURAL: right[:1], HOT: right}) for seed in range(3)]
    runs += [write_run(tmp_path, "transfer", seed, {NATURAL: right[:1], HOT: right[:1]}) for seed in range(3)]
    assert list(technique_differences(runs)["condition"]) == ["natural", MEAN]


def test_who_comes_second_can_be_the_better_one(tmp_path):
    found = technique_differences(sweep(tmp_path, {"constant": 0.5, "transfer": 0.9}))
    assert set(found["better"]) == {"transfer"}
    assert (found["difference"] < 0).all()


def test_equal_models_differ_by_exactly_nothing(tmp_path):
    runs = [
        write_run(tmp_path, technique, seed, {HOT: chance(0.8, seed)})
        for technique in ("constant", "transfer")
        for seed in range(3)
    ]
    found = technique_differences(runs)
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)
    assert set(found["better"]) == {""}


def test_where_seeds_agree_the_interval_is_that_over_images(tmp_path):
    """An independent reference: the normal interval of a mean of paired differences."""
    first, second = chance(0.9, 1), chance(0.7, 2)
    runs = [write_run(tmp_path, "constant", seed, {HOT: first}) for seed in range(3)]
    runs += [write_run(tmp_path, "transfer", seed, {HOT: second}) for seed in range(3)]
    line = technique_differences(runs, resamples=5000).iloc[0]
    differences = first.astype(float) - second
    half = norm.ppf(0.975) * differences.std() / np.sqrt(IMAGES)
    assert line["low"] == pytest.approx(differences.mean() - half, abs=0.05 * half)
    assert line["high"] == pytest.approx(differences.mean() + half, abs=0.05 * half)


def test_where_images_agree_the_interval_is_students_over_seeds(tmp_path):
    """All of a seed's images behave alike: right in every trial, or in the same share of them."""
    shares = [0.2, 0.4, 0.9]
    runs = [write_run(tmp_path, "transfer", seed, {HOT: np.zeros((10, IMAGES), bool)}) for seed in range(3)]
    for seed, share in enumerate(shares):
        trials = np.repeat(np.arange(10)[:, None] < 10 * share, IMAGES, axis=1)
        runs.append(write_run(tmp_path, "constant", seed, {HOT: trials}))
    line = technique_differences(runs).iloc[0]
    half = t.ppf(0.975, 2) * np.std(shares, ddof=1) / np.sqrt(3)
    assert (line["first"], line["second"]) == ("transfer", "constant")
    assert (line["low"], line["high"]) == (pytest.approx(-0.5 - half, abs=1e-5), pytest.approx(-0.5 + half, abs=1e-5))
    assert line["better"] == ""


def test_the_mean_over_all_is_over_the_conditions_that_both_know(tmp_path):
    runs = sweep(tmp_path, {"natural": 0.5}, conditions=(NATURAL, HOT, ("dead", 2.0)))
    runs += sweep(tmp_path, {"constant": 0.9})
    found = technique_differences(runs).set_index("condition")["difference"]
    assert list(found.index) == ["natural", "hot 2", MEAN]
    assert found[MEAN] == pytest.approx((found["natural"] + found["hot 2"]) / 2)


def test_two_seeds_are_too_few_and_are_not_even_read(tmp_path):
    runs = sweep(tmp_path, {"natural": 0.5, "constant": 0.9}, seeds=2)
    for run in runs:
        (run / "predictions.parquet").unlink()
    found = technique_differences(runs)
    assert found.empty
    assert "better" in found


def test_only_the_same_training_is_compared(tmp_path):
    runs = [
        write_run(tmp_path, technique, seed, {HOT: chance(0.8, seed)}, level=level)
        for technique, level in (("constant", 5.0), ("transfer", 6.0))
        for seed in range(3)
    ]
    assert technique_differences(runs).empty


def test_a_technique_in_two_kinds_is_named_by_them(tmp_path):
    runs = [
        write_run(tmp_path, "constant", seed, {HOT: chance(0.8, seed)}, kind=kind)
        for kind in ("", "longer")
        for seed in range(3)
    ]
    runs += sweep(tmp_path, {"transfer": 0.8})
    found = technique_differences(runs)[["first", "second"]].drop_duplicates()
    assert sorted(found.itertuples(index=False, name=None)) == [
        ("constant (constanthot)", "transfer"),
        ("constant (constantlongerhot)", "transfer"),
    ]


def test_other_images_of_the_same_name_are_not_compared(tmp_path):
    runs = [write_run(tmp_path, "constant", seed, {HOT: chance(0.8, seed)}) for seed in range(3)]
    runs += [write_run(tmp_path, "transfer", seed, {HOT: chance(0.8, 9)}, labels=LABELS[::-1]) for seed in range(3)]
    assert technique_differences(runs).empty


def test_the_same_runs_give_the_same_intervals(tmp_path):
    runs = sweep(tmp_path, {"constant": 0.8, "transfer": 0.7})
    pd.testing.assert_frame_equal(technique_differences(runs), technique_differences(runs))
    other = technique_differences(runs, seed=1)
    assert not other["low"].equals(technique_differences(runs)["low"])


def test_runs_whose_predictions_were_not_kept_are_passed_over(tmp_path):
    runs = sweep(tmp_path, {"constant": 0.8, "transfer": 0.7})
    assert len(technique_differences(runs))
    (runs[0] / "predictions.parquet").unlink()
    assert technique_differences(runs).empty
