"""The W&B dashboard of a project, as code: what is logged, where one looks for it."""

from typing import TYPE_CHECKING, Any

from robust.errors import require
from robust.measure import SUITES
from robust.track.tracker import TOLERATED
from robust.track.wandb import has_key

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

CURVES = ("train_loss", "train_accuracy", "perturbed_share")
SCORES = ("accuracy/natural", "accuracy/worst")
MEANS = tuple(f"mean/{suite}" for suite in SUITES)
FIGURES = ("figures/accuracy", "figures/samples", "figures/confusion")
TABLES = ("tables/findings", "tables/rows", "tables/confusion")
#: what evaluation=tolerance tests
PERTURBATIONS = (
    *("pixel", "noise", "blur", "shift", "zoom", "shear", "rotate", "perspective", "erase", "mesh", "texture"),
    "pixel_dropout",
)
LEVELS, RATIOS = ([f"{what}/{name}" for name in PERTURBATIONS] for what in TOLERATED)
SETTINGS = ("config:technique.name", "config:perturb.family", "config:perturb.level")


def save_dashboard(entity: str, project: str) -> str:
    """Saves the view "robust" of a W&B project, and returns its address. Raises ValueError where there is no account,
    or the package that makes views is missing."""
    for module in ("wandb", "wandb_workspaces"):
        require(module, what="A dashboard", extra="wandb")
    if not has_key():
        raise ValueError("A dashboard is saved in an account, and there is no key of one: `wandb login` stores it.")
    return str(dashboard(entity, project).save().url)


def dashboard(entity: str, project: str) -> "Workspace":
    """The saved view "robust" of a W&B project: scores to compare models by, curves, figures and tables."""
    from wandb_workspaces import workspaces as ws
    from wandb_workspaces.reports import v2 as panels

    scores = [
        panels.ScatterPlot(
            title="what robustness costs", x=panels.SummaryMetric(SCORES[0]), y=panels.SummaryMetric(SCORES[1])
        ),
        panels.ParallelCoordinatesPlot(
            title="from settings to scores",
            columns=[
                *(panels.ParallelCoordinatesPlotColumn(panels.Config(one.removeprefix("config:"))) for one in SETTINGS),
                *(panels.ParallelCoordinatesPlotColumn(panels.SummaryMetric(one)) for one in (*SCORES, *MEANS)),
            ],
        ),
        *(
            panels.BarPlot(title=one.replace("/", " "), metrics=[panels.SummaryMetric(one)])
            for one in (*SCORES, *MEANS)
        ),
    ]
    ratios: list[Any] = [panels.SummaryMetric(one) for one in RATIOS]
    tolerated = [
        panels.BarPlot(title="how many times the natural model's level", metrics=ratios),
        *(panels.BarPlot(title=one.replace("/", " level, "), metrics=[panels.SummaryMetric(one)]) for one in LEVELS),
        panels.WeavePanelSummaryTable(table_name="tables/tolerance"),
    ]
    sections: dict[str, list[Any]] = {
        "Accuracy": scores,
        "Tolerated levels": tolerated,
        "Training": [panels.LinePlot(title=one.replace("_", " "), x="epoch", y=[one]) for one in CURVES],
        "Figures": [panels.MediaBrowser(title=one.partition("/")[2], media_keys=[one]) for one in FIGURES],
        "Tables": [panels.WeavePanelSummaryTable(table_name=one) for one in TABLES],
        "Reports": [panels.MediaBrowser(title="page", media_keys=["page"])],
    }
    worst = ws.Ordering(ws.Summary(SCORES[1]), ascending=False)
    return ws.Workspace(
        entity=entity,
        project=project,
        name="robust",
        sections=[ws.Section(name=name, panels=held, is_open=True) for name, held in sections.items()],
        runset_settings=ws.RunsetSettings(
            order=[worst], pinned_columns=[*SETTINGS, *(f"summary:{one}" for one in (*SCORES, *MEANS))]
        ),
        auto_generate_panels=False,
    )
