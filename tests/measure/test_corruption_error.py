"""Errors under the common corruptions, beside a baseline's."""

import itertools

import pandas as pd
import pytest

from robust.measure.corruption_error import (
    ALEXNET,
    ALEXNET_NATURAL,
    alexnet,
    corruption_scores,
    mean_corruption_error,
)
from robust.measure.suites import SUITES, suite_scores

#: accuracy of a ResNet-50 on 5,000 images of ImageNet-C, percent, by severity (RobustBench)
RESNET50 = {
    "gaussian_noise": (60.2, 48.8, 31.2, 14.2, 2.9),
    "shot_noise": (58.3, 44.9, 28.6, 10.3, 3.5),
    "impulse_noise": (48.5, 38.6, 29.0, 11.3, 2.4),
    "defocus_blur": (59.1, 51.5, 38.1, 27.5, 18.2),
    "glass_blur": (53.6, 39.7, 17.1, 13.1, 10.3),
    "motion_blur": (63.6, 53.4, 37.5, 21.6, 14.5),
    "zoom_blur": (52.6, 43.0, 35.6, 28.4, 21.9),
    "snow": (54.7, 31.2, 34.9, 23.4, 16.5),
    "frost": (61.1, 43.7, 30.6, 28.6, 22.6),
    "fog": (60.9, 56.0, 46.7, 40.2, 23.6),
    "brightness": (73.6, 72.2, 69.6, 65.0, 58.9),
    "contrast": (64.3, 58.2, 46.6, 21.0, 5.4),
    "elastic_transform": (66.8, 45.1, 54.6, 41.2, 17.0),
    "pixelate": (63.8, 64.3, 46.0, 29.3, 20.9),
    "jpeg_compression": (66.4, 62.3, 60.0, 47.9, 32.5),
}
#: the same network's errors as ImageNet-C's authors tabulate AlexNet's, means over severities
ALEXNET_MEANS = (
    *(0.886428, 0.894468, 0.922640, 0.819880, 0.826268, 0.785948, 0.798360, 0.866816, 0.826572, 0.819324, 0.564592),
    *(0.853204, 0.646056, 0.717840, 0.606500),
)


def rows_of(
    errors: dict[str, tuple[float, ...]], natural: float, *, run: str = "mine", **other: object
) -> pd.DataFrame:
    tests = [("natural", 0.0, natural)]
    tests += [(name, level, error) for name, each in errors.items() for level, error in enumerate(each, start=1)]
    rows = pd.DataFrame(tests, columns=["test_perturbation", "test_level", "error"])
    rows = rows.assign(accuracy=1 - rows.pop("error"), run=run, trial=0, evaluation_seed=0, n=5000)
    return rows.assign(**{"data": "imagenet", "reference": run, **other})


def test_the_published_severities_have_the_published_means() -> None:
    assert alexnet().tolist() == pytest.approx(ALEXNET_MEANS, abs=1e-9)
    assert [*alexnet().index] == [*dict.fromkeys(name for name, _ in SUITES["corruptions"])]


def test_the_published_errors_have_the_published_mce() -> None:
    errors = {name: tuple(1 - one / 100 for one in each) for name, each in RESNET50.items()}
    found = corruption_scores(pd.concat([rows_of(errors, 0.2387), rows_of(ALEXNET, ALEXNET_NATURAL, run="alexnet")]))
    assert found.loc["alexnet", ["mce", "relative_mce"]].tolist() == pytest.approx([1, 1])
    assert found.loc["mine", "mce"] == pytest.approx(0.767, abs=0.005)  # published of all 50,000 images
    assert set(found["baseline"]) == {"AlexNet"}
    assert found.loc["mine", "corruptions"] == pytest.approx(0.3948, abs=1e-4)
    assert found.loc["mine", "blur"] == pytest.approx(sum(sum(RESNET50[n]) for n in RESNET50 if "blur" in n) / 2000)


def test_elsewhere_errors_stand_beside_those_of_the_natural_run() -> None:
    half = {name: tuple(one / 2 for one in each) for name, each in ALEXNET.items()}
    natural = rows_of(ALEXNET, ALEXNET_NATURAL, run="natural", data="cifar10", reference="natural")
    mine = rows_of(half, ALEXNET_NATURAL / 4, data="cifar10", reference="natural")
    found = corruption_scores(pd.concat([natural, mine]))
    assert found.loc["mine", "mce"] == pytest.approx(0.5)
    wanted = mean_corruption_error(alexnet() / 2 - ALEXNET_NATURAL / 4, alexnet() - ALEXNET_NATURAL)
    assert found.loc["mine", "relative_mce"] == pytest.approx(wanted)
    assert found.loc["mine", "baseline"] == "natural"
    assert found.loc["natural", ["mce", "relative_mce"]].isna().all()


@pytest.mark.parametrize("lacking", [("fog", 4), ("jpeg_compression", 1)])
def test_without_one_test_there_is_no_mean(lacking: tuple[str, float]) -> None:
    rows = rows_of(ALEXNET, ALEXNET_NATURAL)
    tests = zip(rows["test_perturbation"], rows["test_level"], strict=True)
    found = corruption_scores(rows[[test != lacking for test in tests]])
    assert found[["corruptions", "noise", "mce"]].isna().all(axis=None)


def test_drawn_frost_makes_another_suite() -> None:
    drawn = {"frost_drawn" if name == "frost" else name: each for name, each in ALEXNET.items()}
    both = pd.concat([rows_of(ALEXNET, 0.4, run="a"), rows_of(drawn, 0.4, run="b", data="cifar10")])
    found = suite_scores(both).set_index(["run", "suite"])["mean"]
    assert {*found.index} == {("a", "corruptions"), ("b", "corruptions_drawn")}
    assert found.notna().all()
    assert corruption_scores(both).loc["b", "corruptions"] == pytest.approx(found["b", "corruptions_drawn"])


def test_photographs_of_frost_count_where_drawn_frost_was_tested_too() -> None:
    both = rows_of({**ALEXNET, "frost_drawn": (1.0,) * 5}, ALEXNET_NATURAL)
    found = corruption_scores(both).loc["mine"]
    assert found["mce"] == pytest.approx(1)
    assert found["corruptions"] == pytest.approx(1 - alexnet().mean())


def test_some_of_the_corruptions_make_no_suite_and_no_remark() -> None:
    some = dict(itertools.islice(ALEXNET.items(), 3))
    rows = rows_of(some, 0.4)
    assert suite_scores(rows).empty
    found = corruption_scores(rows)
    assert found["corruptions"].isna().all()
