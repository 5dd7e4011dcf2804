"""The restoration that learns."""

import pytest
import torch
from torch import Tensor

from robust.restore import Denoiser, Restored


def moved(shape: tuple[int, int, int], width: int = 4) -> Denoiser:
    """One that has learnt something."""
    torch.manual_seed(0)
    model = Denoiser(image_shape=shape, width=width)
    torch.nn.init.normal_(model.last.weight, std=0.1)
    return model.eval()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (9, 16), (28, 28)])
def test_pictures_of_any_size_are_restored_by_themselves(channels: int, size: tuple[int, int]) -> None:
    images = torch.rand(3, channels, *size, generator=torch.Generator().manual_seed(1))
    model = moved((channels, 28, 28))
    restored = model(images)
    assert (restored.shape, restored.dtype) == (images.shape, images.dtype)
    assert restored.min() >= 0
    assert restored.max() <= 1
    assert not torch.equal(restored, images)
    torch.testing.assert_close(model(images[1:2]), restored[1:2], atol=1e-6, rtol=0)
    assert model(images.double()).dtype == torch.float64


def test_a_new_one_leaves_pictures_as_they_are_and_is_small() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(Denoiser(image_shape=(3, 8, 8))(images), images)
    assert sum(one.numel() for one in Denoiser(image_shape=(3, 8, 8)).parameters()) < 30_000
    assert sum(one.numel() for one in Denoiser(image_shape=(3, 8, 8), width=45).parameters()) < 1_000_000


def test_attacks_see_through_it() -> None:
    """The gradient is that of small steps."""
    model, images = moved((1, 6, 6)).double(), (0.2 + 0.6 * torch.rand(1, 1, 6, 6)).double()

    def height(given: Tensor) -> Tensor:
        return model(given).square().sum()

    gradient = torch.autograd.functional.jacobian(height, images)
    step = torch.zeros_like(images)
    step[0, 0, 2, 3] = 1e-6
    slope = (height(images + step) - height(images - step)) / 2e-6
    torch.testing.assert_close(gradient[0, 0, 2, 3], slope, rtol=1e-4, atol=1e-6)
    assert gradient[0, 0, 2, 3].item() != pytest.approx(2 * images[0, 0, 2, 3].item(), rel=1e-3), "not of leaving it"
    assert Restored(network=torch.nn.Flatten(), restore=model, image_shape=(1, 6, 6), num_classes=2).restore is model


def test_what_it_cannot_be_or_restore_is_refused() -> None:
    for width in (0, 46, 2.5):
        with pytest.raises(ValueError, match=r"`width` must be a whole number from 1 to 45"):
            Denoiser(image_shape=(3, 8, 8), width=width)
    with pytest.raises(ValueError, match=r"`channels of an image` must be 3, of the images that it learnt from; got 1"):
        moved((3, 8, 8))(torch.rand(1, 1, 8, 8))
