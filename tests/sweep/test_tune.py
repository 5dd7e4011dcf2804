"""How many runs at a time: by what was measured."""

from pathlib import Path
from typing import Any

import pytest

from robust.sweep.tune import Throughput, best_pack, grow, throughputs


@pytest.mark.parametrize(
    ("speeds", "most", "expected"),
    [
        ({1: 10, 2: 19, 4: 34, 8: 36}, 16, 4),  # eight are hardly faster
        ({1: 10, 2: 9}, 16, 1),
        ({1: 10, 2: 20, 4: 40, 6: 55}, 6, 6),  # as far as there are runs, or cores
        ({1: 10, 2: 20}, 16, 2),  # four cannot be measured
        ({}, 16, 1),
    ],
)
def test_it_grows_while_that_is_faster(speeds: dict[int, float], most: int, expected: int) -> None:
    def measure(count: int) -> list[Throughput]:
        if count not in speeds:
            raise RuntimeError("CUDA out of memory.")
        return [Throughput(speeds[count] / count, memory=0.01)] * count

    assert grow(measure, most=most)[0] == expected


def test_it_does_not_try_what_memory_has_no_room_for() -> None:
    tried = []

    def measure(count: int) -> list[Throughput]:
        tried.append(count)
        return [Throughput(10, memory=0.3 * count)] * count

    assert grow(measure, most=16) == (2, 20)
    assert tried == [1, 2]


def test_what_others_take_of_the_memory_does_not_grow_with_the_pack(capsys: pytest.CaptureFixture[str]) -> None:
    found = grow(lambda count: [Throughput(10, memory=0.6 + 0.02 * count)] * count, most=8, others=0.6)
    assert found == (8, 80)
    assert capsys.readouterr().out.splitlines()[1] == "2 at a time: 20 steps/s in all, 64% of the memory"


def test_a_trial_trains_and_leaves_nothing_behind(tmp_path: Path) -> None:
    job = ["technique=natural", "trainer.accelerator=cpu", f"runs_dir={tmp_path / 'runs'}"]
    found = [*throughputs(job, 2, seconds=0.2), *throughputs(job, 2, seconds=0.2, stacked=True)]
    assert len(found) == 3
    assert all(pace.steps_per_s > 0 and 0 < pace.memory < 1 for pace in found)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("as_one", "expected"), [(25.0, "stacked"), (10.5, 1), (ValueError("`pack` must be a number"), 1)]
)
def test_runs_are_stacked_where_that_is_faster(as_one: float | Exception, expected: int | str) -> None:
    def measure(_: Any, count: int, *, stacked: bool = False, **__: Any) -> list[Throughput]:
        if isinstance(as_one, Exception) and stacked:
            raise as_one
        return [Throughput(as_one, memory=0.1)] if stacked else [Throughput(10 / count, memory=0.1)] * count

    said: list[str] = []
    assert best_pack([], most=2, stacked=True, say=said.append, measure=measure) == expected
    assert said[-1].startswith(("2 as one: ", "as one: `pack` must"))
    assert best_pack([], most=2, say=said.append, measure=measure) == 1
