"""What predictions of models cost, beside what they gain."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from robust.runs import RunFolder
from robust.runs.settings import setting

_NOTE = (
    "ms and MiB: what a prediction takes for each image, of time and of memory for what is computed, in batches of "
    "{images} on {threads} of the {device}."
)


def costs(folders: Mapping[str, Path], kinds: Iterable[Path]) -> tuple[pd.DataFrame, str]:
    """The columns `ms` and `mib`, for each image, of these runs by their names, and what to say of them; without
    columns where nothing stands around the network of any of their `kinds`."""
    if not any(setting(one, f"{name}._target_") for one in kinds for name in ("restore", "adapt")):
        return pd.DataFrame(), ""
    found = {run: (RunFolder(one).read_record() or {}).get("cost") for run, one in folders.items()}
    table = pd.DataFrame({run: cost for run, cost in found.items() if cost}).T
    if table.empty:
        return table, ""
    several = [f"{one} thread{'s' * (one != 1)}" for one in table["threads"].unique()]
    words = {name: " or ".join(map(str, table[name].unique())) for name in ("images", "device")}
    both = pd.DataFrame({"ms": 1e3 * table["seconds"].astype(float), "mib": table["bytes"].astype(float) / 2**20})
    return both, _NOTE.format(**words, threads=" or ".join(several))
