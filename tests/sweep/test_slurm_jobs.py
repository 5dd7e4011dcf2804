"""What becomes of a Slurm job, as far as it shows without a Slurm; tests/slurm has the rest."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from robust.sweep import slurm

TRACE = """Traceback (most recent call last):
  File "compose.py", line 1, in <module>
ModuleNotFoundError: No module named 'robust'
"""


def job(folder: Path, name: str, result: tuple[str, str | list[str]] | None = None) -> Any:
    paths = SimpleNamespace(folder=folder, result_pickle=folder / f"{name}.pkl", stdout=folder / f"{name}.out")
    if result:
        paths.result_pickle.write_bytes(cloudpickle.dumps(result))
    return SimpleNamespace(job_id=name, paths=paths)


def test_a_jobs_end_is_what_it_wrote_or_that_it_wrote_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [
        job(tmp_path, "1_0", ("success", ["", "A bad name."])),
        job(tmp_path, "1_1", ("success", ["Training diverged."])),
        job(tmp_path, "1_2", ("error", TRACE)),
        job(tmp_path, "1_3"),
        job(tmp_path, "1_4"),
    ]
    looks: list[dict[str, str] | None] = [
        {"1_3": "RUNNING", "1_4": "PENDING", "2": "RUNNING"},
        None,  # no answer is no news
        {"1_3": "CANCELLED", "1_4": "RUNNING"},
        {"1_3": "CANCELLED"},
        {},
    ]
    monkeypatch.setattr(slurm, "_ask_slurm", lambda: looks.pop(0) if len(looks) > 1 else looks[0])
    monkeypatch.setattr(slurm, "_LOOK_S", 0)
    monkeypatch.setattr(slurm, "_GRACE_S", 0)
    monkeypatch.setattr(slurm, "_TELL_S", 0)
    assert slurm._watch(jobs, [2, 1, 1, 2, 1]) == [
        ["", "A bad name."],
        ["Training diverged."],
        [f"ModuleNotFoundError: No module named 'robust' [{tmp_path}/1_2.out]"],
        [f"Slurm job 1_3 ended without a result (CANCELLED) [{tmp_path}/1_3.out]"] * 2,
        [f"Slurm job 1_4 ended without a result (gone) [{tmp_path}/1_4.out]"],
    ]
    said = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines() if "waiting for" in line]
    assert said[:2] == ["1 in the queue, 1 running, 3 through", "squeue does not answer"]


def test_without_slurm_it_says_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = {"submitit_folder": str(tmp_path), "max_num_timeout": 1}
    with pytest.raises(ValueError, match=r"needs Slurm's commands .* this machine has none.*`pack=N`"):
        slurm.launch_on_slurm([["technique=natural"]], settings)


def test_a_job_too_short_for_a_checkpoint_is_refused() -> None:
    settings = {"timeout_min": 1, "signal_delay_s": 30}
    with pytest.raises(ValueError, match=r"`hydra.launcher.timeout_min` must give a job time .* every 30 s; got 1, of"):
        slurm.launch_on_slurm([["technique=natural"]], settings)


@pytest.mark.parametrize("value", ["soon", -1, 1.5, True])
def test_a_setting_that_is_no_number_is_named(value: object) -> None:
    with pytest.raises(ValueError, match=f"`hydra.launcher.timeout_min` must be a whole number >= 0; got {value}"):
        slurm.launch_on_slurm([["technique=natural"]], {"timeout_min": value})
