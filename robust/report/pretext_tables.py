"""What learning without labels is worth, in numbers: a line for each task, and for each way of training with labels."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from robust.experiment.compose import is_pretext, is_run, model_name, plain, recorded
from robust.experiment.start import starts
from robust.measure import NATURAL
from robust.report.attacks import attack_lines
from robust.report.tables import perturbed_accuracy, seeds_line, told_apart
from robust.results import ATTACKS, NEIGHBOURS
from robust.runs import State, identify, read_rows, read_status

SCRATCH = "from the start"
#: what tells networks apart
NETWORK = ["data", "model"]
_WAY = [*NETWORK, "labels", "trained", "anew"]
_CURVE = "metrics.csv"


@dataclass(frozen=True)
class PretextRun:
    """A run without labels: its folder and configuration, and its curve, an epoch a row."""

    folder: Path
    config: DictConfig
    curve: pd.DataFrame
    title: str = ""  # the task, and what else tells it from the others

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
        return _kind(self.config)


def _kind(config: DictConfig) -> str:
    """The same for runs that differ by their seed alone."""
    model = model_name(config.model)
    return identify(plain(config), model=model, perturbation="none", level=0, data_digest=None).kind


def pretext_runs(places: Sequence[Path]) -> list[PretextRun]:
    """The finished runs without labels that some of these runs start from, and those of other seeds beside them."""
    wanted = set()
    for started in filter(_is_started, map(recorded, places)):
        with contextlib.suppress(ValueError):  # from a folder that is gone
            wanted.add(_kind(starts(started)[""]))
    runs = []
    for root in dict.fromkeys(place.parent for place in places):
        for file in sorted(root.glob("*/config.yaml")):
            config = OmegaConf.load(file)
            assert isinstance(config, DictConfig)
            if "task" not in config or not is_pretext(config.task) or _kind(config) not in wanted:
                continue
            if read_status(file.parent).state is State.DONE and (file.parent / NEIGHBOURS).is_file():
                runs.append(PretextRun(file.parent, config, pd.read_csv(file.parent / _CURVE)))
    tasks, kinds, *within = (
        pd.Series([getattr(run, name) for run in runs], dtype=object) for name in ("task", "kind", *NETWORK)
    )
    titles = told_apart(tasks, kinds, *within)
    return [replace(run, title=title) for run, title in zip(runs, titles, strict=True)]


def pretext_table(runs: Sequence[PretextRun]) -> pd.DataFrame:
    """A line for each task: data, model, task, seeds, and as fractions accuracy and that on perturbed images, untrained
    and neighbours, and won (neighbours less untrained), each with `_low` and `_high` where there are several seeds."""
    tested = {run.folder: read_rows(run.folder) for run in runs if run.config.task.tested}
    perturbed = perturbed_accuracy(pd.concat(tested.values())) if tested else pd.Series()
    lines = []
    for run in runs:
        own = run.curve["train_accuracy"].iloc[-1]
        if (rows := tested.get(run.folder)) is not None:
            own = rows.loc[rows["test_perturbation"] == NATURAL, "accuracy"].mean()
        (known,) = pd.read_csv(run.folder / NEIGHBOURS).rename(columns={"trained": "neighbours"}).to_dict("records")
        about = {"data": run.data, "model": run.model, "task": run.title, "seed": run.config.seed}
        accuracy = {"accuracy": own, "perturbed": perturbed.get(run.folder.name, np.nan)}
        lines.append({**about, **accuracy, **known, "won": known["neighbours"] - known["untrained"]})
    table = pd.DataFrame(lines)
    return _over_seeds(table, [*NETWORK, "task"], ["accuracy", "perturbed", "untrained", "neighbours", "won"])


def downstream_lines(folders: Sequence[Path]) -> list[dict[str, object]]:
    """A line for each run with a classifier that starts without labels, and for each that it is held against: folder,
    run, data, model, labels, trained, anew (whether nothing was learnt before), kind, seed, reference, natural and
    perturbed accuracy (the latter over the conditions that all runs of the data were tested under), and the accuracy
    that each attack leaves, by its title."""
    found = []
    for folder in folders:
        config = OmegaConf.load(folder / "config.yaml")
        assert isinstance(config, DictConfig)
        started = _is_started(config)
        if started or (config.technique.name == NATURAL and not is_pretext(config.task)):
            found.append((folder, config, started, read_rows(folder)))
    references = {rows["reference"].iloc[0] for *_, started, rows in found if started}
    found = [one for one in found if one[2] or one[0].name in references]
    perturbed = perturbed_accuracy(pd.concat([rows for *_, rows in found])) if found else pd.Series()
    return [
        {
            "folder": folder,
            "run": folder.name,
            "data": rows["data"].iloc[0],
            "model": rows["model"].iloc[0],
            "labels": 1.0 if config.data.get("labels") is None else float(config.data.labels),
            "trained": rows["technique"].iloc[0] if started else SCRATCH,
            "anew": not started,
            "kind": rows["kind"].iloc[0],
            "seed": int(config.seed),
            "reference": rows["reference"].iloc[0],
            "natural": rows.loc[rows["test_perturbation"] == NATURAL, "accuracy"].mean(),
            "perturbed": perturbed.get(rows["run"].iloc[0], np.nan),
            **(_robust(folder, rows) if (folder / ATTACKS).is_file() else {}),
        }
        for folder, config, started, rows in found
    ]


def _is_started(config: DictConfig) -> bool:
    """Whether something was learnt without labels before."""
    start = config.technique.start
    if start in (None, NATURAL) or is_pretext(config.task):
        return False
    return not is_run(start) or is_pretext(recorded(Path(start)).task)


def _robust(folder: Path, rows: pd.DataFrame) -> dict[str, object]:
    """The accuracy that each attack leaves, by its title."""
    return {str(line["attack"]): line["robust"] for line in attack_lines(folder, rows)}


def downstream_table(lines: pd.DataFrame) -> pd.DataFrame:
    """A line for each share of labels and way of training: data, model, labels, trained, anew, seeds; natural,
    perturbed and what each attack leaves, as fractions, and by how much each is over the run of the same settings and
    seed that starts anew, `<figure>_won`; all with `_low` and `_high` where there are several seeds."""
    about = (*_WAY, "folder", "run", "kind", "seed", "reference")
    figures = [name for name in lines if name not in about]
    lines = lines.assign(trained=told_apart(lines["trained"], lines["kind"], *(lines[name] for name in _WAY[:3])))
    anew = lines[lines["anew"]].drop_duplicates("run").set_index("run")[figures]
    before = anew.reindex(lines["reference"]).set_axis(lines.index)
    won = (lines[figures] - before).add_suffix("_won")
    both = pd.concat([lines, won], axis=1).sort_values(["labels", "anew"], ascending=[True, False], kind="stable")
    return _over_seeds(both, _WAY, [*figures, *won])


def _over_seeds(lines: pd.DataFrame, by: Sequence[str], figures: Sequence[str]) -> pd.DataFrame:
    found = []
    for about, group in lines.groupby(list(by), sort=False):
        known = {**dict(zip(by, about, strict=True)), "seeds": group["seed"].nunique()}
        found.append({**known, **seeds_line(group, figures)})
    return pd.DataFrame(found)
