"""Attacks that follow the gradient of a loss: its sign until the prediction changes, FGSM, PGD."""

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from robust.attack.gate import Budget, checked
from robust.attack.iterate import Goal, Iteration, follow
from robust.attack.result import (
    AttackResult,
    Loss,
    Predictions,
    check_classes,
    check_least,
    check_number,
    cross_entropy_toward,
    empty_result,
    followed,
    predicted,
    warn_of_zero_gradients,
)
from robust.models import ask, device_of
from robust.models.cpu import ImageGradient
from robust.perturb import ImageRandom, Perturbation, key
from robust.progress import progressing

Norm = Literal["linf", "l2"]


@checked
def gradient_sign(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    targeted: bool = True,
    step: float = 1 / 255,
    max_steps: int = 10_000,
    batch_size: int = 256,
    loss: Loss = cross_entropy_toward,
    predictions: Predictions = predicted,
    title: str | None = None,
) -> AttackResult:
    """Moves every pixel by `step` along the sign of the gradient, clipped to [0, 1], until the prediction changes or
    `max_steps` were taken (Berntsen et al. 2016, section 3.2; Goodfellow et al. 2015).

    `model` is any module in eval mode from images in [0, 1], shape (n, channels, height, width), to outputs, one row an
    image; `classes`, int64 of shape (n,), are those to reach, or with `targeted=False` the labels to get away from. The
    prediction never guides a step, so one search serves all rules; an image leaves the batch when it has the wanted
    prediction by all of them, and another takes its place. It computes on the device of the model's parameters; the
    result is on that of the images. With a `title` a progress bar shows. Raises ValueError for images outside [0, 1],
    of another number than the classes, or a model in train mode; OutputError for one whose logits are not finite.
    """
    _check_step(step)

    def move(moved: Tensor, gradient: Tensor, _: Tensor) -> Tensor:
        return (moved - step * gradient.sign()).clamp_(0, 1)

    iteration = Iteration(move, max_steps)
    goal = Goal(classes.cpu(), targeted, loss, predictions)
    return follow(model, images, goal, iteration, batch_size=batch_size, title=title)


@checked
def fgsm(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    eps: float = 8 / 255,
    targeted: bool = False,
    batch_size: int = 256,
    loss: Loss = cross_entropy_toward,
    title: str | None = None,
) -> AttackResult:
    """One step of `eps`, a fraction of [0, 1], along the sign of the gradient (Goodfellow et al. 2015, arXiv
    1412.6572), by those images that do not have the wanted prediction already.

    `images` in [0, 1], shape (n, channels, height, width); `classes`, int64 of shape (n,). Arguments, result and errors
    else as of `gradient_sign`.
    """
    Budget(eps, "linf").check(images)
    check_least(batch_size=(batch_size, 1))
    device = device_of(model)
    found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    every = torch.arange(len(images))
    columns = [one.split(batch_size) for one in (images, classes, every)]
    parts = list(zip(*columns, strict=True)) if len(images) else []
    for part, goals, rows in progressing(parts, title, "block", len(parts)):
        natural = part.to(device).detach().requires_grad_(True)
        with ImageGradient():
            outputs = ask(model, natural, numbers=rows)
        check_classes(outputs, goals)
        (gradient,) = torch.autograd.grad(loss(outputs, goals.to(device)).sum(), natural)
        with torch.no_grad():
            gradient = followed(gradient)
            before = outputs.argmax(1)
            there = (before == goals.to(device)) == targeted
            step = (~there).to(natural.dtype)[:, None, None, None] * (-eps if targeted else eps)
            moved = torch.addcmul(natural, gradient.sign(), step).clamp_(0, 1)
            after = ask(model, moved).argmax(1)
            still = (gradient.flatten(1).amax(1) <= 0) & ~there  # few, if any, of which all values are looked at
            still[still.clone()] = ~gradient[still].flatten(1).any(1)
        found.append((moved.to(images.device), before.cpu(), after.cpu(), still.cpu()))
    if not found:
        return empty_result(images, 1)
    moved, before, after, still = (torch.cat(one) if len(one) > 1 else one[0] for one in zip(*found, strict=True))
    warn_of_zero_gradients(int(still.sum()), len(images))
    success, moves = (after == classes.cpu()) == targeted, (before == classes.cpu()) != targeted
    return AttackResult(
        images=moved[:, None],
        success=success[:, None],
        steps=moves[:, None].long(),
        before=before[:, None],
        after=after[:, None],
        queries=1 + moves[:, None].long(),
    )


