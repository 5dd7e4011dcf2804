"""What hardening brought (Everaert, Thiel, Yannett, "Robust Computer Vision"), beside the other ways of training."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from robust.measure import NATURAL, condition_title
from robust.report.claim import COLUMNS, claim_line, over_several
from robust.report.section import Section, Table
from robust.report.statements import Comparison
from robust.report.tables import percent

_FIGURES = ["natural", "perturbed", "half", "calibration", "aurra"]


def hardening_section(rows: pd.DataFrame) -> Section:
    """Every way of training against a perturbation that some network was hardened against, each beside its natural
    network; nothing where none was."""
    table = hardening_table(rows)
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
            "half-perturbed, %": [_with_interval(line, "half") for _, line in table.iterrows()],
            "won, points": [_with_interval(line, "half_won", sign=True) for _, line in table.iterrows()],
            "won on natural, points": [_with_interval(line, "natural_won", sign=True) for _, line in table.iterrows()],
            "RMS calibration error, %": table["calibration"].map(percent),
            "AURRA, %": table["aurra"].map(percent),
        }
    )
    note = (
        "Half-perturbed: of a set half of which is perturbed, the mean of natural and perturbed. Won: over the natural "
        "network of the same seed, with a 95 % interval over seeds (Student). RMS calibration error and AURRA (arXiv "
        "1907.07174): on the perturbed images."
    )
    return Section("Hardening", _answer(table), {}, {"hardening": Table(shown, table, note)})


def hardening_claims(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each claim about networks hardened against `world` that two seeds or more can decide; columns as in
    `robust.report.claim`, in points."""
    table = hardening_table(rows)
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    table = table[(table["test_perturbation"] == "world") & (table["seeds"] > 1)]
    natural = table[table["technique"] == NATURAL].set_index(["data", "model"])
    lines = []
    for line in table[table["technique"].str.startswith("harden")].itertuples():
        before = natural.loc[(line.data, line.model)]
        what = f"{line.model}, {line.technique}"
        won = line.half_won, line.half_won_low, line.half_won_high
        lost = -line.natural_won, -line.natural_won_high, -line.natural_won_low
        was = before["half"], before["half_low"], before["half_high"]
        becomes = line.half, line.half_low, line.half_high
        statements: list[tuple[str, str, str, Comparison, float, tuple[float, float, float], float]] = [
            ("before", "Results", f"{what}: before, about 46 % of the half-perturbed set are recognised", "equal", 46,
             was, 3),
            ("after", "Results", f"{what}: after, about 54 % of it are", "equal", 54, becomes, 3),
            ("won", "Results", f"{what}: wins about 8 points on the half-perturbed set", "equal", 8, won, 3),
            ("won-least", "ours", f"{what}: wins at least 5 points on the half-perturbed set", "at least", 5, won, 0),
            ("lost-most", "ours", f"{what}: loses at most 3 points on natural images", "at most", 3, lost, 0),
        ]  # fmt: skip
        for name, section, text, comparison, published, (measured, low, high), tolerance in statements:
            lines.append(
                claim_line(
                    f"{line.technique}-{line.model.replace(' ', '-')}-{name}", section, text, comparison, published,
                    100 * measured, (100 * low, 100 * high), data=line.data, seeds=line.seeds, tolerance=tolerance,
                )
            )  # fmt: skip
    return pd.DataFrame(lines, columns=COLUMNS)


