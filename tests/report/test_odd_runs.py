"""Whatever stands in runs, their report is right, or one sentence says which file is wrong; nothing leaves its folder.

With ROBUST_CAMPAIGN=1 of 2,000 drawn cases instead of 60.
"""

import csv
import importlib
import json
import os
import random
import re
import warnings
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure

from robust.measure import SUITES
from robust.page import write_report
from robust.report import Drawing, Section, print_results, sections
from robust.runs import collect, find_runs, formats, with_settings, write_table
from robust.values.text import plain

CASES = 2000 if os.environ.get("ROBUST_CAMPAIGN") else 60
WHOLE, PAGES = 30, 5  # of so many cases one is reported whole, one as a page
NAMES = [
    "../../victim/x", "/tmp/victim", "..", ".", "con", "x" * 300, "a/b", "a\\b", "a\tb", "a\nb", "a\r\nb", " x ",
    "-", "", "<script>alert(1)</script>", "</td><img src=x onerror=alert(1)>", "a|b", "`ls`", "*a*", "_a_", "__x__",
    "~~x~~", "#x", "# x", "1. x", "- x", "---", "===", "> x", "![x](http://x.example/p)",
    "[x](javascript:alert(1))", "[x]: http://e.e", "http://x.example", "www.x.example", "@someone", "=1+1", "+1+1",
    "-1+1", "@SUM(A1)", "\t=1", "\uff1d1", "-0.1", "+1e5", "[/]", "[/red]", "[red]x", "[bold", "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07", "\x9b31m", "a\x00b", "\u202eabc", "$x^2$", "$\\frac{", "%s", "{0}", "{{ 7 * 7 }}",
    "{% raw %}", "中文", "Ünïcödé", "e\u0301", "👍🏽", "nan", "None", "true", "1e5", "natural", "all", "&lt;b&gt;", "'",
    '"', "\\", "\ufeffx", "x\u2028y", "a" * 50 + "\n" * 60,
]  # fmt: skip
#: what takes long and shows few names that the rest does not
CHEAP = [("sections", "accuracy_figure", lambda lines: Drawing(Figure(), "", lines))]
CHEAP += [("confusion", "_draw", lambda *_: Figure())]
CHEAP += [("sections", "studies", tuple), ("sections", "_claims", lambda *_: Section(""))]
LEVELS = [0.05, 1, 2, 1e-9, 1e9, 0.1 + 0.2, -1]