@checked
def pgd(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    eps: float = 8 / 255,
    step: float | None = None,
    steps: int = 40,
    norm: Norm = "linf",
    restarts: int = 1,
    random_start: bool = True,
    perturbation: Perturbation | None = None,
    draws: int = 10,
    targeted: bool = False,
    seed: int = 0,
    numbers: Tensor | None = None,
    batch_size: int = 256,
    loss: Loss = cross_entropy_toward,
    title: str | None = None,
) -> AttackResult:
    """Projected gradient descent within `eps` of each image (Madry et al. 2018), in the greatest change of a value
    (`linf`) or the Euclidean distance (`l2`), both of images in [0, 1]; else as `gradient_sign`.

    `step` is 2.5 eps / steps by default. An image that was misled leaves; any other begins anew, up to `restarts`
    times. It begins at a random place in the ball, keyed by (seed, attempt, number of the image); `numbers`, int64 of
    shape (n,), are by default its place. An eps of 0 changes nothing.

    With a `perturbation` the prediction is to change however the image is perturbed (expectation over transformation,
    Athalye et al. 2018): a step follows the mean of the probabilities over so many `draws`, others each time, keyed as
    the beginnings are; what counts is their mean over as many others, the same for an image from its first step to its
    last.
    """
    if norm not in get_args(Norm):
        raise ValueError(f"`attack.norm` must be linf or l2; got {norm}.")
    Budget(eps, norm).check(images)
    check_least(steps=(steps, 1), restarts=(restarts, 1), draws=(draws, 1))
    step = 2.5 * eps / steps if step is None else step
    if eps:
        _check_step(step)
    known = torch.arange(len(images)) if numbers is None else numbers.cpu()

    def begin(origin: Tensor, rows: Tensor, attempts: Tensor) -> Tensor:
        random = ImageRandom(key("attack", seed), (known[rows] + (attempts << 40)).to(origin.device))
        return (origin + _in_ball(random, origin.shape[1:], norm) * eps).clamp_(0, 1)

    def move(moved: Tensor, gradient: Tensor, origin: Tensor) -> Tensor:
        return _projected(moved - step * _unit(gradient, norm), origin, eps, norm).clamp_(0, 1)

    through = {} if perturbation is None else _through(perturbation, draws, seed, known)
    if perturbation is not None:
        perturbation.try_out((images.shape[1], images.shape[2], images.shape[3]))
    attempts = restarts if random_start else 1
    iteration = Iteration(move, steps, begin if random_start else None, attempts, **through)
    goal = Goal(classes.cpu(), targeted, loss, predicted)
    return follow(model, images, goal, iteration, batch_size=batch_size, title=title)


def _through(perturbation: Perturbation, draws: int, seed: int, known: Tensor) -> dict[str, Any]:
    """What a network says of images that it sees through a perturbation (see `Iteration`); `known`: their numbers."""

    def ask(model: nn.Module, moved: Tensor, rows: Tensor, steps: Tensor) -> Tensor:
        return mean_log_probabilities(model, moved, perturbation, draws, ("eot", seed), known[rows] + (steps << 40))

    def judge(model: nn.Module, moved: Tensor, rows: Tensor) -> Tensor:
        return mean_log_probabilities(model, moved, perturbation, draws, ("eot judge", seed), known[rows])

    return {"ask": ask, "judge": judge}


def mean_log_probabilities(
    model: nn.Module,
    images: Tensor,
    perturbation: Perturbation,
    draws: int,
    parts: tuple[int | str, ...],
    numbers: Tensor,
) -> Tensor:
    """The logarithm of the mean probabilities over `draws` perturbed views of each image, keyed by (`parts`, draw, the
    image's number): shape (batch, classes)."""
    numbers = numbers.to(images.device)
    views = [perturbation.perturb(images, ImageRandom(key(*parts, draw), numbers)) for draw in range(draws)]
    outputs = ask(model, torch.cat(views)).log_softmax(1)
    return outputs.view(draws, len(images), -1).logsumexp(0) - math.log(draws)


def _check_step(step: float) -> None:
    check_number("step", step)
    if not step > 0:
        raise ValueError(f"`attack.step` must be above 0; got {step}.")


def _unit(gradient: Tensor, norm: Norm) -> Tensor:
    if norm == "linf":
        return gradient.sign()
    largest = gradient.flatten(1).abs().amax(1).clamp(min=torch.finfo(gradient.dtype).tiny)
    gradient = gradient / largest[:, None, None, None]  # whose squares are numbers, however small or large it was
    return gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]


def _projected(moved: Tensor, origin: Tensor, eps: float, norm: Norm) -> Tensor:
    """The nearest image in the ball."""
    if norm == "linf":
        return moved.clamp(origin - eps, origin + eps)
    change = moved - origin
    length = change.flatten(1).norm(dim=1).clamp(min=1e-12)
    return origin + change * (eps / length).clamp(max=1)[:, None, None, None]


def _in_ball(random: ImageRandom, shape: torch.Size, norm: Norm) -> Tensor:
    """A point of the unit ball for each image, each place as likely."""
    if norm == "linf":
        return 2 * random.uniform(*shape) - 1
    direction = random.normal(*shape)
    radius = random.uniform() ** (1 / math.prod(shape))
    return direction * (radius / direction.flatten(1).norm(dim=1))[:, None, None, None]
