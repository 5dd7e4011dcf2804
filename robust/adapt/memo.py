"""A network that fits itself to each picture by itself: MEMO."""

from typing import Any

import torch
from torch import Tensor, nn

from robust.adapt.adapting import Adapting
from robust.errors import check
from robust.perturb import AugMix, ImageRandom, key
from robust.values.numbers import is_number, is_whole


class Memo(Adapting):
    """Before it says what an image is, the network takes a step of SGD, of rate `lr` >= 0, towards saying the same, and
    surely, of `views` blends of it (AugMix); then it is what it was: `memo`. For a batch of any size, also of one, and
    any network; it costs as much as training on so many images. Raises ValueError for other numbers.

    Source: Zhang et al. 2022 (arXiv 2110.09506).
    """

    def __init__(self, *, network: nn.Module, lr: float = 0.005, views: int = 32, **about: Any):
        check("lr", lr, "a number >= 0", is_number(lr) and lr >= 0)
        check("views", views, "a whole number >= 1", is_whole(views, 1))
        super().__init__(network=network, **about)
        self.lr, self.views, self.blends = lr, int(views), AugMix(severity=3)

    def begin(self) -> None:
        self.seen = 0

    def adapt(self, images: Tensor) -> Tensor:
        return torch.cat([self._of_one(image[None]) for image in images]) if len(images) else self.network(images)

    def _of_one(self, image: Tensor) -> Tensor:
        places = torch.arange(self.views, device=image.device) + self.seen * self.views
        self.seen += 1
        views = self.blends.perturb(image.expand(self.views, -1, -1, -1), ImageRandom(key("memo"), places))
        weights = [one for one in self.network.parameters() if one.requires_grad]
        with torch.enable_grad():
            shares = self.network(views).log_softmax(1)
            mean = shares.logsumexp(0) - torch.tensor(float(self.views)).log()
            gradients = torch.autograd.grad(-(mean.exp() * mean).sum(), weights, allow_unused=True)
        moves = [(weight, one) for weight, one in zip(weights, gradients, strict=True) if one is not None]
        with torch.no_grad():
            before = [weight.clone() for weight, _ in moves]
            for weight, gradient in moves:
                weight.sub_(self.lr * gradient)
            logits = self.network(image)
            for (weight, _), old in zip(moves, before, strict=True):
                weight.copy_(old)
        return logits
