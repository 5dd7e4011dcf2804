"""What is tracked stays light, whole and free of doubles."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_BYTES, MOST_BYTES_OF_A_FILE = 25_000_000, 2_000_000
PICTURES = {".gif", ".jpeg", ".jpg", ".pdf", ".png", ".svg", ".webp"}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Paths from the root, of files that are there."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        listed = ""
    files = [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
    if Path("pyproject.toml") not in files:
        pytest.skip("these are no checkout's files: git tracks none of them")
    return files


def test_all_of_it_travels_light(tracked: list[Path]) -> None:
    sizes = {file: (ROOT / file).stat().st_size for file in tracked}
    assert {file: size for file, size in sizes.items() if size > MOST_BYTES_OF_A_FILE} == {}
    assert sum(sizes.values()) < MOST_BYTES


def test_each_picture_is_tracked_once(tracked: list[Path]) -> None:
    names, contents = defaultdict(list), defaultdict(list)
    for file in tracked:
        if file.suffix in PICTURES:
            names[file.with_suffix("")].append(str(file))
            contents[(ROOT / file).read_bytes()].append(str(file))
    assert [files for files in names.values() if len(files) > 1] == []
    assert [files for files in contents.values() if len(files) > 1] == []


def test_a_drawing_of_lines_holds_no_pictures(tracked: list[Path]) -> None:
    drawings = [file for file in tracked if file.suffix == ".svg"]
    assert drawings
    assert [str(file) for file in drawings if "<image" in (ROOT / file).read_text()] == []


def test_pages_link_to_what_is_tracked(tracked: list[Path]) -> None:
    there = {(ROOT / file).resolve() for file in tracked}
    there |= {folder for file in there for folder in file.parents}
    pages = [file for file in tracked if file.suffix == ".md" and file.parts[0] in ("README.md", "docs", "results")]
    assert pages
    lost = [
        f"{page}: {link}"
        for page in pages
        for link in re.findall(r"\]\(<?([^)\s>]+)>?\)", (ROOT / page).read_text())
        if not re.match(r"[a-z]+:|#", link) and (ROOT / page.parent / link.partition("#")[0]).resolve() not in there
    ]
    assert lost == []


def test_committed_figures_are_shown_on_some_page(tracked: list[Path]) -> None:
    pages = [file for file in tracked if file.suffix == ".md"]
    shown = {
        (ROOT / page.parent / link).resolve()
        for page in pages
        for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / page).read_text())
    }
    figures = [file for file in tracked if file.parts[0] in ("docs", "results") and file.suffix in PICTURES]
    assert [str(file) for file in figures if (ROOT / file).resolve() not in shown] == []
