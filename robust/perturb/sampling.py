"""Images drawn anew from places in them."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

#: what shows where nothing of the picture is: its border drawn out, black, or its mirror image
Outside = Literal["border", "zeros", "reflection"]


def sampled(images: Tensor, x: Tensor, y: Tensor, *, outside: Outside, middles: bool = False) -> Tensor:
    """The values of images, shape (batch, channels, height, width), at places between pixels, bilinearly.

    `x` and `y`, of the images' type, float32 or float64, shape (batch, new height, new width) each: columns and rows,
    with the picture from -1 to 1, from edge to edge or, with `middles`, between the middles of its outer pixels.
    """
    grid = torch.view_as_real(torch.complex(x, y))  # on a CPU ten times as fast as `torch.stack`
    return functional.grid_sample(images, grid, padding_mode=outside, align_corners=middles)
