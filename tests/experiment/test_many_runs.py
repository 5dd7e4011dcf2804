"""Many runs in one process."""

from collections.abc import Callable

import psutil

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.runs import State

_WARM, _RUNS = 5, 20
_MOST = 1.5e6  # bytes that a run may leave: a network of it and its images would be more


def test_runs_of_one_process_leave_no_descriptors_and_hardly_memory(make_run: Callable[..., Experiment]) -> None:
    me, held = psutil.Process(), []
    for seed in range(_RUNS):
        run = make_run("trainer.max_epochs=1", "evaluation=natural", "trainer.progress=false", f"seed={seed}")
        assert execute(run).state is State.DONE
        held.append((me.num_fds(), me.memory_info().rss))
    (open_then, bytes_then), *_, (open_now, bytes_now) = held[_WARM:]
    assert open_now == open_then
    assert bytes_now - bytes_then < _MOST * (_RUNS - _WARM)
