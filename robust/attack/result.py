"""What every attack takes, and what comes of it."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.models import is_training
from robust.values.numbers import is_whole, plain

#: losses, shape (batch,), of a network's outputs and classes; an attack lowers that of the class it is to reach
Loss = Callable[[Tensor, Tensor], Tensor]
#: predictions, int64 of shape (batch, k), that a network's outputs mean by k rules
Predictions = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class AttackResult:
    """What came of an attack on n images, for each of k rules by which the outputs become predictions.

    `images`, shape (n, k, channels, height, width): the first that had the wanted prediction, or else the last.
    `success` (bool), `steps`, `queries` (how often the network was asked) and the predictions `before` and `after`
    (int64) have shape (n, k). So have `faults`, where there are any: why the image that the search gave was not taken
    (the place in `robust.attack.FAULTS`; 0: it was).
    """

    images: Tensor
    success: Tensor
    steps: Tensor
    before: Tensor
    after: Tensor
    queries: Tensor
    faults: Tensor | None = None


def cross_entropy_toward(logits: Tensor, classes: Tensor) -> Tensor:
    """The cross entropy, shape (batch,), of logits, shape (batch, classes), and classes, int64 of shape (batch,)."""
    return functional.cross_entropy(logits, classes, reduction="none")


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """By how much the greatest logit of another class exceeds that of this one (Carlini and Wagner 2017): its gradient
    never vanishes, as the cross entropy's does where a network is very confident. Shape (batch,), of logits, shape
    (batch, classes), and classes, int64 of shape (batch,)."""
    own = logits.gather(1, classes[:, None])[:, 0]
    others = logits.scatter(1, classes[:, None], float("-inf"))
    return others.amax(1) - own


def predicted(outputs: Tensor) -> Tensor:
    """The class of the greatest output."""
    return outputs.argmax(1, keepdim=True)


def empty_result(images: Tensor, rules: int) -> AttackResult:
    """The result of an attack that has not begun."""
    predictions = torch.zeros(len(images), rules, dtype=torch.int64)
    return AttackResult(
        images=images[:, None].expand(-1, rules, -1, -1, -1).clone(),
        success=predictions.bool(),
        steps=predictions,
        before=predictions.clone(),
        after=predictions.clone(),
        queries=predictions.clone(),
    )


def check_attack(model: nn.Module, images: Tensor, classes: Tensor) -> None:
    """Raises ValueError for images, shape (n, channels, height, width), outside [0, 1], of another number than the
    classes, or a model that still learns."""
    if not isinstance(images, Tensor) or images.dim() != 4 or not images.is_floating_point():
        got = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(
            "An attack needs floating-point images in [0, 1] of shape (n, channels, height, width); got "
            f"{got}. Of uint8 images: `images / 255`."
        )
    if classes.shape != images.shape[:1]:
        raise ValueError(
            "An attack needs floating-point images of shape (n, channels, height, width) and a class for each; got "
            f"{images.dtype} {tuple(images.shape)} and {tuple(classes.shape)}."
        )
    low, high = map(float, images.aminmax()) if images.numel() else (0.0, 1.0)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"Images must be in [0, 1]; got {low:g} to {high:g}.")
    if len(classes) and int(classes.min()) < 0:
        raise ValueError(f"Classes must be numbers from 0; got {int(classes.min())}.")
    if is_training(model):
        raise ValueError(
            "The model must be in eval mode to be attacked: dropout and batch norms would change it from batch to "
            "batch. Call model.eval() first."
        )


def check_classes(outputs: Tensor, classes: Tensor) -> None:
    """Raises ValueError where a network's outputs, shape (batch, outputs), do not have the classes."""
    if len(classes) and int(classes.max()) >= outputs.shape[1]:
        raise ValueError(
            f"Classes must be below {outputs.shape[1]}, the number of the model's outputs; got {int(classes.max())}."
        )


def followed(gradient: Tensor) -> Tensor:
    """A gradient with 0, no direction, where it is not a number: at a root of 0, say."""
    return gradient.nan_to_num(0.0)


def warn_of_zero_gradients(still: int, images: int) -> None:
    """Warns where a search has nothing to follow."""
    if still:
        warnings.warn(
            f"The gradient is zero for {still} of {images} images (or NaN), which cannot be moved: their robust "
            "accuracy says nothing. Try attack.loss=margin.",
            stacklevel=4,
        )


def check_number(name: str, value: Any) -> None:
    """Raises ValueError for what is no number."""
    if not isinstance(value := plain(value), int | float) or isinstance(value, bool):
        raise ValueError(f"`attack.{name}` must be a number or a fraction such as 8/255; got {value}.")


def check_least(**settings: tuple[Any, float]) -> None:
    """Raises ValueError for a setting that is below its least: its name with the value and the least."""
    for name, (value, least) in settings.items():
        if not is_whole(value, least):
            raise ValueError(f"`attack.{name}` must be a whole number >= {least}; got {value}.")


def as_number(name: str, value: Any) -> Any:
    """A fraction such as 8/255, or a number of any type, as Python has it, also within other options; everything else
    as it is."""
    if isinstance(value, Mapping):
        return {key: as_number(f"{name}.{key}", inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_number(name, inner) for inner in value]
    if not (isinstance(value, str) and "/" in value):
        return plain(value)
    try:
        return float(Fraction(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"`{name}` must be a number or a fraction such as 8/255; got {value}.") from None
