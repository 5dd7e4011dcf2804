"""The one-pixel attack: a few pixels, found by differential evolution (Su, Vargas, Sakurai 2017, arXiv 1710.08864)."""

from typing import Literal

import torch
from torch import Tensor, nn

from robust.attack.gate import checked
from robust.attack.result import (
    AttackResult,
    check_classes,
    check_least,
    empty_result,
)
from robust.models import ask, device_of
from robust.perturb import ImageRandom, key
from robust.progress import Progress

Strategy = Literal["rand1", "best1"]
_SCALE = 0.5  # of a difference between two candidates
_DITHER = (0.5, 1.0)  # the same with best1: drawn for each generation, as SciPy does


@checked
def one_pixel(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    pixels: int = 1,
    population: int = 400,
    generations: int = 100,
    strategy: Strategy = "rand1",
    targeted: bool = False,
    seed: int = 0,
    numbers: Tensor | None = None,
    batch_size: int = 2_000,
    title: str | None = None,
) -> AttackResult:
    """Sets `pixels` pixels of each image to other colours until the prediction changes (Su et al. 2017, arXiv
    1710.08864). `images` in [0, 1], shape (n, channels, height, width); `classes`, int64 of shape (n,).

    The search is differential evolution: candidates are places and colours, and what differs between two of them moves
    a third (`rand1`, as published) or the best (`best1`, as SciPy does).

    A candidate's child takes its place where the network is less confident of the label, or with `targeted` more
    confident of the class to reach. All images and candidates are asked about together, `batch_size` at a time; an
    image that was misled leaves. `steps` are generations. Draws are keyed by (seed, generation, number of the image).
    Arguments, result and errors else as of `robust.attack.gradient_sign`; no gradient is needed.
    """
    check_least(pixels=(pixels, 1), population=(population, 4), generations=(generations, 1))
    check_least(batch_size=(batch_size, 1))
    if strategy not in ("rand1", "best1"):
        raise ValueError(f"`attack.strategy` must be rand1 or best1; got {strategy}.")
    if not len(images):
        return empty_result(images, 1)
    known = torch.arange(len(images)) if numbers is None else numbers.cpu()
    search = _Search(model, images, classes.cpu(), targeted, batch_size)

    def draw(generation: int) -> ImageRandom:
        return ImageRandom(key("one pixel", seed, generation), known[search.rows].to(search.device))

    left = len(images)
    with Progress(title, len(images), "image") as progress, torch.inference_mode():
        search.look()
        search.begin(_first(draw(0), population, pixels, images.shape[1]))
        for generation in range(1, generations + 1):
            progress.add(left - len(search.rows))
            if not (left := len(search.rows)):
                break
            search.breed(_children(search.candidates, search.unfitness, draw(generation), strategy))
        search.give_up()
    return search.found


