"""To restore images."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from robust.data import Batch
from robust.learn.task import Task
from robust.restore import Restoration


class Denoising(Task):
    """Trains a restoration to give back natural images from perturbed ones: the mean squared (`mse`) or absolute (`l1`)
    difference of values in [0, 1]. Shows the squared one, `mse`, and that of the perturbed images, `mse_before`."""

    networks: ClassVar[tuple[type[nn.Module], ...]] = (Restoration,)
    restores: ClassVar[bool] = True

    def __init__(self, *arguments: Any, loss: Literal["mse", "l1"] = "mse", **settings: Any):
        super().__init__(*arguments, **settings)
        self.loss = {"l1": functional.l1_loss, "mse": functional.mse_loss}[loss]

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        assert batch.natural is not None
        restored = self.model(batch.images)
        of_all = len(restored) / restored.numel()  # sums over the batch's images of means over their values
        images = {"mse": restored.detach(), "mse_before": batch.images}
        shown = {name: of_all * (one - batch.natural).square().sum() for name, one in images.items()}
        return self.loss(restored, batch.natural), shown
