"""RandAugment and TrivialAugment: each image has operations of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robust.data import RandAugment, TrivialAugment
from robust.perturb import ImageRandom


def some(channels: int = 3) -> torch.Tensor:
    return torch.randint(20, 230, (14, channels, 16, 16), generator=torch.Generator().manual_seed(0)) / 255


@pytest.mark.parametrize("augment", [RandAugment(), TrivialAugment()])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_stay_images_and_are_shown_alike_in_any_batch(augment: object, channels: int) -> None:
    images, places = some(channels).repeat(10, 1, 1, 1), torch.arange(140)
    together = augment(images, ImageRandom(5, places))  # type: ignore[operator]
    assert together.shape == images.shape
    assert 0 <= together.min() <= together.max() <= 1
    alone = augment(images[70:71], ImageRandom(5, places[70:71]))  # type: ignore[operator]
    torch.testing.assert_close(alone, together[70:71])
    assert 0.5 < (together != images).flatten(1).any(1).double().mean() < 1, "some have no operation, most have one"


def test_of_no_magnitude_little_changes() -> None:
    images, places = some(), torch.arange(14)
    weak, strong = (
        (RandAugment(magnitude=magnitude)(images, ImageRandom(2, places)) - images).abs().mean()
        for magnitude in (0, 20)
    )
    assert weak < strong


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "conf" / "augment").glob("*.yaml")))
def test_each_choice_is_there_for_digits(path: Path, make_run: Callable[..., object]) -> None:
    run = make_run("technique=natural", f"augment={path.stem}")
    data = run.build_data()  # type: ignore[attr-defined]
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert (batch.targets is not None) == (path.stem in ("mixup", "cutmix"))
    assert 0 <= batch.images.min() <= batch.images.max() <= 1
