"""What hardening brought (Everaert, Thiel, Yannett, "Robust Computer Vision"), beside the other ways of training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from robust.measure import CALIBRATION, NATURAL, TEST_KEY, condition_title
from robust.measure.claims import FEWEST_SEEDS, Figure, Subject, decide, read_claims
from robust.measure.summary import seeds_line
from robust.report.section import Section, Table
from robust.report.tables import calibration_columns, percent, with_interval
from robust.runs import RunFolder
from robust.runs.titles import KindFolders, disambiguate, kind_folders

_FIGURES = ["natural", "perturbed", "half", *CALIBRATION]
_RETRAINED = "retrain"  # on natural images alone, for comparison
_TEST = ["data", "test_perturbation", "test_level"]
_NETWORK = ["data", "model", "settings", "test_perturbation", "test_level"]


def hardening_section(folders: Sequence[Path], rows: pd.DataFrame) -> Section:
    """Every way of training against a perturbation that some network was hardened against, each beside its natural
    network; nothing where none was."""
    runs = _runs(rows, _trained_layers(folders, rows), kind_folders(folders, rows))
    table = hardening_table(runs)
    if table.empty:
        return Section("")
    shown = pd.DataFrame(
        {
            **({"data": table["data"]} if table["data"].nunique() > 1 else {}),
            "model": table["model"],
            "trained": table["technique"],
            "against": [condition_title(*pair) for pair in table[["test_perturbation", "test_level"]].values],
            "seeds": table["seeds"],
            "natural, %": table["natural"].map(percent),
            "perturbed, %": table["perturbed"].map(percent),
            "half-perturbed, %": [with_interval(line, "half") for _, line in table.iterrows()],
            "won, points": [with_interval(line, "half_won", sign=True) for _, line in table.iterrows()],
            "won on natural, points": [with_interval(line, "natural_won", sign=True) for _, line in table.iterrows()],
            **calibration_columns(table),
        }
    )
    note = (
        "Half-perturbed: of a set half of which is perturbed, the mean of natural and perturbed. Won: over the natural "
        "network of the same seed, with a 95 % interval over seeds (Student). ECE to AURC: of confidence on "
        "the perturbed images, as in the table of every condition."
    )
    return Section("Hardening", _answer(runs, table), {}, {"hardening": Table(shown, table, note)})


def hardening_claims(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each claim about residual networks on Tiny-ImageNet, hardened against `environment` at level 1, of at
    least 3 seeds and in one kind of settings. What was published is of a network with ImageNet weights and all 200
    classes."""
    runs = _runs(rows, {}, {})
    if runs.empty:
        return decide([], [])
    claimed = (
        (runs["data"] == "tiny_imagenet") & (runs["test_perturbation"] == "environment") & (runs["test_level"] == 1)
    )
    subjects = []
    for (technique, model), each in runs[claimed].groupby(["technique", "model"], sort=False):
        group = hardening_table(each)
        if len(group) == 2 and group["seeds"].iloc[1] >= FEWEST_SEEDS:  # of several settings none is to be preferred
            words = {"technique": technique, "model": model, "named": str(model).replace(" ", "-")}
            words["squeezed"] = str(model).startswith("se_")  # of those the document says nothing
            subjects.append(Subject("tiny_imagenet", _measured(*group.to_dict("records")), words))
    return decide(read_claims(__package__), subjects)


def _measured(before: Mapping[str, float], after: Mapping[str, float]) -> Callable[[str], Figure]:
    """What a claim's `figure` names: a column of `hardening_table` of the hardened network, or `before` of the natural
    one; `natural_lost`: by how much the former is worse on natural images."""

    def figure(name: str) -> Figure:
        column, _, when = name.removesuffix("_lost").partition(" ")
        if lost := name.endswith("_lost"):
            column = f"{column}_won"
        line, least = (before if when == "before" else after), -1 if column.endswith("_won") else 0
        mean, low, high = (100 * min(max(line[f"{column}{end}"], least), 1) for end in ("", "_low", "_high"))
        return Figure(*((-mean, -high, -low) if lost else (mean, low, high)), int(after["seeds"]))

    return figure


def hardening_table(runs: pd.DataFrame) -> pd.DataFrame:
    """A line for each network in one kind of settings, way of training and perturbation that some such network was
    hardened against, the natural network first.

    Columns: data, model, settings, technique, test_perturbation, test_level, seeds; means over seeds, as fractions:
    natural, perturbed and half (-perturbed) accuracy, what CALIBRATION names on perturbed images, and half_won and
    natural_won over the natural network. half and both of these have a 95 % interval, `_low` and `_high`, where there
    are several seeds.
    """
    lines = []
    for about, group in runs.groupby(_NETWORK, sort=False) if len(runs) else ():
        if not group["technique"].str.startswith("harden").any():
            continue
        known = dict(zip(_NETWORK, about, strict=True))
        natural = group.drop_duplicates("reference")[[f"{name}_before" for name in _FIGURES]]
        lines.append({**known, "technique": NATURAL, **_figures_of(natural.set_axis(_FIGURES, axis=1), ["half"])})
        for technique, kind in group.groupby("technique", sort=False):
            won = {f"{name}_won": kind[name] - kind[f"{name}_before"] for name in ("half", "natural")}
            found = _figures_of(kind[_FIGURES].assign(**won), ["half", *won])
            lines.append({**known, "technique": technique, **found})
    return pd.DataFrame(lines)


def _figures_of(runs: pd.DataFrame, uncertain: Sequence[str]) -> dict[str, float]:
    return {"seeds": len(runs), **runs.mean(), **seeds_line(runs, uncertain)}


