"""Norms that learn to be sure: TENT, EATA, SAR."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.adapt.adapting import Adapting, OwnStatistics, entropy, learning_norms, only
from robust.adapt.statistics import BatchStatistics
from robust.errors import check
from robust.values.numbers import is_number


class Tent(BatchStatistics):
    """Batch norms as in `bn`, and the norms' scales and shifts take a step of Adam, of rate `lr` >= 0, towards less
    entropy after each batch: `tent`. A batch's predictions are those before its step. Raises ValueError for another
    rate. Source: Wang et al. 2021 (arXiv 2006.10726).
    """

    def __init__(self, *, network: nn.Module, lr: float = 1e-3, **about: Any):
        check("lr", lr, "a number >= 0", is_number(lr) and lr >= 0)
        super().__init__(network=network, **about)
        self.lr = lr
        self.weights = list(only(network, learning_norms(network)))

    def begin(self) -> None:
        self.optimizer = torch.optim.Adam(self.weights, lr=self.lr)

    def adapt(self, images: Tensor) -> Tensor:
        with torch.enable_grad():
            logits = self.network(images)
            if (loss := self.loss(logits)) is not None:
                loss.backward()
                self.optimizer.step()
                self.optimizer.zero_grad()
        return logits

    def loss(self, logits: Tensor) -> Tensor | None:
        """What a step makes less; None for no step."""
        return entropy(logits).mean()


class Eata(Tent):
    """TENT that learns from images that are sure enough (of less entropy than `margin` ln classes) and say something
    new (their prediction is unlike, by its cosine below `redundancy`, the mean of those learnt from before), the surer
    the more, and that does not forget: what mattered on training images, by its Fisher information, is held near what
    it was, `fisher` times its squared change: `eata`. Raises ValueError for a `margin` or `redundancy` outside (0, 1],
    and a `fisher` below 0. Source: Niu et al. 2022 (arXiv 2204.02610).
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        margin: float = 0.4,
        redundancy: float = 0.4,
        fisher: float = 1.0,
        lr: float = 1e-3,
        **about: Any,
    ):
        for name, value in (("margin", margin), ("redundancy", redundancy)):
            check(name, value, "a number above 0 and at most 1", is_number(value) and 0 < value <= 1)
        check("fisher", fisher, "a number >= 0", is_number(fisher) and fisher >= 0)
        super().__init__(network=network, lr=lr, **about)
        self.margin, self.redundancy, self.fisher = margin * math.log(self.num_classes), redundancy, fisher
        for place, weight in enumerate(self.weights):
            self.register_buffer(f"information_{place}", torch.zeros_like(weight, requires_grad=False))

    def begin(self) -> None:
        super().begin()
        self.mean: Tensor | None = None
        self.before = [weight.detach().clone() for weight in self.weights]

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Takes the Fisher information of the norms' weights, of the network's own predictions of training images."""
        count, mode = 0, self.network.training
        self.network.eval()
        found = [torch.zeros_like(weight) for weight in self.weights]
        for images in batches:
            with torch.enable_grad():
                logits = self.network(images)
                functional.cross_entropy(logits, logits.argmax(1)).backward()
            for total, weight in zip(found, self.weights, strict=True):
                total += weight.grad.square() if weight.grad is not None else 0
                weight.grad = None
            count += 1
        for place, total in enumerate(found):
            getattr(self, f"information_{place}").copy_(total / max(count, 1))
        self.network.train(mode)

    def loss(self, logits: Tensor) -> Tensor | None:
        unsure = entropy(logits)
        kept = unsure < self.margin
        shares = logits.detach().softmax(1)
        if self.mean is not None:
            kept &= functional.cosine_similarity(shares, self.mean[None], dim=1) < self.redundancy
        if not kept.any():
            return None
        new = shares[kept].mean(0)
        self.mean = new if self.mean is None else torch.lerp(self.mean, new, 0.1)
        loss = (unsure * (self.margin - unsure.detach()).exp())[kept].mean()
        change = [
            (getattr(self, f"information_{place}") * (weight - before).square()).sum()
            for place, (weight, before) in enumerate(zip(self.weights, self.before, strict=True))
        ]
        return loss + self.fisher * torch.stack(change).sum()


class Sar(Adapting):
    """Norms of any kind learn to be sure where the loss is flat: of images of less entropy than `margin` ln classes the
    gradient is taken where it is steepest near by, at a distance of 0.05; where the loss has become lower than
    `collapse`, on average, all begins anew: `sar`. It suits small batches, and mixed and sorted ones, with layer or
    group norms; batch norms take each batch's statistics. A batch's predictions are those before its step. `lr` is that
    of SGD with a momentum of 0.9. Raises ValueError for a `margin` outside (0, 1], and other numbers below 0.

    Source: Niu et al. 2023 (arXiv 2302.12400).
    """

    _NEAR, _MOMENTUM, _SLOW = 0.05, 0.9, 0.9

    def __init__(
        self, *, network: nn.Module, lr: float = 1e-3, margin: float = 0.4, collapse: float = 0.2, **about: Any
    ):
        check("lr", lr, "a number >= 0", is_number(lr) and lr >= 0)
        check("margin", margin, "a number above 0 and at most 1", is_number(margin) and 0 < margin <= 1)
        check("collapse", collapse, "a number >= 0", is_number(collapse) and collapse >= 0)
        super().__init__(network=network, **about)
        self.lr, self.margin, self.collapse = lr, margin * math.log(self.num_classes), collapse
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.register_forward_hook(OwnStatistics(lambda _: 1.0))
        self.weights = list(only(network, learning_norms(network)))

    def begin(self) -> None:
        self.optimizer = torch.optim.SGD(self.weights, lr=self.lr, momentum=self._MOMENTUM)
        self.level: float | None = None

    def adapt(self, images: Tensor) -> Tensor:
        with torch.enable_grad():
            logits = self.network(images)
            unsure = entropy(logits)
            sure = unsure < self.margin
            if sure.any():
                self._step(images[sure], unsure[sure])
        return logits

    def _step(self, images: Tensor, unsure: Tensor) -> None:
        """One step for these images, whose entropies are known."""
        gradients = torch.autograd.grad(unsure.mean(), self.weights)
        length = torch.stack([one.norm() for one in gradients]).norm() + 1e-12
        moves = [one * (self._NEAR / length) for one in gradients]
        with torch.no_grad():
            for weight, move in zip(self.weights, moves, strict=True):
                weight.add_(move)
        there = entropy(self.network(images))
        sure = there < self.margin
        loss = there[sure].mean() if sure.any() else None
        if loss is not None:
            loss.backward()
        with torch.no_grad():
            for weight, move in zip(self.weights, moves, strict=True):
                weight.sub_(move)
        if loss is None:
            return
        self.optimizer.step()
        self.optimizer.zero_grad()
        value = float(loss.detach())
        self.level = value if self.level is None else self._SLOW * self.level + (1 - self._SLOW) * value
        if self.level < self.collapse:
            self.reset()
