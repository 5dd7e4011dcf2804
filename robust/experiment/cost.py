"""What the predictions of a run's network cost."""

from typing import TYPE_CHECKING, Any

from torch import nn

from robust.adapt import Adapting
from robust.data import to_float
from robust.measure import COST_BATCH, prediction_cost
from robust.models import device_of

if TYPE_CHECKING:
    from robust.experiment.experiment import Experiment


def cost_missing(run: "Experiment") -> bool:
    """Whether that of a run that is tested is not known yet."""
    return bool(run.conditions) and not (run.files.read_record() or {}).get("cost")


def measure_cost(run: "Experiment", model: nn.Module) -> dict[str, Any]:
    """What it is (see `prediction_cost`), in batches as they come to a network that adapts."""
    size = model.stream.batch_size if isinstance(model, Adapting) else COST_BATCH
    return prediction_cost(model, to_float(run.splits.test.images[:size].to(device_of(model))))