def _runs(rows: pd.DataFrame, layers: Mapping[str, str], folders: KindFolders) -> pd.DataFrame:
    """A line for each run that was trained on a perturbation and tested on it and on natural images, as its natural run
    was: what it is, `_FIGURES`, and the natural run's in the same trials, `_before`. `layers` says which a run trained,
    where several kinds of one technique trained others. A run that went on with natural images alone (`retrain`) stands
    beside whatever its natural run was hardened against. Nothing where no run was hardened."""
    runs = rows.drop_duplicates("run").set_index("run", drop=False)
    hardened = runs[runs["technique"].str.startswith("harden")]
    if hardened.empty:
        return pd.DataFrame()
    against = hardened.groupby("reference")[["train_perturbation", "train_level"]].apply(
        lambda mine: list(mine.drop_duplicates().itertuples(index=False, name=None))
    )
    trained = runs[(runs["technique"] != NATURAL) & runs["reference"].isin(runs.index)]
    of_runs = dict(list(rows.groupby("run")))
    lines = []
    for run in trained.itertuples():
        both = of_runs[run.run].merge(of_runs[run.reference], on=TEST_KEY, suffixes=("", "_before"))
        natural = both["test_perturbation"] == NATURAL
        technique = f"{run.technique} {layers[run.run]}" if run.run in layers else run.technique
        what = {"data": run.data, "model": run.model, "technique": technique, "kind": run.kind, "seed": run.seed}
        settings = {"settings": runs.loc[run.reference, "kind"], "reference": run.reference}
        trained_on = [(run.train_perturbation, run.train_level)]
        for name, level in against.get(run.reference, []) if run.technique == _RETRAINED else trained_on:
            own = (both["test_perturbation"] == name) & (both["test_level"] == level)
            if own.any() and natural.any():
                figures = {
                    f"{figure}{suffix}": value
                    for suffix in ("", "_before")
                    for figure, value in zip(_FIGURES, _figures(both[natural], both[own], suffix), strict=True)
                }
                lines.append({**what, "test_perturbation": name, "test_level": level, **settings, **figures})
    found = pd.DataFrame(lines)
    if found.empty:
        return found
    within = (found[name] for name in _NETWORK)
    return found.assign(technique=disambiguate(found["technique"], found["kind"], *within, folders=folders))


def _figures(natural: pd.DataFrame, own: pd.DataFrame, suffix: str) -> list[float]:
    both = [table[f"accuracy{suffix}"].mean() for table in (natural, own)]
    sure = [own[f"{name}{suffix}"].mean() for name in CALIBRATION]
    return [*both, sum(both) / 2, *sure]


def _trained_layers(folders: Sequence[Path], rows: pd.DataFrame) -> dict[str, str]:
    """Which layers a run hardened, where runs of one network and perturbation hardened others."""
    runs = rows[rows["technique"].str.startswith("harden")].drop_duplicates("run")
    trained = ["data", "model", "reference", "technique", "train_perturbation", "train_level"]
    several = set(runs.loc[runs.groupby(trained)["kind"].transform("nunique") > 1, "run"])
    configs = {folder.name: RunFolder(folder).read_config() for folder in folders if folder.name in several}
    return {name: ", ".join(config.technique.trainable or ()) for name, config in configs.items()}


def _answer(runs: pd.DataFrame, table: pd.DataFrame) -> str:
    """What hardening won, which way of training does best, and what squeeze-and-excitation adds, in sentences."""
    found = [
        'Hardening retrains chosen layers on a half-perturbed set (Everaert, Thiel, Yannett, "Robust Computer '
        'Vision": from 46 to 54 %, of a network with ImageNet weights on all 200 classes).'
    ]
    for (_, model, _, name, level), group in table.groupby(_NETWORK, sort=False):
        natural, best = group.iloc[0], group.loc[group["half"].idxmax()]
        hardened = group[group["technique"].str.startswith("harden")]
        hardened = hardened.loc[hardened["half"].idxmax()]
        longer = group[group["technique"] == _RETRAINED]
        found.append(
            f"{model} against {condition_title(name, level)}: {hardened['technique']} takes the half-perturbed set "
            f"from {percent(natural['half'])} to {percent(hardened['half'])} % and natural images from "
            f"{percent(natural['natural'])} to {percent(hardened['natural'])} %; best on the half-perturbed set is "
            f"{best['technique']}, {percent(best['half'])} %."
            + (
                f" As long a training on natural images alone takes it to {percent(longer['half'].iloc[0])} %, and "
                f"these to {percent(longer['natural'].iloc[0])} %."
                if len(longer)
                else ""
            )
        )
    return " ".join([*found, *_squeezed(runs)])


def _squeezed(runs: pd.DataFrame) -> Iterator[str]:
    """What squeeze-and-excitation adds to each way of training, seed by seed."""
    natural = runs.drop_duplicates([*_TEST, "model", "reference"]).assign(technique=NATURAL)
    natural["half"] = natural["half_before"]
    every = pd.concat([natural, runs])
    pairs = every.assign(model="se_" + every["model"]).merge(every, on=[*_TEST, "model", "technique", "seed"])
    for (data, name, level, model), group in pairs.groupby([*_TEST, "model"], sort=False):
        if group.duplicated(["technique", "seed"]).any():  # networks in several settings
            continue
        added = []
        for technique, both in group.groupby("technique", sort=False):
            won = pd.DataFrame({"won": both["half_y"] - both["half_x"]})
            added.append(f"{technique} {with_interval(pd.Series(seeds_line(won, won)), 'won', sign=True)}")
        yield (
            f"On {data} half-perturbed by {condition_title(name, level)}, {model} is over the network without "
            f"squeeze-and-excitation by, in points: {', '.join(added)}."
        )
