"""Pictures of where a network looks."""

import torch

from robust.measure import saliency_maps
from robust.models import ConvNet


def test_maps_show_where_a_network_looks() -> None:
    torch.manual_seed(0)
    network = ConvNet(image_shape=(1, 16, 16), num_classes=2, units=[4, 8], kernel_size=3, padding=1).eval()
    with torch.no_grad():
        first = network.head[0].weight.view(2, 8, 4, 4)
        first.zero_()
        first[0, :, :2, :2] = 1.0  # class 0 rests on the upper left quarter
    image = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0))
    maps = saliency_maps(network, image, 0)
    assert list(maps) == ["saliency", "Grad-CAM", "features.0", "features.5"]
    assert maps["saliency"].shape == (16, 16)
    assert maps["saliency"][12:, 12:].max() == 0
    assert maps["saliency"][:6, :6].max() > 0
    assert all((values >= 0).all() for values in maps.values())
