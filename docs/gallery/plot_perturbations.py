"""
Every perturbation
==================

Each perturbation at a low, a middle and a high strength: a third, two thirds and all of its usual level.
"""

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_images

from robust.data import ImageSet
from robust.experiment.perturbed import named_perturbations
from robust.report.sheet import STRENGTHS, contact_sheet

# %%
# Two photographs, 96 x 96 pixels.

photographs = torch.stack([torch.from_numpy(one.copy()).permute(2, 0, 1) for one in load_sample_images().images])
small = torch.nn.functional.interpolate(photographs.float(), size=(96, 144), mode="bilinear", antialias=True)
images = ImageSet(small[..., 24:120].round().to(torch.uint8), torch.tensor([0, 1]), ("temple", "flower"))


def sheet(names: str) -> Figure:
    """Both photographs under the perturbations of these names."""
    _, rows = named_perturbations([f"perturb={names}"], usual="noise", shares=list(STRENGTHS.values()))
    return contact_sheet(images, rows, images=2)


# %%
# What a camera does: faulty pixels, noise, blur.

figures = [sheet("hot,dead,stuck,pixel,noise,blur,blur_channels,camera")]

# %%
# How the picture is taken: geometry, occlusion, texture.

figures = [sheet("shift,zoom,shear,rotate,perspective,erase,mesh,texture,pixel_dropout,world")]