class Tags(HTMLParser):
    """What tags a page has, and with which attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.names |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


@pytest.fixture
def draw_run(rows_of: Callable[..., pd.DataFrame], suites_of: Callable[..., dict], write: Callable[..., Path]):
    """Writes a run of odd names, and in some cases of odd rows; says whether its rows are sound."""

    def make(folder: Path, place: int, chance: random.Random) -> bool:
        def odd(usual: str, share: float = 0.5) -> str:
            return chance.choice(NAMES) if chance.random() < share else usual

        tests = suites_of(*chance.sample(list(SUITES), chance.randint(0, 2)), accuracy=chance.random() * 0.9)
        if chance.random() < 0.2:
            del tests["natural", 0.0]
        tests |= {(odd("noise"), chance.choice(LEVELS)): chance.random() for _ in range(chance.randint(0, 3))}
        tests = tests or {("noise", 0.05): 0.5}
        about = {"data": odd("digits"), "model": odd("convnet_mnist"), "kind": odd(f"kind{chance.randint(0, 2)}", 0.2)}
        technique = chance.choice(["natural", "constant", odd("transfer")])
        trained = (odd("noise"), chance.choice(LEVELS)) if technique != "natural" else ("none", 0.0)
        rows = rows_of(
            f"run{place}", tests, technique=technique, trained=trained, seed=place, reference="run0", **about,
            trials={test: chance.choice([1, 2, 2]) for test in tests},
        )  # fmt: skip
        rows["accuracy"] = rows["accuracy"].clip(0, 1)
        sound = chance.random() < 0.8
        rows = rows if sound else chance.choice(DAMAGES)(rows)
        groups = ["model", "perturb", "technique", "task", "trainer", "evaluation", "attack", "logger"]
        config: dict[str, object] = {name: {} for name in groups}
        config |= {"data": {"name": about["data"]}, "optimizer": {"lr": chance.random(), odd("name"): odd("x")}}
        write(folder, rows, formats.yaml_text(config))
        session = {"command": odd("train.py x"), "git_commit": odd("abc"), "cores": chance.choice([2, 64])}
        record = {"state": "done", "reason": "", "sessions": [session], "durations_s": {"train": 1.0}, "versions": {}}
        (folder / "status.json").write_text(
            json.dumps(record if chance.random() < 0.8 else {"state": "done", "reason": ""})
        )
        classes = [*dict.fromkeys(odd(f"class {one}") for one in range(3)), "last"]
        confusion = [(test, a, b, 1) for test in ("natural", "noise 0.05") for a in classes for b in classes]
        columns = ["condition", "true", "predicted", "count"]
        pd.DataFrame(confusion, columns=columns).to_csv(folder / "confusion.csv", index=False)
        return sound and not any(name == "natural" and level for name, level in tests)

    return make


DAMAGES = [
    lambda rows: rows.assign(accuracy=np.nan),
    lambda rows: rows.assign(accuracy=1.2),
    lambda rows: rows.assign(accuracy="much"),
    lambda rows: rows.assign(n=0),
    lambda rows: rows.assign(n=1.5),
    lambda rows: rows.assign(test_level=np.inf),
    lambda rows: rows.assign(trial="first"),
    lambda rows: rows.assign(seed=[*rows["seed"][:-1], 77]) if len(rows) > 1 else rows.assign(seed=np.nan),
    lambda rows: pd.concat([rows, rows.head(1)]),
    lambda rows: rows.head(0),
    lambda rows: rows.drop(columns="kind"),
    lambda rows: rows.drop(columns=["evaluation_seed", "train_level"]),
    lambda rows: rows[["accuracy"]],
]


def test_odd_runs_are_reported_rightly_or_refused_by_name(
    draw_run: Callable[..., bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    came: Counter[str] = Counter()
    for case in range(CASES):
        chance, place = random.Random(case), tmp_path / f"case{case}"
        sound = [draw_run(place / "runs" / f"run{one}", one, chance) for one in range(chance.randint(1, 4))]
        with monkeypatch.context() as patch:
            if case % WHOLE:
                for module, name, cheap in CHEAP:
                    patch.setattr(importlib.import_module(f"robust.report.{module}"), name, cheap)
            said = _refusal(lambda: _report(place, capsys, page=not case % PAGES or not case % WHOLE))  # noqa: B023
        assert bool(said) == (not all(sound)), f"case {case}: {said or 'odd rows were believed'}"
        assert not said or re.fullmatch(r".*run\d/rows\.csv (must|is damaged).*", said), said
        came["refused" if said else "right"] += 1
        assert {path.name for path in tmp_path.iterdir()} == {f"case{one}" for one in range(case + 1)}
        assert {path.name for path in place.iterdir()} <= {"runs", "out", "rows.csv", "rows.parquet"}
    assert came.total() == CASES
    assert min(came["right"], came["refused"]) > CASES / 10, came
    print(dict(came))


def _refusal(act: Callable[[], None]) -> str:
    """What it was refused for; nothing where it was done."""
    try:
        act()
    except ValueError as error:
        return str(error)
    return ""


def _report(place: Path, capsys: pytest.CaptureFixture[str], *, page: bool) -> None:
    """Everything that is made of runs; each in its place, and what names say shows and does nothing."""
    folders = find_runs([place / "runs"])
    rows = collect(folders)
    capsys.readouterr()
    print_results(rows, folders)
    shown = capsys.readouterr().out
    assert all(one.isprintable() or one in "\n\xa0\u3000\u200c\u200d" for one in shown)
    write_table(with_settings(rows, folders), place / "rows")
    _check_csv(place / "rows.csv")
    if not page:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = write_report(folders, place / "out", sections(folders, rows)).parent
    assert {path.relative_to(out).parts[0] for path in out.rglob("*")} <= {
        "index.html", "README.md", "rows.parquet", "figures", "tables", "claims.csv", ".report.json",
    }  # fmt: skip
    for table in out.rglob("*.csv"):
        _check_csv(table)
    _check_page(out)
    _check_readme(out)


def _check_csv(path: Path) -> None:
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    assert len({len(line) for line in lines}) == 1, path
    for cell in (cell for line in lines for cell in line):
        assert plain(cell) == cell, path
        if cell.lstrip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20")):
            float(cell)


def _check_page(out: Path) -> None:
    text = (out / "index.html").read_text()
    found = Tags(text)
    assert not {"iframe", "object", "a:", "b", "form"} & found.tags.keys()
    ours = re.findall("<script>.*?</script>", text, re.DOTALL)
    assert (found.tags["script"], found.tags["style"], len(ours)) == (1, 1, 1)
    assert not [name for name in found.names if name.startswith("on")]
    for link in found.links:
        assert link.startswith(("data:image/webp;", "data:application/", "#")), link


def _check_readme(out: Path) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse((out / "README.md").read_text())
    inline = [one for token in tokens for one in [token, *(token.children or [])]]
    assert not [one.content for one in inline if one.type.startswith("html")]
    for one in inline:
        link = one.attrGet("href") or one.attrGet("src")
        assert link is None or re.match(r"(figures|tables)/|claims\.csv", str(link)), link
    counts = Counter(one.type for one in inline)
    assert counts["heading_open"] == sum(line.startswith("#") for line in (out / "README.md").read_text().splitlines())
    assert not {
        "hr",
        "bullet_list_open",
        "ordered_list_open",
        "blockquote_open",
        "fence",
        "strong_open",
        "s_open",
    } & set(counts)
