"""What runs cost: measured part by part, summed over sessions."""

from pathlib import Path

import pytest

from robust.runs.price import CORE_WATTS, Meter, is_price, total


def _compute() -> None:
    sum(number * number for number in range(2_000_000))


def test_seconds_of_processors_are_those_of_what_was_computed_and_joules_follow_the_stated_model(
    tmp_path: Path,
) -> None:
    meter = Meter(rapl=tmp_path)
    _compute()  # outside of any part
    with meter.part("train", work=7):
        _compute()
    price = meter.price()
    assert 0 < price["cpu_seconds"] <= price["seconds"] + 0.02
    assert price["joules"] == pytest.approx(CORE_WATTS * price["cpu_seconds"], abs=0.06)
    assert price["joules_by"] == f"{CORE_WATTS} W a core"
    assert (price["work"], price["gpu_seconds"], price["gpu_peak_bytes"]) == ({"train": 7}, 0, 0)


def test_the_peak_of_memory_is_that_of_the_run_and_not_of_what_was_before() -> None:
    before = bytearray(400_000_000)
    before[::4096] = bytes(len(before[::4096]))
    del before
    meter = Meter()
    held = bytearray(150_000_000)
    held[::4096] = b"1" * len(held[::4096])
    alone = Meter().price()["peak_bytes"]
    assert meter.price()["peak_bytes"] - alone < 200_000_000


def test_where_the_system_shows_energy_it_is_shared_out_by_what_each_process_computed(tmp_path: Path) -> None:
    counter = tmp_path / "intel-rapl:0" / "energy_uj"
    counter.parent.mkdir()
    counter.write_text("1000000")
    meter = Meter(rapl=tmp_path)
    with meter.part("train"):
        _compute()
        counter.write_text("6000000")
    assert 0 < meter.price()["joules"] <= 5
    assert meter.price()["joules_by"] == "rapl"
    with meter.part("measure"):
        counter.write_text("10")  # it began anew
    assert meter.price()["joules_by"] == f"rapl, {CORE_WATTS} W a core"


def test_work_counts_once_it_is_done() -> None:
    meter = Meter()
    with pytest.raises(OSError, match="full"), meter.part("train", work=7):
        raise OSError("full")
    assert meter.price()["work"] == {}
    assert meter.durations_s["train"] > 0


def test_sessions_add_up_and_memory_is_the_most_of_them() -> None:
    one = {"seconds": 1.5, "peak_bytes": 7, "joules_by": "rapl", "work": {"train": 5}}
    other = {"seconds": 2.0, "peak_bytes": 3, "joules_by": "10 W a core, rapl", "work": {"measure": 2}}
    assert total([one, {}, other]) == {
        "seconds": 3.5,
        "peak_bytes": 7,
        "joules_by": "rapl, 10 W a core",
        "work": {"train": 5, "measure": 2},
    }
    assert total([]) == {}


@pytest.mark.parametrize("value", [[], {"seconds": -1}, {"seconds": float("nan")}, {"work": {"train": [1]}}])
def test_what_is_no_price_is_refused(value: object) -> None:
    assert not is_price(value)
