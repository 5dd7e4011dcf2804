"""A name becomes a file of its own in the folder that it is meant for, whatever it says."""

import os
from pathlib import Path

import pytest

from robust.files.places import check_inside, file_name

ODD = [
    "../../victim/x", "/etc/passwd", "..", ".", "", " ", "...", "a/b", "a\\b", "a_b", "a:b", "a*b", "a?b", 'a"b',
    "a<b", "a>b", "a|b", "a\0b", "a\nb", "a\tb", "\x1b[31m", "con", "CON", "nul.txt", "com1", ".hidden", "hidden",
    "end.", "end", " x", "x", "x" * 300, "x" * 301, "ä" * 300, "中" * 300, "\ud800", "\udcff", "-", "a-0123abcd",
    "\u202ea",
]  # fmt: skip


def test_plain_names_stay_as_they_are() -> None:
    for name in ("n01440764", "ice bear", "jack-o'-lantern", "中文", "Übergröße", "noise-0.05", "C++", "100 %", "a.b"):
        assert file_name(name) == name


def test_every_odd_name_gets_a_file_of_its_own(tmp_path: Path) -> None:
    names = [*ODD, *map(file_name, ODD)]
    found = {name: file_name(name) for name in names}
    assert len(set(found.values())) == len(set(names))
    for name in found.values():
        assert not {"/", "\0"} & set(name)
        assert name.isprintable()
        assert len(os.fsencode(name)) < 200
        (tmp_path / f"{name}.csv").write_text("")
        (tmp_path / name).mkdir()
    assert len(list(tmp_path.iterdir())) == 2 * len(set(names))
    assert list(tmp_path.parent.glob("victim*")) == []


def test_a_link_on_the_way_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "b").symlink_to(tmp_path / "theirs")
    with pytest.raises(ValueError, match=r"a/b is a link, and nothing is written through one"):
        check_inside(tmp_path / "out" / "a" / "b" / "c" / "file", tmp_path / "out")
    check_inside(tmp_path / "out" / "a" / "file", tmp_path / "out")
