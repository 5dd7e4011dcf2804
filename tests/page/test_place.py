"""A report writes in its own folder, and removes nothing of anybody else's."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from robust.page import write_report
from robust.report import Section
from robust.report.section import Table

Written = Callable[..., Sequence[Path]]


@pytest.fixture
def folders(written: Written, rows_of: Callable[..., pd.DataFrame], suites_of: Callable[..., dict]) -> Sequence[Path]:
    return written([rows_of("run0", suites_of("noise"))])


def section(*names: str) -> list[Section]:
    table = pd.DataFrame({"a": [1]})
    return [Section("S", "", {}, {name: Table(table, table.assign(b=name)) for name in names})]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_names_say_stays_inside(folders: Sequence[Path], tmp_path: Path) -> None:
    names = ["../../victim", "/tmp/victim", "..", "a b", "a-b", "A-B", "x" * 300]
    out = write_report(folders, tmp_path / "out", section(*names)).parent
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "out"}
    assert len(list((out / "tables").iterdir())) == len(names)


@pytest.mark.parametrize("place", ["figures", "tables"])
def test_a_link_to_somebodys_folder_is_not_followed(folders: Sequence[Path], tmp_path: Path, place: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "accuracy.svg").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / place).symlink_to(theirs)
    with pytest.raises(ValueError, match=f"{place} is a link"):
        write_report(folders, tmp_path / "out")
    assert contents(theirs) == {"accuracy.svg": b"mine"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == [place]


def test_a_report_beside_the_runs_follows_no_link(folders: Sequence[Path], tmp_path: Path) -> None:
    place = write_report(folders, found=section("a")).parent
    theirs = tmp_path / "theirs"
    place.rename(theirs)
    place.symlink_to(theirs)
    with pytest.raises(ValueError, match=f"{place.name} is a link"):
        write_report(folders, found=section("b"))


def test_links_in_place_of_files_are_replaced_and_what_they_lead_to_stays(
    folders: Sequence[Path], tmp_path: Path
) -> None:
    (tmp_path / "theirs.txt").write_text("mine")
    out = write_report(folders, tmp_path / "out", section("a")).parent
    for name in ("README.md", "rows.parquet", "tables/a.csv"):
        (out / name).unlink()
        (out / name).symlink_to(tmp_path / "theirs.txt")
    write_report(folders, out, section("a"))
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    assert (tmp_path / "theirs.txt").read_text() == "mine"


def test_only_what_a_former_report_wrote_is_removed(folders: Sequence[Path], tmp_path: Path) -> None:
    out = write_report(folders, tmp_path / "out", section("a", "b")).parent
    for name in ("tables/mine.csv", "figures/mine.png", "claims.csv", "notes.md"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    write_report(folders, out, section("b"))
    names = set(contents(out))
    assert {"tables/mine.csv", "figures/mine.png", "claims.csv", "notes.md", "tables/b.csv"} <= names
    assert "tables/a.csv" not in names


def test_a_list_that_names_other_places_removes_nothing(folders: Sequence[Path], tmp_path: Path) -> None:
    out = write_report(folders, tmp_path / "out", section("a")).parent
    (tmp_path / "victim").write_text("mine")
    (out / "notes.md").write_text("mine")
    (out / ".report.json").write_text(f'["../victim", "{tmp_path}/victim", "notes.md", "figures/../../victim", 3]')
    write_report(folders, out, section("a"))
    assert (tmp_path / "victim").read_text() == (out / "notes.md").read_text() == "mine"
    (out / ".report.json").write_text("{")
    write_report(folders, out, section("a"))


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_somebody_elses_page_is_not_replaced(folders: Sequence[Path], tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("My project")
    with pytest.raises(ValueError, match=f"{name} was not written by robust"):
        write_report(folders, tmp_path / "out")
    assert contents(tmp_path / "out") == {name: b"My project"}


def test_no_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`folders` must be those of runs that were measured; got none"):
        write_report([], tmp_path)
