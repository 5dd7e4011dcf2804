"""The atlas of adversarial examples: which classes are easily modified, which easily mimicked, and how that looks."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from robust.measure import NATURAL
from robust.measure.claims import FEWEST_SEEDS, Figure, Subject, decide, read_claims
from robust.measure.intervals import student, wilson
from robust.report.attacks import attack_title, succeeded
from robust.report.figures import Drawing
from robust.report.section import Section, Table
from robust.report.studies import if_possible
from robust.report.tables import percent
from robust.runs import RunFolder
from robust.runs.titles import disambiguate, plain_titles
from robust.studies.atlas.figures import by_hardness, gallery_figure, looks_figure, matrix_figure, rates_figure
from robust.studies.atlas.rates import (
    category_rates,
    class_rates,
    distortion_matrix,
    nanmean,
    read_categories,
    success_matrix,
)

_ABOUT = ["data", "model", "technique", "train_perturbation", "train_level", "kind"]
_NAMED = 3  # classes at either end that a sentence names


@dataclass(frozen=True)
class Atlas:
    """Attacks on networks of one kind, toward every other class: the networks, the attack and its title with settings,
    the runs, the classes' names, and of each run the attacks and how often each class became each other (see
    `success_matrix`)."""

    data: str
    model: str
    trained: str
    technique: str
    attack: str
    title: str
    folders: tuple[Path, ...]
    classes: tuple[str, ...]
    attacks: tuple[pd.DataFrame, ...]
    matrices: tuple[np.ndarray, ...]

    @property
    def matrix(self) -> np.ndarray:
        """The mean over runs, of those that recognised an image of the class."""
        return nanmean(np.stack(self.matrices), 0)

    @property
    def images(self) -> int:
        """How many were attacked, of each run."""
        return self.attacks[0]["image"].nunique()


def read_atlases(folders: Sequence[Path]) -> list[Atlas]:
    """One for each kind of network and attack that led every class to every other."""
    found: dict[tuple[object, ...], list[tuple[Path, pd.DataFrame, np.ndarray]]] = {}
    for folder in folders:
        files = RunFolder(folder)
        if not (files.attacks.is_file() and files.samples.is_file()):
            continue
        attacks = files.read_attacks()
        assert attacks is not None
        about = tuple(files.read_rows()[_ABOUT].iloc[0])
        classes = _classes(folder)
        attacks = attacks[(attacks["target"] >= 0) & attacks["threshold"].isna()]
        for (name, settings), group in attacks.groupby(["attack", "settings"], sort=False):
            if _is_complete(group, len(classes), _background(folder, classes)):
                found.setdefault((*about, name, settings), []).append(
                    (folder, group, success_matrix(group, len(classes)))
                )
    if not found:
        return []
    about = pd.DataFrame(list(found), columns=[*_ABOUT, "attack", "settings"])
    kinds = dict(zip(about["kind"], (folder for (folder, *_), *_ in found.values()), strict=True))
    titles = plain_titles(about)
    trained = disambiguate(titles, about["kind"], about["data"], about["model"], folders=kinds)
    return [
        _atlas(one, title, found[key]) for key, one, title in zip(found, about.to_dict("records"), trained, strict=True)
    ]


def _is_complete(attacks: pd.DataFrame, classes: int, background: int | None) -> bool:
    """Whether every class that shows something was led to every other."""
    pairs = set(attacks[["label", "target"]].drop_duplicates().itertuples(index=False, name=None))
    labels = [label for label in range(classes) if label != background]
    return classes > 2 and all((a, b) in pairs for a in labels for b in range(classes) if a != b)


def _background(folder: Path, classes: Sequence[str]) -> int | None:
    """The class that shows nothing: of scenes, the last, where they have one."""
    return len(classes) - 1 if RunFolder(folder).read_config().select("data.background_class") is True else None


def _atlas(known: Mapping[str, object], trained: str, runs: Sequence[tuple[Path, pd.DataFrame, np.ndarray]]) -> Atlas:
    folders, attacks, matrices = zip(*runs, strict=True)
    return Atlas(
        data=str(known["data"]),
        model=str(known["model"]),
        trained=trained,
        technique=str(known["technique"]),
        attack=str(known["attack"]),
        title=attack_title(str(known["attack"]), json.loads(str(known["settings"]))),
        folders=folders,
        classes=_classes(folders[0]),
        attacks=attacks,
        matrices=matrices,
    )


def _classes(folder: Path) -> tuple[str, ...]:
    samples = RunFolder(folder).read_samples()
    assert samples is not None
    return tuple(map(str, samples.classes))


def atlas_sections(atlases: Sequence[Atlas]) -> list[Section]:
    """A section for each atlas."""
    return [_section(one, f"-{place}" if len(atlases) > 1 else "") for place, one in enumerate(atlases, 1)]


def _section(atlas: Atlas, end: str) -> Section:
    table = class_table(atlas)
    distortion = distortion_matrix(pd.concat(atlas.attacks), len(atlas.classes))
    drawings: dict[str, Drawing] = {
        f"atlas{end}": matrix_figure(atlas.matrix, distortion, atlas.classes),
        f"atlas-rates{end}": rates_figure(table),
        f"atlas-gallery{end}": gallery_figure(atlas.attacks[0], table, atlas.folders[0]),
    }
    with if_possible("Where attacked networks look"):
        drawings[f"atlas-looks{end}"] = looks_figure(atlas.attacks[0], table, atlas.folders[0])
    shown = {
        "class": table["class"],
        "modification, %": table["modification"].map(percent),
        "95 % interval": [f"{percent(a)} to {percent(b)}" for a, b in table[["low", "high"]].values],
        "mimicked, %": table["mimicked"].map(percent),
        "median distortion": table["distortion"].map(lambda value: "" if pd.isna(value) else f"{value:.3f}"),
        "most easily made": table["easiest"],
    }
    note = (
        "Modification: the share of the attacks on images of this class, toward every other, that succeeded; "
        "mimicked: of those on all others toward this one. Images that the network did not recognise do not count. "
        "Intervals: over images (Wilson), or over seeds for several (Student)."
    )
    tables = {f"atlas{end}": Table(pd.DataFrame(shown), table, note)}
    tree = RunFolder(atlas.folders[0]).read_config().data.get("categories")
    if categories := read_categories(tree, atlas.classes):
        groups = category_rates(atlas.matrix, categories)
        rates = {f"{name}, %": groups[name.replace(" ", "_")].map(percent) for name in _CATEGORY_RATES}
        written = pd.DataFrame({"category": groups["category"], "classes": groups["classes"], **rates})
        about = "The same by category; within: of attacks from its classes to others of it, out of: to none of it."
        tables[f"atlas-categories{end}"] = Table(written, groups, about)
    title = f"The atlas: {atlas.data} {atlas.model}, {atlas.trained}"
    return Section(title, _sentences(atlas, table), drawings, tables)


_CATEGORY_RATES = ("modification", "mimicked", "within", "out of")


def class_table(atlas: Atlas) -> pd.DataFrame:
    """A line for each class: class, modification and mimicked (fractions, means over seeds), low and high of the
    former's 95 % interval, the median distortion of what succeeded, and easiest, what it was made most easily."""
    table = class_rates(atlas.matrix)
    table.insert(0, "class", list(atlas.classes))
    if len(atlas.matrices) > 1:
        own = np.array([class_rates(matrix)["modification"] for matrix in atlas.matrices])
        ends = [student(own[:, place])[1:] for place in range(len(table))]
    else:
        ends = [_over_images(atlas.attacks[0], label) for label in range(len(table))]
    table["low"], table["high"] = np.clip(np.array(ends).T, 0, 1)
    medians = succeeded(pd.concat(atlas.attacks)).groupby("label")["distortion"].median()
    table["distortion"] = medians.reindex(range(len(table)))
    some = np.isfinite(atlas.matrix).any(1)
    best = np.where(np.isfinite(atlas.matrix), atlas.matrix, -1).argmax(1)
    table["easiest"] = [atlas.classes[place] if any_ else "" for place, any_ in zip(best, some, strict=True)]
    return table


