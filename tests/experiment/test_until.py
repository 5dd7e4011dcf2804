"""Runs whose tests end when their answer is known."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

import robust
from robust.errors import ParameterError
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.measure import ended_early
from robust.report import print_results
from robust.runs import RunFolder, State

SETTINGS = ["technique=natural", "evaluation=camera", "evaluation.trials=4"]
UNTIL = [*SETTINGS, "evaluation.until=0.05"]


def rows(run: Experiment) -> pd.DataFrame:
    return RunFolder(run.folder).read_rows()


@pytest.fixture
def early(make_run: Callable[..., Experiment]) -> Experiment:
    run = make_run(*UNTIL)
    assert execute(run).state is State.DONE
    return run


def test_a_run_ends_its_tests_early_and_says_how_much_that_saved(early: Experiment) -> None:
    made = rows(early)
    ended = made[ended_early(made)]
    assert len(ended) > 6
    assert not ended.duplicated(["test_perturbation", "test_level"]).any()
    assert (made.loc[~ended_early(made), "n"] == 497).all()
    looked = made["n"].sum()
    assert (
        f"{len(ended)} of 10 conditions ended early; {looked:,} of {28 * 497:,} images" in early.files.log.read_text()
    )
    assert early.missing_tests() == []


def test_a_looser_question_is_answered_and_a_tighter_one_asked_again(
    early: Experiment, make_run: Callable[..., Experiment]
) -> None:
    before = early.files.rows.read_bytes()
    assert make_run(*SETTINGS, "evaluation.until=0.08").missing_tests() == []
    other = make_run("technique=natural", "evaluation=camera", "evaluation.trials=5", "evaluation.until=0.05")
    assert {test[1][0] for test in other.missing_tests()} == {"stuck", "hot", "dead", "noise"}
    execute(tighter := make_run(*SETTINGS, "evaluation.until=0.02"))
    assert early.files.rows.read_bytes() != before
    made = rows(tighter)
    ended = made[ended_early(made)]
    assert ((ended["until_high"] - ended["until_low"]) <= 0.04).all()
    assert not made.duplicated(["test_perturbation", "test_level", "trial"]).any()


def test_without_it_everything_is_measured_as_if_it_had_never_been(
    early: Experiment, make_run: Callable[..., Experiment], tmp_path: Path
) -> None:
    again, never = make_run(*SETTINGS), make_run(*SETTINGS, f"runs_dir={tmp_path / 'never'}")
    for run in (again, never):
        assert execute(run).state is State.DONE
    key = ["test_perturbation", "test_level", "trial"]
    mine, theirs = (rows(one).sort_values(key, ignore_index=True) for one in (again, never))
    pd.testing.assert_frame_equal(mine, theirs)
    kept, wanted = (one.files.read_predictions().sort_values(key, ignore_index=True) for one in (again, never))
    pd.testing.assert_frame_equal(kept, wanted)
    assert make_run(*UNTIL).missing_tests() == [], "whole tests answer every question"


def test_a_condition_with_whole_tests_is_completed(make_run: Callable[..., Experiment]) -> None:
    execute(make_run("technique=natural", "evaluation=camera", "evaluation.trials=1"))
    execute(run := make_run(*UNTIL))
    made = rows(run)
    assert len(made) == 6 * 4 + 4
    assert not ended_early(made).any()


def test_the_same_rows_come_out_however_often_it_was_stopped(
    early: Experiment, make_run: Callable[..., Experiment]
) -> None:
    """A condition is measured at once: of what was lost all is measured again."""
    wanted = rows(early)
    some = early.files.read_predictions()
    lost = some[some["test_perturbation"] != "noise"]
    early.files._write({early.files.predictions: lost})
    assert {test[1][0] for test in make_run(*UNTIL).missing_tests()} == {"noise"}
    execute(make_run(*UNTIL))
    key = ["test_perturbation", "test_level"]
    pd.testing.assert_frame_equal(
        rows(early).sort_values(key, ignore_index=True), wanted.sort_values(key, ignore_index=True)
    )


def test_the_table_says_which_ended_early(early: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    print_results(rows(early), [early.folder])
    said = " ".join(capsys.readouterr().out.split())
    assert f"{ended_early(rows(early)).sum()} of 10 tests under a condition ended when their answer was known" in said
    assert "4 trials each" in said


def test_a_run_is_decided_against_its_natural_one(make_run: Callable[..., Experiment]) -> None:
    training = ["technique=constant", "perturb=noise", "perturb.level=0.3", "trainer.max_epochs=6"]
    run = make_run(
        *training, "evaluation=camera", "evaluation.trials=4", "evaluation.until=0.01", "evaluation.decide=true"
    )
    assert execute(run).state is State.DONE
    assert run.reference is not None
    assert run.reference.status().state is State.DONE, "it is measured first"
    made, theirs = rows(run), rows(run.reference)
    decided = made[made["until"].isin(["above", "below"])]
    assert len(decided)
    natural = theirs.groupby(["test_perturbation", "test_level"])["accuracy"].mean()
    for row in decided.itertuples():
        lead = row.accuracy - natural[row.test_perturbation, row.test_level]
        assert (lead > 0) == (row.until == "above")
    assert run.missing_tests() == []


@pytest.mark.parametrize("value", ["0", "-0.01", "0.5", "1", "soon", "true"])
def test_widths_that_are_none_are_refused(value: str) -> None:
    with pytest.raises(ParameterError, match=r"`evaluation.until` must be a number above 0 and below 0.5"):
        prepare([f"evaluation.until={value}"])


def test_what_does_not_go_with_it_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"`evaluation.until` must be null with `evaluation=none`"):
        prepare(["evaluation=none", "evaluation.until=0.01"])
    with pytest.raises(ParameterError, match=r"`evaluation.decide` must be false without `evaluation.until`"):
        prepare(["evaluation.decide=true"])
    with pytest.raises(ValueError, match=r"`evaluation.until` must be left out here"):
        robust.evaluate(torch.nn.Flatten(), data="digits", overrides=["evaluation.until=0.01"])
