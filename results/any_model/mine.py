"""A network of one's own: what `model=own model.path=mine:Patches` calls."""

import torch
from torch import Tensor, nn

from robust.models import Wants


class Patches(nn.Module):
    """Embeds patches of 4x4 pixels, mixes them with their neighbours, takes the mean (after ConvMixer)."""

    wants = Wants(mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26))

    def __init__(self, *, num_classes: int, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Conv2d(3, width, 4, stride=4), nn.GELU(), nn.BatchNorm2d(width))
        self.mix = nn.ModuleList(_Block(width) for _ in range(depth))
        self.last = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.embed(images)
        for block in self.mix:
            maps = block(maps)
        return self.last(torch.mean(maps, (2, 3)))


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = nn.Sequential(nn.Conv2d(width, width, 5, padding=2, groups=width), nn.GELU(), nn.BatchNorm2d(width))
        self.across = nn.Sequential(nn.Conv2d(width, width, 1), nn.GELU(), nn.BatchNorm2d(width))

    def forward(self, maps: Tensor) -> Tensor:
        return self.across(maps + self.near(maps))