def _over_images(attacks: pd.DataFrame, label: int) -> tuple[float, float]:
    """Wilson's, for as many images: their shares vary by no more than single predictions would."""
    mine = attacks[(attacks["label"] == label) & (attacks["before"] == label)]
    return wilson(mine["success"].mean(), mine["image"].nunique()) if len(mine) else (float("nan"), float("nan"))


def _sentences(atlas: Atlas, table: pd.DataFrame) -> str:
    def ends(ordered: pd.DataFrame, column: str) -> tuple[str, str]:
        named = [f"{row['class']} ({percent(row[column])} %)" for _, row in ordered.iterrows()]
        return ", ".join(named[:_NAMED]), ", ".join(named[::-1][:_NAMED])

    hardest, easiest = ends(by_hardness(table), "modification")
    least, most = ends(table.sort_values("mimicked", kind="stable"), "mimicked")
    found = _correlation(table)
    correlation = f" Rank correlation of a class's two rates: {found:+.2f}." if np.isfinite(found) else ""
    several = f", {len(atlas.matrices)} seeds" if len(atlas.matrices) > 1 else ""
    return (
        f"{atlas.title}, from each of {atlas.images:,} images toward every other class{several}: "
        f"{percent(float(np.nanmean(atlas.matrix)))} % of the attacks succeeded. Hardest to modify: {hardest}; "
        f"easiest: {easiest}. Hardest to mimic: {least}; easiest: {most}.{correlation}"
    )


def _correlation(rates: pd.DataFrame) -> float:
    """Spearman's, of the two rates; NaN where all classes have the same."""
    varies = min(rates["modification"].nunique(), rates["mimicked"].nunique()) > 1
    return float(spearmanr(rates["modification"], rates["mimicked"]).statistic) if varies else float("nan")


def atlas_claims(atlases: Sequence[Atlas]) -> pd.DataFrame:
    """What was published of ImageNet and a ResNet, held against each natural network of at least 3 seeds under the
    attack that is named `atlas`."""
    return decide(
        read_claims(__package__),
        [
            Subject(atlas.data, _figures(atlas.matrices), {"model": atlas.model})
            for atlas in atlases
            if (atlas.technique, atlas.attack) == (NATURAL, "atlas") and len(atlas.matrices) >= FEWEST_SEEDS
        ],
    )


def _figures(matrices: Sequence[np.ndarray]) -> Callable[[str], Figure | None]:
    """What a claim's `figure` names, in percent, over seeds: the median, least or most of the classes' modification
    rates; `medians`, by how much the median of the mimicked rates is over theirs; the `correlation` of the two."""
    measures: dict[str, Callable[[pd.DataFrame], float]] = {
        "median": lambda rates: rates["modification"].median(),
        "least": lambda rates: rates["modification"].min(),
        "most": lambda rates: rates["modification"].max(),
        "medians": lambda rates: rates["mimicked"].median() - rates["modification"].median(),
        "correlation": _correlation,
    }

    def figure(name: str) -> Figure | None:
        middle, low, high = student([100 * measures[name](class_rates(matrix)) for matrix in matrices])
        return Figure(middle, low, high, len(matrices)) if np.isfinite(middle) else None

    return figure
