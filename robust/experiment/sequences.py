"""The tests of a run's stability under sequences of frames."""

from typing import TYPE_CHECKING

from robust.measure import STABILITY_KEY, planned_sequences
from robust.measure.stability import SequenceTest
from robust.runs.contents import if_sound
from robust.runs.tables import keys_in

if TYPE_CHECKING:
    from robust.experiment.experiment import Experiment


def sequences_missing(run: "Experiment") -> list[SequenceTest]:
    """Those that this evaluation asks for and that were not made yet."""
    asked = run.config.evaluation
    planned = planned_sequences(seed=asked.seed) if asked.sequences and run.conditions else []
    known = if_sound(run.files.read_stability) if planned else None
    return planned if known is None else [one for one in planned if one not in keys_in(known, STABILITY_KEY)]
