"""A comparison as one reads it: in the terminal, and as a page."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from robust.compare.differences import CONDITION, PERTURBATION, Comparison
from robust.compare.matching import Changes, Pair, few
from robust.document import Document
from robust.files.report_place import check_place, write_files
from robust.measure import condition_title
from robust.page import document_page
from robust.report import Drawing, Section, draw, numbers
from robust.report.figures import COLOURS, STYLE
from robust.report.section import Table
from robust.report.tables import percent
from robust.report.terminal import print_table
from robust.runs.titles import changes
from robust.tolerated.report import from_to

_MOST = 8  # texts that the terminal has of what was tested on one side alone
_MOST_DRAWN = 40  # lines of a figure
_NOTE = (
    "Difference: the second side's accuracy less the first's, in the same trials and on the same images. 95 % "
    "intervals: {over}. Change: named where the interval excludes 0. Each interval stands for itself: of many lines "
    "without any difference, one in twenty may still name one."
)
_OVER = {
    "seeds and images": "paired over seeds (Student) and images (bootstrap)",
    "images": "paired over images (bootstrap), for one seed: other trainings may differ by more",
    "seeds": "paired over seeds (Student), where predictions were not kept of all images",
    "": "none for one seed without predictions of all images",
}


def print_comparison(comparison: Comparison) -> None:
    """A line for each perturbation, the mean over its levels, of each kind that changed."""
    if (lines := _by_perturbation(_changed(comparison.lines))).empty:
        return
    print_table(_shown(lines), "from the first side to the second", _note(lines))
    if table := from_to(comparison.tolerated):
        print_table(table.shown, "tolerated levels", table.note)


def comparison_lines(comparison: Comparison) -> list[str]:
    """In sentences: what is compared and set otherwise, what is equal, and what has no partner."""
    matching = comparison.matching
    changed = [f"{name} {_arrow(name, values)}" for name, values in matching.changed.items()]
    said = [
        *_sides(comparison),
        f"Set otherwise throughout: {few(changed, '; ')}." if changed else "",
        _equal(comparison),
        f"On the first side alone: {few(matching.gone)}." if matching.gone else "",
        f"On the second side alone: {few(matching.new)}." if matching.new else "",
        *comparison.apart[:_MOST],
        *([f"{len(comparison.apart) - _MOST} more such: see the page."] if len(comparison.apart) > _MOST else []),
    ]
    return [one for one in said if one]


def comparison_sections(comparison: Comparison) -> list[Section]:
    """The same and every condition, as sections with tables."""
    lines, matching = _by_perturbation(_changed(comparison.lines)), comparison.matching
    every = comparison.lines[comparison.lines["scope"] == CONDITION]
    changed = [(name, *_named(name, values)) for name, values in matching.changed.items()]
    otherwise = pd.DataFrame(changed, columns=["set otherwise", "first side", "second side"])
    pairs = pd.DataFrame([_pair(one, matching.changed) for one in matching.pairs])
    pairs = pairs.loc[:, (pairs != "").any()]
    alone = [("first side alone", one) for one in matching.gone] + [("second side alone", one) for one in matching.new]
    alone += [("tests", one) for one in comparison.apart]
    without = pd.DataFrame(alone, columns=["where", "what"])
    tables = {"set-otherwise": Table(otherwise, otherwise)} if changed else {}
    differences = {"differences": Table(_shown(lines), lines, _note(lines))} if len(lines) else {}
    levels = from_to(comparison.tolerated)
    found = [
        Section("Differences", _equal(comparison), _drawings(lines), differences),
        Section("Tolerated levels", "", {}, {"tolerated": levels} if levels else {}),
        Section("What was compared", "", {}, {**tables, "pairs": Table(pairs, pairs)}),
        Section("Without a partner", "", {}, {"without-a-partner": Table(without, without)} if alone else {}),
        Section("Every condition", "", {}, {"conditions": Table(_shown(every), every, _note(every))}),
    ]
    return [section for section in found if section.tables or section.text]


def write_comparison(comparison: Comparison, out: Path) -> Path:
    """Writes it as a page with its tables and figure, and returns the page's path. Raises ValueError for a folder with
    a page of somebody else's, before anything is written."""
    check_place(out)
    sections = comparison_sections(comparison)
    files: dict[str, str | bytes] = {**numbers(sections)}
    files |= {
        f"figures/{name}.svg": draw(drawing.figure, "svg")
        for section in sections
        for name, drawing in section.drawings.items()
    }
    document = Document("What changed between two sets of runs", _sides(comparison), sections)
    files["index.html"] = document_page(document)
    write_files(out, files)
    return out / "index.html"


def _sides(comparison: Comparison) -> list[str]:
    """What each side is, in a sentence."""
    said = []
    for word, side in (("First", comparison.first), ("Second", comparison.second)):
        runs, kinds = side.rows["run"].nunique(), side.rows["kind"].nunique()
        kept = "" if side.folders else ", rows alone"
        said.append(f"{word} side: {side.name} ({_count(runs, 'run')} of {_count(kinds, 'kind')}{kept}).")
    return said


