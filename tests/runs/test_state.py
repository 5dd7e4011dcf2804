import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from robust.files.process import this_process
from robust.runs import ClaimedError, GoneError, Identity, RunFolder, State, claimed, clear, read_status, write_status


def test_a_run_goes_from_to_do_to_done(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert read_status(folder).state is State.ABSENT
    with claimed(folder):
        status = read_status(folder)
        assert status.state is State.RUNNING
        assert str(os.getpid()) in status.reason
        write_status(folder, State.DONE, durations_s={"train": 1.0})
    assert read_status(folder).state is State.DONE


def test_a_failure_keeps_its_reason_and_what_it_ran_on(tmp_path: Path) -> None:
    with claimed(tmp_path):
        write_status(tmp_path, State.FAILED, reason="out of memory", durations_s={})
    status = read_status(tmp_path)
    assert (status.state, status.reason) == (State.FAILED, "out of memory")
    assert status.record is not None
    assert {"torch", "numpy", "python"} <= set(status.record["versions"])
    assert status.record["host"] == socket.gethostname()


def test_a_run_of_a_process_that_is_gone_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / "claim.json").write_text(json.dumps({**this_process(), "started": 0}))
    assert read_status(tmp_path).state is State.INTERRUPTED
    with claimed(tmp_path):
        assert read_status(tmp_path).state is State.RUNNING
        with pytest.raises(ClaimedError, match=f"is under way in process {os.getpid()} on "), claimed(tmp_path):
            pass


def test_who_is_at_work_is_said_and_that_nobody_knows_too(tmp_path: Path) -> None:
    (tmp_path / "claim.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "since": "noon"}))
    assert read_status(tmp_path).reason == "by process 1 on elsewhere since noon"
    (tmp_path / "claim.json").write_text("[]")
    assert read_status(tmp_path).reason == "by another process, of which its claim does not tell"


def test_nothing_is_written_into_a_run_that_was_taken_over(tmp_path: Path) -> None:
    with claimed(tmp_path):
        (tmp_path / "claim.json").write_text(json.dumps({"host": "elsewhere", "pid": 1}))
        with pytest.raises(ClaimedError, match="was taken over by process 1 on elsewhere"):
            write_status(tmp_path, State.DONE, durations_s={})
    assert [path.name for path in tmp_path.iterdir()] == ["claim.json"]


@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_nothing_is_written_where_a_run_was_before_it_went(tmp_path: Path, how: str) -> None:
    runs_dir = tmp_path / "runs"
    with claimed(runs_dir / "run"):
        runs_dir.rename(tmp_path / "other")
        if how == "deleted":
            shutil.rmtree(tmp_path / "other")
        with pytest.raises(GoneError, match=f"{runs_dir / 'run'} was moved or deleted"):
            write_status(runs_dir / "run", State.DONE, durations_s={})
    assert not runs_dir.exists()


def test_what_a_killed_process_left_is_cleared_and_what_others_do_is_not(tmp_path: Path) -> None:
    claim, beside = tmp_path / "claim.json", tmp_path / ".0-1-2.partial"
    write_status(tmp_path, State.DONE, durations_s={})
    claim.write_text(json.dumps({**this_process(), "started": 0}))
    beside.write_text("half")
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"status.json", "sums.json"}
    with claimed(tmp_path):
        clear(tmp_path)
        assert claim.exists()
    clear(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_an_error_lets_go_of_the_claim(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), claimed(tmp_path):
        raise RuntimeError
    assert read_status(tmp_path).state is State.ABSENT
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_status_is_named(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text("{")
    with pytest.raises(ValueError, match=r"status.json is damaged .* Delete it and run again"):
        read_status(tmp_path)


def test_the_record_says_what_the_run_is_and_who_was_told(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    identity = Identity("digits", "convnet", "natural", "none", 0, 3, digest="0123456789", kind="4567")
    write_status(tmp_path, State.DONE, durations_s={}, identity=identity.as_dict(), tracked=["wandb"])
    assert run.identity() == identity
    write_status(tmp_path, State.FAILED, durations_s={})
    write_status(tmp_path, State.DONE, durations_s={}, tracked=["tensorboard", "wandb"])
    assert run.identity() == identity
    record = run.read_record()
    assert record is not None
    assert record["tracked"] == ["wandb", "tensorboard"]
    assert len(record["sessions"]) == 3


def test_the_price_of_all_sessions_is_said_where_each_says_its_own(tmp_path: Path) -> None:
    def price() -> object:
        return (RunFolder(tmp_path).read_record() or {})["price"]

    write_status(tmp_path, State.FAILED, durations_s={})  # it never began
    write_status(tmp_path, State.DONE, durations_s={"train": 5}, price={"seconds": 5})
    write_status(tmp_path, State.DONE, durations_s={"measure": 1}, price={"seconds": 1})
    assert price() == {"seconds": 6}
    write_status(tmp_path, State.DONE, durations_s={"attack": 7})  # by an older version
    write_status(tmp_path, State.DONE, durations_s={"measure": 1}, price={"seconds": 1})
    assert price() == {}
