"""Hardening beside the other ways of training: one table, one answer, the claims."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from robust.studies.hardening.report import _runs, hardening_claims, hardening_section, hardening_table

#: accuracy on natural and on perturbed images, of each seed
RUNS = {
    "natural": [(0.60, 0.30), (0.62, 0.34), (0.58, 0.32)],
    "constant": [(0.50, 0.52), (0.51, 0.50), (0.49, 0.54)],
    "harden": [(0.59, 0.47), (0.60, 0.49), (0.58, 0.45)],
}


def rows(
    runs: dict[str, list[tuple[float, float]]],
    model: str = "resnet18",
    shift: float = 0.0,
    *,
    data: str = "tiny_imagenet",
    setting: str = "",
    level: float = 1.0,
) -> pd.DataFrame:
    lines = [
        {
            "run": f"{data}-{model}-{technique}-{seed}{setting}-{level}",
            "data": data,
            "model": model,
            "technique": technique,
            "train_perturbation": "none" if technique == "natural" else "environment",
            "train_level": 0.0 if technique == "natural" else level,
            "seed": seed,
            "kind": f"{data}-{model}-{technique}{setting}-{level}",
            "reference": f"{data}-{model}-natural-{seed}{setting}-{level}",
            "test_perturbation": name,
            "test_level": test_level,
            "trial": trial,
            "evaluation_seed": 0,
            "n": 1000,
            "accuracy": accuracy + shift + change,
            "expected_calibration_error": 0.1,
            "rms_calibration_error": 0.1,
            "brier_score": 0.2,
            "nll": 0.3,
            "aurc": 0.1,
        }
        for technique, seeds in runs.items()
        for seed, (natural, perturbed) in enumerate(seeds)
        for name, test_level, trial, accuracy, change in [
            ("natural", 0.0, 0, natural, 0.0),
            ("environment", level, 0, perturbed, -0.01),
            ("environment", level, 1, perturbed, 0.01),
        ]
    ]
    return pd.DataFrame(lines)


def table_of(rows: pd.DataFrame) -> pd.DataFrame:
    return hardening_table(_runs(rows, {}, {}))


def test_each_way_of_training_stands_beside_its_natural_network() -> None:
    table = table_of(rows(RUNS)).set_index("technique")
    assert list(table.index) == ["natural", "constant", "harden"]
    assert table["seeds"].eq(3).all()
    assert table.loc["natural", "half"] == pytest.approx(np.mean([0.45, 0.48, 0.45]))
    won = np.array([0.53, 0.545, 0.515]) - np.array([0.45, 0.48, 0.45])
    half = t.ppf(0.975, 2) * won.std(ddof=1) / np.sqrt(3)
    line = table.loc["harden"]
    assert [line["half_won"], line["half_won_low"], line["half_won_high"]] == pytest.approx(
        [won.mean(), won.mean() - half, won.mean() + half]
    )
    assert line["natural_won"] == pytest.approx(-0.01)


def test_a_longer_training_on_natural_images_is_held_against_hardening() -> None:
    both = rows(RUNS | {"retrain": [(0.63, 0.33), (0.64, 0.35), (0.62, 0.33)]})
    own = both["technique"] == "retrain"
    both.loc[own, "train_perturbation"], both.loc[own, "train_level"] = "none", 0.0
    table = table_of(both).set_index("technique")
    assert table.loc["retrain", "half_won"] == pytest.approx(
        np.mean([0.48, 0.495, 0.475]) - np.mean([0.45, 0.48, 0.45])
    )
    section = hardening_section([], both)
    assert "As long a training on natural images alone takes it to 48.3 %, and these to 63.0 %." in section.text
    assert set(hardening_claims(both)["id"]) == set(hardening_claims(rows(RUNS))["id"])


def test_the_answer_names_what_was_won_the_best_and_what_squeezing_adds() -> None:
    both = pd.concat([rows(RUNS), rows(RUNS, "se_resnet18", 0.02)])
    section = hardening_section([], both)
    assert (
        "resnet18 against environment 1: harden takes the half-perturbed set from 46.0 to 53.0 % and natural images "
        "from 60.0" in (section.text)
    )
    assert "best on the half-perturbed set is harden, 53.0 %" in section.text
    assert "se_resnet18 is over the network without squeeze-and-excitation by, in points: natural +2.0, c" in (
        section.text
    )
    shown = section.tables["hardening"].shown
    assert len(shown) == 6
    assert shown["won, points"].iloc[0] == ""
    assert shown["won, points"].iloc[2].startswith("+7.0 [+")


def test_the_claims_are_held_against_the_published_figures() -> None:
    claims = hardening_claims(rows(RUNS)).set_index("id")
    assert claims.loc["harden-resnet18-won", "measured"] == pytest.approx(7.0)
    assert claims.loc["harden-resnet18-won-least", "met"] == "yes"
    assert claims.loc["harden-resnet18-lost-most", "measured"] == pytest.approx(1.0)
    poor = {**RUNS, "harden": [(0.5, 0.35), (0.52, 0.39), (0.48, 0.37)]}
    claims = hardening_claims(rows(poor)).set_index("id")
    assert list(claims.loc[["harden-resnet18-won-least", "harden-resnet18-lost-most"], "met"]) == ["no", "no"]
    assert "is not at most 3" in claims.loc["harden-resnet18-lost-most", "reason"]


def test_one_seed_has_no_interval_and_decides_no_claim() -> None:
    one = rows({technique: seeds[:1] for technique, seeds in RUNS.items()})
    section = hardening_section([], one)
    assert section.tables["hardening"].shown["won, points"].iloc[2] == "+8.0"
    assert hardening_claims(one).empty


def test_a_seed_without_its_natural_network_is_left_out() -> None:
    some = rows(RUNS)
    some = some[~some["run"].str.contains("natural-2")]
    assert table_of(some).set_index("technique")["seeds"].to_dict() == {"natural": 2, "constant": 2, "harden": 2}


def test_without_hardening_there_is_nothing_to_say() -> None:
    plain = rows({name: RUNS[name] for name in ("natural", "constant")})
    assert hardening_section([], plain).tables == {}
    assert hardening_claims(plain).empty
    alone = rows({"harden": RUNS["harden"]})
    assert hardening_section([], alone).tables == {}


def test_hardened_runs_without_their_tests_say_nothing() -> None:
    some = rows(RUNS)
    untested = some[~((some["technique"] == "harden") & (some["test_perturbation"] == "environment"))]
    assert hardening_section([], untested).tables == {}


def test_networks_in_other_settings_are_not_pooled() -> None:
    both = pd.concat([rows(RUNS), rows(RUNS, shift=0.3, setting="-all-classes")])
    table = table_of(both)
    assert table["technique"].tolist() == ["natural", "constant", "harden"] * 2
    assert table["seeds"].eq(3).all()
    assert table["half"].iloc[3] - table["half"].iloc[0] == pytest.approx(0.3)
    assert hardening_claims(both).empty, "none is to be preferred"


def test_what_is_claimed_is_of_tiny_imagenet_at_full_strength_in_three_seeds() -> None:
    assert hardening_claims(rows(RUNS, data="digits")).empty
    assert hardening_claims(rows({name: seeds[:2] for name, seeds in RUNS.items()})).empty
    both = pd.concat([rows(RUNS), rows(RUNS, level=0.5)])
    assert hardening_claims(both)["id"].is_unique
    assert len(table_of(both)) == 6
    squeezed = hardening_claims(rows(RUNS, "se_resnet18"))
    assert set(squeezed["section"]) == {"ours"}, "of these nothing was published"


def test_a_network_is_held_against_the_natural_one_in_the_trials_that_both_have() -> None:
    some = rows(RUNS)
    once = some[(some["technique"] == "natural") | (some["trial"] == 0)]
    whole, fewer = (table_of(one).set_index("technique") for one in (some, once))
    assert fewer.loc["harden", "half_won"] == pytest.approx(whole.loc["harden", "half_won"])
