"""Natural and robust accuracy of every kind of network under every attack."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from robust.measure import NATURAL
from robust.measure.intervals import student, wilson
from robust.measure.summary import perturbed_accuracy
from robust.report.section import Section, Table
from robust.report.tables import interval_column, percent
from robust.report.terminal import print_table
from robust.runs import RunFolder
from robust.runs.titles import disambiguate, kind_folders, run_title

_ABOUT = ["data", "model", "technique", "train_perturbation", "train_level", "kind", "seed"]
_ATTACK = ["name", "settings", "attack", "targeted"]
_EFFORT = ["distortion", "linf", "steps", "queries"]
_USUAL = {"seed": 0, "loss": "cross_entropy", "norm": "linf", "restarts": 1, "random_start": True, "strategy": "rand1"}


def attacks_section(folders: Sequence[Path]) -> Section:
    """Every kind of network and every attack on it; nothing where none was attacked."""
    table = attacks_table(folders)
    if table.empty:
        return Section("")
    note = (
        f"{_note(table)} Median distortion (root mean square over an image's values), steps and queries (of the "
        "network): of the attacks that succeeded. What an attack does through a perturbation is seen through it before "
        "and after."
    )
    same, shown = _shown(table)
    return Section("Attacks", same and f"Of all: {same}.", {}, {"attacks": Table(shown, table, note)})


def _note(table: pd.DataFrame) -> str:
    """What the columns are, and what fills the empty ones."""
    said = [
        "Toward: the class that an attack is after. Images: those attacked, of each seed. Natural accuracy: the share "
        "of them that is recognised; robust accuracy: recognised before the attack and after it (toward every class, "
        "where it is after each), with its 95 % interval: over images (Wilson) for one seed, over seeds (Student) for "
        "several."
    ]
    if table["perturbed"].notna().any():
        said.append("Perturbed: the mean over the perturbed conditions that all of these networks were tested under.")
    if table["perturbed"].isna().any():
        said.append(
            "Perturbed accuracy is left out where they share none: evaluation=camera in the robust train command of "
            "each tests all under the same."
        )
    if table["faults"].any():
        said.append(
            "No result: for so many images what came back was no image within the budget, or no answer of use, and "
            "counts as an attack that failed; attacks.parquet says why (fault)."
        )
    return " ".join(said)


def print_attacks(folders: Sequence[Path]) -> None:
    """The same table, in the terminal, without how much it took."""
    table = attacks_table(folders)
    if len(table):
        same, shown = _shown(table)
        kept = [name for name in shown if not name.startswith("median")]
        print_table(shown[kept], f"attacks; {same}" if same else "attacks", _note(table))


def _shown(table: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """What is the same of all networks and attacks, in words, and the table without it."""
    shown = pd.DataFrame(
        {
            **({"data": table["data"]} if table["data"].nunique() > 1 else {}),
            "model": table["model"],
            "trained": table["trained"],
            "attack": table["attack"],
            "toward": np.where(table["targeted"], "every other class", "any other class"),
            "seeds": table["seeds"],
            "images": table["images"],
            "natural accuracy, %": table["natural"].map(percent),
            **({"perturbed, %": table["perturbed"].map(percent)} if table["perturbed"].notna().any() else {}),
            "robust accuracy, %": table["robust"].map(percent),
            **interval_column(table),
            **({"no result": table["faults"]} if table["faults"].any() else {}),
            **{
                f"median {name}": ["" if pd.isna(value) else f"{value:.3g}" for value in table[name]]
                for name in ("distortion", "steps", "queries")
            },
        }
    )
    same = [name for name in ("model", "toward", "seeds", "images") if shown[name].nunique() == 1]
    return "; ".join(f"{name}: {shown[name].iloc[0]}" for name in same), shown.drop(columns=same)


def attacks_table(folders: Sequence[Path]) -> pd.DataFrame:
    """A line for each kind of network and attack: data, model, trained, attack (its name and settings, which also
    stand alone), targeted, seeds, images (of a seed), natural, perturbed (over the conditions that all networks of the
    data were tested under) and robust accuracy (fractions, means over seeds), low and high of the latter's 95 %
    interval, the medians of distortion, linf, steps and queries of what succeeded, and faults, the number of results
    that were none (over seeds)."""
    attacked = {folder: RunFolder(folder).read_rows() for folder in folders if RunFolder(folder).attacks.is_file()}
    runs = [line for folder, rows in attacked.items() for line in attack_lines(folder, rows)]
    if not runs:
        return pd.DataFrame()
    perturbed = perturbed_accuracy(pd.concat(attacked.values()))
    by = [*_ABOUT[:-1], *_ATTACK]
    lines = []
    every = pd.DataFrame(runs)
    every["perturbed"] = every["run"].map(perturbed)
    natural_first = every.sort_values("technique", key=lambda one: one != NATURAL, kind="stable")
    for about, group in natural_first.groupby(by, sort=False):
        known = dict(zip(by, about, strict=True))
        robust = group["robust"].to_numpy()
        images = int(group["images"].iloc[0])
        low, high = student(robust)[1:] if len(robust) > 1 else wilson(robust[0], images)
        trained = {"trained": run_title(known), "seeds": len(group), "images": images}
        means = group[["natural", "perturbed", "robust", *_EFFORT]].mean()
        ends = {"low": max(low, 0.0), "high": min(high, 1.0), "faults": int(group["faults"].sum())}
        lines.append({**known, **trained, **means, **ends})
    found = pd.DataFrame(lines)
    kinds = kind_folders(attacked, pd.concat(attacked.values()))
    within = (found["data"], found["model"])
    return found.assign(trained=disambiguate(found["trained"], found["kind"], *within, folders=kinds))


def attack_lines(folder: Path, rows: pd.DataFrame) -> list[dict[str, object]]:
    """A line for each attack on one run: what it is, and `images`, `natural` and `robust` accuracy, `_EFFORT`."""
    attacks = RunFolder(folder).read_attacks(images=False)
    assert attacks is not None
    attacks = attacks[attacks["threshold"].isna()]  # those at thresholds are a study's
    about = rows[["run", *_ABOUT]].iloc[0].to_dict()
    lines = []
    for (name, settings), group in attacks.groupby(["attack", "settings"], sort=False):
        for targeted, each in group.groupby(group["target"] >= 0, sort=False):
            recognised = (each["before"] == each["label"]).groupby(each["image"]).all()
            misled = each["success"].groupby(each["image"]).any()
            lines.append(
                {
                    **about,
                    "name": name,
                    "settings": settings,
                    "attack": attack_title(str(name), json.loads(str(settings))),
                    "targeted": bool(targeted),
                    "images": len(recognised),
                    "natural": recognised.mean(),
                    "robust": (recognised & ~misled).mean(),
                    **succeeded(each)[_EFFORT].median(),
                    "faults": int((each["fault"].fillna("") != "").sum()) if "fault" in each else 0,
                }
            )
    return lines


def succeeded(attacks: pd.DataFrame) -> pd.DataFrame:
    """Those rows of `attacks.parquet` that changed a right prediction as was wanted."""
    return attacks[attacks["success"] & (attacks["before"] == attacks["label"])]


def attack_title(name: str, options: Mapping[str, object]) -> str:
    """An attack and what sets it apart, in short: what is usual is left out, grey levels are of 255."""
    shown = {name: value for name, value in options.items() if value is not None and value != _USUAL.get(name)}
    return " ".join([name, ", ".join(f"{setting}={_value(value)}" for setting, value in shown.items())]).strip()


def _value(value: object) -> str:
    if isinstance(value, Mapping):  # a perturbation
        numbers = [f"{one:g}" for one in value.values() if isinstance(one, int | float) and not isinstance(one, bool)]
        return " ".join([str(value.get("_target_", "")).rpartition(".")[2], *numbers])
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and 0 < value < 1 and abs(255 * value - round(255 * value)) < 1e-6:
        return f"{round(255 * value)}/255"
    return f"{value:g}" if isinstance(value, float) else str(value)
