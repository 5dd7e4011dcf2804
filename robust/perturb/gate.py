"""What comes back from a perturbation: images as they went in, by the random numbers given alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_CPU = torch.device("cpu")
_SLACK = 1e-6  # by which rounding may leave [0, 1]
_BETWEEN = 1e-4  # batches, in the mean: products of matrices are rounded otherwise


def sound(changed: Any, images: Tensor, name: str, *, bounded: bool = True) -> Tensor:
    """`changed`, what `name` made of images, clipped where rounding left [0, 1]. Raises ValueError unless it is a
    tensor as `images` are: of the same shape, dtype and device, and in [0, 1] if it is to be `bounded`."""
    if not isinstance(changed, Tensor):
        raise ValueError(f"`{name}` must return images, a tensor; got {type(changed).__name__}.")
    for what in ("shape", "dtype", "device"):
        came, went = (getattr(one, what) for one in (changed, images))
        if came != went:
            shown = [tuple(one) if what == "shape" else one for one in (went, came)]
            raise ValueError(f"`{name}` must return images of the {what} it was given, {shown[0]}; got {shown[1]}.")
    if not changed.numel() or not bounded:
        return changed
    low, high = (value.item() for value in torch.aminmax(changed.detach()))
    if low >= 0 and high <= 1:
        return changed
    if low >= -_SLACK and high <= 1 + _SLACK:
        return changed.clamp(0, 1)
    got = "NaN" if low != low else f"values from {low:g} to {high:g}"
    raise ValueError(f"`{name}` must return images in [0, 1]; got {got}. Clip them: `images.clamp(0, 1)`.")


def try_out(
    change: Callable[[Tensor, Tensor], Any],
    shape: tuple[int, int, int],
    name: str,
    *,
    device: torch.device = _CPU,
    bounded: bool = True,
) -> None:
    """Has `change`, from images and what identifies each, int64 of shape (batch,), change two images of `shape`
    (channels, height, width).

    Raises ValueError unless they come back as images (see `sound`), the same a second time, and the same one by one.
    """
    places = torch.tensor([0, 1], device=device)
    size = shape[0] * shape[1] * shape[2]
    images = torch.linspace(0, 1, 2 * size, device=device).view(2, *shape)

    def changed(rows: Tensor) -> Tensor:
        shown = images[rows]
        try:
            found = sound(change(shown, places[rows]), shown, name, bounded=bounded)
        except (TypeError, RuntimeError, AttributeError, IndexError, KeyError, NotImplementedError) as error:
            raise ValueError(
                f"`{name}` cannot change images of shape {shape}: it is given float32 images in [0, 1], shape (batch, "
                "channels, height, width), and random numbers, a robust.perturb.ImageRandom, by which it changes them, "
                f"and must return images alike ({type(error).__name__}: {error})."
            ) from error
        if not torch.equal(shown, images[rows]):
            raise ValueError(f"`{name}` must leave the images it is given as they are, and return others.")
        return found

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        once, again, alone = changed(places), changed(places), torch.cat([changed(places[:1]), changed(places[1:])])
    if not torch.equal(once, again):
        raise ValueError(
            f"`{name}` must draw from the random numbers it is given (robust.perturb.ImageRandom) alone: the same "
            "image came out differently the second time."
        )
    if (once - alone).abs().mean() > _BETWEEN:
        raise ValueError(
            f"`{name}` must change each image by itself: one came out differently alone than beside another."
        )
