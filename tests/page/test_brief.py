"""The first sentences of a page say what the rows say, with intervals, and nothing where these tell nothing."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from handmade import make_rows, of_suites

from robust.page import write_report
from robust.page.brief import Brief, brief
from robust.runs import RunFolder
from robust.runs.certificates import ATTACKED, add_certificates


def runs(
    technique: str, accuracies: Sequence[float], *, natural: float = 0.9, suite: str = "noise", **about
) -> pd.DataFrame:
    """Of one kind, a seed for each accuracy under the suite's conditions."""
    tables = []
    for seed, accuracy in enumerate(accuracies):
        tests = of_suites(suite, natural=natural + 0.001 * seed, accuracy=accuracy)
        about = {**about, "seed": seed, "kind": technique, "reference": f"natural{seed}"}
        tables.append(make_rows(f"{technique}{seed}", tests, technique=technique, **about))
    return pd.concat(tables)


def of(*tables: pd.DataFrame) -> Brief:
    return brief(pd.concat(tables, ignore_index=True), [])


def test_the_largest_gain_is_paired_by_seed() -> None:
    """Natural models of 40, 50 and 60 %, each beaten by 20, 21 and 22 points: Student's of the differences alone."""
    found = of(runs("natural", [0.4, 0.5, 0.6]), runs("constant", [0.6, 0.71, 0.82], trained=("noise", 0.05)))
    half = 4.302653 * 1 / 3**0.5
    assert found.found[0].startswith("Largest gain: constant noise 0.05 is right on 71.0 %")
    assert f"+21.0 points [+{21 - half:.1f}, +{21 + half:.1f}]" in found.found[0]
    assert "over the seeds" in found.intervals
    assert "over images" not in found.intervals
    assert not any("seeds" in one for one in found.untested)


def test_the_one_whose_gain_is_surest_is_named_and_among_how_many() -> None:
    """A larger mean that hangs on the seed comes behind."""
    natural, sure = runs("natural", [0.4] * 3), runs("constant", [0.6, 0.61, 0.62], trained=("noise", 0.05))
    unsure = runs("transfer", [0.45, 0.7, 0.95], trained=("noise", 0.05))
    first = of(natural, sure, unsure).found[0]
    assert first.startswith("Largest gain: constant")
    assert "the surest of 2 trainings" in first


def test_an_interval_that_contains_0_is_said_to_tell_nothing() -> None:
    found = of(runs("natural", [0.4, 0.5, 0.6]), runs("constant", [0.6, 0.5, 0.7], trained=("noise", 0.05)))
    assert found.found[0].startswith("No gain is known: ")
    assert "contains 0 and tells nothing" in found.found[0]
    assert "+0.0 points" in found.found[2]
    assert "neither a cost nor a gain" in found.found[2]


def test_the_worst_condition_is_the_natural_models_and_who_is_best_there() -> None:
    natural = runs("natural", [0.5])
    natural.loc[natural["test_level"] == 0.05, "accuracy"] = 0.2
    second = of(natural, runs("constant", [0.8], trained=("noise", 0.05))).found[1]
    assert second.startswith(
        "Worst condition: under noise 0.05 the natural model falls from 90.0 % on natural images to 20.0 %"
    )
    assert "[13.3, 28.9]" in second  # Wilson's, of 20 of 100 images
    assert "constant noise 0.05, the best of 2 there, is right on 80.0 %" in second


def test_what_was_not_tested_is_named_and_what_was_is_not() -> None:
    found = of(runs("natural", [0.4], suite="camera"), runs("constant", [0.6], suite="camera", trained=("noise", 0.05)))
    missing = found.untested[0]
    assert all(name in missing for name in ("environment", "corruptions", "capture", "attacks", "published"))
    assert "evaluation=camera" not in missing
    said = " ".join(found.untested)
    assert "2 of 2 kinds of models have fewer than 3 seeds" in said
    assert "One data set, digits" in said
    assert "One network, convnet_mnist" in said
    assert "do not say whether training contained" in said


def test_tests_that_training_contained_are_counted() -> None:
    natural, noise = (
        runs("natural", [0.4], suite="camera"),
        runs("constant", [0.6], suite="camera", trained=("noise", 0.05)),
    )
    noise["exposure"] = [
        "seen" if name == "noise" else "far" * (name != "natural") for name in noise["test_perturbation"]
    ]
    assert "3 of 9 perturbed tests" in of(natural, noise).untested[-1]


def test_models_without_a_natural_one_and_natural_images_alone_have_findings_of_their_own() -> None:
    found = of(runs("natural", [0.4])).found
    assert [one.partition(":")[0] for one in found] == [
        "Worst condition",
        "All perturbations that all were tested under, digits",
        "Natural images of digits",
    ]
    rows = pd.concat([runs("natural", [0.4]), make_rows("other", of_suites("noise", natural=0.95), kind="other")])
    (only,) = of(rows[rows["test_perturbation"] == "natural"].assign(model=lambda table: table["run"])).found
    assert "is most accurate, 95.0 %" in only
    assert "the intervals overlap" in only


