"""
Every perturbation
==================

Each perturbation at a low, a middle and a high strength: a third, two thirds and all of its usual level; of common
corruptions the severities 1, 3 and 5.
"""

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_images

from robust.data import ImageSet
from robust.experiment.perturbed import named_perturbations
from robust.experiment.sheet import STRENGTHS, contact_sheet

# %%
# Two photographs.

photographs = torch.stack([torch.from_numpy(one.copy()).permute(2, 0, 1) for one in load_sample_images().images])


def sheet(names: str, size: int, **strengths: float) -> Figure:
    """Both photographs, size x size pixels, under the perturbations of these names."""
    small = torch.nn.functional.interpolate(
        photographs.float(), size=(size, size * 3 // 2), mode="bilinear", antialias=True
    )
    middle = small[..., size // 4 : size // 4 + size].round().to(torch.uint8)
    images = ImageSet(middle, torch.tensor([0, 1]), ("temple", "flower"))
    shares, levels = [*STRENGTHS.values()], [*strengths.values()]
    _, rows = named_perturbations([f"perturb={names}"], usual="noise", shares=shares, levels=levels)
    return contact_sheet(images, rows, strengths=[*(strengths or STRENGTHS)], images=2)


# %%
# What a camera does: faulty pixels, noise, blur.

figures = {"Images of 32x32 pixels.": sheet("hot,dead,stuck,pixel,noise,blur,blur_channels,camera", 32)}

# %%
# How the picture is taken: geometry, occlusion, texture.

figures = {
    "Images of 96x96 pixels.": sheet(
        "shift,zoom,shear,rotate,perspective,erase,mesh,texture,pixel_dropout,environment", 96
    )
}

# %%
# The common corruptions (arXiv 1903.12261).

figures = {
    "Images of 64x64 pixels.": sheet(
        "gaussian_noise,shot_noise,impulse_noise,speckle_noise,gaussian_blur,defocus_blur,glass_blur,motion_blur,"
        "zoom_blur,snow,frost,frost_drawn,fog,brightness,spatter,contrast,saturate,elastic_transform,pixelate,"
        "jpeg_compression",
        64,
        low=1,
        middle=3,
        high=5,
    )
}
