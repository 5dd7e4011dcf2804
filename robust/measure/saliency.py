"""Where a network looks: saliency, Grad-CAM and activations (Captum)."""

from typing import Any

import torch
from torch import Tensor, nn

from robust.errors import require
from robust.measure.displacement import layers
from robust.models import Standardize


def captum_attributions() -> Any:
    """Captum's attributions. Raises ValueError, with the command that installs it, where it is missing."""
    return require("captum.attr", what="Where a network looks", extra="explain")


def saliency_maps(model: nn.Module, image: Tensor, label: int) -> dict[str, Tensor]:
    """Maps of an image for the class `label`: `saliency`, the absolute gradient (Simonyan et al. 2014, arXiv 1312.6034)
    with respect to the image as the network standardises it; `Grad-CAM` (Selvaraju et al. 2017, arXiv 1610.02391) at
    the last layer that has places; and the mean absolute activation of each layer that has places.

    `image`: float in [0, 1], shape (channels, height, width); `model` in eval mode. Each map has shape (rows, columns),
    from 0.
    """
    captum = captum_attributions()
    batch = image[None]
    saliency = captum.Saliency(model).attribute(batch.clone().requires_grad_(True), target=label)[0].detach()
    for first in model.modules():
        if isinstance(first, Standardize):  # a pixel that hardly ever varies would outshine all others
            saliency = (saliency / first.scale).nan_to_num(0, 0, 0)
    maps = {"saliency": saliency.amax(0)}
    activations = {}
    for name in layers(model):
        with torch.no_grad():
            activation = captum.LayerActivation(model, model.get_submodule(name)).attribute(batch)
        if activation.dim() == 4 and min(activation.shape[2:]) > 1:
            activations[name] = activation[0].abs().mean(0)
    convolutions = [name for name, one in model.named_modules() if isinstance(one, nn.Conv2d)]
    if names := [*activations] or convolutions:
        last = model.get_submodule(names[-1])
        cam = captum.LayerGradCam(model, last).attribute(batch, target=label, relu_attributions=True)
        maps["Grad-CAM"] = cam[0, 0].detach()
    return {**maps, **activations}
