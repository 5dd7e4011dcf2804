"""A network's output for images: logits, checked.

A network may return scores that are no logits: it says so by `gives_logits = False`, and no confidence is measured of
it. Where its scores mean other predictions at other thresholds, it is a `Thresholded`.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from robust.errors import one_line


class OutputError(ValueError):
    """A network that cannot be asked about images, or whose answer is of no use."""


@runtime_checkable
class Thresholded(Protocol):
    """A network whose scores, shape (batch, classes), mean other predictions at other thresholds: an attack that takes
    `thresholds` is judged at all of them."""

    def predictions_at(self, scores: Tensor, thresholds: Sequence[float]) -> Tensor:
        """The predictions at each threshold: int64 of shape (batch, thresholds)."""

    def target_loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        """What falls, shape (batch,), as the scores come nearer to those of the targets, int64 of shape (batch,)."""


def gives_logits(model: nn.Module) -> bool:
    """Whether a network's outputs are logits, whose softmax says how sure it is."""
    return bool(getattr(model, "gives_logits", True))


def ask(model: nn.Module, images: Tensor, *, numbers: Tensor | None = None, under: str = "") -> Tensor:
    """What `model` says of images in [0, 1], shape (batch, channels, height, width): finite logits, shape (batch,
    outputs), float32, or float64 of a network that computes so.

    The images are cast to the network's precision; an output that holds its logits as `logits` (a dictionary, a data
    class) is opened. Raises OutputError for a network that cannot be asked, and for what it may not say: it names the
    image, by `numbers`, int64 of shape (batch,), or else by its place in the batch, and what the network sees it
    `under`.
    """
    outputs = said(model, images)
    # the sum is infinite or NaN where a value is, and five times as fast to look at
    if math.isfinite(outputs.detach().sum().item()) or outputs.isfinite().all():
        return outputs
    bad = (~outputs.isfinite().all(1)).nonzero()[:, 0]
    first, values = int(bad[0]), outputs[bad[0]]
    number = first if numbers is None else int(numbers[first])
    more = f" and {len(bad) - 1} more of its batch" if len(bad) > 1 else ""
    raise OutputError(
        f"The model must return finite logits; got {'NaN' if values.isnan().any() else 'infinity'} for image {number}"
        f"{more}{f' under {under}' if under else ''}. Look at the layer that makes it: a division by zero, the "
        "logarithm or the root of one, an overflow."
    )


def said(model: nn.Module, images: Tensor) -> Tensor:
    """What `model` says of images, shape (batch, channels, height, width), of any values, as some searches show a
    network: logits, shape (batch, outputs), that need not be finite."""
    dtype = dtype_of(model)
    shown = images if images.dtype == dtype else images.to(dtype)
    version = _version(shown)
    try:
        outputs = model(shown)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError) as error:
        raise OutputError(
            f"The model cannot be called with images in [0, 1], {dtype} of shape {tuple(images.shape)} on "
            f"{images.device.type}: {one_line(error)} It must take them and return logits of shape (batch, classes)."
        ) from error
    if _version(shown) != version:
        raise OutputError("The model must leave the images it is given as they are; it changed them in place.")
    return _logits(outputs, len(images))


def dtype_of(model: nn.Module) -> torch.dtype:
    """The precision that a model computes in: that of its first weights; float32, if it has none."""
    held = chain(model.parameters(), model.buffers())
    return next((one.dtype for one in held if one.is_floating_point()), torch.float32)


def _version(images: Tensor) -> int:
    """How often a tensor was changed in place, where that is counted."""
    return 0 if images.is_inference() else images._version


def opened(outputs: Any) -> Any:
    """The logits of what a network returned: of a mapping or an object those that it holds as `logits`."""
    return outputs.get("logits", outputs) if isinstance(outputs, Mapping) else getattr(outputs, "logits", outputs)


def gives_gradients(model: nn.Module) -> bool:
    """Whether a network's outputs can be differentiated: not where a part of it is computed elsewhere."""
    return all(getattr(part, "gives_gradients", True) for part in model.modules())


def _logits(outputs: Any, images: int) -> Tensor:
    found = opened(outputs)
    if not isinstance(found, Tensor):
        raise OutputError(
            "The model must return logits, a tensor of shape (batch, classes), or hold it as `logits`; got "
            f"{type(outputs).__name__}. Wrap the model in a module that returns the logits alone."
        )
    if found.dim() != 2 or len(found) != images or not found.is_floating_point():
        raise OutputError(
            f"The model must return logits, floating-point of shape ({images}, classes) for {images} images; got "
            f"{found.dtype} of shape {tuple(found.shape)}."
        )
    return found.to(torch.promote_types(found.dtype, torch.float32))
