"""What brings networks back without retraining, as a section."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from robust.measure import NATURAL
from robust.report.figures import STYLE, Drawing, heat_map
from robust.report.section import Section, Table
from robust.report.tables import percent, with_interval
from robust.studies.without_retraining.answers import AT_5

_TEXT = (
    "What stands around the natural network as it is, against training again on perturbed images: points of accuracy "
    "won over that network, under each perturbation at the levels that it was tested at."
)
_NOTE = (
    "Of each side the best of its ways, by the mean of these seeds, which favours the side with more ways. Intervals: "
    "95 %, Student's over seeds, in pairs. Better: where the interval of the difference does not hold 0."
)
_LONGEST = 40  # characters of a way's name in a figure
_SMALL = 5.0  # points in which colours are full, at least


def answers_section(won: pd.DataFrame, answers: pd.DataFrame) -> Section:
    """The answer by perturbation; nothing where no natural network was measured with anything around it."""
    if won.empty:
        return Section("")
    drawings = {
        f"without-retraining-{data}": _figure(mine, str(data)) for data, mine in won.groupby("data", sort=False)
    }
    shown = pd.DataFrame({"data": answers["data"]} if answers["data"].nunique() > 1 else {}, answers.index)
    shown = shown.assign(**{"under": answers["perturbation"], "natural, %": answers["before"].map(percent)})
    for side, title in (("without", "best without retraining"), ("retrained", "best retrained")):
        if side in answers:
            shown[title] = [f"{line[side]} {_points(line, f'{side}_won')}".strip() for _, line in answers.iterrows()]
    text = _TEXT
    if "apart" in answers:
        shown["difference"] = [_points(line, "apart") for _, line in answers.iterrows()]
        shown["better"] = answers["better"]
        text = f"{_TEXT} {_summed(answers)}"
    return Section(
        "Without retraining",
        text,
        drawings,
        {"without-retraining": Table(shown, answers, _NOTE)},
        order=("tables", "figures"),
    )


def _points(line: pd.Series, name: str) -> str:
    return "" if pd.isna(line[name]) else with_interval(line, name, sign=True)


def _summed(answers: pd.DataFrame) -> str:
    """Of how many perturbations each side is better."""
    perturbed = answers[~answers["perturbation"].isin([NATURAL, AT_5]) & answers["apart"].notna()]
    better = (perturbed["better"] == perturbed["without"]).sum(), (perturbed["better"] == perturbed["retrained"]).sum()
    return (
        f"Under {len(perturbed)} perturbations it is better to restore or adapt in {better[0]}, to train again in "
        f"{better[1]}; of the others these seeds do not tell."
    )


def _shortened(title: str) -> str:
    return title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"


def _figure(won: pd.DataFrame, data: str) -> Drawing:
    """What each way wins under each perturbation, a matrix."""
    table = won.pivot_table(index="perturbation", columns="title", values="won", sort=False)
    values = 100 * table.to_numpy()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.2 + 0.3 * table.shape[1], 2.8 + 0.3 * table.shape[0]), layout="constrained")
        most = max(_SMALL, float(np.nanmax(np.abs(values))))
        text = np.vectorize(lambda one: "" if np.isnan(one) else f"{one:+.0f}")(values)
        scale = TwoSlopeNorm(0, -most, most)
        axis = figure.subplots()
        heat_map(axis, values, [*table.index], [*table.columns], colours="RdBu", scale=scale, text=text)
        axis.set_xticks(range(table.shape[1]), [_shortened(one) for one in table.columns], rotation=90)
        axis.set_yticks(range(table.shape[0]), [*table.index])
    caption = f"{data}: points of accuracy that each way wins over the natural network, means over seeds."
    return Drawing(figure, caption, table.reset_index())
