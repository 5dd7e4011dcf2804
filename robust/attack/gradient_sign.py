"""The gradient's sign, followed step by step until the verdict changes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from robust.models import evaluating

#: losses, shape (batch,), of a network's outputs and the classes they are to be led to
Loss = Callable[[Tensor, Tensor], Tensor]
#: verdicts, int64 of shape (batch, k), that a network's outputs mean by k rules
Verdicts = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Attacked:
    """What came of an attack on n images, for each of k rules by which the outputs become verdicts.

    `images`, shape (n, k, channels, height, width): the first that had the wanted verdict, or else the last. `success`
    (bool), `steps` and the verdicts `before` and `after` (int64) have shape (n, k).
    """

    images: Tensor
    success: Tensor
    steps: Tensor
    before: Tensor
    after: Tensor


def toward_class(logits: Tensor, targets: Tensor) -> Tensor:
    """The cross entropy."""
    return functional.cross_entropy(logits, targets, reduction="none")


def toward_scores(scores: Tensor, targets: Tensor) -> Tensor:
    """The squared distance of scores, all but that of the last class (no object), to 1 for the target and 0 for the
    others (Berntsen et al. 2016, section 3.2)."""
    wanted = functional.one_hot(targets, scores.shape[1])[:, :-1].to(scores)
    return (scores[:, :-1] - wanted).square().sum(1)


def predicted(outputs: Tensor) -> Tensor:
    """The class of the greatest output."""
    return outputs.argmax(1, keepdim=True)


def gradient_sign(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    step: float = 1 / 255,
    max_steps: int = 10_000,
    batch_size: int = 256,
    loss: Loss = toward_class,
    verdicts: Verdicts = predicted,
    title: str | None = None,
) -> Attacked:
    """Moves every pixel by `step` against the sign of the gradient of the loss toward the target, clipped to [0, 1],
    until the verdict is the target or `max_steps` were taken (Berntsen et al. 2016, section 3.2; Goodfellow et al.
    2015).

    `model` is any module from images in [0, 1], shape (n, channels, height, width), to outputs, one row an image;
    `targets` are int64 of shape (n,). The verdict never guides a step, so one search serves all rules; an image leaves
    the batch when it has the wanted verdict by all of them, and another takes its place. The model is put in eval mode
    for the while; it computes on the device of its parameters, the result is on that of the images. With a `title` a
    progress bar shows. Raises ValueError for images outside [0, 1] or of another number than the targets.
    """
    _check(images, targets, step=step, max_steps=max_steps, batch_size=batch_size)
    device = next((parameter.device for parameter in model.parameters()), images.device)
    found: Attacked | None = None
    rows = torch.arange(min(batch_size, len(images)))
    waiting = len(rows)  # the first image that has not begun
    moved, taken = images[rows].to(device), torch.zeros(len(rows), dtype=torch.int64)
    bar = tqdm(total=len(images), desc=title, unit="image", disable=None if title else True, delay=1)
    with bar, evaluating(model):
        while len(rows):
            moved.requires_grad_(True)
            with torch.enable_grad():
                outputs = model(moved)
                away = loss(outputs, targets[rows].to(device))
            now = verdicts(outputs.detach()).to(images.device)
            if found is None:
                found = _nothing_yet(images, now.shape[1])
            begun = taken == 0
            found.before[rows[begun]] = now[begun]
            over = taken >= max_steps
            _note(found, rows, moved.detach(), now, taken, targets, over)
            ended = found.success[rows].all(1) | over
            (gradient,) = torch.autograd.grad(away[~ended.to(device)].sum(), moved)
            with torch.no_grad():
                moved = (moved - step * gradient.sign()).clamp_(0, 1)
            taken += 1
            if ended.any():
                bar.update(int(ended.sum()))
                more = torch.arange(waiting, min(waiting + int(ended.sum()), len(images)))
                waiting += len(more)
                rows = torch.cat([rows[~ended], more])
                taken = torch.cat([taken[~ended], torch.zeros_like(more)])
                moved = torch.cat([moved[~ended.to(device)], images[more].to(device)])
    return found if found is not None else _nothing_yet(images, 1)


def _check(images: Tensor, targets: Tensor, *, step: float, max_steps: int, batch_size: int) -> None:
    if images.dim() != 4 or not images.is_floating_point() or targets.shape != images.shape[:1]:
        raise ValueError(
            "An attack needs floating-point images of shape (n, channels, height, width) and a target for each; got "
            f"{images.dtype} {tuple(images.shape)} and {tuple(targets.shape)}."
        )
    if images.numel() and not 0 <= float(images.min()) <= float(images.max()) <= 1:
        raise ValueError(f"Images must be in [0, 1]; got {float(images.min()):g} to {float(images.max()):g}.")
    for name, value, rule in (
        ("step", step, step > 0),
        ("max_steps", max_steps, max_steps >= 1),
        ("batch_size", batch_size, batch_size >= 1),
    ):
        if not rule:
            raise ValueError(f"`attack.{name}` must be {'above 0' if name == 'step' else 'at least 1'}; got {value}.")


def _nothing_yet(images: Tensor, rules: int) -> Attacked:
    verdicts = torch.zeros(len(images), rules, dtype=torch.int64)
    return Attacked(
        images=images[:, None].expand(-1, rules, -1, -1, -1).clone(),
        success=verdicts.bool(),
        steps=verdicts,
        before=verdicts.clone(),
        after=verdicts.clone(),
    )


def _note(
    found: Attacked, rows: Tensor, moved: Tensor, now: Tensor, taken: Tensor, targets: Tensor, over: Tensor
) -> None:
    """Keeps the images that have the wanted verdict by a rule for the first time, and those whose search is over."""
    wanted = now == targets[rows, None]
    place, rule = (~found.success[rows] & (wanted | over[:, None])).nonzero(as_tuple=True)
    images = rows[place]
    found.images[images, rule] = moved[place.to(moved.device)].to(found.images.device)
    found.steps[images, rule] = taken[place]
    found.after[images, rule] = now[place, rule]
    found.success[images, rule] = wanted[place, rule]
