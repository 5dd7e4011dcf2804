"""An attacker to train against."""

from collections.abc import Callable

import torch
from torch import Tensor


class SignAdversary:
    """Moves images, shape (batch, channels, height, width) in [0, 1], `steps` times by `step` along the sign of the
    gradient of a loss, clipped to [0, 1] (Goodfellow et al. 2015; Madry et al. 2018, without the random start)."""

    def __init__(self, *, step: float = 1 / 255, steps: int = 8):
        if not 0 < step <= 1:
            raise ValueError(f"`technique.adversary.step` must be above 0 and at most 1; got {step}.")
        if steps < 1:
            raise ValueError(f"`technique.adversary.steps` must be at least 1; got {steps}.")
        self.step = step
        self.steps = steps

    def __call__(self, images: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
        moved = images
        for _ in range(self.steps):
            moved = moved.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(loss(moved), moved)
            moved = (moved.detach() + self.step * gradient.sign()).clamp_(0, 1)
        return moved.detach()
