import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from robust.runs import ClaimedError, Identity, RunFolder, State, claimed, read_status, write_status


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


def test_two_processes_do_not_do_the_same_run(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from robust.runs import claimed\n"
        "with claimed(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(ClaimedError, match=f"is under way in process {other.pid} on "), claimed(tmp_path):
            pass
        other.kill()
        while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert read_status(tmp_path).state is State.INTERRUPTED, "dead, though nobody has asked how"
    assert read_status(tmp_path).state is State.INTERRUPTED
    with claimed(tmp_path):
        assert read_status(tmp_path).state is State.RUNNING


@pytest.mark.parametrize(("age_s", "state"), [(5, State.RUNNING), (120, State.INTERRUPTED)])
def test_a_claim_of_another_host_is_judged_by_its_heartbeat(tmp_path: Path, age_s: float, state: State) -> None:
    claim = {"host": "elsewhere", "pid": 1, "started": 0, "job": None, "heartbeat": time.time() - age_s}
    (tmp_path / "claim.json").write_text(json.dumps(claim))
    assert read_status(tmp_path).state is state


def test_a_process_that_only_has_the_number_of_the_claims_is_another(tmp_path: Path) -> None:
    claim = {"host": socket.gethostname(), "pid": os.getpid(), "started": 0, "job": None, "heartbeat": time.time()}
    (tmp_path / "claim.json").write_text(json.dumps(claim))
    assert read_status(tmp_path).state is State.INTERRUPTED


def test_an_error_lets_go_of_the_claim(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), claimed(tmp_path):
        raise RuntimeError
    assert read_status(tmp_path).state is State.ABSENT
    assert list(tmp_path.glob("[!.]*")) == []


def test_a_damaged_status_is_named(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text("{")
    with pytest.raises(ValueError, match=r"status.json is damaged .* Delete it and run again"):
        read_status(tmp_path)


def test_a_damaged_claim_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "claim.json").write_text("")
    with claimed(tmp_path):
        assert read_status(tmp_path).state is State.RUNNING


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
