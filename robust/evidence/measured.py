"""What the tests came to: accuracy under each condition, attacks, calibration, and what training had seen."""

import pandas as pd

from robust.evidence.subject import Subject
from robust.measure import condition_title
from robust.measure.exposure import UNKNOWN, knows_exposure
from robust.report import Section, attacks_table
from robust.report.published import published_table
from robust.report.section import Table
from robust.report.stability import stability_table
from robust.report.tables import calibration_columns, interval_column, percent
from robust.runs.stability import stability_lines

_SEED = "over images (Wilson), for this one training: another may differ by more"
_SEEDS = "over {seeds} trainings (Student)"


def intervals_text(subject: Subject) -> str:
    """What the intervals of accuracies are for."""
    return f"95 % intervals are {_SEEDS.format(seeds=subject.seeds) if subject.seeds > 1 else _SEED}."


def accuracy_section(subject: Subject) -> Section:
    """Accuracy on natural images, and under each condition."""
    natural, perturbed = subject.natural, subject.perturbed
    said = []
    if natural is not None:
        said.append(
            f"Of {natural['n']} natural test images {percent(natural['mean'])} % are recognised (95 %: "
            f"{percent(natural['low'])} to {percent(natural['high'])})."
        )
    if len(perturbed):
        worst = perturbed.loc[perturbed["mean"].idxmin()]
        said.append(f"Fewest are under {_title(worst)}: {percent(worst['mean'])} %.")
    shown = pd.DataFrame(
        {
            "tested on": [_title(line) for _, line in subject.lines.iterrows()],
            "seeds": subject.lines["seeds"],
            "trials": subject.lines["trials"],
            "images": subject.lines["n"],
            "accuracy, %": subject.lines["mean"].map(percent),
            **interval_column(subject.lines),
        }
    )
    if natural is not None:
        drops = (natural["mean"] - subject.lines["mean"]).round(3) + 0.0  # no -0.0
        shown["drop, points"] = drops.map(percent)
    note = f"{intervals_text(subject)} Drop: from natural images. Trials perturb the same images again, with new draws."
    return Section("Accuracy", " ".join(said), {}, {"accuracy": Table(shown, subject.lines, note)})


def attacks_section(subject: Subject) -> Section:
    """Robust accuracy under each attack."""
    table = attacks_table(subject.folders)
    if table.empty:
        return Section("Attacks", "No attack was made.")
    shown = pd.DataFrame(
        {
            "attack": table["attack"],
            "toward": table["targeted"].map({True: "every other class", False: "any other class"}),
            "seeds": table["seeds"],
            "images": table["images"],
            "natural accuracy, %": table["natural"].map(percent),
            "robust accuracy, %": table["robust"].map(percent),
            **interval_column(table),
        }
    )
    text = (
        "Robust accuracy: the share of the attacked images that is recognised before and after the attack. It is an "
        "upper bound: a stronger attack within the same budget may find more."
    )
    return Section("Attacks", text, {}, {"attacks": Table(shown, table, intervals_text(subject))})


def other_tests_section(subject: Subject) -> Section:
    """Published test sets, and sequences of frames, where the runs were tested on them."""
    published, lines = published_table(subject.folders), stability_lines(subject.folders)
    tables = {"published": published} if published is not None else {}
    if lines is not None:
        tables["stability"] = stability_table(lines)
    return Section("Other test sets and sequences", "" if tables else "None was tested.", {}, tables)


def calibration_section(subject: Subject) -> Section:
    """How well confidence fits accuracy."""
    columns = calibration_columns(subject.lines)
    if not columns:
        return Section("Calibration", "It was not measured: the network gives no logits, or it was not kept.")
    shown = pd.DataFrame({"tested on": [_title(line) for _, line in subject.lines.iterrows()], **columns})
    text = (
        "How well the network's confidence fits its accuracy. ECE: the expected calibration error, in 15 even bins. "
        "RMS calibration error: in bins of 100 predictions. Brier score, from 0 to 2, and NLL (negative "
        "log-likelihood): of the probabilities of all classes. AURC: the mean share of wrong answers where the network "
        "answers only for the images that it is surest of. Lower is better in all. Means over seeds "
        "and trials; none has an interval."
    )
    return Section("Calibration", text, {}, {"calibration": Table(shown, shown)})


def exposure_section(subject: Subject) -> Section:
    """Which tests the training contained."""
    known = [record.get("trained_on") for record in subject.records]
    if not knows_exposure(subject.perturbed):
        return Section("What training had seen", "Not known: the rows do not say it.")
    shown = subject.perturbed.groupby("exposure", sort=False)["test_perturbation"].agg(
        lambda names: ", ".join(dict.fromkeys(names))
    )
    table = pd.DataFrame({"the test's perturbation is": shown.index, "perturbations": shown.to_numpy()})
    operations = known[0] or {}
    trained = ", ".join(operations) if operations else "no perturbation"
    if known[0] is None or UNKNOWN in operations:
        trained = "what is not known"
    text = (
        f"The training contained {trained}. Seen: the training contained this perturbation, at whatever level; family: "
        "another one of its family; far: neither; unknown: the weights were trained by others. Accuracy under what was "
        "seen says little of what was not."
    )
    return Section("What training had seen", text, {}, {"exposure": Table(table, table)})


def _title(line: pd.Series) -> str:
    return condition_title(line["test_perturbation"], line["test_level"])
