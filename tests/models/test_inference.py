"""Networks for tests alone answer as those that they are made from."""

from typing import Any

import pytest
import torch
from torch import nn

from robust.experiment.build import build
from robust.experiment.compose import compose
from robust.models import Siamese, folded

NETWORKS = [
    ("convnet_mnist", (1, 28, 28), {}),
    ("convnet_cifar10", (3, 32, 32), {}),
    ("convnet_cifar10", (3, 32, 32), {"batch_norm": False}),
    ("convnet_cifar10", (3, 32, 32), {"activation": "tanh", "dropout": 0.0}),
    ("resnet18", (3, 64, 64), {"stem_stride": 2, "stem_pool": True}),  # comes down to 2x2
    ("resnet18", (3, 16, 16), {}),
    ("se_resnet18", (3, 32, 32), {"stem_stride": 2}),
    ("resnet50", (3, 32, 32), {"stem_stride": 2}),
]


@pytest.mark.parametrize(
    ("name", "shape", "changes", "siamese"),
    [*((*network, False) for network in NETWORKS), ("resnet18", (3, 16, 16), {}, True)],
    ids=str,
)
def test_a_folded_network_gives_the_same_logits(
    name: str, shape: tuple[int, int, int], changes: dict[str, Any], siamese: bool
) -> None:
    torch.manual_seed(0)
    model = build(compose([f"model={name}"]).model, image_shape=shape, num_classes=10, **changes)
    if siamese:
        shape = (shape[0], shape[1], 2 * shape[2])
        model = Siamese(network=model, image_shape=shape, num_classes=8)
    images = torch.rand(20, *shape)
    with torch.no_grad():
        for _ in range(3):
            model(images)  # batch norms that have seen something
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d) and norm.affine:
                norm.bias.normal_()
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.inference_mode():
        quick = folded(model)
        logits = quick(images)
        norms = [one for one in quick.modules() if isinstance(one, nn.BatchNorm2d)]
        assert not norms
        assert not any(part.training for part in quick.modules())
        assert model.training
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items()), "a copy is folded"
        torch.testing.assert_close(logits, model.eval()(images), rtol=1e-3, atol=1e-3)


def test_any_other_network_is_left_as_it_is() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    assert folded(model) is model
