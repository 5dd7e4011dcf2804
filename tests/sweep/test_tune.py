"""How many runs at a time: by what was measured."""

from pathlib import Path

import pytest

from robust.sweep.tune import Throughput, grow, throughputs


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

    assert grow(measure, most=most) == expected


def test_it_does_not_try_what_memory_has_no_room_for() -> None:
    tried = []

    def measure(count: int) -> list[Throughput]:
        tried.append(count)
        return [Throughput(10, memory=0.3 * count)] * count

    assert grow(measure, most=16) == 2
    assert tried == [1, 2]


def test_what_others_take_of_the_memory_does_not_grow_with_the_pack(capsys: pytest.CaptureFixture[str]) -> None:
    found = grow(lambda count: [Throughput(10, memory=0.6 + 0.02 * count)] * count, most=8, others=0.6)
    assert found == 8
    assert capsys.readouterr().out.splitlines()[1] == "2 at a time: 20 steps/s in all, 64% of the memory"


def test_a_trial_trains_and_leaves_nothing_behind(tmp_path: Path) -> None:
    job = ["technique=natural", "trainer.accelerator=cpu", f"runs_dir={tmp_path / 'runs'}"]
    found = throughputs(job, 2, seconds=0.2)
    assert len(found) == 2
    assert all(pace.steps_per_s > 0 and 0 < pace.memory < 1 for pace in found)
    assert not (tmp_path / "runs").exists()
