"""How well runs' confidence fits after temperature scaling, where that was measured."""

import pandas as pd

from robust.measure import CALIBRATION, TEST_KEY
from robust.runs.folder import RunFolder

#: the file (see `robust.measure.temperature`)
TEMPERATURE = "temperature.parquet"


def read_temperature(folder: RunFolder) -> pd.DataFrame | None:
    """A run's tests at its temperature; None where there are none."""
    return folder.read_extra_table(TEMPERATURE, [*TEST_KEY, *CALIBRATION, "temperature"])
