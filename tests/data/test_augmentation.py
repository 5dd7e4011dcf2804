"""Ordinary augmentation: the same images for the same seed and epoch, and nothing lost of them."""

from collections.abc import Callable

import pytest
import torch

from robust.data import Augmentation, Cutout
from robust.experiment.experiment import Experiment
from robust.perturb import ImageRandom, key


def random(count: int, epoch: int = 0) -> ImageRandom:
    return ImageRandom(key("test", epoch), torch.arange(count))


def some(count: int = 200) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_half_of_the_images_are_mirrored_and_the_others_stay() -> None:
    images = some()
    shown = Augmentation(flip=True)(images, random(200))
    same = (shown == images).flatten(1).all(1)
    mirrored = (shown == images.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_warped_and_mirrored_as_one() -> None:
    images = some()
    plain = Augmentation(flip=True)(images, random(200))
    barely = Augmentation(flip=True, shift=1e-6)(images, random(200))
    torch.testing.assert_close(barely, plain, rtol=1e-3, atol=1e-4)


def test_an_image_moves_as_far_as_is_said() -> None:
    dot = torch.zeros(300, 1, 41, 41)
    dot[:, :, 20, 20] = 1
    places = torch.arange(41.0)
    shown = Augmentation(flip=False, shift=0.2)(dot, random(300))[:, 0]
    across = (shown.sum(1) * places).sum(1) - 20
    assert 7.5 < across.abs().max() < 8.3
    assert across.mean().abs() < 0.7


def test_an_image_is_shown_alike_in_any_batch_and_otherwise_in_another_epoch() -> None:
    images, augment = some(8), Augmentation(flip=True, shift=0.1, zoom=0.2)
    together = augment(images, random(8))
    alone = augment(images[5:6], ImageRandom(key("test", 0), torch.tensor([5])))
    assert torch.equal(alone, together[5:6])
    assert not torch.equal(augment(images, random(8, epoch=1)), together)


def test_every_epoch_shows_the_images_otherwise(make_run: Callable[..., Experiment]) -> None:
    augment = "data.augment={_target_:robust.data.Augmentation,flip:false,shift:0.2,zoom:0.1}"
    run = make_run("technique=natural", augment)
    data, plain = run.build_data(), make_run("technique=natural").build_data()
    shown = []
    for epoch in (0, 1, 0):
        data.start_epoch(epoch, 0.0)
        shown.append(torch.cat(list(data.training_images())))
    assert torch.equal(shown[0], shown[2])
    assert not torch.equal(shown[0], shown[1])
    plain.start_epoch(0, 0.0)
    assert not torch.equal(torch.cat(list(plain.training_images())), shown[0])


def test_numbers_out_of_range_are_refused_before_it_starts(make_run: Callable[..., Experiment]) -> None:
    with pytest.raises(ValueError, match=r"`data.augment.shift` must be from 0 to 0.5; got 2"):
        make_run("data.augment={_target_:robust.data.Augmentation,shift:2}")


def test_a_square_of_half_the_side_is_cut_out_anywhere() -> None:
    hidden = (Cutout()(torch.ones(500, 3, 32, 32), random(500)) == 0.5).all(1)
    counts = hidden.flatten(1).sum(1)
    assert counts.max() == 16 * 16
    assert counts.min() < 100, "some of it may lie outside"
    assert hidden.double().mean(0).min() > 0.02, "every pixel is hidden at times"
    with pytest.raises(ValueError, match=r"`data.augment.size` must be a number above 0 and at most 1; got 2"):
        Cutout(size=2)
