"""What was measured of a mind's eye and of the networks beside it, read from their runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from robust.measure import NATURAL
from robust.runs import Config, RunFolder
from robust.studies.minds_eye.scenes import NONE, RANGES
from robust.studies.minds_eye.stages import STAGES, Views, read_stages, read_views

#: what the networks are called that were trained as published
TITLES = {"alexnet": "direct", "alexnet_with_parameters": "direct + parameters", "triple_staged": "triple-staged"}
_USUAL_TASKS = ("classify", "classify_and_estimate", "compare")
_ATTACK = "gradient_sign"
EYE = TITLES["triple_staged"]


@dataclass(frozen=True)
class Network:
    """One run of a network that was trained on scenes."""

    folder: Path
    namesakes: int = 0  # that come before it

    @cached_property
    def config(self) -> Config:
        return RunFolder(self.folder).read_config()

    @cached_property
    def rows(self) -> pd.DataFrame:
        rows = RunFolder(self.folder).read_rows()
        return rows[rows["test_perturbation"] == NATURAL]

    @property
    def title(self) -> str:
        model, technique = (self.rows[name].iloc[0] for name in ("model", "technique"))
        title = TITLES.get(model, model)
        if (task := self.config.task.name) not in _USUAL_TASKS:
            title += f", {task}"
        if technique != NATURAL:
            title += f", {technique}"
        if self.namesakes:
            row = self.rows.iloc[0]
            title += f", {row['data']}, seed {row['seed']}, {row['kind']}"
        return title

    @cached_property
    def stages(self) -> pd.DataFrame | None:
        """See `measure_stages`."""
        return read_stages(RunFolder(self.folder))

    @cached_property
    def views(self) -> Views:
        views = read_views(RunFolder(self.folder))
        assert views is not None
        return views

    @cached_property
    def classes(self) -> list[str]:
        return [*self.config.data.objects, NONE]

    @property
    def parameters(self) -> list[str]:
        return list(self.config.data.parameters)

    @cached_property
    def attacks(self) -> pd.DataFrame:
        """All attacks by the gradient's sign, in the last settings that there were; `aim` is the false prediction that
        was sought, `network` names the network and its threshold, `right` says whether the image was told right
        before."""
        table = RunFolder(self.folder).read_attacks()
        table = table[table["attack"] == _ATTACK] if table is not None else pd.DataFrame()
        if table.empty:
            return pd.DataFrame()
        settings = table["settings"].iloc[-1]
        table = table[table["settings"] == settings].assign(max_steps=json.loads(settings)["max_steps"])
        aim = np.where(table["target"] == len(self.classes) - 1, "false negative", "false positive")
        names = [titled(self.title, threshold) for threshold in table["threshold"]]
        return table.assign(aim=aim, network=names, right=table["before"] == table["label"])


def titled(title: str, threshold: float) -> str:
    """A network at a threshold."""
    return title if np.isnan(threshold) else f"{title}, {threshold:g}"


def slug(title: str) -> str:
    """A network's title as a part of a name."""
    return title.replace(" + ", "-").replace(", ", "-")


def read_networks(folders: Sequence[Path]) -> list[Network]:
    """The runs on scenes that were tested, those of a mind's eye last; none if there is no such among them."""
    if not any((folder / STAGES).is_file() for folder in folders):
        return []
    found = [Network(folder) for folder in folders if _is_of_scenes(folder)]
    if all(network.stages is None for network in found):
        return []
    found.sort(key=lambda network: (network.stages is not None, int(network.rows["seed"].iloc[0])))
    networks: list[Network] = []
    for network in found:
        before = sum(other.title == network.title for other in networks)
        networks.append(Network(network.folder, namesakes=before))
    # The last is the one that the sections are about: the first mind's eye of the usual kind.
    networks.sort(key=lambda network: (network.stages is not None, network.title == EYE))
    return networks


def _is_of_scenes(folder: Path) -> bool:
    files = RunFolder(folder)
    return files.config.is_file() and files.rows.is_file() and "objects" in files.read_config().data


def predictions(network: Network, threshold: float) -> np.ndarray:
    """The class of each test image at a threshold."""
    assert network.stages is not None
    scores = network.stages[[f"score_{name}" for name in network.classes[:-1]]].to_numpy()
    return np.where(scores.max(1) >= threshold, scores.argmax(1), len(network.classes) - 1)


def pose_errors(network: Network) -> pd.DataFrame:
    """A row for each test image of an object and each parameter: class, parameter, true, error; in the parameter's own
    unit, rad for angles."""
    assert network.stages is not None
    tables = []
    for name in network.parameters:
        low, high = RANGES[name]
        true, estimated = (low + network.stages[f"{kind}_{name}"] * (high - low) for kind in ("true", "estimated"))
        classes = np.take(network.classes, network.stages["label"])
        tables.append(pd.DataFrame({"class": classes, "parameter": name, "true": true, "error": estimated - true}))
    return pd.concat(tables, ignore_index=True).dropna()
