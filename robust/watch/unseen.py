"""How far off a monitor is: on pictures and at levels that it never saw."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from robust.watch.monitor import Monitor, Sample

_WINDOWS = 20  # of each sample
_WITHIN = 0.95  # of the windows: an interval's
_FAR = 2.0  # times the distance within which so many of them are: from there on a condition is unknown


def measured_on(monitor: Monitor, samples: Iterable[Sample]) -> tuple[Monitor, pd.DataFrame]:
    """The monitor, with intervals and `far`, as windows of these samples show them, and a row for each sample:
    perturbation, level, n (pictures), accuracy, of the network on them; estimated and level_named, the means over
    windows whose condition is not unknown, NaN without any; named, the share of windows whose perturbation is named
    right; all but levels and n fractions."""
    about, windows = [], []
    for place, one in enumerate(samples):
        of = {"perturbation": one.name, "level": one.level, "n": len(one.right), "accuracy": float(one.right.mean())}
        about.append(of)
        windows += [(place, *window) for window in one.windows(int(monitor.window[0]), _WINDOWS)]
    seen = pd.DataFrame([monitor.look(mean) for _, mean, _ in windows])
    usual = [seen.loc[seen["beyond"] == beyond, "distance"].quantile(_WITHIN) for beyond in (False, True)]
    monitor = replace(monitor, far=np.nan_to_num(_FAR * np.array(usual), nan=np.inf))
    seen = pd.DataFrame([monitor.look(mean) for _, mean, _ in windows])
    table, places = pd.DataFrame(about), [place for place, _, _ in windows]
    names = table["perturbation"].to_numpy()[places]
    off = (seen["accuracy"] - [right for _, _, right in windows]).abs()
    halves = off.groupby(names).quantile(_WITHIN)
    found = pd.DataFrame(
        {"estimated": seen["accuracy"], "named": seen["condition"] == names, "level_named": seen["level"]}
    )
    halves_of_points = np.array([halves[str(name)] for name in monitor.names])
    return replace(monitor, halves=halves_of_points), table.join(found.groupby(places).mean())