def test_the_readme_says_it_too(tmp_path: Path, write: Callable[..., Path]) -> None:
    rows = runs("natural", [0.4]), runs("constant", [0.6], trained=("noise", 0.05))
    folders = [write(tmp_path / "runs" / table["run"].iloc[0], table) for table in rows]
    readme = (write_report(folders, tmp_path / "out").parent / "README.md").read_text()
    expected = of(*rows)
    for line in (*expected.tested, *expected.found):
        assert line in readme.replace("\\", "")
    assert readme.index("Found:") < readme.index("## Models")


@pytest.mark.parametrize("models", [1, 2])
def test_a_page_of_networks_that_are_only_measured_claims_no_gain(models: int) -> None:
    given = [
        make_rows(
            f"net{one}",
            of_suites("noise"),
            technique="pretrained",
            reference=f"net{one}",
            kind=str(one),
            model=f"net{one}",
        )
        for one in range(models)
    ]
    found = of(*given)
    assert not any("gain" in one for one in found.found)
    assert f"{models} as it was given" in found.tested[0]


def test_an_attack_is_said_by_whom_it_leaves_least_and_whom_most(tmp_path: Path) -> None:
    rows = pd.concat([runs("natural", [0.5]), runs("constant", [0.7], trained=("noise", 0.05))], ignore_index=True)
    folders = []
    for name, falls in (("natural0", True), ("constant0", False)):
        folder = tmp_path / name
        folder.mkdir()
        rows[rows["run"] == name].to_csv(folder / "rows.csv", index=False)
        about = {"attack": "fgsm", "settings": '{"eps": 0.1}', "image": [0, 1], "label": 3, "before": 3, "target": -1}
        about |= {"after": [5 if falls else 3, 3], "success": [falls, False], "threshold": float("nan"), "fault": ""}
        about |= {"original": b"", "adversarial": b"", "distortion": 0.1, "linf": 0.1, "steps": 1, "queries": 2}
        RunFolder(folder).add_attacks(pd.DataFrame(about))
        folders.append(folder)
    (both,) = (one for one in brief(rows, folders).found if "fgsm" in one)
    assert re.match(r"Attack: fgsm eps=0.1 leaves natural 50.0 % robust accuracy \[.*\], of 100.0 % of these", both)
    assert both.endswith("; constant noise 0.05, the best of 2 there, 100.0 %.")
    alone = rows[rows["run"] == "natural0"]
    (said,) = (one for one in brief(alone, folders[:1]).found if "fgsm" in one)
    assert "best" not in said


def test_certificates_are_said_and_what_attacks_on_them_leave(tmp_path: Path, write: Callable[..., Path]) -> None:
    """Of four images one is right up to 0.1, two up to 0.4; three stand after an attack of 0.2."""
    rows = runs("smoothing", [0.5], trained=("noise", 0.25))
    folder = RunFolder(write(tmp_path / "smoothing0", rows))
    way = {"certificate": "gaussian", "level": 0.25, "n0": 10, "n": 1000, "alpha": 0.001, "seed": 0}
    images = pd.DataFrame({"image": range(4), "label": 1, "predicted": [1, 1, 1, 2], "count": 900, "least": 0.8})
    assert "attacks (robust attack)" in brief(rows, [folder.path]).untested[0]
    add_certificates(folder, images.assign(**way, radius=[0.1, 0.4, 0.4, 0.4], most=0.6))
    said = brief(rows, [folder.path])
    assert (
        "Certificates of up to 4 images of a model, by Euclidean distance: from 1,000 copies with noise 0.25."
        in said.tested
    )
    (found,) = (one for one in said.found if one.startswith("Certified"))
    start = (
        "Certified accuracy, Euclidean distance 0.2: smoothing noise 0.25 is right and certified on 50.0 % [15.0, 85.0]"
    )
    start += " by 1,000 copies with noise 0.25"
    assert found == f"{start}."
    assert "attacks (robust attack)" in said.untested[0]
    stands = pd.DataFrame({"image": range(4), "stands": [True, True, True, False]})
    add_certificates(folder, stands.assign(**way, size=0.2), ATTACKED)
    said = brief(rows, [folder.path])
    assert said.tested[-1].endswith("; attacks of 0.2 on what is certified.")
    assert f"{start}; attacks of that size leave 75.0 %." in said.found
    assert (
        "attacks on the network itself (robust attack), whose smoothed classifier alone was attacked"
        in said.untested[0]
    )
