"""What learning without labels is worth, in numbers: a line for each task, and for each way of training with labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from robust.configuration import is_pretext, is_run, model_name
from robust.data.cache import digest
from robust.measure import NATURAL
from robust.report.attacks import attack_lines
from robust.report.claim import over_several
from robust.report.tables import told_apart
from robust.results import ATTACKS
from robust.runs import read_rows

SCRATCH = "from the start"
#: what tells networks apart
NETWORK = ["data", "model"]
_WAY = [*NETWORK, "labels", "trained"]
_CURVE = "metrics.csv"
_SETTINGS = ("data", "model", "task", "technique", "perturb", "optimizer", "trainer")


@dataclass(frozen=True)
class PretextRun:
    """A run without labels: its folder and configuration, and its curve, an epoch a row."""

    folder: Path
    config: DictConfig
    curve: pd.DataFrame

    @property
    def task(self) -> str:
        return str(self.config.task.name)

    @property
    def data(self) -> str:
        return str(self.config.data.name)

    @property
    def model(self) -> str:
        return model_name(self.config.model)

    @property
    def kind(self) -> str:
        """The same for runs that differ by their seed alone."""
        settings = OmegaConf.to_container(self.config)
        assert isinstance(settings, dict)
        return digest({name: settings[name] for name in _SETTINGS})[:8]


def pretext_runs(places: Sequence[Path]) -> list[PretextRun]:
    """The finished runs without labels among these folders and beside them."""
    found = {}
    for root in dict.fromkeys(place.parent for place in places):
        for file in sorted(root.glob("*/config.yaml")):
            config = OmegaConf.load(file)
            assert isinstance(config, DictConfig)
            if is_pretext(config.get("task", {})) and (file.parent / _CURVE).is_file():
                found[file.parent] = PretextRun(file.parent, config, pd.read_csv(file.parent / _CURVE))
    return list(found.values())


def pretext_table(runs: Sequence[PretextRun]) -> pd.DataFrame:
    """A line for each task: data, model, task, seeds, and as fractions accuracy, untrained and neighbours, and won
    (neighbours less untrained), each with `_low` and `_high` where there are several seeds."""
    lines = []
    for run in runs:
        rows = read_rows(run.folder) if (run.folder / "rows.csv").is_file() else None
        last = run.curve.iloc[-1]
        own = last["train_accuracy"]
        if rows is not None:
            own = rows.loc[rows["test_perturbation"] == NATURAL, "accuracy"].mean()
        known = {"untrained": last["knn_untrained"], "neighbours": last["knn_accuracy"]}
        about = {"data": run.data, "model": run.model, "task": run.task, "kind": run.kind, "seed": run.config.seed}
        lines.append({**about, "accuracy": own, **known, "won": known["neighbours"] - known["untrained"]})
    table = pd.DataFrame(lines)
    table["task"] = told_apart(table["task"], table["kind"], *(table[name] for name in NETWORK))
    return _over_seeds(table, [*NETWORK, "task"], ["accuracy", "untrained", "neighbours", "won"])


def downstream_lines(folders: Sequence[Path]) -> Iterator[dict[str, object]]:
    """A line for each natural run with a classifier and each that starts without labels: folder, data, model, labels,
    trained, kind, seed, natural and perturbed accuracy, and the accuracy that each attack leaves, by its title."""
    for folder in folders:
        config = OmegaConf.load(folder / "config.yaml")
        assert isinstance(config, DictConfig)
        rows, technique = read_rows(folder), config.technique
        started = technique.start not in (None, NATURAL)
        if is_pretext(config.task) or not (started or technique.name == NATURAL):
            continue
        natural = rows["test_perturbation"] == NATURAL
        attacks = attack_lines(folder, rows) if (folder / ATTACKS).is_file() else []
        yield {
            "folder": folder,
            "data": rows["data"].iloc[0],
            "model": rows["model"].iloc[0],
            "labels": 1.0 if config.data.get("labels") is None else float(config.data.labels),
            "trained": f"{technique.name} {_start(technique.start)}" if started else SCRATCH,
            "kind": rows["kind"].iloc[0],
            "seed": int(config.seed),
            "natural": rows.loc[natural, "accuracy"].mean(),
            "perturbed": rows.loc[~natural, "accuracy"].mean(),
            **{str(line["attack"]): line["robust"] for line in attacks},
        }


def _start(start: str) -> str:
    """What a run starts from: a task, or that of the run in a folder."""
    if not is_run(start):
        return start
    config = OmegaConf.load(Path(start) / "config.yaml")
    return f"{config.task.name} of {config.data.name}"


def downstream_table(lines: pd.DataFrame) -> pd.DataFrame:
    """A line for each share of labels and way of training: data, model, labels, trained, seeds; natural, perturbed and
    what each attack leaves, as fractions, and by how much each is over what starts anew with the same labels and seed,
    `<figure>_won`; all with `_low` and `_high` where there are several seeds."""
    figures = [name for name in lines if name not in (*_WAY, "folder", "kind", "seed")]
    lines = lines.assign(trained=told_apart(lines["trained"], lines["kind"], *(lines[name] for name in _WAY[:-1])))
    same = ["data", "model", "labels", "seed"]
    anew = lines[lines["trained"] == SCRATCH].set_index(same)[figures]
    anew = anew[~anew.index.duplicated()]
    before = lines[same].join(anew, on=same)[figures]
    won = (lines[figures] - before).add_suffix("_won")
    both = pd.concat([lines, won], axis=1).sort_values(["labels", "trained"], key=_order, kind="stable")
    return _over_seeds(both, _WAY, [*figures, *won])


def _order(column: pd.Series) -> pd.Series:
    return column if column.name == "labels" else column != SCRATCH


def _over_seeds(lines: pd.DataFrame, by: Sequence[str], figures: Sequence[str]) -> pd.DataFrame:
    found = []
    for about, group in lines.groupby(list(by), sort=False):
        line = {**dict(zip(by, about, strict=True)), "seeds": group["seed"].nunique()}
        for name in figures:
            values = group[name].to_numpy(dtype=float)
            several = len(values) > 1 and np.isfinite(values).all()
            middle, low, high = over_several(values) if several else (values.mean(), np.nan, np.nan)
            least, most = (-1, 1) if name.endswith("won") else (0, 1)
            line |= {name: middle, f"{name}_low": max(low, least), f"{name}_high": min(high, most)}
        found.append(line)
    return pd.DataFrame(found)
