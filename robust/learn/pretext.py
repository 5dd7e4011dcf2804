"""Tasks that images label themselves, to learn from without anybody's labels."""

from collections.abc import Mapping

import torch
from torch import Tensor

from robust.data import Batch
from robust.learn.classifier import judged
from robust.learn.task import Task


class Rotation(Task):
    """Trains a network to tell by how many quarters a picture was turned: every picture of a batch in all four ways
    (Gidaris et al. 2018, arXiv 1803.07728)."""

    def learn(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        turns = range(4)
        images = torch.cat([batch.images.rot90(turn, (2, 3)) for turn in turns])
        labels = torch.arange(len(turns), device=images.device).repeat_interleave(len(batch.images))
        loss, shown = judged(self.model(images), labels)
        return loss, {name: value / len(turns) for name, value in shown.items()}  # sums over the batch's images
