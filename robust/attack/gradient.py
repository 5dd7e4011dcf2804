"""Attacks that follow the gradient of a loss: its sign until the verdict changes, FGSM, PGD."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from robust.attack.search import (
    Attacked,
    Loss,
    Verdicts,
    check_attack,
    check_least,
    check_outputs,
    nothing_yet,
    predicted,
    toward_class,
)
from robust.perturb import ImageRandom, key

Norm = Literal["linf", "l2"]


@dataclass(frozen=True)
class _Walk:
    """How images move: one step (moved images, gradients of what is to fall, where they came from), and where they
    begin (images, which they are, which attempt; None: where they are)."""

    move: Callable[[Tensor, Tensor, Tensor], Tensor]
    max_steps: int
    begin: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    attempts: int = 1


@dataclass(frozen=True)
class _Aim:
    """What is to be reached, or got away from, and how that is measured and judged."""

    classes: Tensor
    targeted: bool
    loss: Loss
    verdicts: Verdicts

    def fulfilled(self, verdicts: Tensor, rows: Tensor) -> Tensor:
        """By which rules those images have the verdict that was sought."""
        return (verdicts == self.classes[rows, None]) == self.targeted


def gradient_sign(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    targeted: bool = True,
    step: float = 1 / 255,
    max_steps: int = 10_000,
    batch_size: int = 256,
    loss: Loss = toward_class,
    verdicts: Verdicts = predicted,
    title: str | None = None,
) -> Attacked:
    """Moves every pixel by `step` along the sign of the gradient, clipped to [0, 1], until the verdict changes or
    `max_steps` were taken (Berntsen et al. 2016, section 3.2; Goodfellow et al. 2015).

    `model` is any module in eval mode from images in [0, 1], shape (n, channels, height, width), to outputs, one row an
    image; `classes`, int64 of shape (n,), are those to reach, or with `targeted=False` the labels to get away from. The
    verdict never guides a step, so one search serves all rules; an image leaves the batch when it has the wanted
    verdict by all of them, and another takes its place. It computes on the device of the model's parameters; the result
    is on that of the images. With a `title` a progress bar shows. Raises ValueError for images outside [0, 1], of
    another number than the classes, or a model in train mode.
    """
    _check_step(step)

    def move(moved: Tensor, gradient: Tensor, _: Tensor) -> Tensor:
        return (moved - step * gradient.sign()).clamp_(0, 1)

    walk = _Walk(move, max_steps)
    aim = _Aim(classes, targeted, loss, verdicts)
    return _follow(model, images, aim, walk, batch_size=batch_size, title=title)


def fgsm(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    eps: float = 8 / 255,
    targeted: bool = False,
    batch_size: int = 256,
    loss: Loss = toward_class,
    title: str | None = None,
) -> Attacked:
    """One step of `eps` along the sign of the gradient (Goodfellow et al. 2015); else as `gradient_sign`."""
    check_eps(eps, "linf", images)
    if eps == 0:
        return pgd(model, images, classes, eps=0, steps=1, random_start=False, targeted=targeted, title=title)
    return gradient_sign(
        model, images, classes, targeted=targeted, step=eps, max_steps=1, batch_size=batch_size, loss=loss, title=title
    )


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
    targeted: bool = False,
    seed: int = 0,
    numbers: Tensor | None = None,
    batch_size: int = 256,
    loss: Loss = toward_class,
    title: str | None = None,
) -> Attacked:
    """Projected gradient descent within `eps` of each image (Madry et al. 2018), in the greatest change of a value
    (`linf`) or the Euclidean distance (`l2`), both of images in [0, 1]; else as `gradient_sign`.

    `step` is 2.5 eps / steps by default. An image that gave way leaves; one that did not begins anew, up to `restarts`
    times. It begins at a random place in the ball, keyed by (seed, attempt, number of the image); `numbers`, int64 of
    shape (n,), are by default its place. An eps of 0 changes nothing.
    """
    check_eps(eps, norm, images)
    check_least(steps=(steps, 1), restarts=(restarts, 1))
    step = 2.5 * eps / steps if step is None else step
    if eps:
        _check_step(step)
    known = torch.arange(len(images)) if numbers is None else numbers

    def begin(origin: Tensor, rows: Tensor, attempts: Tensor) -> Tensor:
        random = ImageRandom(key("attack", seed), (known[rows] + (attempts << 40)).to(origin.device))
        return (origin + _in_ball(random, origin.shape[1:], norm) * eps).clamp_(0, 1)

    def move(moved: Tensor, gradient: Tensor, origin: Tensor) -> Tensor:
        return _projected(moved - step * _unit(gradient, norm), origin, eps, norm).clamp_(0, 1)

    walk = _Walk(move, steps, begin if random_start else None, restarts if random_start else 1)
    aim = _Aim(classes, targeted, loss, predicted)
    return _follow(model, images, aim, walk, batch_size=batch_size, title=title)


def check_eps(eps: float, norm: Norm, images: Tensor) -> None:
    """Raises ValueError for a radius that images in [0, 1] do not have."""
    if norm not in ("linf", "l2"):
        raise ValueError(f"`attack.norm` must be linf or l2; got {norm}.")
    greatest = 1.0 if norm == "linf" else math.sqrt(math.prod(images.shape[1:]))
    if not 0 <= eps <= greatest:
        raise ValueError(
            f"`attack.eps` must be from 0 to {greatest:g}, since images are in [0, 1]; got {eps:g}. Grey levels are "
            f"written {eps:g}/255."
        )


def _check_step(step: float) -> None:
    if not step > 0:
        raise ValueError(f"`attack.step` must be above 0; got {step}.")


def _unit(gradient: Tensor, norm: Norm) -> Tensor:
    if norm == "linf":
        return gradient.sign()
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


def _follow(
    model: nn.Module,
    images: Tensor,
    aim: _Aim,
    walk: _Walk,
    *,
    batch_size: int,
    title: str | None,
) -> Attacked:
    """Moves each image until it has the wanted verdict by every rule, or its attempts are over."""
    check_attack(model, images, aim.classes)
    check_least(max_steps=(walk.max_steps, 1), batch_size=(batch_size, 1))
    device = next((parameter.device for parameter in model.parameters()), images.device)
    batch, found, still = _Batch(images, walk, batch_size, device), None, 0
    with tqdm(total=len(images), desc=title, unit="image", disable=None if title else True, delay=1) as bar:
        while len(batch.rows):
            moved = batch.moved.detach().requires_grad_(True)
            with torch.set_grad_enabled(not batch.last.all()):
                outputs = model(moved)
                if found is None:
                    check_outputs(outputs.detach(), aim.classes)
                away = aim.loss(outputs, aim.classes[batch.rows].to(device))
            now = aim.verdicts(outputs.detach()).to(images.device)
            if found is None:
                found = nothing_yet(images, now.shape[1])
            _note(found, batch, now, aim.fulfilled(now, batch.rows))
            ended = found.success[batch.rows].all(1) | batch.last
            moves = batch.moves & ~ended
            if moves.any():
                (gradient,) = torch.autograd.grad(away[moves.to(device)].sum(), moved)
                batch.move(gradient if aim.targeted else -gradient)
                if (first := moves & (batch.taken == 0)).any():
                    still += int((~gradient.flatten(1).any(1)[first.to(device)]).sum())
            batch.go_on(ended)
            bar.update(int(ended.sum()))
    if still:
        warnings.warn(
            f"The gradient is zero for {still} of {len(images)} images, which cannot be moved: that they withstand "
            "says nothing. Try attack.loss=margin.",
            stacklevel=3,
        )
    return found if found is not None else nothing_yet(images, 1)


class _Batch:
    """Images on their way: which (`rows`), where they are and where they came from, how many steps of which attempt
    they took; -1 before they begin elsewhere. One that ends makes room for the next."""

    def __init__(self, images: Tensor, walk: _Walk, size: int, device: torch.device):
        self.images, self.walk, self.device = images, walk, device
        self.first = 0 if walk.begin is None else -1
        self.rows = self.taken = self.attempt = torch.zeros(0, dtype=torch.int64)
        self.moved = self.origin = images[:0].to(device)
        self.waiting = 0  # the first image that has not begun
        self._fill(size)

    @property
    def tried(self) -> Tensor:
        """Whether the attempt is over."""
        return self.taken >= self.walk.max_steps

    @property
    def last(self) -> Tensor:
        """Whether it was the last."""
        return self.tried & (self.attempt == self.walk.attempts - 1)

    @property
    def moves(self) -> Tensor:
        """Whether a step comes next, rather than another place to begin at."""
        return ~self.tried & (self.taken >= 0)

    @property
    def steps(self) -> Tensor:
        """In all attempts."""
        return self.attempt * self.walk.max_steps + self.taken.clamp(min=0)

    def move(self, gradient: Tensor) -> None:
        """One step against the gradient; what does not move is then set elsewhere, or leaves."""
        with torch.no_grad():
            self.moved = self.walk.move(self.moved, gradient, self.origin)

    def go_on(self, ended: Tensor) -> None:
        """Begins with those that begin, and lets others in for those that ended."""
        begins = (~self.moves & ~ended).nonzero()[:, 0]
        self.attempt += self.tried
        self.taken = torch.where(self.tried, 0, self.taken + 1)
        if len(begins):
            assert self.walk.begin is not None
            there = begins.to(self.device)
            moved = self.moved.clone()  # it may be the caller's images
            moved[there] = self.walk.begin(self.origin[there], self.rows[begins], self.attempt[begins])
            self.moved = moved
        if ended.any():
            stays = (~ended).nonzero()[:, 0]
            self.rows, self.taken, self.attempt = self.rows[stays], self.taken[stays], self.attempt[stays]
            there = stays.to(self.device)
            self.moved, self.origin = self.moved[there], self.origin[there]
            self._fill(int(ended.sum()))

    def _fill(self, count: int) -> None:
        rows = torch.arange(self.waiting, min(self.waiting + count, len(self.images)))
        if not len(rows):
            return
        images = self.images[self.waiting : self.waiting + len(rows)].to(self.device)
        self.waiting += len(rows)
        self.rows = torch.cat([self.rows, rows])
        self.taken = torch.cat([self.taken, torch.full_like(rows, self.first)])
        self.attempt = torch.cat([self.attempt, torch.zeros_like(rows)])
        self.origin = torch.cat([self.origin, images]) if len(self.origin) else images
        self.moved = torch.cat([self.moved, images]) if len(self.moved) else images


def _note(found: Attacked, batch: _Batch, now: Tensor, wanted: Tensor) -> None:
    """Keeps the images that have the wanted verdict by a rule for the first time, and those whose search is over."""
    found.queries[batch.rows] += (~found.success[batch.rows]).long()
    begun = (batch.attempt == 0) & (batch.taken == batch.first)
    found.before[batch.rows[begun]] = now[begun]
    place, rule = (~found.success[batch.rows] & (wanted | batch.last[:, None])).nonzero(as_tuple=True)
    if not len(place):
        return
    images = batch.rows[place]
    found.images[images, rule] = batch.moved[place.to(batch.device)].to(found.images.device)
    found.steps[images, rule] = batch.steps[place]
    found.after[images, rule] = now[place, rule]
    found.success[images, rule] = wanted[place, rule]
