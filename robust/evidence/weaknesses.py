"""Which classes are recognised least, on natural images and under each perturbation."""

from collections.abc import Iterator

import pandas as pd

from robust.evidence.subject import Subject
from robust.measure import NATURAL
from robust.measure.confusion import hardest_levels
from robust.measure.intervals import wilson
from robust.report import Section
from robust.report.confusion import confusion_matrix
from robust.report.section import Table
from robust.report.tables import percent

_MOST = 12  # classes in a table
_TEXT = (
    "Accuracy of each class, seeds and trials together, with a 95 % interval over the images of the class (Wilson). "
    "{classes} classes are compared and the lowest are picked: were all alike, about one in twenty of such intervals "
    "would miss, and the lowest class would look worse than it is. Below: its whole interval lies below the accuracy "
    "on all images."
)


def weaknesses_section(subject: Subject) -> Section:
    """The classes that are recognised least."""
    table = confusion_matrix(subject.folders)
    if table.empty or NATURAL not in set(table["condition"]):
        return Section("Known weaknesses by class", "Not known: no confusion of natural images was kept.")
    natural = class_accuracies(table, NATURAL, subject.seeds)
    shown = _shown(natural.head(_MOST))
    tables = {"classes": Table(shown, natural, _left_out(len(natural)))}
    hardest = pd.DataFrame(_hardest(table, natural))
    if len(hardest):
        note = "Of each perturbation at its hardest level the class that is recognised least, and what it is taken for."
        tables["hardest-classes"] = Table(hardest, hardest, note)
    return Section("Known weaknesses by class", _TEXT.format(classes=len(natural)), {}, tables)


def class_accuracies(table: pd.DataFrame, condition: str, seeds: int) -> pd.DataFrame:
    """A line for each class under a condition, the least recognised first: class, images, accuracy, low, high, and
    `below`, whether the interval lies below the accuracy on all images. `table`: that of `confusion_matrix`, of so many
    seeds; images are counted by the natural ones, once."""
    images = table[table["condition"] == NATURAL].groupby("true", sort=False)["count"].sum() // seeds
    mine = table[table["condition"] == condition]
    right = mine[mine["true"] == mine["predicted"]].set_index("true")["share"]
    lines = pd.DataFrame({"class": images.index, "images": images.to_numpy()})
    lines["accuracy"] = lines["class"].map(right).fillna(0.0)
    ends = [wilson(share, n) for share, n in lines[["accuracy", "images"]].itertuples(index=False, name=None)]
    lines["low"], lines["high"] = zip(*ends, strict=True)
    whole = (lines["accuracy"] * lines["images"]).sum() / lines["images"].sum()
    lines["below"] = lines["high"] < whole
    return lines.sort_values("accuracy", kind="stable", ignore_index=True)


def _hardest(table: pd.DataFrame, natural: pd.DataFrame) -> Iterator[dict[str, object]]:
    seeds_images = natural.set_index("class")["images"]
    counted = table[table["condition"] == NATURAL].groupby("true", sort=False)["count"].sum()
    seeds = int((counted // seeds_images.reindex(counted.index)).iloc[0])
    for condition in hardest_levels(table):
        line = class_accuracies(table, condition, seeds).iloc[0]
        wrong = table[(table["condition"] == condition) & (table["true"] == line["class"])]
        wrong = wrong[wrong["predicted"] != line["class"]]
        taken = wrong.loc[wrong["share"].idxmax()] if len(wrong) else None
        yield {
            "tested on": condition,
            "class": line["class"],
            "images": line["images"],
            "accuracy, %": percent(line["accuracy"]),
            "95 % interval": f"{percent(line['low'])} to {percent(line['high'])}",
            "below": "yes" if line["below"] else "",
            "taken for": f"{taken['predicted']} ({percent(taken['share'])} %)" if taken is not None else "",
        }


def _shown(lines: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "class": lines["class"],
            "images": lines["images"],
            "accuracy, %": lines["accuracy"].map(percent),
            "95 % interval": [f"{percent(low)} to {percent(high)}" for low, high in lines[["low", "high"]].to_numpy()],
            "below": lines["below"].map({True: "yes", False: ""}),
        }
    )


def _left_out(classes: int) -> str:
    most = f" The {_MOST} lowest of {classes}." if classes > _MOST else ""
    return f"On natural images.{most}"