def hardening_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each network, way of training and perturbation that some network was hardened against, the natural
    network first.

    Columns: data, model, technique, test_perturbation, test_level, seeds; means over seeds, as fractions: natural,
    perturbed and half (-perturbed) accuracy, `calibration` (the RMS error) and `aurra` on perturbed images, and
    half_won and natural_won over the natural network. half and both of these have a 95 % interval, `_low` and `_high`,
    where there are several seeds.
    """
    means = rows.groupby(["run", "test_perturbation", "test_level"])[
        ["accuracy", "rms_calibration_error", "aurra"]
    ].mean()
    runs = rows.drop_duplicates("run").set_index("run")
    runs["hardened"] = runs["technique"].str.startswith("harden")
    trained = ["data", "model", "train_perturbation", "train_level"]
    lines = []
    for (data, model, name, level), group in runs[runs["technique"] != NATURAL].groupby(trained, sort=False):
        if not group["hardened"].any():
            continue
        references = {run: _figures(means, run, name, level) for run in group["reference"].unique()}
        references = {run: figures for run, figures in references.items() if figures is not None}
        about = {"data": data, "model": model, "test_perturbation": name, "test_level": level}
        against = []
        for technique, kind in _kinds(group):
            pairs = [
                (mine, references[reference])
                for run, reference in kind["reference"].items()
                if reference in references and (mine := _figures(means, str(run), name, level)) is not None
            ]
            if pairs:
                found, before = zip(*pairs, strict=True)
                against.append({**about, "technique": technique, **_over_seeds(list(found), list(before))})
        if against:
            natural = {**about, "technique": NATURAL, **_over_seeds(list(references.values()), None)}
            lines += [natural, *against]
    return pd.DataFrame(lines)


def _figures(means: pd.DataFrame, run: str, name: str, level: float) -> pd.Series | None:
    """A run's accuracy on natural and perturbed images, and how sure it is of the latter; None where it was not tested
    so."""
    if (run, NATURAL, 0.0) not in means.index or (run, name, level) not in means.index:
        return None
    natural, perturbed = means.loc[(run, NATURAL, 0.0)], means.loc[(run, name, level)]
    both = natural["accuracy"], perturbed["accuracy"]
    sure = perturbed["rms_calibration_error"], perturbed["aurra"]
    return pd.Series([*both, sum(both) / 2, *sure], index=_FIGURES)


def _kinds(group: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each way of training, by its name; with its kind where that technique came in several."""
    several = group.groupby("technique")["kind"].nunique() > 1
    for (technique, kind), runs in group.groupby(["technique", "kind"], sort=False):
        yield f"{technique} ({kind})" if several[technique] else technique, runs


def _over_seeds(found: list[pd.Series], before: list[pd.Series] | None) -> dict[str, float]:
    mine = pd.DataFrame(found, columns=_FIGURES)
    values = {"half": mine["half"]}
    if before:
        won = mine - pd.DataFrame(before)
        values |= {"half_won": won["half"], "natural_won": won["natural"]}
    line = {"seeds": len(found), **mine.mean()}
    for name, each in values.items():
        low, high = over_several(each.to_numpy())[1:] if len(each) > 1 else (np.nan, np.nan)
        line |= {name: each.mean(), f"{name}_low": low, f"{name}_high": high}
    return line


def _answer(table: pd.DataFrame) -> str:
    """What hardening won, which way of training does best, and what squeeze-and-excitation adds, in sentences."""
    found = [
        'Hardening retrains chosen layers on a half-perturbed set (Everaert, Thiel, Yannett, "Robust Computer Vision").'
    ]
    test = ["data", "test_perturbation", "test_level"]
    for (_, name, level, model), group in table.groupby([*test, "model"], sort=False):
        natural, best = group.iloc[0], group.loc[group["half"].idxmax()]
        hardened = group[group["technique"].str.startswith("harden")].iloc[0]
        found.append(
            f"{model} against {condition_title(name, level)}: it takes the half-perturbed set from "
            f"{percent(natural['half'])} to {percent(hardened['half'])} % and natural images from "
            f"{percent(natural['natural'])} to {percent(hardened['natural'])} %; best on the half-perturbed set is "
            f"{best['technique']}, {percent(best['half'])} %."
        )
    squeezed = table.assign(model="se_" + table["model"]).merge(table, on=[*test, "model", "technique"])
    if len(squeezed):
        each = ", ".join(
            f"{line.technique} {percent(line.half_y - line.half_x, sign=True)}" for line in squeezed.itertuples()
        )
        found.append(f"Squeeze-and-excitation adds on the half-perturbed set, in points: {each}.")
    return " ".join(found)


def _with_interval(line: pd.Series, name: str, *, sign: bool = False) -> str:
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    interval = "" if pd.isna(low) else f" [{percent(low, sign=sign)}, {percent(high, sign=sign)}]"
    return percent(line[name], sign=sign) + interval