class _Search:
    """Candidates for each image that has not given way, shape (images, candidates, pixels, 2 + channels), places first,
    all in [0, 1); and how unfit each is."""

    def __init__(self, model: nn.Module, images: Tensor, classes: Tensor, targeted: bool, batch_size: int):
        self.model, self.images, self.classes = model, images, classes
        self.targeted, self.batch_size = targeted, batch_size
        self.device = device_of(model)
        self.found = empty_result(images, 1)
        self.rows = torch.arange(len(images))
        self.candidates = self.unfitness = torch.zeros(0)

    def look(self) -> None:
        """At the images as they are; those with the wanted prediction leave."""
        every = self.images[self.rows].to(self.device)
        parts = zip(every.split(self.batch_size), self.rows.split(self.batch_size), strict=True)
        outputs = torch.cat([ask(self.model, part, numbers=rows) for part, rows in parts])
        check_classes(outputs, self.classes)
        now = outputs.argmax(1).cpu()
        self.found.queries[:] += 1
        self.found.before[:, 0] = self.found.after[:, 0] = now
        self.found.success[:, 0] = (now == self.classes) == self.targeted
        self.rows = (~self.found.success[:, 0]).nonzero()[:, 0]

    def begin(self, candidates: Tensor) -> None:
        self.candidates, self.unfitness = candidates, self._ask(candidates)
        self._let_go()

    def breed(self, children: Tensor) -> None:
        """A child takes its parent's place where it is fitter."""
        theirs = self._ask(children)
        better = theirs < self.unfitness
        self.candidates = torch.where(better[..., None, None], children, self.candidates)
        self.unfitness = torch.where(better, theirs, self.unfitness)
        self._let_go()

    def give_up(self) -> None:
        """Of what is left the best candidate comes back."""
        if len(self.rows):
            best = self.candidates[torch.arange(len(self.rows)), self.unfitness.argmin(1)]
            changed = _set(self.images[self.rows].to(self.device), best)
            self.found.images[self.rows, 0] = changed.to(self.images.device)
            outputs = torch.cat([ask(self.model, part) for part in changed.split(self.batch_size)])
            self.found.after[self.rows, 0] = outputs.argmax(1).cpu()

    def _ask(self, candidates: Tensor) -> Tensor:
        """How unfit candidates are: how sure the network is of the label, or how unsure of the class to reach. Notes
        the fittest of those that have the wanted prediction."""
        images, count = candidates.shape[:2]
        every = candidates.flatten(0, 1)
        place = torch.arange(images, device=self.device).repeat_interleave(count)
        natural = self.images[self.rows].to(self.device)
        goals, rows = self.classes[self.rows].to(self.device), self.rows.to(self.device)
        unfitness, predictions = [], []
        for which in torch.arange(len(every), device=self.device).split(self.batch_size):
            mine = place[which]
            logits = ask(self.model, _set(natural[mine], every[which]), numbers=rows[mine])
            sure = logits.softmax(1).gather(1, goals[mine, None])[:, 0]
            unfitness.append(-sure if self.targeted else sure)
            predictions.append(logits.argmax(1))
        unfit, now = torch.cat(unfitness).view(images, count), torch.cat(predictions).view(images, count)
        self.found.queries[self.rows] += count
        self.found.steps[self.rows] += 1
        wanted = (now == goals[:, None]) == self.targeted
        self._note(natural, candidates, now, unfit.masked_fill(~wanted, torch.inf).argmin(1), wanted.any(1))
        return unfit

    def _note(self, natural: Tensor, candidates: Tensor, now: Tensor, best: Tensor, misled: Tensor) -> None:
        """Keeps the best candidate of each image that was misled, and its prediction."""
        place = misled.nonzero()[:, 0]
        rows, fittest = self.rows[place.cpu()], best[place]
        changed = _set(natural[place], candidates[place, fittest])
        self.found.images[rows, 0] = changed.to(self.images.device)
        self.found.after[rows, 0] = now[place, fittest].cpu()
        self.found.success[rows, 0] = True

    def _let_go(self) -> None:
        stays = ~self.found.success[self.rows, 0]
        there = stays.to(self.device)
        self.rows, self.candidates, self.unfitness = self.rows[stays], self.candidates[there], self.unfitness[there]


def _set(images: Tensor, candidates: Tensor) -> Tensor:
    """Copies of images, shape (n, channels, height, width), with a candidate's pixels in each: (n, pixels, 2 +
    channels)."""
    size = torch.tensor(images.shape[2:], device=images.device)
    y, x = (candidates[..., :2] * size).long().minimum(size - 1).unbind(-1)
    changed = images.clone()
    changed[torch.arange(len(images), device=images.device)[:, None], :, y, x] = candidates[..., 2:].to(images)
    return changed


def _first(draws: ImageRandom, population: int, pixels: int, channels: int) -> Tensor:
    """Places drawn evenly, colours around grey."""
    places = draws.uniform(population, pixels, 2)
    colours = (0.5 + 0.5 * draws.normal(population, pixels, channels)).clamp(0, 1)
    return torch.cat([places, colours], dim=3)


def _children(candidates: Tensor, unfitness: Tensor, draws: ImageRandom, strategy: Strategy) -> Tensor:
    """One for each candidate; a value that leaves its range is drawn anew."""
    images, count = candidates.shape[:2]
    others = _three_others(draws, count)
    every = torch.arange(images, device=candidates.device)[:, None]
    first, second, third = (candidates[every, others[..., place]] for place in range(3))
    if strategy == "rand1":
        children = first + _SCALE * (second - third)
    else:
        low, high = _DITHER
        scale = (low + (high - low) * draws.uniform())[:, None, None, None]
        best = candidates[every[:, 0], unfitness.argmin(1)][:, None]
        children = best + scale * (first - second)
    return torch.where((children < 0) | (children > 1), draws.uniform(*children.shape[1:]), children)


def _three_others(draws: ImageRandom, count: int) -> Tensor:
    """For each of `count` candidates three others, all different: int64 of shape (images, count, 3)."""
    first, second, third = (draws.integers(count - 1 - place, count) for place in range(3))
    second = second + (second >= first)
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    third = third + (third >= low)
    third = third + (third >= high)
    me = torch.arange(count, device=draws.device)
    return (me[:, None] + 1 + torch.stack([first, second, third], dim=-1)) % count
