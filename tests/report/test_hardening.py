"""Hardening beside the other ways of training: one table, one answer, the claims."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from robust.report.hardening import hardening_claims, hardening_section, hardening_table

#: accuracy on natural and on perturbed images, of each seed
RUNS = {
    "natural": [(0.60, 0.30), (0.62, 0.34), (0.58, 0.32)],
    "constant": [(0.50, 0.52), (0.51, 0.50), (0.49, 0.54)],
    "harden": [(0.59, 0.47), (0.60, 0.49), (0.58, 0.45)],
}


def rows(runs: dict[str, list[tuple[float, float]]], model: str = "resnet18", shift: float = 0.0) -> pd.DataFrame:
    lines = [
        {
            "run": f"{model}-{technique}-{seed}",
            "data": "tiny_imagenet",
            "model": model,
            "technique": technique,
            "train_perturbation": "none" if technique == "natural" else "world",
            "train_level": 0.0 if technique == "natural" else 1.0,
            "seed": seed,
            "kind": f"{model}-{technique}",
            "reference": f"{model}-natural-{seed}",
            "test_perturbation": name,
            "test_level": level,
            "trial": trial,
            "n": 1000,
            "accuracy": accuracy + shift + change,
            "rms_calibration_error": 0.1,
            "aurra": 0.7,
        }
        for technique, seeds in runs.items()
        for seed, (natural, perturbed) in enumerate(seeds)
        for name, level, trial, accuracy, change in [
            ("natural", 0.0, 0, natural, 0.0),
            ("world", 1.0, 0, perturbed, -0.01),
            ("world", 1.0, 1, perturbed, 0.01),
        ]
    ]
    return pd.DataFrame(lines)


def test_each_way_of_training_stands_beside_its_natural_network() -> None:
    table = hardening_table(rows(RUNS)).set_index("technique")
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


def test_the_answer_names_what_was_won_the_best_and_what_squeezing_adds() -> None:
    both = pd.concat([rows(RUNS), rows(RUNS, "se_resnet18", 0.02)])
    section = hardening_section(both)
    assert (
        "resnet18 against world 1: it takes the half-perturbed set from 46.0 to 53.0 % and natural images from 60.0"
        in (section.text)
    )
    assert "best on the half-perturbed set is harden, 53.0 %" in section.text
    assert (
        "Squeeze-and-excitation adds on the half-perturbed set, in points: natural +2.0, constant +2.0" in section.text
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
    section = hardening_section(one)
    assert section.tables["hardening"].shown["won, points"].iloc[2] == "+8.0"
    assert hardening_claims(one).empty


def test_a_seed_without_its_natural_network_is_left_out() -> None:
    some = rows(RUNS)
    some = some[some["run"] != "resnet18-natural-2"]
    assert hardening_table(some).set_index("technique")["seeds"].to_dict() == {"natural": 2, "constant": 2, "harden": 2}


def test_without_hardening_there_is_nothing_to_say() -> None:
    plain = rows({name: RUNS[name] for name in ("natural", "constant")})
    assert hardening_section(plain).tables == {}
    assert hardening_claims(plain).empty
    alone = rows({"harden": RUNS["harden"]})
    assert hardening_section(alone).tables == {}
