"""Files that are written whole or not at all, and by one process at a time."""

import os
import subprocess
import sys
import time

import pytest

from robust.files import atomic_write, file_lock


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("write", "content"),
    [
        ("größer\n", "größer\n".encode()),
        ("", b""),
        (b"\x00\xff", b"\x00\xff"),
        (lambda file: file.write(b"by a function"), b"by a function"),
        (lambda file: [file.write(b"%d," % i) for i in range(10_000)], b"".join(b"%d," % i for i in range(10_000))),
    ],
    ids=["text", "nothing", "bytes", "function", "in pieces"],
)
def test_the_file_holds_what_was_written_and_nothing_lies_beside_it(tmp_path, write, content):
    atomic_write(tmp_path / "file.txt", write)
    assert (tmp_path / "file.txt").read_bytes() == content
    assert names(tmp_path) == ["file.txt"]


def test_folders_are_made(tmp_path):
    atomic_write(tmp_path / "a" / "b" / "file.txt", "new")
    assert (tmp_path / "a" / "b" / "file.txt").read_text() == "new"


def test_a_file_is_replaced(tmp_path):
    atomic_write(tmp_path / "file.txt", "a long old text")
    atomic_write(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text() == "new"


def test_others_may_read_it(tmp_path):
    atomic_write(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o644


def test_until_all_is_written_the_old_file_is_there(tmp_path):
    def write(file):
        file.write(b"half")
        file.flush()
        assert (tmp_path / "file.txt").read_text() == "old"
        file.write(b" and half")

    (tmp_path / "file.txt").write_text("old")
    atomic_write(tmp_path / "file.txt", write)
    assert (tmp_path / "file.txt").read_text() == "half and half"


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", ["old", None])
def test_a_writer_that_fails_changes_and_leaves_nothing(tmp_path, error, old):
    def write(file):
        file.write(b"half")
        raise error("in the middle")

    if old:
        (tmp_path / "file.txt").write_text(old)
    with pytest.raises(error, match="in the middle"):
        atomic_write(tmp_path / "file.txt", write)
    assert names(tmp_path) == (["file.txt"] if old else [])
    assert not old or (tmp_path / "file.txt").read_text() == old


def test_a_move_that_fails_leaves_nothing_beside_the_old_file(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    (tmp_path / "file.txt").write_text("old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(tmp_path / "file.txt", "new")
    assert names(tmp_path) == ["file.txt"]
    assert (tmp_path / "file.txt").read_text() == "old"


HOLD = """
import sys, time
from pathlib import Path
from robust.files import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(path, seconds):
    """Another process that holds the lock."""
    other = subprocess.Popen([sys.executable, "-c", HOLD, path, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    return other


def test_a_lock_is_held_by_one_process_at_a_time(tmp_path):
    with hold(tmp_path / ".lock", 0.5) as other:
        begun = time.monotonic()
        with file_lock(tmp_path / ".lock"):
            assert time.monotonic() - begun > 0.3
    assert other.returncode == 0


def test_a_lock_goes_with_the_process_that_held_it(tmp_path):
    with hold(tmp_path / ".lock", 60) as other:
        other.kill()
    with file_lock(tmp_path / ".lock"):
        pass


def test_a_lock_can_be_had_again_and_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="in the middle"), file_lock(tmp_path / ".lock"):
            raise RuntimeError("in the middle")
    with file_lock(tmp_path / ".lock"):
        pass


def test_a_lock_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), file_lock(tmp_path / "file" / ".lock"):
        pass
