"""Whether all that was asked of a run was tested: a glance, for plans of many thousand runs."""

import csv
import io
from collections.abc import Set

from robust.runs import contents, sums
from robust.runs.contents import if_sound
from robust.runs.folder import RunFolder
from robust.runs.formats import DamagedError, read_text

_KEY = ("test_perturbation", "test_level", "trial", "evaluation_seed")
_Test = tuple[str, float, int, int]


def has_whole_tests(run: RunFolder, tests: Set[_Test]) -> bool:
    """Whether rows and predictions of these tests (see TEST_KEY) are there as they were written, of all images. Where
    that is false `RunFolder.known_rows` says more, in ten times the time."""
    if not sums.names(run.path):
        return False  # of an older version, which is looked at closely
    rows = if_sound(lambda: _in_rows(run))
    if rows is None or not tests <= rows:
        return False
    found = if_sound(lambda: contents.read_predictions(run.predictions, _KEY, quickly=True))
    return found is not None and tests <= set(zip(*(found[name].tolist() for name in _KEY), strict=True))


def _in_rows(run: RunFolder) -> set[_Test] | None:
    """What the rows are of; None where there are none, and where some are of a condition that ended early."""
    if not sums.check(run.rows):
        return None
    try:
        head, *lines = csv.reader(io.StringIO(read_text(run.rows)))
        if "until" in head:
            return None
        columns = zip(*([line[head.index(name)] for line in lines] for name in _KEY), strict=True)
        return {(name, float(level), int(trial), int(seed)) for name, level, trial, seed in columns}
    except (ValueError, IndexError) as error:
        raise DamagedError(run.rows, error) from error
