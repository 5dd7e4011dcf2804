"""Which runs lie in a folder, and which of them an older version made."""

import json
from pathlib import Path

import pytest

from robust.runs import VERSION, find_older

NAME = "digits-convnet-natural-seed0"


def record(runs: Path, name: str, **content: object) -> Path:
    folder = runs / name
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps({"state": "done", **content}))
    return folder


def test_runs_of_an_older_version_are_found_by_their_words(tmp_path: Path) -> None:
    first = record(tmp_path, f"{NAME}-00000001")
    second = record(tmp_path, f"{NAME}-00000002", identity={"version": VERSION - 1})
    record(tmp_path, f"{NAME}-00000003", identity={"version": VERSION})
    record(tmp_path, "digits-convnet-natural-seed1-00000004")
    record(tmp_path, f"{NAME}-0badcafe")
    (tmp_path / f"{NAME}-00000005").mkdir()
    found = find_older(tmp_path, [f"{NAME}-0badcafe", "digits-convnet-natural-seed7-0badcafe"])
    assert found == {first: 1, second: VERSION - 1}


def test_records_are_read_of_such_runs_alone(tmp_path: Path) -> None:
    (record(tmp_path, "digits-convnet-constant-seed0-00000001") / "status.json").write_text("{")
    assert find_older(tmp_path, [f"{NAME}-0badcafe"]) == {}
    (record(tmp_path, f"{NAME}-00000001") / "status.json").write_text("{")
    with pytest.raises(ValueError, match=r"status.json is damaged"):
        find_older(tmp_path, [f"{NAME}-0badcafe"])


def test_where_there_are_no_runs_none_is_older(tmp_path: Path) -> None:
    assert find_older(tmp_path / "runs", [f"{NAME}-0badcafe"]) == {}
