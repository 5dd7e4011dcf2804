import pytest
import torch
from torch.nn import functional

from robust.models import FastNet, ImagesTooSmallError
from robust.models.whitening import Shift, Whitening


def photos(count: int = 64, channels: int = 3) -> torch.Tensor:
    """Smooth images, whose neighbouring pixels and channels are alike, as those of photographs are."""
    noise = torch.rand(count, channels, 20, 20, generator=torch.Generator().manual_seed(0))
    smooth = functional.avg_pool2d(noise, 5, stride=1)
    return (0.7 * smooth + 0.3 * smooth.mean(1, keepdim=True)).clamp(0, 1)


def test_patches_are_white_once_it_was_fitted() -> None:
    images = photos()
    whitening = Whitening(3)
    assert torch.equal(whitening(images)[:, :12], -whitening(images)[:, 12:])
    before = torch.corrcoef(whitening(images)[:, :12].transpose(0, 1).flatten(1))
    assert (before - torch.eye(12)).abs().max() > 0.5
    whitening.fit(images.split(10))
    maps = whitening(images)
    assert maps.shape == (64, 24, 15, 15)
    assert torch.equal(maps[:, :12], -maps[:, 12:])
    after = torch.cov(maps[:, :12].transpose(0, 1).flatten(1))
    assert torch.allclose(after, torch.eye(12), atol=0.1)  # a little less where they hardly vary
    assert torch.allclose(maps.mean((0, 2, 3)), torch.zeros(24), atol=0.2)


def test_it_is_fitted_to_the_first_five_thousand_images_in_any_batches() -> None:
    images = photos(5200, channels=1)
    one, two = Whitening(1), Whitening(1)
    one.fit(images.split(700))
    two.fit([images[:5000]])
    assert torch.equal(one.weight, two.weight)
    assert one.outputs == 8
    one.fit([1 - images])
    assert torch.equal(one.weight, two.weight), "a network that was trained keeps its directions"
    with pytest.raises(ValueError, match="no images"):
        Whitening(1).fit([])


def test_images_that_never_vary_are_whitened_to_finite_numbers() -> None:
    whitening = Whitening(1)
    whitening.fit([torch.full((4, 1, 8, 8), 0.5)])
    assert whitening(torch.rand(2, 1, 8, 8)).isfinite().all()


def test_a_shift_learns_as_many_times_as_fast_as_it_says() -> None:
    def moved(rate: float) -> torch.Tensor:
        shift = Shift(2, rate=rate)
        optimizer = torch.optim.SGD(shift.parameters(), lr=0.1)
        shift(torch.zeros(1, 2, 1, 1)).sum().backward()
        optimizer.step()
        return shift(torch.zeros(1, 2, 1, 1))

    assert torch.allclose(moved(64.0), 64 * moved(1.0))


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 8, 8), (3, 17, 30)])
def test_images_of_any_size_become_logits(shape: tuple[int, int, int]) -> None:
    network = FastNet(image_shape=shape, num_classes=7, widths=[4, 8, 8])
    logits = network(torch.rand(5, *shape))
    assert logits.shape == (5, 7)
    logits.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_convolutions_begin_as_the_identity() -> None:
    network = FastNet(image_shape=(3, 32, 32), num_classes=2, widths=[32, 32])
    convolution = next(part for part in network.modules() if isinstance(part, torch.nn.Conv2d))
    maps = torch.rand(2, 24, 8, 8)
    assert torch.allclose(convolution(maps)[:, :24], maps, atol=1e-6)
    assert not torch.allclose(convolution(maps)[:, 24:], maps[:, :8], atol=0.1)


def test_a_new_head_has_the_hidden_layers_asked_for() -> None:
    head = FastNet(image_shape=(1, 28, 28), num_classes=3, widths=[4], head=[6]).head
    assert [tuple(weight.shape) for weight in head.parameters()] == [(6, 4), (6,), (3, 6)]


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"widths": []}, "`model.widths` must be"),
        ({"widths": [8, 0]}, "`model.widths` must be"),
        ({"standardize": "none"}, "`model.standardize` must be channel"),
    ],
)
def test_what_it_cannot_be_made_of_is_named(given: dict[str, object], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        FastNet(image_shape=(3, 32, 32), num_classes=2, **given)  # type: ignore[arg-type]


def test_images_of_one_pixel_are_too_small() -> None:
    with pytest.raises(ImagesTooSmallError):
        FastNet(image_shape=(3, 1, 1), num_classes=2)
