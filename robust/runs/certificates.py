"""What was certified of runs' test images, and what attacks left of it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from robust.runs.contents import if_sound
from robust.runs.folder import RunFolder
from robust.runs.formats import DamagedError

#: the files, how what is in them was certified, and what tells the rows of each apart (see `robust.certify`)
CERTIFICATES, ATTACKED = "certificates.parquet", "certificates-attacked.parquet"
SETTINGS = ["certificate", "level", "n0", "n", "alpha", "seed"]
_KEYS = {CERTIFICATES: [*SETTINGS, "image"], ATTACKED: [*SETTINGS, "size", "image"]}
_VALUES = {CERTIFICATES: ["label", "predicted", "count", "least", "radius"], ATTACKED: ["stands"]}


def read_certificates(folder: RunFolder, name: str = CERTIFICATES) -> pd.DataFrame | None:
    """A row for each image and certificate, or attack; None where there are none. Older versions did not write `most`:
    it is infinite there."""
    if (found := folder.read_extra_table(name, [*_KEYS[name], *_VALUES[name]])) is None:
        return None
    if name == CERTIFICATES and "most" not in found:
        found["most"] = np.inf
    for column in (*_KEYS[name][1:], *_VALUES[name]):
        if not pd.api.types.is_numeric_dtype(found[column]):
            raise DamagedError(folder.path / name, f"not all of `{column}` are numbers")
    return found


def only_about(found: pd.DataFrame, about: Mapping[str, object]) -> pd.DataFrame:
    """The rows that have these values."""
    return found[(found[[*about]] == pd.Series(about)).all(axis=1)]


def add_certificates(folder: RunFolder, found: pd.DataFrame, name: str = CERTIFICATES) -> None:
    """Adds rows to those that are there, undamaged; each stands there once."""
    before = if_sound(lambda: read_certificates(folder, name))
    joined = found if before is None else pd.concat([before, found], ignore_index=True)
    folder.write_extras({name: joined.drop_duplicates(_KEYS[name], keep="last", ignore_index=True)})
