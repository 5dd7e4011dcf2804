"""Files that are written whole or not at all."""

import os

import pytest

from robust.files import write_whole


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
    write_whole(tmp_path / "file.txt", write)
    assert (tmp_path / "file.txt").read_bytes() == content
    assert names(tmp_path) == ["file.txt"]


def test_folders_are_made(tmp_path):
    write_whole(tmp_path / "a" / "b" / "file.txt", "new")
    assert (tmp_path / "a" / "b" / "file.txt").read_text() == "new"


def test_a_file_is_replaced(tmp_path):
    write_whole(tmp_path / "file.txt", "a long old text")
    write_whole(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text() == "new"


def test_others_may_read_it(tmp_path):
    write_whole(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o644


def test_until_all_is_written_the_old_file_is_there(tmp_path):
    def write(file):
        file.write(b"half")
        file.flush()
        assert (tmp_path / "file.txt").read_text() == "old"
        file.write(b" and half")

    (tmp_path / "file.txt").write_text("old")
    write_whole(tmp_path / "file.txt", write)
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
        write_whole(tmp_path / "file.txt", write)
    assert names(tmp_path) == (["file.txt"] if old else [])
    assert not old or (tmp_path / "file.txt").read_text() == old


def test_a_move_that_fails_leaves_nothing_beside_the_old_file(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    (tmp_path / "file.txt").write_text("old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / "file.txt", "new")
    assert names(tmp_path) == ["file.txt"]
    assert (tmp_path / "file.txt").read_text() == "old"
