"""Runs of which confidence at a temperature is asked for: refused without validation images, made once, on the page."""

from collections.abc import Callable

import pytest

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.report.confidence import confidence_section
from robust.runs import State
from robust.runs.temperature import TEMPERATURE, read_temperature

ASKED = ["technique=natural", "data.validation=0.3", "evaluation.temperature=true"]
NOISE = ["evaluation=tolerance", "evaluation.families=[noise]", "evaluation.tolerance=null"]


def test_without_images_to_find_it_on_or_tests_it_is_refused(make_run: Callable[..., Experiment]) -> None:
    with pytest.raises(
        ValueError, match=r"`evaluation.temperature` must be false without validation .*data.validation"
    ):
        make_run("technique=natural", "evaluation.temperature=true")
    with pytest.raises(ValueError, match=r"`evaluation.temperature` must be false with `evaluation=none`"):
        make_run(*ASKED, "evaluation=none")
    with pytest.raises(ValueError, match=r"`evaluation.temperature` must be false with `adapt=bn_mixed`"):
        make_run(*ASKED, "adapt=bn_mixed")


def test_it_is_measured_once_for_all_conditions_and_shown(make_run: Callable[..., Experiment]) -> None:
    run = make_run(*ASKED, "evaluation=natural")
    assert execute(run).state is State.DONE
    assert not make_run(*ASKED, "evaluation=natural").is_incomplete()
    further = make_run(*ASKED, *NOISE)
    assert further.is_incomplete()
    assert execute(further).state is State.DONE
    found = read_temperature(run.files)
    assert found is not None
    rows = run.files.read_rows().query("trial == 0")
    assert found["accuracy"].tolist() == rows["accuracy"].tolist()
    assert found["temperature"].nunique() == 1
    shown = confidence_section([run.folder]).tables["temperature"].shown
    assert shown["tested"].tolist() == ["natural", "5 perturbed conditions"]
    assert {"ECE, %", "Brier score", "NLL"} <= {*shown}
    before = rows.loc[rows["test_perturbation"] == "natural", "nll"].item()
    assert shown["NLL"][0] == f"{before:.3f} → {found['nll'][0]:.3f}"
    (run.folder / TEMPERATURE).unlink()
    assert make_run(*ASKED, *NOISE).is_incomplete(), "it is made again"
