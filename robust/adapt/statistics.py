"""Batch norms that take the statistics of the pictures that they are shown."""

from typing import Any

import torch
from torch import Tensor, nn

from robust.adapt.adapting import Adapting, OwnStatistics, batch_norms
from robust.errors import check
from robust.values.numbers import is_number


class BatchStatistics(Adapting):
    """Batch norms take the mean and the variance of each batch, and no trained ones: `bn`. Nothing is learnt.

    Sources: Nado et al. 2020 (arXiv 2006.10963), Schneider et al. 2020 (arXiv 2006.16971).
    """

    def __init__(self, *, network: nn.Module, **about: Any):
        super().__init__(network=network, **about)
        for norm in batch_norms(network):
            norm.register_forward_hook(OwnStatistics(self.share))

    def share(self, images: int) -> float:
        """How much a batch of so many images counts beside the trained statistics."""
        return 1.0

    def adapt(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return self.network(images)


class MixedStatistics(BatchStatistics):
    """The same, mixed with the trained statistics: `bn_mixed`. A batch counts `alpha`, from 0 to 1; without one as much
    as its images beside `prior` of those of training, so that it also suits few. Raises ValueError for an `alpha`
    outside [0, 1] and a `prior` below 0.

    Source: Schneider et al. 2020 (arXiv 2006.16971).
    """

    def __init__(self, *, network: nn.Module, alpha: float | None = None, prior: float = 16.0, **about: Any):
        check("alpha", alpha, "a number from 0 to 1, or null", alpha is None or (is_number(alpha) and 0 <= alpha <= 1))
        check("prior", prior, "a number of images >= 0", is_number(prior) and prior >= 0)
        self.alpha, self.prior = alpha, prior
        super().__init__(network=network, **about)

    def share(self, images: int) -> float:
        return images / (images + self.prior) if self.alpha is None else self.alpha