def _equal(comparison: Comparison) -> str:
    """How much is the same, and which kinds wholly."""
    said = f"Rows compared: {comparison.rows}, of them equal to the last digit: {comparison.equal}."
    titles = comparison.lines["title"]
    whole = [one for one in titles.unique() if one not in {*_changed(comparison.lines)["title"]}]
    return f"{said} Nothing changed of {few(whole)}." if whole else said


def _changed(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of the kinds of which some row is another."""
    return lines[(lines["equal"] < lines["rows"]).groupby(lines["title"]).transform("any")]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _by_perturbation(lines: pd.DataFrame) -> pd.DataFrame:
    """Of each pair of kinds a line for each perturbation: the mean over its levels, or its only one; and of all."""
    several = lines.loc[lines["scope"] == PERTURBATION, ["title", "test_perturbation"]]
    within = pd.MultiIndex.from_frame(lines[["title", "test_perturbation"]]).isin(pd.MultiIndex.from_frame(several))
    return lines[(lines["scope"] != CONDITION) | ~within].reset_index(drop=True)


def _shown(lines: pd.DataFrame) -> pd.DataFrame:
    ends = lines[["low", "high"]].to_numpy()
    equal = [f"{line.equal} of {line.rows}" for line in lines.itertuples()]
    return pd.DataFrame(
        {
            **({"runs": lines["title"]} if lines["title"].nunique() > 1 else {}),
            "tested on": [_tested(line) for line in lines.to_dict("records")],
            **({"seeds": lines["seeds"]} if lines["seeds"].nunique() > 1 or lines["seeds"].iloc[0] > 1 else {}),
            "accuracy, %": [f"{percent(a)} → {percent(b)}" for a, b in lines[["before", "after"]].to_numpy()],
            "difference, points": [percent(one, sign=True) for one in lines["difference"]],
            "95 % interval": [_interval(low, high) for low, high in ends],
            "change": ["higher" if low > 0 else "lower" if high < 0 else "" for low, high in ends],
            **({"rows equal": equal} if lines["equal"].any() else {}),
        }
    ).reset_index(drop=True)


def _tested(line: dict[str, object]) -> str:
    name, level = str(line["test_perturbation"]), line["test_level"]
    if line["scope"] == CONDITION:
        return condition_title(name, float(str(level)))
    return f"{name}, all levels" if line["scope"] == PERTURBATION else name


def _interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"{percent(low, sign=True)} to {percent(high, sign=True)}"


def _note(lines: pd.DataFrame) -> str:
    return _NOTE.format(over="; ".join(text for over, text in _OVER.items() if (lines["over"] == over).any()))


def _pair(pair: Pair, in_all: Changes) -> dict[str, str]:
    """What a pair is, and what is set otherwise in it beside what is so in all."""
    own = [f"{name} {_arrow(name, values)}" for name, values in pair.changed.items() if in_all.get(name) != values]
    return {"runs": pair.title, "seeds": ", ".join(map(str, pair.first)), "also set otherwise": few(own, "; ")}


def _named(name: str, values: tuple[str, str]) -> tuple[str, str]:
    """The two values of a setting; of networks what of their names is not the same."""
    words = [[*changes(f" {value}").items()] for value in values]
    if name == "model" and values[0].split(" ")[0] == values[1].split(" ")[0]:
        own = [
            [f"{key}={value}" for key, value in mine if (key, value) not in other]
            for mine, other in zip(words, words[::-1], strict=True)
        ]
        return " ".join(own[0]) or "not set", " ".join(own[1]) or "not set"
    return values


def _arrow(name: str, values: tuple[str, str]) -> str:
    return " → ".join(_named(name, values))


def _drawings(lines: pd.DataFrame) -> dict[str, Drawing]:
    """Each difference with its interval, one below the other; nothing for more than one can look at."""
    if not 0 < len(lines) <= _MOST_DRAWN:
        return {}
    titles = lines["title"].unique()
    names = [_tested(line) for line in lines.to_dict("records")]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 0.9 + 0.22 * len(lines) + 0.3 * len(titles)), layout="constrained")
        heights = [1.5 + (lines["title"] == title).sum() for title in titles]
        axes = figure.subplots(len(titles), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
        for axis, title in zip(axes, titles, strict=True):
            mine = lines[lines["title"] == title]
            places = list(range(len(mine)))
            for place, line in zip(places, mine.itertuples(), strict=True):
                colour = COLOURS[2] if line.low > 0 else COLOURS[1] if line.high < 0 else "0.45"
                axis.plot([100 * line.low, 100 * line.high], [place, place], color=colour, linewidth=1.4)
                axis.plot([100 * line.difference], [place], "o", color=colour, markersize=4)
            axis.axvline(0, color="0.7", linewidth=0.8)
            axis.set_yticks(places, [names[place] for place in mine.index], parse_math=False)
            axis.set(ylim=(len(mine) - 0.4, -0.6))
            axis.set_title(title, loc="left")
        axes[-1].set_xlabel("difference in accuracy, points")
    caption = "The second side less the first, with 95 % intervals; grey where they hold 0."
    return {"differences": Drawing(figure, caption, lines)}
