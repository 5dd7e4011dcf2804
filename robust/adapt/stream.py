"""How pictures come to a network that adapts."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robust.perturb import ImageRandom, key

#: when it is made what it was when it was trained: before each test, or before each trial, whose conditions come one
#: after the other, or mixed
PROTOCOLS = RESET, CONTINUAL, MIXED = ("reset", "continual", "mixed")
#: in which order: any, or class by class, more or less
ORDERS = ("shuffled", "correlated")
_SLOTS, _CONCENTRATION = 10, 0.1


@dataclass(frozen=True)
class Stream:
    """In batches of so many images, by this protocol, in this order (see PROTOCOLS and ORDERS)."""

    batch_size: int = 200
    protocol: str = RESET
    order: str = "shuffled"

    def places(self, labels: Tensor, *, seed: int, trial: int) -> Tensor:
        """The order in which images of these labels come, int64 of the same shape: for the same seed and trial the
        same. Correlated: in ten parts, over which each class is spread by a Dirichlet distribution of 0.1 (as Gong et
        al. 2022, arXiv 2208.05117)."""
        random = ImageRandom(key("stream", seed, trial), torch.arange(len(labels)))
        order = random.uniform().argsort(stable=True)
        if self.order == "shuffled" or not len(labels):
            return order
        classes = labels.cpu()[order]
        drawn = np.random.default_rng(key("stream classes", seed, trial) % (1 << 63))
        weights = torch.from_numpy(drawn.dirichlet([_CONCENTRATION] * _SLOTS, int(labels.max()) + 1))
        slots = torch.empty(len(labels), dtype=torch.int64)
        for one, shares in enumerate(weights):
            mine = (classes == one).nonzero()[:, 0]
            ends = (shares.cumsum(0) * len(mine)).round().long()
            slots[mine] = torch.searchsorted(ends, torch.arange(len(mine)), right=True).clamp_max(_SLOTS - 1)
        return order[slots.argsort(stable=True)]
