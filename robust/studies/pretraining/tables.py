"""Self-supervised pretraining in numbers: a line for each task, and for each way of training with labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from robust.experiment.parents import is_self_supervised
from robust.measure import NATURAL
from robust.measure.summary import perturbed_accuracy, seeds_line
from robust.report.attacks import attack_lines
from robust.runs import Config, Identity, RunFolder, State, read_status
from robust.runs.titles import disambiguate

SCRATCH = "from the start"
#: what tells networks apart
NETWORK = ["data", "model"]
_WAY = [*NETWORK, "labels", "trained", "anew"]


@dataclass(frozen=True)
class PretrainingRun:
    """A self-supervised run: its folder and configuration, and its curve, an epoch a row."""

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


def started_runs(folders: Sequence[Path], rows: pd.DataFrame) -> list[Path]:
    """Those of these runs, with a classifier, that start from a self-supervised one."""
    places, runs = {folder.name: folder for folder in folders}, rows.drop_duplicates("run").set_index("run")
    runs = runs[runs.index.isin(places)]
    references = runs["reference"].map(runs["kind"])
    found: list[Path] = []
    for _, mine in runs.groupby("kind", sort=False):  # runs of one kind start from one kind
        folder = places[mine.index[0]]
        if _parents(folder) - {references[folder.name]} and _is_started(RunFolder(folder).read_config()):
            found += [places[run] for run in mine.index]
    return found


def _parents(folder: Path) -> set[str]:
    """The kinds of the runs that a run starts from."""
    return {*(RunFolder(folder).read_record() or {}).get("parents", {}).values()}


def _is_started(config: Config) -> bool:
    """Whether a run starts from a self-supervised one, of which the folder may be gone."""
    start = config.technique.start
    if start in (None, NATURAL) or is_self_supervised(config.task):
        return False
    before = RunFolder(Path(start))
    return not before.config.is_file() or is_self_supervised(before.read_config().task)


def pretraining_runs(folders: Sequence[Path], started: Sequence[Path]) -> list[PretrainingRun]:
    """The finished self-supervised runs among these, and those beside them that the runs `started` start from, of all
    seeds."""
    own = dict.fromkeys(folder for folder in folders if RunFolder(folder).knn.is_file())
    wanted = {kind for folder in started for kind in _parents(folder)}
    runs = []
    for root in dict.fromkeys(folder.parent for folder in [*own, *started]):
        for files in map(RunFolder, sorted(root.glob("*/"))):
            if not files.knn.is_file() or (identity := files.identity()) is None:
                continue
            if files.path not in own and identity.kind not in wanted:
                continue
            config, curve = files.read_config(), files.read_metrics()
            if read_status(files.path).state is State.DONE and curve is not None:
                runs.append(PretrainingRun(files.path, config, identity, curve))
    tasks, kinds, *within = (
        pd.Series([getattr(run, name) for run in runs], dtype=object) for name in ("task", "kind", *NETWORK)
    )
    titles = disambiguate(tasks, kinds, *within, folders={run.kind: run.folder for run in runs}) if runs else ()
    return [replace(run, title=title) for run, title in zip(runs, titles, strict=True)]


def pretraining_table(runs: Sequence[PretrainingRun]) -> pd.DataFrame:
    """A line for each task: data, model, task, seeds, and as fractions accuracy and that on perturbed images,
    knn_accuracy, that of the untrained trunk (`untrained`) and what was won over it, each with `_low` and `_high` where
    there are several seeds."""
    tested = {run.folder: RunFolder(run.folder).read_rows() for run in runs if run.config.task.tested}
    perturbed = perturbed_accuracy(pd.concat(tested.values())) if tested else pd.Series()
    lines = []
    for run in runs:
        own = run.curve["train_accuracy"].iloc[-1]
        if (rows := tested.get(run.folder)) is not None:
            own = rows.loc[rows["test_perturbation"] == NATURAL, "accuracy"].mean()
        knn = RunFolder(run.folder).read_knn()
        assert knn is not None
        (known,) = knn.rename(columns={"trained": "knn_accuracy"}).to_dict("records")
        about = {"data": run.data, "model": run.model, "task": run.title, "seed": run.config.seed}
        accuracy = {"accuracy": own, "perturbed": perturbed.get(run.folder.name, np.nan)}
        lines.append({**about, **accuracy, **known, "won": known["knn_accuracy"] - known["untrained"]})
    table = pd.DataFrame(lines)
    return _over_seeds(table, [*NETWORK, "task"], ["accuracy", "perturbed", "untrained", "knn_accuracy", "won"])


def downstream_lines(folders: Sequence[Path], rows: pd.DataFrame, started: Sequence[Path]) -> pd.DataFrame:
    """A line for each of these runs that is among those `started`, and for each that one is held against: folder, run,
    data, model, labels, trained, anew (whether nothing was learnt before), kind, seed, reference, natural and perturbed
    accuracy (the latter over the conditions that all runs of the data were tested under), and the accuracy that each
    attack leaves, by its title."""
    runs = dict(list(rows.groupby("run", sort=False)))
    starting = {folder.name for folder in started}
    shown = starting | {runs[name]["reference"].iloc[0] for name in starting}
    found = [folder for folder in folders if folder.name in shown]
    perturbed = perturbed_accuracy(rows[rows["run"].isin([folder.name for folder in found])])
    lines = []
    for folder in found:
        own, config, anew = runs[folder.name], RunFolder(folder).read_config(), folder.name not in starting
        about = own[["run", *NETWORK, "kind", "seed", "reference"]].iloc[0].to_dict()
        lines.append(
            {
                **about,
                "folder": folder,
                "labels": 1.0 if config.data.get("labels") is None else float(config.data.labels),
                "trained": SCRATCH if anew else own["technique"].iloc[0],
                "anew": anew,
                "natural": own.loc[own["test_perturbation"] == NATURAL, "accuracy"].mean(),
                "perturbed": perturbed.get(folder.name, np.nan),
                **(_robust(folder, own) if RunFolder(folder).attacks.is_file() else {}),
            }
        )
    return pd.DataFrame(lines)


def _robust(folder: Path, rows: pd.DataFrame) -> dict[str, object]:
    """The accuracy that each attack leaves, by its title."""
    return {str(line["attack"]): line["robust"] for line in attack_lines(folder, rows)}


def downstream_table(lines: pd.DataFrame) -> pd.DataFrame:
    """A line for each share of labels and way of training: data, model, labels, trained, anew, seeds; natural,
    perturbed and what each attack leaves, as fractions, and by how much each is over the run of the same settings and
    seed that starts anew, `<figure>_won`; all with `_low` and `_high` where there are several seeds."""
    about = (*_WAY, "folder", "run", "kind", "seed", "reference")
    figures = [name for name in lines if name not in about]
    folders = dict(zip(lines["kind"], lines["folder"], strict=True))
    within = (lines[name] for name in _WAY[:3])
    lines = lines.assign(trained=disambiguate(lines["trained"], lines["kind"], *within, folders=folders))
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
