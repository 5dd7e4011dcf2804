"""
A camera in physical units
==========================

The same scene taken at several ISOs, f-numbers and shutter speeds, and in less and less light, by a telephone and by a
full-frame camera; each pixel of the picture is one of the sensor, or made of four.
"""

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_images

from robust.data import ImageSet
from robust.experiment.perturbed import named_perturbations
from robust.experiment.sheet import contact_sheet

# %%
# A photograph, and a drawing: rings, finer towards the rim, and two patches, dark and light.

_, photograph = (torch.from_numpy(one.copy()).permute(2, 0, 1)[None].float() for one in load_sample_images().images)
SIZE = 64
small = torch.nn.functional.interpolate(photograph, size=(SIZE, SIZE * 3 // 2), mode="bilinear", antialias=True)
across = torch.linspace(-1, 1, SIZE)
radius = torch.hypot(across[:, None], across)
drawn = 128 + 100 * torch.cos(20 * radius**2)
drawn[:12, :12], drawn[-12:, -12:] = 40, 220
both = torch.stack([small[0, :, :, SIZE // 4 : SIZE // 4 + SIZE], drawn.expand(3, SIZE, SIZE)]).round().to(torch.uint8)
images = ImageSet(both, torch.tensor([0, 1]), ("flower", "rings"))


def sheet(name: str, *levels: float) -> Figure:
    """Both under this perturbation at these levels, taken by two cameras."""
    rows = []
    for camera in ("phone", "full_frame"):
        for native_pixels in (1, 4):
            settings = [f"perturb={name}", f"camera={camera}", f"camera.native_pixels={native_pixels}"]
            rows += named_perturbations(settings, usual=name, levels=levels)[1]
    return contact_sheet(images, rows, strengths=[f"{level:g}" for level in levels], images=2)


# %%
# Noise rises with ISO, on a small pixel sooner.

figures = {"ISO.": sheet("iso", 100, 800, 6400, 25600)}

# %%
# Half a metre in front of what it is focused on, a scene is the more blurred, the smaller the f-number; a telephone's
# short lens blurs it little, and a large f-number blurs a small pixel by diffraction.

figures = {"F-number.": sheet("defocus", 1.4, 2.8, 8, 16)}

# %%
# A scene that moves is blurred along its way while the shutter is open.

figures = {"Seconds.": sheet("shutter", 0.001, 0.016, 0.06, 0.25)}

# %%
# In less light the camera's programme opens the shutter for longer and raises the ISO: pictures are as bright, and
# noisy, down to where even the highest ISO is too little and the shutter stays open until all is a smear.

figures = {"Lux.": sheet("light", 1000, 100, 10, 1, 0.1)}
