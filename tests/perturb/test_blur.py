"""Gaussian blur, against SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from robust.perturb import GaussianBlur
from robust.perturb.blur import gaussian_blur, gaussian_matrix

steadily = settings(deadline=None, derandomize=True, max_examples=50)
sigmas = st.floats(0.01, 20)
sizes = st.integers(1, 12)


def some_images(*shape, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("channels", [False, True])
@pytest.mark.parametrize("sigma", [0.1, 0.12, 0.5, 1, 1.375, 2.5, 7, 40])
@pytest.mark.parametrize("shape", [(2, 3, 28, 28), (2, 3, 7, 11), (2, 1, 5, 4), (1, 3, 1, 1), (1, 2, 1, 9)], ids=str)
def test_blur_is_scipys(channels, sigma, shape):
    images = some_images(*shape)
    blurred = GaussianBlur(sigma=sigma, channels=channels)(images)
    axes = (0, sigma if channels else 0, sigma, sigma)
    expected = ndimage.gaussian_filter(images.double().numpy(), axes, mode="reflect")
    np.testing.assert_allclose(blurred, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [False, True])
def test_blur_in_double_precision_is_scipys_to_the_last_digits(channels):
    images = some_images(2, 3, 9, 12, dtype=torch.float64)
    expected = ndimage.gaussian_filter(images.numpy(), (0, 2 if channels else 0, 2, 2), mode="reflect")
    np.testing.assert_allclose(gaussian_blur(images, 2.0, channels=channels), expected, rtol=0, atol=1e-14)


def test_colours_bleed_only_where_channels_are_filtered():
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0] = 1
    torch.testing.assert_close(GaussianBlur(sigma=2)(red), red)
    assert (GaussianBlur(sigma=2, channels=True)(red)[:, 1:] > 0.1).all()


@steadily
@given(size=sizes, sigma=sigmas)
def test_the_weights_of_every_pixel_sum_to_one(size, sigma):
    matrix = gaussian_matrix(size, sigma)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(1), torch.ones(size, dtype=torch.float64))


@steadily
@given(height=sizes, width=sizes, sigma=sigmas, value=st.floats(0, 1), channels=st.booleans())
def test_an_image_of_one_colour_stays_as_it_is(height, width, sigma, value, channels):
    images = torch.full((2, 3, height, width), value, dtype=torch.float64)
    torch.testing.assert_close(gaussian_blur(images, sigma, channels=channels), images)


@steadily
@given(height=sizes, width=sizes, sigma=sigmas, channels=st.booleans())
def test_blur_keeps_the_mean_and_narrows_the_range(height, width, sigma, channels):
    images = some_images(2, 3, height, width, dtype=torch.float64)
    blurred = gaussian_blur(images, sigma, channels=channels)
    torch.testing.assert_close(blurred.mean((1, 2, 3)), images.mean((1, 2, 3)))
    assert images.min() - 1e-12 <= blurred.min() <= blurred.max() <= images.max() + 1e-12


def test_a_blur_far_wider_than_the_image_leaves_its_mean():
    images = some_images(2, 3, 6, 5)
    mean = images.mean((2, 3), keepdim=True).expand_as(images)
    torch.testing.assert_close(GaussianBlur(sigma=100)(images), mean, rtol=0, atol=1e-4)


@pytest.mark.parametrize("channels", [False, True])
def test_the_gradient_is_right(channels):
    images = (some_images(1, 3, 4, 5, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: gaussian_blur(x, 1.2, channels=channels), images)
