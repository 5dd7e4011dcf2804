"""What a page says first: what was tested, what was found, what was not tested; all of it from the rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from robust.measure import NATURAL, SUITES, condition_title
from robust.measure.claims import FEWEST_SEEDS
from robust.measure.exposure import FAMILY, SEEN, knows_exposure
from robust.measure.intervals import student, wilson
from robust.measure.summary import perturbed_accuracy
from robust.page.gains import KIND, ON_NATURAL, SHARED, Gain, gains
from robust.report.attacks import attacks_table
from robust.report.certificates import UNITS, certified_accuracy
from robust.report.search import search_findings
from robust.report.tables import over_seeds, percent, summary_table
from robust.runs import RunFolder
from robust.runs.titles import only_measured
from robust.values.text import count

_FINDINGS = 3
_MOST_NAMED = 4  # names that a sentence lists
_CAPTURE = ("iso", "defocus", "shutter", "row_noise", "light", "camera")
#: kinds of tests, in words, and the perturbations of each
_KINDS = {
    "faulty pixels, noise and blur (evaluation=camera)": {name for name, _ in SUITES["camera"]},
    "geometry and occlusion (evaluation=environment)": {name for name, _ in SUITES["environment"]},
    "the common corruptions (evaluation=corruptions)": {name for name, _ in SUITES["corruptions"]},
    "a camera in physical units (evaluation=capture)": {*_CAPTURE},
}


@dataclass(frozen=True)
class Brief:
    """Sentences: what was `tested`, the findings that matter most, and what was not tested; and of what their
    `intervals` are."""

    tested: list[str]
    found: list[str]
    untested: list[str]
    intervals: str

    def table(self) -> pd.DataFrame:
        """A row for each sentence: what it is `of`, and itself."""
        parts = {"tested": self.tested, "found": self.found, "not tested": self.untested, "note": [self.intervals]}
        return pd.DataFrame([(of, one) for of, some in parts.items() for one in some], columns=["of", "sentence"])


def brief(rows: pd.DataFrame, folders: Sequence[Path]) -> Brief:
    """The first sentences of a page, from the rows of its runs. An interval that contains 0 is said to tell nothing;
    of which training is best, the one whose gain is largest at the lower end of its interval is named. What a search
    and certificates came to is said besides."""
    summary = summary_table(rows, folders)
    attacked, certified = attacks_table(folders), certified_accuracy(folders)
    tested = [*_tested(summary, rows, attacked), *_certificates(certified)]
    found = [*_found(summary, rows, attacked)][:_FINDINGS]
    found = [*search_findings(folders), *found, *_of_certificates(certified)]
    return Brief(tested, found, [*_untested(summary, folders, attacked, certified)], _intervals(summary))


def _tested(summary: pd.DataFrame, rows: pd.DataFrame, attacked: pd.DataFrame) -> list[str]:
    runs = summary.drop_duplicates("run")
    kinds = {
        "natural": runs["technique"] == NATURAL,
        "as it was given": only_measured(runs),
        "trained otherwise": (runs["technique"] != NATURAL) & ~only_measured(runs),
    }
    counts = ", ".join(f"{mine.sum()} {name}" for name, mine in kinds.items() if mine.any())
    seeds = runs.groupby(KIND, dropna=False).size()
    many = f"{seeds.min()} to {seeds.max()}" if seeds.min() < seeds.max() else str(seeds.max())
    images = ", ".join(
        f"{data} ({' or '.join(f'{n:,}' for n in sorted(mine['n'].unique()))} images)"
        for data, mine in rows[rows["test_perturbation"] == NATURAL].groupby("data", sort=False)
    )
    said = [
        f"{count(len(runs), 'model')} ({counts}) of {count(runs['model'].nunique(), 'network')}, "
        f"{many} seed{'s' if seeds.max() > 1 else ''} of each kind"
        + (f", on natural images of {images}." if images else f", on {_named(runs['data'].unique())}.")
    ]
    perturbed = summary[summary["test_perturbation"] != NATURAL]
    if len(perturbed):
        tests = perturbed.drop_duplicates(["test_perturbation", "test_level"])
        trials = perturbed["trials"].max()
        said.append(
            f"{count(len(tests), 'perturbed condition')}: {_named(tests['test_perturbation'].unique(), most=12)}; "
            f"up to {count(trials, 'trial')} of each."
        )
    if len(attacked):
        most = attacked["images"].max()
        said.append(f"Attacks on up to {count(most, 'image')} of a model: {_named(attacked['attack'].unique())}.")
    return said


def _certificates(lines: pd.DataFrame) -> Iterator[str]:
    """Which certificates were made, and attacks beside them."""
    for kind, mine in lines.groupby("certificate", sort=False):
        sizes = [f"{size:g}" for size in sorted(mine.loc[mine["attacked"].notna(), "size"].unique())]
        yield (
            f"Certificates of up to {count(mine['images'].max(), 'image')} of a model, by {UNITS[str(kind)]}: from "
            f"{_copies(mine)}" + (f"; attacks of {_named(sizes, most=12)} on what is certified." if sizes else ".")
        )


def _copies(lines: pd.DataFrame) -> str:
    """How many copies certificates of one kind are made from, and which."""
    n = " or ".join(f"{one:,}" for one in sorted(lines["n"].unique()))
    levels = " or ".join(f"{one:g}" for one in sorted(lines["level"].unique()))
    is_noise = lines["certificate"].iloc[0] == "gaussian"
    return f"{n} copies {f'with noise {levels}' if is_noise else f'that keep {levels} pixels'}"


def _found(summary: pd.DataFrame, rows: pd.DataFrame, attacked: pd.DataFrame) -> Iterator[str]:
    """Findings, those that matter most first."""
    gained = gains(summary, rows)
    best = max((one for one in gained if one.of != ON_NATURAL), key=lambda one: one.low, default=None)
    if best:
        yield _of_gain(best)
    lines = over_seeds(summary)
    perturbed = lines[lines["test_perturbation"] != NATURAL]
    if len(perturbed):
        yield _of_worst(lines, perturbed)
    if len(attacked):
        yield _of_attack(attacked)
    if best:
        cost = next((one for one in gained if (one.title, one.of) == (best.title, ON_NATURAL)), None)
        if cost:
            yield _of_cost(cost)
    else:
        yield from _of_means(summary, rows)
    yield from _of_levels(lines)


def _of_gain(best: Gain) -> str:
    among = f", the surest of {best.others} trainings" if best.others > 1 else ""
    among += ", each under its own conditions" if among and best.of != SHARED else ""
    seen = {SEEN: " Its training contained all of these.", FAMILY: " Its training contained others of their families."}
    if best.tells_nothing:
        return f"No gain is known: {best.title}, {best} {best.of}{among}. The interval contains 0 and tells nothing."
    if best.middle < 0:
        return f"No training gains: {best.title}, {best} {best.of}{among}."
    return (
        f"Largest gain: {best.title} is right on {percent(best.after)} % {best.of}, the natural model on "
        f"{percent(best.before)} %: {best}{among}.{seen.get(best.exposure, '')}"
    )


def _of_attack(attacked: pd.DataFrame) -> str:
    """Whom an attack leaves least, and whom it leaves most."""
    line = attacked.loc[attacked["robust"].idxmin()]
    same = attacked[attacked["attack"] == line["attack"]]
    best, strongest = same.loc[same["robust"].idxmax()], attacked["attack"].nunique() > 1
    return (
        f"{'Strongest attack' if strongest else 'Attack'}: {line['attack']} leaves {line['trained']} "
        f"{percent(line['robust'])} % robust accuracy {_ends(line)}, of {percent(line['natural'])} % of these images "
        "before it"
        + (
            f"; {best['trained']}, the best of {len(same)} there, {percent(best['robust'])} %."
            if len(same) > 1
            else "."
        )
    )


def _of_certificates(lines: pd.DataFrame) -> Iterator[str]:
    """Of each kind of certificate: the best at a middle size, of those of attacks where there are some."""
    for kind, mine in lines.groupby("certificate", sort=False):
        some = mine[(mine["size"] > 0) & (mine["certified"] > 0)]
        some = some[some["attacked"].notna()] if some["attacked"].notna().any() else some
        if some.empty:
            yield f"Certified accuracy: no image is right and certified at any {UNITS[str(kind)]} above 0."
            continue
        sizes = sorted(some["size"].unique())
        there = some[some["size"] == sizes[(len(sizes) - 1) // 2]]
        best = there.loc[there["certified"].idxmax()]
        left = f"; attacks of that size leave {percent(best['attacked'])} %" if pd.notna(best["attacked"]) else ""
        yield (
            f"Certified accuracy, {UNITS[str(kind)]} {best['size']:g}: {best['title']} is right and certified on "
            f"{percent(best['certified'])} % {_ends(best)} by {_copies(best.to_frame().T)}"
            + (f", the best of {len(there)} there" * (len(there) > 1))
            + f"{left}."
        )


def _of_cost(cost: Gain) -> str:
    start = f"Natural images: {cost.title} differs there from the natural model by {cost}"
    if cost.tells_nothing:
        return f"{start}. The interval contains 0: it tells neither a cost nor a gain."
    return f"{start}, a {'gain' if cost.middle > 0 else 'cost'}."


def _of_worst(lines: pd.DataFrame, perturbed: pd.DataFrame) -> str:
    """Where the natural models are least accurate, or without one all models; and who is best there."""
    natural = perturbed[perturbed["technique"] == NATURAL]
    worst = (natural if len(natural) else perturbed).loc[lambda table: table["mean"].idxmin()]
    own, test = ["title", "kind", "data"], ["data", "test_perturbation", "test_level"]
    before = lines[(lines[own] == worst[own]).all(axis=1) & (lines["test_perturbation"] == NATURAL)]["mean"]
    fell = len(before) and round(before.iloc[0] - worst["mean"], 3) > 0
    falls = f"falls from {percent(before.iloc[0])} % on natural images to" if fell else "is right on"
    there = perturbed[(perturbed[test] == worst[test]).all(axis=1)]
    best = there.loc[there["mean"].idxmax()]
    model = "the natural model" if worst["title"] == NATURAL else worst["title"]
    said = (
        f"Worst condition: under {condition_title(worst['test_perturbation'], worst['test_level'])} {model} {falls} "
        f"{percent(worst['mean'])} % {_ends(worst)}"
    )
    if len(there) < 2:
        return f"{said}."
    return (
        f"{said}; {best['title']}, the best of {len(there)} there, is right on {percent(best['mean'])} % {_ends(best)}."
    )


def _of_means(summary: pd.DataFrame, rows: pd.DataFrame) -> Iterator[str]:
    """Which kind is most accurate under all perturbations together; over images, for as many as each test has."""
    runs = summary.drop_duplicates("run").set_index("run")
    means = runs.assign(mean=perturbed_accuracy(rows)).dropna(subset="mean")
    for data, mine in means.groupby("data", sort=False):
        kinds = mine.groupby(["title", "kind", "model"], sort=False, dropna=False)["mean"].agg(list)
        title, values = kinds.index[most := kinds.map(np.mean).argmax()][0], kinds.iloc[most]
        ends = student(values)[1:] if len(values) > 1 else wilson(values[0], int(mine["n"].iloc[0]))
        among = f", the best of {len(kinds)} kinds," if len(kinds) > 1 else ""
        yield (
            f"All perturbations that all were tested under, {data}: {title}{among} is right on "
            f"{percent(np.mean(values))} % [{percent(max(ends[0], 0))}, {percent(min(ends[1], 1))}]."
        )


def _of_levels(lines: pd.DataFrame) -> Iterator[str]:
    """On natural images, or where there are none under perturbations: who is most and who is least accurate."""
    for data, mine in lines[lines["test_perturbation"] == NATURAL].groupby("data", sort=False):
        ordered = mine.sort_values("mean", ascending=False, kind="stable")
        most, least = ordered.iloc[0], ordered.iloc[-1]
        if len(ordered) == 1:
            yield f"Natural images of {data}: {most['title']} is right on {percent(most['mean'])} % {_ends(most)}."
            continue
        apart = most["low"] > least["high"]
        yield (
            f"Natural images of {data}: of {len(ordered)} kinds of models {most['title']} is most accurate, "
            f"{percent(most['mean'])} % {_ends(most)}, and {least['title']} least, {percent(least['mean'])} % "
            f"{_ends(least)}" + ("." if apart else "; the intervals overlap.")
        )


def _untested(
    summary: pd.DataFrame, folders: Sequence[Path], attacked: pd.DataFrame, certified: pd.DataFrame
) -> Iterator[str]:
    tested = {name.partition("@")[0] for name in summary["test_perturbation"]}
    missing = [kind for kind, names in _KINDS.items() if not names & tested]
    smoothed = len(certified) and certified["attacked"].notna().any()
    of_network = "attacks on the network itself (robust attack), whose smoothed classifier alone was attacked"
    missing += [] if len(attacked) else [of_network if smoothed else "attacks (robust attack)"]
    published = any(RunFolder(folder).published.is_file() for folder in folders)
    missing += [] if published else ["published test sets (evaluation.published)"]
    if missing:
        yield f"No tests of {'; '.join(missing)}."
    runs = summary.drop_duplicates("run")
    seeds = runs.groupby(KIND, dropna=False).size()
    trained = not only_measured(runs).all()
    if trained and (few := int((seeds < FEWEST_SEEDS).sum())):
        yield (
            f"{few} of {count(len(seeds), 'kind')} of models {'has' if few == 1 else 'have'} fewer than "
            f"{FEWEST_SEEDS} seeds: what another seed gives there is not known."
        )
    for column, what in (("data", "data set"), ("model", "network")):
        if runs[column].nunique() == 1:
            yield f"One {what}, {runs[column].iloc[0]}: nothing is said of others."
    if (runs["technique"] == NATURAL).all() or not trained:
        return
    perturbed = summary[(summary["test_perturbation"] != NATURAL) & (summary["technique"] != NATURAL)]
    if not knows_exposure(summary) and len(perturbed):
        yield "These rows do not say whether training contained what was tested."
    elif seen := int((perturbed["exposure"] == SEEN).sum()) if len(perturbed) else 0:
        yield (
            f"{seen} of {len(perturbed)} perturbed tests of trained models were of perturbations that their training "
            "contained (* in the tables): they say little of new ones."
        )


def _intervals(summary: pd.DataFrame) -> str:
    """Of what the intervals are, in the words of a note."""
    runs = summary.drop_duplicates("run")
    several = runs.groupby(KIND, dropna=False).size() > 1
    over = ["of several seeds over the seeds (Student; of differences, paired by seed)"] if several.any() else []
    over += ["of one seed over images"] if not several.all() else []
    return f"[low, high]: 95 % intervals, {', '.join(over)}."


def _ends(line: pd.Series) -> str:
    return f"[{percent(line['low'])}, {percent(line['high'])}]"


def _named(names: Sequence[str], *, most: int = _MOST_NAMED) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
