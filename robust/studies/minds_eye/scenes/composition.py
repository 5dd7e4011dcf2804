"""What a scene is made of: what varies in it, and a drawing laid over a background."""

import torch
from torch import Tensor

#: the class of a bare background
NONE = "none"
#: what may vary from image to image, and in which range: the Euler angles about x, y and z (rad; Berntsen et al. 2016,
#: section 3.1), and on request scale (a factor), pan (the camera's units) and the angle of the object's joint (rad)
RANGES = {
    "pitch": (-0.5, 0.5),
    "yaw": (-0.5, 0.5),
    "roll": (-0.5, 0.5),
    "scale": (0.75, 1.1),
    "pan_x": (-0.25, 0.25),
    "pan_y": (-0.25, 0.25),
    "joint": (-0.5, 0.5),
}


def over(backgrounds: Tensor, drawings: Tensor, alphas: Tensor) -> Tensor:
    """Objects on black laid over backgrounds; all uint8."""
    behind = (255 - alphas.int()) * backgrounds.int()
    return (drawings.int() + (behind + 127) // 255).clamp_(max=255).to(torch.uint8)
