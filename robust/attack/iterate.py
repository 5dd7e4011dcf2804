"""Images on their way down a loss, each its own, in common batches."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robust.attack.result import (
    AttackResult,
    Loss,
    Predictions,
    check_classes,
    check_least,
    empty_result,
    followed,
    warn_of_zero_gradients,
)
from robust.models import ask, device_of
from robust.models.cpu import ImageGradient
from robust.progress import Progress


@dataclass(frozen=True)
class Iteration:
    """How images move: one step (moved images, gradients of what is to fall, where they came from); where they begin
    (images, which they are, which attempt; None: where they are); and, where the network does not see the images
    themselves, what it says that guides a step (the network, moved images, which they are, how many steps they took)
    and what it says that counts (the same, without the steps)."""

    move: Callable[[Tensor, Tensor, Tensor], Tensor]
    max_steps: int
    begin: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    attempts: int = 1
    ask: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor] | None = None
    judge: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Goal:
    """What is to be reached, or got away from, and how that is measured and judged."""

    classes: Tensor
    targeted: bool
    loss: Loss
    predictions: Predictions

    def fulfilled(self, predictions: Tensor, rows: Tensor) -> Tensor:
        """By which rules those images have the prediction that was sought."""
        return (predictions == self.classes[rows, None]) == self.targeted


def follow(
    model: nn.Module,
    images: Tensor,
    goal: Goal,
    iteration: Iteration,
    *,
    batch_size: int,
    title: str | None,
) -> AttackResult:
    """Moves each image until it has the wanted prediction by every rule, or its attempts are over."""
    check_least(max_steps=(iteration.max_steps, 1), batch_size=(batch_size, 1))
    device = device_of(model)
    batch, found, still = _Batch(images, iteration, batch_size, device), None, 0
    with Progress(title, len(images), "image") as progress:
        while len(batch.rows):
            moved = batch.moved.detach().requires_grad_(True)
            with torch.set_grad_enabled(not batch.last.all()), ImageGradient():
                outputs = (
                    iteration.ask(model, moved, batch.rows, batch.steps)
                    if iteration.ask
                    else ask(model, moved, numbers=batch.rows)
                )
                if found is None:
                    check_classes(outputs, goal.classes)
                away = goal.loss(outputs, goal.classes[batch.rows].to(device))
            with torch.no_grad():
                judged = iteration.judge(model, moved, batch.rows) if iteration.judge else outputs
            now = goal.predictions(judged.detach()).cpu()
            if found is None:
                found = empty_result(images, now.shape[1])
            _note(found, batch, now, goal.fulfilled(now, batch.rows))
            ended = found.success[batch.rows].all(1) | batch.last
            moves = batch.moves & ~ended
            if moves.any():
                (gradient,) = torch.autograd.grad(away[moves.to(device)].sum(), moved)
                gradient = followed(gradient)
                batch.move(gradient if goal.targeted else -gradient)
                if (first := moves & (batch.taken == 0) & (batch.attempt == 0)).any():
                    still += int((~gradient.flatten(1).any(1)[first.to(device)]).sum())
            batch.go_on(ended)
            progress.add(int(ended.sum()))
    warn_of_zero_gradients(still, len(images))
    return found if found is not None else empty_result(images, 1)


class _Batch:
    """Images on their way: which (`rows`), where they are and where they came from, how many steps of which attempt
    they took; -1 before they begin elsewhere. One that ends makes room for the next."""

    def __init__(self, images: Tensor, iteration: Iteration, size: int, device: torch.device):
        self.images, self.iteration, self.device = images, iteration, device
        self.first = 0 if iteration.begin is None else -1
        self.rows = self.taken = self.attempt = torch.zeros(0, dtype=torch.int64)
        self.moved = self.origin = images[:0].to(device)
        self.waiting = 0  # the first image that has not begun
        self._fill(size)

    @property
    def tried(self) -> Tensor:
        """Whether the attempt is over."""
        return self.taken >= self.iteration.max_steps

    @property
    def last(self) -> Tensor:
        """Whether it was the last."""
        return self.tried & (self.attempt == self.iteration.attempts - 1)

    @property
    def moves(self) -> Tensor:
        """Whether a step comes next, rather than another place to begin at."""
        return ~self.tried & (self.taken >= 0)

    @property
    def steps(self) -> Tensor:
        """In all attempts."""
        return self.attempt * self.iteration.max_steps + self.taken.clamp(min=0)

    def move(self, gradient: Tensor) -> None:
        """One step against the gradient; what does not move is then set elsewhere, or leaves."""
        with torch.no_grad():
            self.moved = self.iteration.move(self.moved, gradient, self.origin)

    def go_on(self, ended: Tensor) -> None:
        """Begins with those that begin, and lets others in for those that ended."""
        begins = (~self.moves & ~ended).nonzero()[:, 0]
        self.attempt += self.tried
        self.taken = torch.where(self.tried, 0, self.taken + 1)
        if len(begins):
            assert self.iteration.begin is not None
            there = begins.to(self.device)
            moved = self.moved.clone()  # it may be the caller's images
            moved[there] = self.iteration.begin(self.origin[there], self.rows[begins], self.attempt[begins])
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


def _note(found: AttackResult, batch: _Batch, now: Tensor, wanted: Tensor) -> None:
    """Keeps the images that have the wanted prediction by a rule for the first time, and those whose search is over."""
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
