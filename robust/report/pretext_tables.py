"""What learning without labels is worth, in numbers: a line for each task, and for each way of training with labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from robust.experiment.parents import is_self_supervised
from robust.measure import NATURAL
from robust.report.attacks import attack_lines
from robust.report.tables import perturbed_accuracy, seeds_line
from robust.report.titles import told_apart
from robust.runs import Config, Identity, RunFolder, State, read_status

SCRATCH = "from the start"
#: what tells networks apart
NETWORK = ["data", "model"]
_WAY = [*NETWORK, "labels", "trained", "anew"]


@dataclass(frozen=True)
class PretextRun:
    """A run without labels: its folder and configuration, and its curve, an epoch a row."""

    folder: Path
    config: Config
    identity: Identity
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
        return self.identity.model

    @property
    def kind(self) -> str:
        return self.identity.kind


def pretext_runs(places: Sequence[Path]) -> list[PretextRun]:
    """The finished runs without labels that some of these runs start from, and those of other seeds beside them."""
    records = [RunFolder(place).read_record() or {} for place in places]
    wanted = {kind for record in records for kind in record.get("parents", {}).values()}
    runs = []
    for root in dict.fromkeys(place.parent for place in places):
        for files in map(RunFolder, sorted(root.glob("*/"))):
            if (identity := files.identity()) is None or identity.kind not in wanted:
                continue
            if not is_self_supervised((config := files.read_config()).task):
                continue
            curve = files.read_metrics()
            if read_status(files.path).state is State.DONE and files.neighbours.is_file() and curve is not None:
                runs.append(PretextRun(files.path, config, identity, curve))
    tasks, kinds, *within = (
        pd.Series([getattr(run, name) for run in runs], dtype=object) for name in ("task", "kind", *NETWORK)
    )
    titles = told_apart(tasks, kinds, *within, folders={run.kind: run.folder for run in runs})
    return [replace(run, title=title) for run, title in zip(runs, titles, strict=True)]


def pretext_table(runs: Sequence[PretextRun]) -> pd.DataFrame:
    """A line for each task: data, model, task, seeds, and as fractions accuracy and that on perturbed images, untrained
    and neighbours, and won (neighbours less untrained), each with `_low` and `_high` where there are several seeds."""
    tested = {run.folder: RunFolder(run.folder).read_rows() for run in runs if run.config.task.tested}
    perturbed = perturbed_accuracy(pd.concat(tested.values())) if tested else pd.Series()
    lines = []
    for run in runs:
        own = run.curve["train_accuracy"].iloc[-1]
        if (rows := tested.get(run.folder)) is not None:
            own = rows.loc[rows["test_perturbation"] == NATURAL, "accuracy"].mean()
        neighbours = RunFolder(run.folder).read_neighbours()
        assert neighbours is not None
        (known,) = neighbours.rename(columns={"trained": "neighbours"}).to_dict("records")
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
        config = RunFolder(folder).read_config()
        started = _is_started(config)
        if started or (config.technique.name == NATURAL and not is_self_supervised(config.task)):
            found.append((folder, config, started, RunFolder(folder).read_rows()))
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
            **(_robust(folder, rows) if RunFolder(folder).attacks.is_file() else {}),
        }
        for folder, config, started, rows in found
    ]


def _is_started(config: Config) -> bool:
    """Whether something was learnt without labels before."""
    start = config.technique.start
    if start in (None, NATURAL) or is_self_supervised(config.task):
        return False
    before = RunFolder(Path(start))
    return not before.config.is_file() or is_self_supervised(before.read_config().task)


def _robust(folder: Path, rows: pd.DataFrame) -> dict[str, object]:
    """The accuracy that each attack leaves, by its title."""
    return {str(line["attack"]): line["robust"] for line in attack_lines(folder, rows)}


def downstream_table(lines: pd.DataFrame) -> pd.DataFrame:
    """A line for each share of labels and way of training: data, model, labels, trained, anew, seeds; natural,
    perturbed and what each attack leaves, as fractions, and by how much each is over the run of the same settings and
    seed that starts anew, `<figure>_won`; all with `_low` and `_high` where there are several seeds."""
    about = (*_WAY, "folder", "run", "kind", "seed", "reference")
    figures = [name for name in lines if name not in about]
    folders = dict(zip(lines["kind"], lines["folder"], strict=True)) if "folder" in lines else {}
    within = (lines[name] for name in _WAY[:3])
    lines = lines.assign(trained=told_apart(lines["trained"], lines["kind"], *within, folders=folders))
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
