"""Restorations, held against SciPy, OpenCV and Pillow, and what holds for all of them."""

import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from robust.models import ConvNet, folded, gives_logits
from robust.perturb import DeadPixels, StuckPixels
from robust.restore import (
    Bilateral,
    DefectivePixels,
    Gaussian,
    Jpeg,
    Median,
    Restoration,
    Restored,
    Unsharp,
    hides_gradients,
)

ALL = [Median(), Median(size=5), Bilateral(), Gaussian(), Unsharp(), Jpeg(), DefectivePixels()]
SIZES = [(1, 1), (1, 7), (2, 2), (9, 16)]


def pictures(count: int = 2, channels: int = 3, height: int = 16, width: int = 16) -> Tensor:
    """Smooth ones with some noise."""
    generator = torch.Generator().manual_seed(channels)
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 2, width), indexing="ij")
    smooth = 0.5 + 0.3 * torch.sin(x + torch.arange(count * channels).view(count, channels, 1, 1)) * torch.cos(y)
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize("restore", ALL, ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_any_picture_is_restored_by_itself(restore: Restoration, channels: int, size: tuple[int, int]) -> None:
    images = pictures(3, channels, *size)
    before, restored = images.clone(), restore(images)
    assert torch.equal(images, before)
    assert (restored.shape, restored.dtype) == (images.shape, images.dtype)
    assert restored.min() >= 0
    assert restored.max() <= 1
    torch.testing.assert_close(restore(images[1:2]), restored[1:2], atol=1e-6, rtol=0)
    assert restore(images.double()).dtype == torch.float64


@pytest.mark.parametrize("restore", ALL, ids=str)
def test_a_gradient_goes_through_and_says_whether_it_is_its_own(restore: Restoration) -> None:
    images = (0.1 + 0.8 * pictures()).requires_grad_()
    weights = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((restore(images) * weights).sum(), images)
    assert gradient.isfinite().all()
    assert torch.equal(gradient, weights) == (not restore.differentiable) or isinstance(restore, DefectivePixels)
    assert hides_gradients(nn.Sequential(restore, nn.Flatten())) == (not restore.differentiable)


def test_they_are_scipys_opencvs_and_pillows() -> None:
    (image,) = pictures(1, 3, 20, 17)
    numpy = image.numpy()
    for size in (3, 5):
        wanted = np.stack([ndimage.median_filter(one, size, mode="nearest") for one in numpy])
        np.testing.assert_allclose(Median(size=size)(image[None])[0], wanted, atol=1e-6)
    wanted = np.stack([ndimage.gaussian_filter(one.astype(float), 0.7, mode="reflect") for one in numpy])
    np.testing.assert_allclose(Gaussian(sigma=0.7)(image[None])[0], wanted, atol=1e-6)
    blurry = np.stack([ndimage.gaussian_filter(one.astype(float), 1.0, mode="reflect") for one in numpy])
    sharp = Unsharp(sigma=1.0, amount=0.5)(image[None])[0]
    np.testing.assert_allclose(sharp, (1.5 * numpy - 0.5 * blurry).clip(0, 1), atol=1e-6)
    stored = io.BytesIO()
    pixels = np.uint8(np.round(numpy.transpose(1, 2, 0) * 255))
    Image.fromarray(pixels).save(stored, "jpeg", quality=60)
    read = np.asarray(Image.open(stored)).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(Jpeg(quality=60)(image[None])[0], read, atol=1e-6)
    middle = (slice(None), slice(3, -3), slice(3, -3))  # OpenCV leaves out the corners of the square
    ours = Bilateral(size=5, space=1.0, colour=0.1)(image[None])[0].numpy()
    theirs = cv2.bilateralFilter(numpy.transpose(1, 2, 0), 5, 0.1, 1.0).transpose(2, 0, 1)
    assert np.abs(ours - theirs)[middle].max() < 0.02
    assert np.abs(numpy - theirs)[middle].max() > 0.04


@pytest.mark.parametrize("faults", [StuckPixels(count=3), DeadPixels(count=3)], ids=lambda one: one.fault)
def test_pixels_that_fail_are_mended_and_no_others(faults: StuckPixels | DeadPixels) -> None:
    y, x = torch.meshgrid(torch.linspace(0.3, 0.7, 24), torch.linspace(0, 0.2, 24), indexing="ij")
    images = (y + x).expand(8, 1, -1, -1)
    mend, spoilt = DefectivePixels(threshold=0.1), faults(images, seed=1)
    assert torch.equal(mend(images), images)
    wrong = (spoilt - images).abs() > 0.15
    assert wrong.sum() >= 8
    assert ((mend(spoilt) - images).abs()[wrong] < 0.05).float().mean() > 0.9, "all but neighbours that fail together"
    assert torch.equal(mend(spoilt)[spoilt == images], images[spoilt == images])


def test_a_network_behind_one_is_asked_as_it_is_without() -> None:
    torch.manual_seed(0)
    shape = (1, 12, 12)
    network = ConvNet(image_shape=shape, num_classes=4, units=[4, 4], kernel_size=3).eval()
    network.gives_logits = False
    model = Restored(network=network, restore=Median(), image_shape=shape, num_classes=4).eval()
    images = pictures(5, *shape)
    assert torch.equal(model(images), network(Median()(images)))
    torch.testing.assert_close(folded(model)(images), model(images), atol=1e-5, rtol=1e-4)
    assert not gives_logits(model)
    with pytest.raises(AttributeError, match="no_such"):
        _ = model.no_such


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Median(size=4), "`size` must be an odd number from 3 to 15; got 4"),
        (lambda: Median(size=1), "odd number"),
        (lambda: Bilateral(colour=0), "`colour` must be a number above 0; got 0"),
        (lambda: Gaussian(sigma=-1), "`sigma` must be a number above 0"),
        (lambda: Unsharp(amount=float("nan")), "`amount` must be a number above 0"),
        (lambda: Jpeg(quality=0), "`quality` must be a whole number from 1 to 100; got 0"),
        (lambda: Jpeg(quality=75.5), "whole number"),
        (lambda: DefectivePixels(threshold=2), "`threshold` must be a number from 0 to 1"),
    ],
)
def test_numbers_that_there_are_not_are_refused(make: type[Restoration], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
