"""How stable networks are under each sequence of frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from robust.measure.stability_scores import RATES
from robust.perturb.sequences import SEQUENCES
from robust.report.section import Section, Table
from robust.report.stability import stability_table
from robust.report.tables import with_interval
from robust.runs.stability import stability_lines

_TEXT = (
    "Pictures that change a little from frame to frame, in the ten ways of ImageNet-P and CIFAR-10-P (Hendrycks and "
    "Dietterich 2019, arXiv 1903.12261), recreated. A flip: a frame that is not predicted as the one before; of noise, "
    "not as the picture without."
)
_EACH = "Flip probability in percent: of the frames of an image, which share flips; the mean over images."
_RATES = (
    "Flip rate (FR) in percent: the flip probability beside that of the natural model; below 100 % it flips less. None "
    "where that never flips."
)


def stability_section(folders: Sequence[Path]) -> Section:
    """What came of these runs there; nothing where none was tested so."""
    if (lines := stability_lines(folders)) is None:
        return Section("")
    each = Table(_shown(lines, {name: name for name in SEQUENCES}), lines, _EACH)
    tables = {"stability": stability_table(lines), "stability-each": each}
    if lines[[*RATES.values()]].notna().any(axis=None):
        tables["flip-rates"] = Table(_shown(lines, RATES), lines, _RATES)
    return Section("Stability under sequences of frames", _TEXT, {}, tables)


def _shown(lines: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """A column for each of these figures of the lines."""
    cells = {title: [with_interval(line, name) for _, line in lines.iterrows()] for title, name in names.items()}
    return pd.DataFrame({"trained": lines["title"], **cells})
