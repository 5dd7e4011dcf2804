"""Images drawn anew from places in them."""

from typing import Literal

from torch import Tensor
from torch.nn import functional

#: what shows where nothing of the picture is: its border drawn out, black, or its mirror image
Outside = Literal["border", "zeros", "reflection"]


def sampled(images: Tensor, places: Tensor, *, outside: Outside, middles: bool = False) -> Tensor:
    """The values of images, shape (batch, channels, height, width), at places between pixels, bilinearly.

    `places`, of the images' type, float32 or float64, shape (batch, 2, new height, new width): columns and rows, with
    the picture from -1 to 1, from edge to edge or, with `middles`, between the middles of its outer pixels.
    """
    return functional.grid_sample(images, places.permute(0, 2, 3, 1), padding_mode=outside, align_corners=middles)
