"""The report on a mind's eye: figures that say what its runs' tables say, and claims decided by them."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.measure.claims import Figure, Subject, decide, read_claims
from robust.page import write_report
from robust.runs import State
from robust.studies.minds_eye.measured import Measured
from robust.studies.minds_eye.results import Network, pose_errors, predictions, read_networks
from robust.studies.minds_eye.tables import best_error, effort_table, error_table, recognition_table

RESULTS = Path(__file__).parents[3] / "results" / "minds_eye"
SETTINGS = [
    *("data=scenes", "technique=natural", "evaluation=natural", "data.train=16", "data.test=8"),
    *(
        "data.batch_size=32",
        "trainer.max_epochs=1",
        "parent.trainer.max_epochs=1",
        "parent.data.batch_size=32",
        "trainer.threads=1",
        "trainer.accelerator=cpu",
    ),
    *("attack=gradient_sign", "attack.images=2", "attack.max_steps=2"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("eye")
    found = []
    for model in ("alexnet", "alexnet_with_parameters", "triple_staged"):
        run = prepare([*SETTINGS, f"runs_dir={root}", f"data.cache_dir={root}/cache", f"model={model}"])
        status = execute(run)
        assert status.state is State.DONE, status.reason
        found.append(run.folder)
    return found


@pytest.fixture(scope="module")
def networks(folders: list[Path]) -> list[Network]:
    return read_networks(folders)


def test_a_page_shows_it_all(folders: list[Path], tmp_path: Path) -> None:
    out = write_report(folders, tmp_path).parent
    names = {path.stem for path in (out / "figures").glob("minds-eye-*.*")}
    assert {"minds-eye-views", "minds-eye-errors", "minds-eye-poses"} <= names
    assert {path.stem for path in (out / "tables").glob("minds-eye-*.csv")} == {
        *("minds-eye-errors", "minds-eye-poses", "minds-eye-drawings", "minds-eye-attacks")
    }
    page = (out / "index.html").read_text()
    assert "The mind&#39;s eye" in page
    assert "triple-staged, 0.45" in page
    claims = pd.read_csv(out / "claims.csv")
    assert claims["id"].is_unique
    assert {"minds-eye-error-direct", "minds-eye-error-triple-staged-0.7", "minds-eye-pose-yaw"} <= set(claims["id"])
    assert set(claims["met"]) <= {"yes", "no"}
    assert claims.loc[claims["met"] == "no", "reason"].notna().all()


def test_errors_are_those_of_the_runs(networks: list[Network]) -> None:
    table = error_table(networks).set_index("network")
    assert list(table.index) == [
        "direct",
        "direct + parameters",
        *(f"triple-staged, {one}" for one in (0.2, 0.45, 0.7)),
    ]
    for network in networks[:2]:
        assert table.loc[network.title, "error"] == pytest.approx(1 - network.rows["accuracy"].iloc[0])
    eye = networks[-1]
    assert table.loc["triple-staged, 0.45", "error"] == pytest.approx(1 - eye.rows["accuracy"].iloc[0])
    assert (table["low"] <= table["error"]).all()
    assert (table["error"] <= table["high"]).all()
    assert (table["n"] == 32).all()


def test_the_best_threshold_is_not_chosen_on_the_images_that_it_is_measured_on(networks: list[Network]) -> None:
    eye = networks[-1]
    label = eye.stages["label"].to_numpy()
    threshold, wrong, count = best_error(eye)
    assert count == len(label) - len(label) // 2
    measured = np.random.default_rng(0).permutation(len(label))[len(label) // 2 :]
    told = predictions(eye, threshold) != label
    assert wrong == told[measured].sum()
    others = np.setdiff1d(np.arange(len(label)), measured)
    assert all(told[others].sum() <= (predictions(eye, one) != label)[others].sum() for one in (0.01, 0.2, 0.45, 0.99))


def test_poses_are_compared_in_their_own_units(networks: list[Network]) -> None:
    errors = pose_errors(networks[-1])
    assert len(errors) == 24 * 3
    assert set(errors["class"]) == {"monkey", "penguin", "aeroplane"}
    assert errors["true"].between(-0.5, 0.5).all()
    assert errors["error"].abs().max() <= 1


def test_attacks_have_both_aims(networks: list[Network]) -> None:
    for network in networks:
        attacks = network.attacks
        assert set(attacks["aim"]) == {"false positive", "false negative"}
        assert len(attacks) == 2 * 3 * 3 * attacks["network"].nunique()
        assert attacks["image"].nunique() == 6


def test_drawings_are_shown_to_the_other_networks(networks: list[Network]) -> None:
    table = recognition_table(networks, networks[-1])
    assert table["network"].tolist() == ["direct", "direct + parameters"]
    assert table["n"].tolist() == [24, 24]


def made_up(distortion: dict[str, float], steps: dict[str, int], right: float = 1.0) -> dict[str, pd.DataFrame]:
    """Attacks on 40 images for each network, about a distortion and a number of steps."""
    tables = {}
    for name in distortion:
        spread = np.linspace(0.9, 1.1, 40)
        for aim in ("false positive", "false negative"):
            part = pd.DataFrame(
                {
                    "image": range(40),
                    "aim": aim,
                    "right": np.arange(40) < right * 40,
                    "distortion": distortion[name] * spread,
                    "steps": (steps[name] * spread).round(),
                }
            )
            tables[name] = pd.concat([tables.get(name), part]) if name in tables else part
    return tables


def decided(attacks: dict[str, pd.DataFrame], kinds: list[str]) -> dict[str, dict[str, Any]]:
    """The claims about these attacks, by their names."""
    claims = [one for one in read_claims("robust.studies.minds_eye") if {*one["figure"]} & {*kinds}]
    lines = decide(claims, [Subject("scenes", Measured({}, attacks).figure)])
    return {line["id"]: line for line in lines.to_dict("records")}


def test_the_committed_figures_decide_the_claims_as_they_are_committed() -> None:
    """Their names, sentences, order, limits and whether they hold."""
    kept = pd.read_csv(RESULTS / "claims.csv", keep_default_na=False)
    figures = iter(kept.itertuples())

    def figure(_: object) -> Figure:
        line = next(figures)
        return Figure(line.measured, line.low, line.high, line.seeds)

    claims = read_claims("robust.studies.minds_eye")
    made = decide(claims, [Subject("scenes", figure, {"best": 0.28})])
    pd.testing.assert_frame_equal(made, kept)


@pytest.mark.parametrize(
    ("eye", "direct", "met"),
    [((0.3, 0.4, 0.5), 0.05, {True}), ((0.05, 0.04, 0.03), 0.2, {False})],
)
def test_claims_follow_the_medians(eye: tuple[float, ...], direct: float, met: set[bool]) -> None:
    names = [f"triple-staged, {one}" for one in (0.2, 0.45, 0.7)]
    distortion = {"direct": direct, **dict(zip(names, eye, strict=True))}
    turned = reversed(eye)  # false negatives are the other way round
    steps = {"direct": int(1000 * direct), **{name: int(2000 * one) for name, one in zip(names, turned, strict=True)}}
    efforts = made_up(distortion, steps)
    lines = decided(efforts, ["distortion", "steps"])
    assert len(lines) == 7
    assert {line["met"] == "yes" for line in lines.values()} == met
    assert lines["minds-eye-false-positive-times-direct"]["measured"] == pytest.approx(eye[1] / direct, abs=0.01)
    for lower, upper in itertools.pairwise((0.2, 0.45, 0.7)):
        line = lines[f"minds-eye-false-positive-{lower}-{upper}"]
        assert line["low"] < line["measured"] < line["high"]


def test_attacks_on_what_was_told_wrong_at_first_are_left_out() -> None:
    attacks = made_up({"direct": 0.1}, {"direct": 10}, right=0.5)["direct"]
    attacks = attacks.assign(network="direct", success=True)
    attacks.loc[~attacks["right"], ["steps", "distortion"]] = 1_000_000.0
    table = effort_table(attacks)
    assert table["images"].tolist() == [20, 20]
    assert table["left_out"].tolist() == [0.5, 0.5]
    assert (table["steps_high"] <= 10).all()
    assert (table["distortion_high"] <= 0.1).all()


def test_what_was_left_out_is_a_claim_too() -> None:
    (line,) = decided(made_up({"direct": 0.1}, {"direct": 10}, right=0.9), ["left out"]).values()
    assert line["measured"] == 10
    assert line["met"] == "no"
    assert "is not about 0" in line["reason"]
