"""What learning without labels is worth: how well each task was learnt, and what starts from it, against what starts
anew with the same labels."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from robust.configuration import is_pretext
from robust.measure import NATURAL
from robust.report.attacks import attack_title
from robust.report.claim import COLUMNS, FEWEST_SEEDS, claim_line, over_several
from robust.report.pretext_figures import curves_figure, features_figure, labels_figure, tasks_figure
from robust.report.section import Section, Table
from robust.report.statements import Comparison
from robust.report.tables import percent
from robust.results import ATTACKS, known_attacks
from robust.runs import read_rows

SCRATCH = "from the start"
_WAY = ["data", "model", "labels", "trained"]
_CURVE = "metrics.csv"


@dataclass(frozen=True)
class PretextRun:
    """A run without labels: its folder and configuration, and its curve, an epoch a row."""

    folder: Path
    config: DictConfig
    curve: pd.DataFrame

    @property
    def task(self) -> str:
        return str(self.config.task.name)


def pretext_runs(places: Sequence[Path]) -> list[PretextRun]:
    """The finished runs without labels among these folders and beside them."""
    found = {}
    for place in places:
        for file in sorted(place.parent.glob("*/config.yaml")):
            config = OmegaConf.load(file)
            assert isinstance(config, DictConfig)
            if is_pretext(config.get("task", {})) and (file.parent / _CURVE).is_file():
                found[file.parent] = PretextRun(file.parent, config, pd.read_csv(file.parent / _CURVE))
    return list(found.values())


def self_supervised(folders: Sequence[Path]) -> list[Section]:
    """What there is to say of what starts without labels among these runs. Raises ValueError where nothing does."""
    runs, lines = pretext_runs(folders), list(downstream_lines(folders))
    if not runs or all(line["trained"] == SCRATCH for line in lines):
        raise ValueError(
            "No run among these starts from a task without labels. Make some: technique=finetune "
            "technique.start=rotation."
        )
    tasks, down = pretext_table(runs), downstream_table(pd.DataFrame(lines))
    first = {run.task: run for run in reversed(runs)}
    return [
        Section(
            "Learning without labels",
            _tasks_text(tasks),
            {"tasks": tasks_figure([one.config for one in first.values()]), "curves": curves_figure(runs)},
            {"pretext": Table(_shown_tasks(tasks), tasks, _TASKS_NOTE)},
        ),
        Section(
            "What starts from it",
            _answer(down),
            {"labels": labels_figure(down), "features": features_figure(_to_map(folders))},
            {"downstream": Table(_shown_downstream(down), down, _DOWNSTREAM_NOTE)},
        ),
        _claims_section(tasks, down),
    ]


_TASKS_NOTE = (
    "Accuracy: in the task itself, on test images; of SimCLR, how often a view is nearest to the other of its picture, "
    "in training. Neighbours: how many test images have the class of the 20 training images with the nearest features, "
    "of the trunk before and after. Intervals: over seeds (Student)."
)
_DOWNSTREAM_NOTE = (
    "Labels: of which share of the training images the class is known. Perturbed: the mean over the perturbed "
    "conditions. Won: over a network of the same seed that starts anew with the same labels, in points. "
    "Intervals: over seeds (Student)."
)


def pretext_table(runs: Sequence[PretextRun]) -> pd.DataFrame:
    """A line for each task: task, seeds, and as fractions accuracy, untrained and neighbours, and won (neighbours less
    untrained), each with `_low` and `_high` where there are several seeds."""
    lines = []
    for run in runs:
        rows = read_rows(run.folder) if (run.folder / "rows.csv").is_file() else None
        last = run.curve.iloc[-1]
        own = last["train_accuracy"]
        if rows is not None:
            own = rows.loc[rows["test_perturbation"] == NATURAL, "accuracy"].mean()
        known = {"untrained": last["knn_untrained"], "neighbours": last["knn_accuracy"]}
        lines.append({"task": run.task, "accuracy": own, **known, "won": known["neighbours"] - known["untrained"]})
    return _over_seeds(pd.DataFrame(lines), ["task"], ["accuracy", "untrained", "neighbours", "won"])


def downstream_lines(folders: Sequence[Path]) -> Iterator[dict[str, object]]:
    """A line for each run with a classifier: data, model, labels, trained, seed, natural and perturbed accuracy, and
    the accuracy that each attack leaves, by its title."""
    for folder in folders:
        config = OmegaConf.load(folder / "config.yaml")
        assert isinstance(config, DictConfig)
        if is_pretext(config.task):
            continue
        rows, technique = read_rows(folder), config.technique
        anew = technique.start is None
        if not anew and technique.start == NATURAL:
            continue
        natural = rows["test_perturbation"] == NATURAL
        yield {
            "data": rows["data"].iloc[0],
            "model": rows["model"].iloc[0],
            "labels": 1.0 if config.data.get("labels") is None else float(config.data.labels),
            "trained": SCRATCH if anew else f"{technique.name} {Path(str(technique.start)).name}",
            "seed": int(config.seed),
            "natural": rows.loc[natural, "accuracy"].mean(),
            "perturbed": rows.loc[~natural, "accuracy"].mean(),
            **_withstood(folder),
        }


def _to_map(folders: Sequence[Path]) -> dict[str, Path]:
    """A run of each way of training: of those with the most labels the first."""
    lines = [(line, folder) for folder in folders for line in downstream_lines([folder])]
    lines.sort(key=lambda one: (one[0]["trained"] != SCRATCH, -float(str(one[0]["labels"])), int(str(one[0]["seed"]))))
    found: dict[str, Path] = {}
    for line, folder in lines:
        found.setdefault(str(line["trained"]), folder)
    return found


def _withstood(folder: Path) -> dict[str, float]:
    attacks = known_attacks(folder, images=False) if (folder / ATTACKS).is_file() else None
    if attacks is None:
        return {}
    kept = (attacks["before"] == attacks["label"]) & ~attacks["success"]
    titles = [attack_title(name, json.loads(settings)) for name, settings in attacks[["attack", "settings"]].values]
    return kept.groupby(titles).mean().to_dict()


def downstream_table(lines: pd.DataFrame) -> pd.DataFrame:
    """A line for each share of labels and way of training: data, model, labels, trained, seeds; natural, perturbed and
    what each attack leaves, as fractions, and by how much each is over what starts anew with the same labels and seed,
    `<figure>_won`; all with `_low` and `_high` where there are several seeds."""
    figures = [name for name in lines if name not in (*_WAY, "seed")]
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
        line = {**dict(zip(by, about, strict=True)), "seeds": len(group)}
        for name in figures:
            values = group[name].to_numpy(dtype=float)
            several = len(values) > 1 and np.isfinite(values).all()
            middle, low, high = over_several(values) if several else (values.mean(), np.nan, np.nan)
            least, most = (-1, 1) if name.endswith("won") else (0, 1)
            line |= {name: middle, f"{name}_low": max(low, least), f"{name}_high": min(high, most)}
        found.append(line)
    return pd.DataFrame(found)


def _shown_tasks(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "task": table["task"],
            "seeds": table["seeds"],
            "accuracy, %": _column(table, "accuracy"),
            "neighbours, untrained, %": _column(table, "untrained"),
            "neighbours, %": _column(table, "neighbours"),
            "won, points": _column(table, "won", sign=True),
        }
    )


def _figures(table: pd.DataFrame) -> list[str]:
    """Natural, perturbed, and the attacks."""
    return [name.removesuffix("_won") for name in table if name.endswith("_won")]


def _shown_downstream(table: pd.DataFrame) -> pd.DataFrame:
    columns = {f"{name}, %": table[name].map(percent) for name in _figures(table)}
    anew = table["trained"] == SCRATCH
    won = {f"won on {name}": np.where(anew, "", _column(table, f"{name}_won", sign=True)) for name in _figures(table)}
    several = [name for name in ("data", "model") if table[name].nunique() > 1]
    about = {**{name: table[name] for name in several}, "labels, %": table["labels"].map(percent)}
    return pd.DataFrame({**about, "trained": table["trained"], "seeds": table["seeds"], **columns, **won})


def _column(table: pd.DataFrame, name: str, *, sign: bool = False) -> list[str]:
    return [_with_interval(line, name, sign=sign) for _, line in table.iterrows()]


def _with_interval(line: pd.Series, name: str, *, sign: bool = False) -> str:
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    interval = "" if pd.isna(low) else f" [{percent(low, sign=sign)}, {percent(high, sign=sign)}]"
    return percent(line[name], sign=sign) + interval


def _tasks_text(table: pd.DataFrame) -> str:
    said = [f"{line['task']}: {_with_interval(line, 'won', sign=True)} points" for _, line in table.iterrows()]
    return (
        "Networks learnt from images that label themselves. How much of the classes is then in their features, though "
        f"nobody named one, by their nearest neighbours, over the same trunk untrained: {'; '.join(said)}."
    )


def _answer(table: pd.DataFrame) -> str:
    """For each share of labels what did best, and whether it resists better."""
    found = []
    for labels, group in table.groupby("labels", sort=True):
        others = group[group["trained"] != SCRATCH]
        if others.empty or others["natural_won"].isna().all():
            continue
        best = others.loc[others["natural_won"].idxmax()]
        said = [f"{_with_interval(best, f'{name}_won', sign=True)} on {name}" for name in _figures(table)]
        found.append(
            f"With {percent(float(labels))} % of the labels best is {best['trained']}, {percent(best['natural'])} % on "
            f"natural images; over a network that starts anew, in points: {', '.join(said)}."
        )
    return " ".join(found)


def _claims_section(tasks: pd.DataFrame, down: pd.DataFrame) -> Section:
    table = pretext_claims(tasks, down)
    if table.empty:
        return Section("")
    shown = table[["claim", "published", "measured", "low", "high", "met", "seeds"]]
    return Section("What it was to reach", "", {}, {"claims": Table(shown, table)})


def pretext_claims(tasks: pd.DataFrame, down: pd.DataFrame) -> pd.DataFrame:
    """What these tasks are to reach, of at least 3 seeds; columns as in `robust.report.claim`, in percent and
    points."""
    data = str(down["data"].iloc[0])
    lines = []

    def add(name: str, text: str, comparison: Comparison, limit: float, line: pd.Series, figure: str) -> None:
        if line["seeds"] >= FEWEST_SEEDS:
            low, high = (100 * line[f"{figure}{end}"] for end in ("_low", "_high"))
            middle, seeds = 100 * line[figure], int(line["seeds"])
            lines.append(claim_line(name, "ours", text, comparison, limit, middle, (low, high), data=data, seeds=seeds))

    by_task = {line["task"]: line for _, line in tasks.iterrows()}
    for task, text, limit, figure in _WANTED:
        if task in by_task:
            add(task, text, "at least", limit, by_task[task], figure)
    tenth = down[(down["labels"] == _FEW_LABELS) & down["trained"].str.startswith("finetune")]
    if len(tenth) and tenth["natural_won_low"].notna().any():
        best = tenth.loc[tenth["natural_won_low"].idxmax()].copy()
        best["least"] = best["least_low"] = best["least_high"] = best["natural_won_low"]
        text = (
            f"with 10 % of the labels {best['trained']} does better than what starts anew, by the interval's lower end"
        )
        add("few-labels", text, "above", 0, best, "least")
    return pd.DataFrame(lines, columns=COLUMNS)


_FEW_LABELS = 0.1
_WANTED = [
    ("rotation", "which way up a picture is, is told of at least 60 % (chance: 25 %)", 60.0, "accuracy"),
    ("patches", "where a patch lies, is told of at least 30 % (chance: 12.5 %)", 30.0, "accuracy"),
    ("simclr", "neighbours' accuracy rises by at least 20 points over the untrained trunk's", 20.0, "won"),
]
