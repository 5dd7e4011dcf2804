"""Restore or train again, by perturbation."""

from pathlib import Path

import pandas as pd
import pytest
from handmade import make_rows

from robust.report import sections
from robust.studies.without_retraining import findings
from robust.studies.without_retraining.answers import AT_5, answers, won_by_ways

#: accuracy under hot pixels, noise and gaussian_noise at severity 5, by technique; of each of three seeds a bit more
ACCURACY = {
    "natural": (0.50, 0.60, 0.30),
    "natural +median": (0.80, 0.55, 0.31),
    "natural +bn": (0.50, 0.62, 0.50),
    "natural +tent": (0.50, 0.63, 0.60),
    "incremental": (0.60, 0.75, 0.60),
    "incremental +median": (0.90, 0.70, 0.60),
}
TESTS = (("hot", 2.0), ("noise", 0.05), ("gaussian_noise", 5.0))


def rows(accuracy: dict[str, tuple[float, ...]] = ACCURACY, *, model: str = "fast") -> pd.DataFrame:
    found = []
    for technique, values in accuracy.items():
        for seed in range(3):
            jitter = 0.01 * seed + (0.002 * seed if technique != "natural" else 0)
            tests = {test: value + jitter for test, value in zip(TESTS, values, strict=True)}
            about = {"technique": technique, "seed": seed, "model": model, "data": "cifar10"}
            about |= {"kind": f"{model} {technique}", "reference": f"{model} natural {seed}"}
            run = make_rows(f"{model} {technique} {seed}", {("natural", 0.0): 0.9, **tests})
            found.append(run.assign(**about, train_perturbation="none", train_level=0.0))
    return pd.concat(found, ignore_index=True)


def test_each_perturbation_has_its_answer_and_its_interval() -> None:
    lines = answers(won_by_ways(rows())).set_index("perturbation")
    hot, noise = lines.loc["hot"], lines.loc["noise"]
    assert (hot["without"], hot["retrained"], hot["better"]) == ("natural +median", "incremental", "natural +median")
    assert hot["without_won"] == pytest.approx(0.302)
    assert hot["apart"] == pytest.approx(0.2)
    assert hot["apart_low"] == pytest.approx(hot["apart_high"]), "paired over seeds, which are alike"
    assert (noise["without"], noise["better"]) == ("natural +tent", "incremental")
    assert noise["apart"] == pytest.approx(-0.12)
    assert lines.loc[AT_5, "better"] == "", "both win as much there"
    assert lines.loc["natural", "before"] == pytest.approx(0.9)


def test_only_conditions_that_all_went_through_are_compared() -> None:
    found = rows()
    extra = found[(found["technique"] == "natural") & (found["test_perturbation"] == "noise")]
    more = pd.concat([found, extra.assign(test_level=0.1, accuracy=0.0)])
    pd.testing.assert_frame_equal(won_by_ways(more), won_by_ways(found))


def test_a_condition_that_ended_early_counts_as_all_its_trials() -> None:
    found = rows()
    early = found[(found["technique"] == "natural +median") & (found["test_perturbation"] == "hot")]
    until = {"until": "narrow", "until_low": 0.4, "until_high": 0.6, "until_images": early["n"], "until_trials": 3.0}
    early = early.assign(evaluation_seed=1, accuracy=early["accuracy"] - 0.2, **until)
    line = answers(won_by_ways(pd.concat([found, early]))).set_index("perturbation").loc["hot"]
    assert line["without_won"] == pytest.approx(0.302 - 0.2 * 3 / 4)


def test_another_network_is_another_way_beside_the_same_natural_one() -> None:
    larger = rows({"natural": (0.7, 0.7, 0.7), "incremental": (0.95, 0.95, 0.95)}, model="fast wide")
    won = won_by_ways(pd.concat([rows(), larger], ignore_index=True))
    mine = won[(won["perturbation"] == "hot") & (won["seed"] == 0)].set_index("title")
    assert mine.loc["natural (fast wide)", "way"] == "another network"
    assert mine.loc["natural (fast wide)", "won"] == pytest.approx(0.2), "over the smaller natural one"
    assert answers(won).set_index("perturbation").loc["hot", "better"] == "incremental (fast wide)"


def test_claims_and_the_section_say_what_adaptation_brings() -> None:
    claims = findings([], rows()).claims.set_index("id")
    assert claims.loc["tent-over-bn", "measured"] == pytest.approx(10)
    assert claims.loc["bn-over-source", "met"] == "yes"
    assert claims.loc["bn-won", "met"] == "yes"
    (section,) = [one for one in sections([], rows()) if one.title == "Without retraining"]
    assert "better to restore or adapt in 1, to train again in 1" in section.text
    table = section.tables["without-retraining"].shown.set_index("under")
    assert table.loc["hot", "best without retraining"].startswith("natural +median +30.2")
    assert section.drawings["without-retraining-cifar10"].png()[:4] == b"\x89PNG"


def test_data_on_which_nothing_was_trained_again_has_empty_cells() -> None:
    alone = rows({name: some for name, some in ACCURACY.items() if not name.startswith("incremental")})
    alone = alone.assign(data="mnist", **{name: "mnist " + alone[name] for name in ("run", "reference", "kind")})
    found = pd.concat([rows(), alone], ignore_index=True)
    (section,) = findings([], found).sections
    shown = section.tables["without-retraining"].shown.set_index(["data", "under"])
    assert shown.loc["mnist", ["best retrained", "difference", "better"]].eq("").all(axis=None)
    assert shown.loc[("cifar10", "noise"), "better"] == "incremental"


def test_reports_of_other_runs_say_nothing_of_it() -> None:
    plain = rows({name: ACCURACY[name] for name in ("natural", "incremental")})
    assert not won_by_ways(plain).size
    assert "Without retraining" not in [one.title for one in sections([], plain)]
    assert findings([Path("none")], plain).claims.empty
