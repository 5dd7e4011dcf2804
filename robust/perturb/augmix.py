"""AugMix, as published. Source: Hendrycks et al. 2020 (arXiv 1912.02781)."""

import torch
from torch import Tensor

from robust.perturb.base import Perturbation, check_level
from robust.perturb.families import operations
from robust.perturb.mixture import Chains
from robust.perturb.operations import operate
from robust.perturb.random import ImageRandom

#: none that the common corruptions are made of: brightness, colour, contrast and sharpness are left out
_NAMES = (
    *("autocontrast", "equalize", "posterize", "rotate", "solarize"),
    *("shear_x", "shear_y", "shift_x", "shift_y"),
)
_STRONGEST, _WEAKEST = 10, 0.1  # severities
_DEGREES, _TANGENT, _SHIFT, _BITS = 30, 0.3, 1 / 3, 4  # at the severity of 10; a shift is a share of the side


class DrawnOperation(Perturbation):
    """Puts each image through one of nine operations, drawn evenly, at a strength drawn evenly from 0.1 to `severity`,
    which is at most 10; 0 changes nothing. Images come out in 8 bits, so that the gradient is taken to be that of
    changing nothing. Raises ValueError for another severity."""

    name = "operation"
    moves = True
    made_of = operations(*_NAMES)

    def __init__(self, *, severity: float = 3):
        super().__init__()
        self.level = check_level("severity", severity, "the strength of operations, from 0 to 10", most=_STRONGEST)

    def sample(self, random: ImageRandom, shape: tuple[int, int, int]) -> dict[str, Tensor]:
        """`drawn`, which operation, and `amounts` (see `OPERATIONS`), both of shape (batch,)."""
        drawn = random.integers(len(_NAMES))
        strength = (_WEAKEST + (self.level - _WEAKEST) * random.uniform()) / _STRONGEST
        sign = 2 * random.integers(2) - 1
        none, (height, width) = torch.zeros_like(strength), shape[1:]
        amounts = {
            "posterize": 8 - (_BITS - (strength * _BITS).floor()),
            "rotate": sign * (strength * _DEGREES).floor(),
            "solarize": (strength * 256).floor() / 256,
            "shear_x": sign * strength * _TANGENT,
            "shear_y": sign * strength * _TANGENT,
            "shift_x": sign * (strength * width * _SHIFT).floor() / width,
            "shift_y": sign * (strength * height * _SHIFT).floor() / height,
        }
        every = torch.stack([amounts.get(name, none) for name in _NAMES], dim=1)
        return {"drawn": drawn, "amounts": every.gather(1, drawn[:, None])[:, 0]}

    def apply_transform(self, images: Tensor, *, drawn: Tensor, amounts: Tensor) -> Tensor:
        if not self.level or not len(images):
            return images.clone()
        changed = operate(images.detach(), _NAMES, drawn, amounts)
        return images + (changed - images).detach() if images.requires_grad else changed


class AugMix(Chains):
    """Blends an image with chains of operations (see `Chains`, and for the operations and their `severity`
    `DrawnOperation`). Source: Hendrycks et al. 2020 (arXiv 1912.02781)."""

    name = "augmix"

    def __init__(self, *, severity: float = 3, chains: int = 3, longest: int = 3):
        super().__init__(each=DrawnOperation(severity=severity), chains=chains, longest=longest)
