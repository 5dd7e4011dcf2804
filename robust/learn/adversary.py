"""An attacker to train against."""

from collections.abc import Callable

import torch
from torch import Tensor

from robust.attack import as_number
from robust.models.cpu import ImageGradient
from robust.values.numbers import is_number, is_whole, plain


class SignAdversary:
    """Moves images, shape (batch, channels, height, width) in [0, 1], `steps` times by `step` along the sign of the
    gradient of a loss, clipped to [0, 1] (Goodfellow et al. 2015). With `eps` they begin at a random place within `eps`
    of where they were, in each value, and stay there (Madry et al. 2018). Both may be fractions such as "8/255"."""

    def __init__(self, *, step: float | str = 1 / 255, steps: int = 8, eps: float | str | None = None):
        self.step = as_number("technique.objective.step", step)
        self.eps = as_number("technique.objective.eps", eps)
        self.steps = plain(steps)
        for name, value in (("step", self.step), ("eps", self.eps)):
            if value is not None and not (is_number(value) and 0 < value <= 1):
                raise ValueError(
                    f"`technique.objective.{name}` must be above 0 and at most 1; got {value}. Images are in [0, 1]: "
                    f"grey levels are written {value}/255."
                )
        if not is_whole(steps, 1):
            raise ValueError(f"`technique.objective.steps` must be at least 1; got {steps}.")

    def __call__(self, images: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
        moved = images
        if self.eps is not None:
            moved = (images + torch.empty_like(images).uniform_(-self.eps, self.eps)).clamp_(0, 1)
        for _ in range(self.steps):
            moved = moved.detach().requires_grad_(True)
            with ImageGradient():
                (gradient,) = torch.autograd.grad(loss(moved), moved)
            moved = moved.detach() + self.step * gradient.sign()
            if self.eps is not None:
                moved = moved.clamp(images - self.eps, images + self.eps)
            moved = moved.clamp_(0, 1)
        return moved.detach()
