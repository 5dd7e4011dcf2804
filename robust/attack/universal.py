"""One change for all images: learnt from some, tried on others."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.attack.gate import Budget, checked
from robust.attack.result import (
    AttackResult,
    check_classes,
    check_least,
    check_number,
    empty_result,
    followed,
)
from robust.models import ask, device_of
from robust.models.cpu import ImageGradient
from robust.perturb import ImageRandom, Perturbation, key, warp
from robust.progress import progressing
from robust.values.numbers import is_number

_ENOUGH = 9.0  # a loss of which more does not count, so that an image given way lets the others speak


@dataclass(frozen=True)
class Pattern:
    """What is learnt: how images show it (images, the pattern, draws), what it may be: its least and greatest value;
    how: in steps of which size, how often over all training images, how many at a time; and a perturbation that the
    network sees all images through, if there is one. Raises ValueError for a number out of range."""

    start: Tensor
    show: Callable[[Tensor, Tensor, ImageRandom], Tensor]
    low: float
    high: float
    step: float
    epochs: int
    training_batch: int
    targeted: bool
    seed: int
    perturbation: Perturbation | None = None

    def __post_init__(self) -> None:
        check_least(epochs=(self.epochs, 1), training_batch=(self.training_batch, 1))
        check_number("step", self.step)
        if not self.step > 0:
            raise ValueError(f"`attack.step` must be above 0; got {self.step}.")

    def seen(self, images: Tensor, keys: tuple[int | str, ...], numbers: Tensor) -> Tensor:
        """What the network sees of images; draws are keyed by (keys, the image's number)."""
        if self.perturbation is None:
            return images
        return self.perturbation.perturb(images, ImageRandom(key("seen", *keys), numbers))


@checked
def universal(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    training: tuple[Tensor, Tensor],
    eps: float = 8 / 255,
    step: float | None = None,
    epochs: int = 10,
    training_batch: int = 100,
    targeted: bool = False,
    seed: int = 0,
    numbers: Tensor | None = None,
    batch_size: int = 256,
    title: str | None = None,
) -> AttackResult:
    """Adds one and the same perturbation, of at most `eps` in each value, to all images, shape (n, channels, height,
    width) in [0, 1] (Moosavi-Dezfooli et al. 2017; learnt as Shafahi et al. 2020 do, arXiv 1811.11304: by the sign of
    the gradient, a batch at a time, of a loss that ends at 9).

    `training` are the images that it is learnt from, and their classes, `training_batch` at a time, `epochs` times
    over, by steps of eps / 5 unless `step` says otherwise. An image that has the wanted prediction already stays as it
    is. `steps` are those of learning. Arguments, result and errors else as of `robust.attack.pgd`.
    """
    Budget(eps, "linf").check(images)

    def show(natural: Tensor, pattern: Tensor, _: ImageRandom) -> Tensor:
        return (natural + pattern).clamp(0, 1)

    pattern = Pattern(
        torch.zeros(images.shape[1:]), show, low=-eps, high=eps, step=eps / 5 if step is None else step, epochs=epochs,
        training_batch=training_batch, targeted=targeted, seed=seed,
    )  # fmt: skip
    return learn_and_show(
        model, images, classes, pattern, training=training, numbers=numbers, batch_size=batch_size, title=title
    )


@checked
def patch(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    training: tuple[Tensor, Tensor],
    size: float = 0.3,
    turn: float = 20.0,
    step: float = 0.02,
    epochs: int = 10,
    training_batch: int = 100,
    perturbation: Perturbation | None = None,
    targeted: bool = False,
    seed: int = 0,
    numbers: Tensor | None = None,
    batch_size: int = 256,
    title: str | None = None,
) -> AttackResult:
    """Pastes one and the same patch into all images, shape (n, channels, height, width) in [0, 1], anywhere, turned by
    up to `turn` degrees (Brown et al. 2017, arXiv 1712.09665); with a `perturbation` the network sees all images, with
    the patch and without, through that.

    `size` is the patch's side as a share of the image's shorter side. It is learnt over other places, angles and draws
    of the perturbation for each image and epoch (expectation over transformation), keyed by (seed, epoch, number of the
    image), and tried at one. Else as `universal`.
    """
    if not (is_number(size) and 0 < size <= 1):
        raise ValueError(f"`attack.size` must be above 0 and at most 1, a share of the image's side; got {size}.")
    if not (is_number(turn) and 0 <= turn <= 180):
        raise ValueError(f"`attack.turn` must be from 0 to 180 degrees; got {turn}.")
    side = max(1, round(size * min(images.shape[2:])))

    if perturbation is not None:
        perturbation.try_out((images.shape[1], images.shape[2], images.shape[3]))

    def show(natural: Tensor, pattern: Tensor, random: ImageRandom) -> Tensor:
        return paste(natural, pattern, random, turn=turn)

    grey = torch.full((images.shape[1], side, side), 0.5)
    pattern = Pattern(
        grey, show, low=0.0, high=1.0, step=step, epochs=epochs, training_batch=training_batch, targeted=targeted,
        seed=seed, perturbation=perturbation,
    )  # fmt: skip
    return learn_and_show(
        model, images, classes, pattern, training=training, numbers=numbers, batch_size=batch_size, title=title
    )


def paste(images: Tensor, pattern: Tensor, random: ImageRandom, *, turn: float) -> Tensor:
    """Images, shape (batch, channels, height, width), with a pattern, (channels, side, side), in each, at a place and
    an angle of up to `turn` degrees that are drawn for it. Differentiable in both."""
    height, width = images.shape[2:]
    side = pattern.shape[-1]
    left, top = (width - side) // 2, (height - side) // 2
    covered = torch.cat([pattern, pattern.new_ones(1, side, side)])
    canvas = functional.pad(covered, (left, width - side - left, top, height - side - top))
    angle = torch.deg2rad(turn * (2 * random.uniform() - 1))
    cos, sin = angle.cos(), angle.sin()
    shorter = min(height, width)
    reach = side / shorter * (cos.abs() + sin.abs())
    x, y = ((2 * random.uniform() - 1) * (size / shorter - reach).clamp(min=0) for size in (width, height))
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    entries = [cos, sin, -(cos * x + sin * y), -sin, cos, sin * x - cos * y, zero, zero, one]
    matrices = torch.stack(entries, dim=-1).unflatten(-1, (3, 3))
    placed = warp(canvas.expand(len(images), -1, -1, -1), matrices, outside="zeros")
    return (images * (1 - placed[:, -1:]) + placed[:, :-1]).clamp(0, 1)  # the pattern is black where it is not


def learn_and_show(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    pattern: Pattern,
    *,
    training: tuple[Tensor, Tensor],
    numbers: Tensor | None,
    batch_size: int,
    title: str | None,
) -> AttackResult:
    """Learns a pattern from training images and shows it in others."""
    check_least(batch_size=(batch_size, 1))
    if not len(images):
        return empty_result(images, 1)
    learnt, steps = _learn(model, pattern, training, title)
    classes, known = classes.cpu(), torch.arange(len(images)) if numbers is None else numbers.cpu()
    found = empty_result(images, 1)
    with torch.inference_mode():
        for rows in torch.arange(len(images)).split(batch_size):
            natural = images[rows].to(learnt.device)
            mine = known[rows].to(learnt.device)
            outputs = ask(model, pattern.seen(natural, (pattern.seed,), mine), numbers=rows)
            check_classes(outputs, classes[rows])
            found.before[rows, 0] = outputs.argmax(1).cpu()
            there = (found.before[rows, 0] == classes[rows]) == pattern.targeted
            shown = pattern.show(natural, learnt, ImageRandom(key("shown", pattern.seed), mine))
            shown[there] = natural[there]
            found.images[rows, 0] = shown.to(images.device)
            after = ask(model, pattern.seen(shown, (pattern.seed,), mine), numbers=rows)
            found.after[rows, 0] = after.argmax(1).cpu()
            found.steps[rows, 0] = steps * (~there).long()
            found.queries[rows, 0] = 1 + (~there).long()
    found.success[:, 0] = (found.after[:, 0] == classes) == pattern.targeted
    return found


def _learn(
    model: nn.Module, pattern: Pattern, training: tuple[Tensor, Tensor], title: str | None
) -> tuple[Tensor, int]:
    """The pattern, on the network's device, and how many steps it took."""
    images, classes = training
    device = device_of(model)
    learnt, every, steps = pattern.start.to(device), torch.arange(len(images)), 0
    for epoch in progressing(range(pattern.epochs), title, "epoch", pattern.epochs):
        order = ImageRandom(key("order", pattern.seed, epoch), every).uniform().argsort(stable=True)
        for rows in order.split(pattern.training_batch):
            learnt.requires_grad_(True)
            mine = rows.to(device)
            shown = pattern.show(images[rows].to(device), learnt, ImageRandom(key("shown", pattern.seed, epoch), mine))
            with ImageGradient():
                outputs = ask(model, pattern.seen(shown, (pattern.seed, epoch), mine), under="what is learnt")
            check_classes(outputs, classes[rows])
            loss = functional.cross_entropy(outputs, classes[rows].to(device), reduction="none")
            away = loss.mean() if pattern.targeted else -loss.clamp(max=_ENOUGH).mean()
            (gradient,) = torch.autograd.grad(away, learnt)
            learnt = (learnt.detach() - pattern.step * followed(gradient).sign()).clamp(pattern.low, pattern.high)
            steps += 1
    return learnt.detach(), steps
