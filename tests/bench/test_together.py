"""What packing was measured against does the steps that it says."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from robust.bench.together import in_turn, on_streams, stacked_gradients
from robust.models import ConvNet


def models(count: int, **settings: Any) -> list[torch.nn.Module]:
    torch.manual_seed(0)
    return [ConvNet(image_shape=(1, 8, 8), num_classes=3, units=[4], kernel_size=3, **settings) for _ in range(count)]


def test_every_model_learns() -> None:
    images, labels, several = torch.rand(12, 1, 8, 8), torch.arange(12) % 3, models(2)
    before = [functional.cross_entropy(model(images), labels) for model in several]
    step = in_turn(several, images, labels)
    for _ in range(20):
        step()
    after = [functional.cross_entropy(model(images), labels) for model in several]
    assert all(now < then for now, then in zip(after, before, strict=True))


def test_stacked_models_have_the_gradients_that_each_has() -> None:
    images, labels = torch.rand(12, 1, 8, 8), torch.arange(12) % 3
    several = models(2, batch_norm=False, dropout=0)
    parameters, gradients = stacked_gradients(several, images, labels)
    found = gradients()
    assert found.keys() == parameters.keys()
    for place, model in enumerate(several):
        functional.cross_entropy(model(images), labels).backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(found[name][place], parameter.grad)


def test_graphs_need_a_gpu() -> None:
    with pytest.raises(RuntimeError, match="need a GPU"):
        on_streams(models(1), torch.rand(2, 1, 8, 8), torch.arange(2))
