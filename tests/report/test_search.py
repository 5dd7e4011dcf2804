"""The page of a search's best recipe says what else was tried, and how far it came."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from robust.page.brief import brief
from robust.report import search_lines, sections
from robust.report.search import search_findings
from robust.report.section import Section
from robust.runs import collect
from robust.runs.searches import SearchFolder, Stage, Trial


def search_of(folder: Path) -> list[Section]:
    return [one for one in sections([folder], collect([folder])) if one.title == "Search"]


def test_recipes_stand_there_with_how_far_they_came(
    tmp_path: Path,
    rows_of: Callable[..., pd.DataFrame],
    suites_of: Callable[..., dict[tuple[str, float], float]],
    write: Callable[..., Path],
) -> None:
    best, other = (write(tmp_path / name, rows_of(name, suites_of("noise"), kind=name)) for name in ("best", "other"))
    assert not search_of(best)
    files = SearchFolder.named(tmp_path, "1234")
    about = {"spaces": [], "around": [], "size": 5, "minutes": 30, "runs": None}
    files.write_settings({**about, "objective": ["natural", "worst"]})
    came = {
        "stopped": ([0.7, 0.6, 0.5], 2, Stage.STOPPED),
        "best": ([0.9, 0.8, 0.6], 8, Stage.DONE),
        "other": ([0.9, 0.9, 0.5], 8, Stage.DONE),
        "also": ([0.8, 0.8, 0.7], 8, Stage.DONE),
    }
    for place, (recipe, (found, epoch, stage)) in enumerate(came.items()):
        files.write(Trial(place, 0, [], recipe, 8, [(epoch, 9.0, found)], 90.0, stage, run=recipe, joules=500.0))
    files.write(Trial(4, 0, [], "wrong", stage=Stage.FAILED, reason="it diverged"))
    (section,) = search_of(best)
    assert not search_of(other), "which was not best"
    assert "Search of 5 recipes for natural and worst accuracy on validation images, within 30 min" in section.text
    assert "3 done, 1 stopped early, 1 failed; 6.0 minutes, 2,000 joules used" in section.text
    assert section.text.count("Best: ") == 2
    table = section.tables["search-1234-recipes"]
    stages = dict(table.numbers[["recipe", "stage"]].itertuples(index=False))
    wanted = {"best": "best", "other": "done", "also": "best", "stopped": "stopped early", "wrong": "failed"}
    assert stages == wanted
    assert dict(table.shown[["recipe", "epochs"]].itertuples(index=False))["stopped"] == "2 of 8"
    numbers = section.drawings["search-1234"].numbers
    assert set(numbers["recipe"]) == {*came}
    (finding,) = search_findings([best])
    assert finding.startswith(
        "Search: 5 recipes tried (3 done, 1 stopped early, 1 failed); best on validation images: "
    )
    assert finding.endswith(
        ": best (natural 90.0 %, mean 80.0 %, worst 60.0 %); also (natural 80.0 %, mean 80.0 %, worst 70.0 %)."
    )
    assert brief(collect([best]), [best]).found[0] == finding
    (files.path / "trial-00001.json").write_text("{}")
    assert not search_of(best), "a damaged search is passed over"


def test_before_anything_is_tried_the_terminal_says_what_will_be_an_alternative_a_line() -> None:
    about = {"objective": ["mean"], "size": None, "minutes": 1, "runs": None, "among": ["a=1,2", "b=3,4"]}
    assert search_lines(about, []) == [
        "Search of any number of recipes for mean accuracy on validation images, within 1 minute of computing.",
        "Chosen from: a=1,2;",
        "or b=3,4.",
    ]
