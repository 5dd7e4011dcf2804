"""What was not tested, as far as the runs' files can tell."""

from collections.abc import Iterator

import pandas as pd

from robust.evidence.subject import Subject
from robust.measure.claims import FEWEST_SEEDS
from robust.perturb import FAMILIES, operations
from robust.report import Section, attacks_table
from robust.report.section import Table
from robust.runs import RunFolder

_NEVER = (
    "Poisoned training data, poisoned or tampered weights, and theft of the network or of its data",
    "Inputs of no known class, sensors or files that fail wholly, and several faults of the system at once",
    "The system that the network is part of: cameras, code around it, people, feedback from its own outputs",
    "Drift after these tests: the sheet is of the files that it names, at the time that it names",
)


def untested_section(subject: Subject, levels: pd.DataFrame) -> Section:
    """A line for each thing that no row is about."""
    table = pd.DataFrame({"not tested": [*untested(subject, levels), *_NEVER]})
    text = "What this list names, this sheet says nothing of. What it does not name need not have been tested."
    return Section("What was not tested", text, {}, {"untested": Table(table, table)})


def untested(subject: Subject, levels: pd.DataFrame) -> Iterator[str]:
    """What the files of these runs have no test of, in words."""
    names = [str(name) for name in subject.perturbed["test_perturbation"].unique()]
    families = {family for name in names for family in operations(name.partition("@")[0]).values()}
    if lacking := [family for family in FAMILIES if family not in families]:
        yield f"Perturbations of these families: {', '.join(lacking)}"
    if subject.natural is None:
        yield "Natural images"
    if (attacks := attacks_table(subject.folders)).empty:
        yield "Adversarial attacks of any kind"
    else:
        yield f"Attacks other than {', '.join(attacks['attack'].unique())}, and any adapted to this network"
    files = [RunFolder(folder) for folder in subject.folders]
    if not any(one.published.is_file() for one in files):
        yield "Other test sets, of another source or time (data shift)"
    if not any(one.stability.is_file() for one in files):
        yield "Sequences of frames (whether predictions flip from frame to frame)"
    if subject.seeds < FEWEST_SEEDS:
        yield (
            f"Other trainings: {subject.seeds} of the {FEWEST_SEEDS} seeds that a claim about the training needs; the "
            "sheet is about this network"
        )
    without = [name for name in names if name not in set(levels["perturbation"])]
    if without:
        yield f"Where accuracy crosses the target (at fewer than 4 levels, or no quantity): {', '.join(without)}"
    if not any(one.predictions.is_file() for one in files):
        yield "Anything image by image: predictions were not kept"
