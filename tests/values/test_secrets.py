import json
import sys
from pathlib import Path

import pytest

from robust.errors import ParameterError
from robust.runs import RunFolder, State, write_status
from robust.runs.config import Config
from robust.values.secrets import MASK, is_secret, masked, masked_word


@pytest.mark.parametrize("name", ["api_key", "logger.api_key", "data.token", "WANDB_API_KEY", "password", "my-secret"])
def test_what_looks_like_a_secret_is_one(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["data.objects.monkey", "seed", "turkey", "tokens", "data.keyed", "optimizer.lr"])
def test_what_only_sounds_like_one_is_none(name: str) -> None:
    assert not is_secret(name)


def test_secrets_are_masked_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2-hunter2")
    config = {"data": {"token": "abc", "url": "x://hunter2-hunter2@y", "names": ["hunter2-hunter2"]}, "api_key": None}
    assert masked(config) == {
        "data": {"token": MASK, "url": f"x://{MASK}@y", "names": [MASK]},
        "api_key": None,
    }
    assert masked_word("+data.token=abc") == f"+data.token={MASK}"
    assert masked_word("seed=1") == "seed=1"
    assert "abc" not in str(ParameterError("data.token", "a word", "abc"))


def test_the_working_folder_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", str(tmp_path))
    assert masked({"data": {"path": f"{tmp_path}/pictures"}}) == {"data": {"path": f"{tmp_path}/pictures"}}


def test_a_runs_folder_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["robust train", "data.token=hemlig", "seed=1"])
    RunFolder(tmp_path).write_config(Config.of({"data": {"token": "hemlig", "name": "mine"}, "seed": 1}))
    write_status(tmp_path, State.DONE, durations_s={})
    assert all("hemlig" not in file.read_text() for file in tmp_path.iterdir() if file.is_file())
    (session,) = json.loads((tmp_path / "status.json").read_text())["sessions"]
    assert f"data.token={MASK}" in session["command"].replace("'", "")
    assert "seed=1" in session["command"]
