"""Normalisation inside the model, against NumPy."""

import numpy as np
import pytest
import torch

from robust.models import Standardize

AXES = {"feature": 0, "channel": (0, 2, 3)}


def some_images(count=50, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    spread = torch.rand(3, 4, 5, generator=generator)
    return (torch.rand(count, 3, 4, 5, generator=generator) * spread).to(dtype)


def fitted(images, per="feature", sizes=None):
    layer = Standardize(image_shape=tuple(images.shape[1:]), per=per)
    layer.fit(images.split(sizes or len(images)))
    return layer


@pytest.mark.parametrize("per", AXES)
def test_it_is_numpys_mean_and_standard_deviation(per):
    images = some_images()
    values = images.double().numpy()
    expected = (values - values.mean(AXES[per], keepdims=True)) / values.std(AXES[per], keepdims=True)
    np.testing.assert_allclose(fitted(images, per)(images), expected, atol=1e-5)


@pytest.mark.parametrize("per", AXES)
def test_what_it_was_fitted_to_has_mean_0_and_variance_1(per):
    images = some_images()
    out = fitted(images, per)(images).double().numpy()
    np.testing.assert_allclose(out.mean(AXES[per]), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(AXES[per]), 1, atol=1e-5)


def test_none_changes_nothing():
    images = some_images()
    assert torch.equal(fitted(images, "none")(images), images)


@pytest.mark.parametrize("per", ["feature", "channel", "none"])
def test_before_it_is_fitted_it_changes_nothing(per):
    images = some_images()
    assert torch.equal(Standardize(image_shape=(3, 4, 5), per=per)(images), images)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1.0])
@pytest.mark.parametrize("sizes", [50, 7])
def test_a_feature_that_never_varied_becomes_0(value, sizes):
    images = some_images()
    images[:, 1, 2, 3] = value
    layer = fitted(images, sizes=sizes)
    images[0, 1, 2, 3] = 0.7  # nor does it count later
    out = layer(images)
    assert not out[:, 1, 2, 3].any()
    assert out.isfinite().all()
    assert out[:, 0].flatten(1).any(0).all()


def test_no_grey_value_that_never_varied_counts_for_rounding():
    images = (torch.arange(256) / 255).view(1, 1, 16, 16).repeat(47, 1, 1, 1)
    assert not fitted(images)(images / 2).any()


def test_a_feature_that_varies_a_little_still_counts():
    images = some_images()
    images[:, 1, 2, 3] = 0.5
    images[0, 1, 2, 3] += 1 / 255
    assert fitted(images)(images)[:, 1, 2, 3].std(correction=0).item() == pytest.approx(1, rel=1e-3)


def test_statistics_of_a_single_image_turn_it_to_0():
    assert not fitted(some_images(1))(some_images(1)).any()


@pytest.mark.parametrize("per", AXES)
@pytest.mark.parametrize("sizes", [1, 7, [1, 30, 19]], ids=str)
def test_how_the_images_are_cut_into_batches_does_not_matter(per, sizes):
    images = some_images()
    whole, cut = fitted(images, per), fitted(images, per, sizes)
    torch.testing.assert_close(cut.mean, whole.mean, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(cut.scale, whole.scale, rtol=1e-6, atol=1e-7)


def test_fitting_again_forgets_what_was_before():
    images = some_images()
    layer = fitted(images + 3)
    layer.fit([images])
    torch.testing.assert_close(layer.mean, fitted(images).mean, rtol=0, atol=0)


@pytest.mark.parametrize("per", AXES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_output_is_float32(per, dtype):
    images = some_images(dtype=dtype)
    layer = fitted(images, per)
    assert layer(images).dtype == layer.mean.dtype == layer.scale.dtype == torch.float32


@pytest.mark.parametrize("per", ["feature", "channel", "none"])
def test_statistics_travel_with_the_state_dict(per):
    images = some_images()
    layer = fitted(images, per)
    copy = Standardize(image_shape=(3, 4, 5), per=per)
    copy.load_state_dict(layer.state_dict())
    assert torch.equal(copy(images), layer(images))
    assert set(layer.state_dict()) == {"mean", "scale"}
    assert not list(layer.parameters()), "statistics are not learned"


def test_gradients_pass_through():
    images = some_images().requires_grad_()
    fitted(images.detach())(images).square().sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad.any()


@pytest.mark.parametrize("per", AXES)
def test_there_must_be_images_to_fit(per):
    with pytest.raises(ValueError, match="There are no images to take the mean and the spread of"):
        Standardize(image_shape=(3, 4, 5), per=per).fit([])


def test_what_shares_statistics_must_be_known():
    with pytest.raises(ValueError, match="`standardize` must be one of feature, channel, none; got 'pixel'"):
        Standardize(image_shape=(3, 4, 5), per="pixel")
