"""RandAugment and TrivialAugment: each operation is what others know it as, and each image has its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from robust.data import RandAugment, TrivialAugment
from robust.data.operations import OPERATIONS
from robust.perturb import ImageRandom

BLEND = {"interpolation": InterpolationMode.BILINEAR}
KNOWN: dict[str, tuple[float, Callable[[torch.Tensor], torch.Tensor]]] = {
    "identity": (0.5, lambda images: images),
    "shift_x": (0.25, lambda images: reference.affine(images, 0, [-4, 0], 1, [0, 0], **BLEND)),
    "shift_y": (0.25, lambda images: reference.affine(images, 0, [0, -4], 1, [0, 0], **BLEND)),
    "rotate": (90, lambda images: images.rot90(1, (2, 3))),
    "brightness": (0.4, lambda images: reference.adjust_brightness(images, 1.4)),
    "colour": (-0.4, lambda images: reference.adjust_saturation(images, 0.6)),
    "contrast": (0.4, lambda images: reference.adjust_contrast(images, 1.4)),
    "sharpness": (0.9, lambda images: reference.adjust_sharpness(images, 1.9)),
    "posterize": (4, lambda images: reference.posterize((images * 255).byte(), 4) / 255),
    "solarize": (0.6, lambda images: reference.solarize(images, 0.4)),
    "autocontrast": (0, reference.autocontrast),
    "equalize": (0, lambda images: reference.equalize((images * 255).byte()) / 255),
}


def some(channels: int = 3) -> torch.Tensor:
    values = torch.randint(20, 230, (14, channels, 16, 16), generator=torch.Generator().manual_seed(0))
    return (values + 0.01) / 255  # where a value is cut to 8 bits it is what it was


@pytest.mark.parametrize("name", KNOWN)
def test_an_operation_is_that_of_torchvision(name: str) -> None:
    amount, expected = KNOWN[name]
    found = OPERATIONS[name][1](some(), torch.full((14,), float(amount)))
    torch.testing.assert_close(found, expected(some()), rtol=0, atol=2e-3)


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
