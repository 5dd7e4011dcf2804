"""A run's log: its own file, in which nothing steers a terminal."""

import logging
from pathlib import Path

from robust.runs import logged


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs.txt").write_text("mine")
    (tmp_path / "log.txt").symlink_to(tmp_path / "theirs.txt")
    with logged(tmp_path / "log.txt"):
        logging.getLogger("robust").warning("class %s", "\x1b[31mred")
    assert (tmp_path / "theirs.txt").read_text() == "mine"
    assert not (tmp_path / "log.txt").is_symlink()
    assert (tmp_path / "log.txt").read_text().endswith("class \\x1b[31mred\n")
