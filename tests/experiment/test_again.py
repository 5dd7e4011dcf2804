from collections.abc import Callable
from pathlib import Path

import pytest

from robust.experiment.again import REPLACED, drop_replaced, made_again, set_aside
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.runs import State, find_runs

FEW = ("technique=natural", "evaluation=natural", "trainer.max_epochs=1")


def test_a_finished_run_is_made_again_only_where_that_is_said(make_run: Callable[..., Experiment]) -> None:
    run, forced = make_run(*FEW), make_run(*FEW, "force=true")
    assert forced.folder == run.folder
    assert made_again([forced]) == [], "nothing is done yet"
    assert execute(forced).state is State.DONE
    before = run.files.model.read_bytes()
    marked = run.folder / "of_before"
    marked.touch()

    assert made_again([run]) == []
    assert made_again([forced]) == [forced]
    (said,) = set_aside(made_again([forced]))
    assert str(run.folder) in said
    assert (run.folder.parent / REPLACED / run.folder.name / "of_before").is_file()
    drop_replaced([forced])
    assert (run.folder.parent / REPLACED).is_dir(), "it waits until the new one is done"

    assert execute(forced).state is State.DONE
    drop_replaced([forced])
    assert run.files.model.read_bytes() == before
    assert not marked.exists()
    assert find_runs([run.folder.parent]) == [run.folder]
    assert not (run.folder.parent / REPLACED).exists()


def test_what_a_run_is_compared_with_is_not_made_again_for_it(tmp_path: Path) -> None:
    run = prepare(["force=true", f"runs_dir={tmp_path}"])
    assert run.config.force
    assert run.reference is not None
    assert not run.reference.config.force


@pytest.mark.parametrize("value", ["1", "yes", "null"])
def test_force_is_true_or_false(tmp_path: Path, value: str) -> None:
    with pytest.raises(ValueError, match=f"`force` must be true or false; got {'None' if value == 'null' else value}"):
        prepare([f"force={value}", f"runs_dir={tmp_path}"])
