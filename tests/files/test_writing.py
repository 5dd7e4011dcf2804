"""Files that are written whole or not at all."""

import contextlib
import os
import resource

import numpy as np
import pytest
import torch

from robust.files import atomic_write, guarded, remove_partial


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


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_others_may_do_with_it_what_the_umask_lets_them(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        atomic_write(tmp_path / "file.txt", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == mode


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


@contextlib.contextmanager
def full_after(size):
    """A disk that is full when a file has so many bytes."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


@pytest.mark.parametrize(
    "write",
    [
        "much" * 1000,
        lambda file: file.write(b"much" * 1000),
        lambda file: np.savez(file, much=np.zeros(10_000)),
        lambda file: torch.save({"much": torch.zeros(10_000)}, file),
    ],
    ids=["text", "bytes", "arrays", "tensors"],
)
def test_a_full_disk_says_where(tmp_path, write):
    (tmp_path / "file.txt").write_text("old")
    with full_after(100), pytest.raises(OSError, match=f"File too large: '{tmp_path}/file.txt'"):
        atomic_write(tmp_path / "file.txt", write)
    assert names(tmp_path) == ["file.txt"]
    assert (tmp_path / "file.txt").read_text() == "old"


def test_a_folder_that_takes_no_files_is_named_by_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=f"'{tmp_path}/file/new.txt'|'{tmp_path}/file'"):
        atomic_write(tmp_path / "file" / "new.txt", "new")


def test_what_killed_writers_left_is_removed_and_what_others_write_stays(tmp_path):
    pid = os.fork()
    if pid == 0:
        atomic_write(tmp_path / "file.txt", lambda file: os._exit(0))
    os.waitpid(pid, 0)
    (tmp_path / f".{'0' * 8}-{pid}-0.partial").write_text("of another machine")
    atomic_write(tmp_path / "mine.txt", lambda file: remove_partial(tmp_path))
    assert names(tmp_path) == [f".00000000-{pid}-0.partial", "mine.txt"]
    remove_partial(tmp_path, of_all=True)
    assert names(tmp_path) == ["mine.txt"]


def test_a_guard_is_asked_before_anything_is_put_into_its_folder(tmp_path):
    def check():
        raise RuntimeError("not here")

    (tmp_path / "mine").mkdir()
    with guarded(tmp_path / "mine", check):
        for path in (tmp_path / "mine" / "file.txt", tmp_path / "mine" / "new" / "file.txt"):
            with pytest.raises(RuntimeError, match="not here"):
                atomic_write(path, "new")
        atomic_write(tmp_path / "mine2" / "file.txt", "new")
    assert names(tmp_path / "mine") == []
    atomic_write(tmp_path / "mine" / "file.txt", "new")


def test_a_guard_is_asked_again_when_all_is_written(tmp_path):
    lost = []

    def check():
        if lost:
            raise RuntimeError("not here")

    with guarded(tmp_path, check), pytest.raises(RuntimeError, match="not here"):
        atomic_write(tmp_path / "file.txt", lambda file: lost.append(file.write(b"new")))
    assert names(tmp_path) == []
