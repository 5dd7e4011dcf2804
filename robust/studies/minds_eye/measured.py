"""What the runs of a mind's eye, and of the networks beside it, measured for each of the claims in `claims.yaml`.

The intervals are over images (Wilson for shares, Student for means, bootstrap for medians), of one seed.
"""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from robust.measure.claims import Figure, Subject, decide, read_claims
from robust.measure.intervals import percentile, resampled_medians, student, wilson
from robust.studies.minds_eye.results import EYE, TITLES, Network, pose_errors
from robust.studies.minds_eye.tables import best_error, error_table, recognition_table

#: the false prediction that an attack sought whose effort is measured so
_AIMS = {"distortion": "false positive", "steps": "false negative"}


def minds_eye_claims(networks: Sequence[Network]) -> pd.DataFrame:
    """A line for each claim that these runs decide; columns as in `robust.measure.claims`. Networks that were trained
    otherwise than published, or once more, are passed over."""
    plain = {network.title: network for network in networks if network.title in TITLES.values()}
    if not plain:
        return decide([], [])
    tables = [network.attacks for network in plain.values() if len(network.attacks)]
    attacks = {str(name): table for one in tables for name, table in one.groupby("network")}
    words = {"best": best_error(plain[EYE])[0]} if EYE in plain else {}
    return decide(read_claims(__package__), [Subject("scenes", Measured(plain, attacks).figure, words)])


class Measured:
    """What was measured of networks, by their titles, and what `attacks` on each came to, by its title and threshold
    (see `Network.attacks`)."""

    def __init__(self, networks: Mapping[str, Network], attacks: Mapping[str, pd.DataFrame]):
        self.attacks = attacks
        self.shares = {**_errors(list(networks.values())), **_left_out(self.attacks)}
        if eye := networks.get(EYE):
            self.shares |= _stages(list(networks.values()), eye)

    def figure(self, wanted: Mapping[str, str]) -> Figure | None:
        """What a claim's `figure` asks for; None where these runs do not say."""
        ((kind, name), *others) = wanted.items()
        if kind not in _AIMS:
            return self.shares.get((kind, name))
        efforts = [self._effort(kind, one) for _, one in [(kind, name), *others]]
        found = [one for one in efforts if one is not None]
        if len(found) < len(efforts):
            return None
        median, draws = found[0]
        for (how, _), (other, others_draws) in zip(others, found[1:], strict=True):
            median = median / other if how == "times" else median - other
            draws = draws / others_draws if how == "times" else draws - others_draws
        return Figure(median, *percentile(draws), 1)

    @functools.cache  # noqa: B019, it is as old as its claims
    def _effort(self, kind: str, name: str) -> tuple[float, np.ndarray] | None:
        """The median effort of the attacks on what a network told right, and its resamples over images."""
        if (table := self.attacks.get(name)) is None:
            return None
        mine = table[(table["aim"] == _AIMS[kind]) & table["right"]]
        return (mine[kind].median(), resampled_medians(mine[kind], mine["image"])) if len(mine) else None


def _share(part: float, n: int) -> Figure:
    """A share of n images, in percent."""
    low, high = wilson(part, n)
    return Figure(100 * part, 100 * low, 100 * high, 1)


def _errors(networks: Sequence[Network]) -> dict[tuple[str, str], Figure]:
    lines = error_table(networks).itertuples()
    return {("error", line.network): Figure(100 * line.error, 100 * line.low, 100 * line.high, 1) for line in lines}


def _stages(networks: Sequence[Network], eye: Network) -> dict[tuple[str, str], Figure]:
    """How well the stages do what the whole needs."""
    assert eye.stages is not None
    _, wrong, count = best_error(eye)
    found = {("error at best", EYE): _share(wrong / count, count)}
    for name, errors in pose_errors(eye).groupby("parameter")["error"]:
        found["pose", str(name)] = Figure(*student(errors.abs()), 1)
    for line in recognition_table(networks, eye).itertuples():
        found["drawings", line.network] = Figure(100 * line.recognised, 100 * line.low, 100 * line.high, 1)
    return found


def _left_out(attacks: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], Figure]:
    """How many images could not be attacked, since they were told wrong before."""
    images = {name: table.drop_duplicates("image") for name, table in attacks.items()}
    return {("left out", name): _share(float((~one["right"]).mean()), len(one)) for name, one in images.items()}
