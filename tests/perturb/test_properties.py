"""Every perturbation keeps the same promises; a new one gets a line in the table."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from robust.perturb import (
    AugMix,
    Chains,
    DeadPixels,
    Environment,
    Erasing,
    GaussianBlur,
    GaussianNoise,
    HotPixels,
    Mesh,
    MixedPixels,
    OneOf,
    Perspective,
    Perturbation,
    PixelDropout,
    PixMix,
    Prime,
    Rotation,
    Shear,
    Shift,
    SimCLRAugmentation,
    StuckPixels,
    Texture,
    Zoom,
    check_images,
)
from robust.perturb.camera import Camera, Defocus, Iso, RowNoise, Shutter
from robust.perturb.corruptions import CORRUPTIONS

PERTURBATIONS: dict[str, Callable[[float], Perturbation]] = {
    "stuck": lambda level: StuckPixels(count=level),
    "stuck_persistent": lambda level: StuckPixels(count=level, persistent=True),
    "hot": lambda level: HotPixels(count=level),
    "hot_persistent": lambda level: HotPixels(count=level, persistent=True),
    "dead": lambda level: DeadPixels(count=level),
    "dead_persistent": lambda level: DeadPixels(count=level, persistent=True),
    "pixel": lambda level: MixedPixels(count=level),
    "pixel_persistent": lambda level: MixedPixels(count=level, persistent=True),
    "noise": lambda level: GaussianNoise(std=level),
    "blur": lambda level: GaussianBlur(sigma=level),
    "blur_channels": lambda level: GaussianBlur(sigma=level, channels=True),
    "shift": lambda level: Shift(level=level),
    "zoom": lambda level: Zoom(level=level),
    "shear": lambda level: Shear(level=level),
    "rotate": lambda level: Rotation(level=level),
    "perspective": lambda level: Perspective(level=level),
    "erase": lambda level: Erasing(level=level),
    "mesh": lambda level: Mesh(level=level),
    "texture": lambda level: Texture(level=level),
    "pixel_dropout": lambda level: PixelDropout(level=level),
    "environment": lambda level: Environment(
        ranges={"shift": (0.3, 0.5), "erase": (0.3, 0.4), "texture": (0.2, 0.4)}, level=level
    ),
    "chains": lambda level: Chains(each=OneOf(ranges={"rotate": (0, 20), "shift": (0, 0.3)}, level=level)),
    "augmix": lambda level: AugMix(severity=level),
    "prime": lambda level: Prime(level=level),
    "pixmix": lambda level: PixMix(rounds=level),
    "view": lambda level: SimCLRAugmentation(level=level),
    "grid": lambda level: OneOf(ranges={"hot": (3, 5), "noise": (0.1, 0.3), "blur": (0.5, 2)}, level=level),
}
PERTURBATIONS |= {name: lambda level, one=one: one(severity=level) for name, one in CORRUPTIONS.items()}
LENS, SENSOR = {"focal_length": 50, "focus": 2}, {"pitch": 4.0}
CAMERAS: dict[str, Callable[[float], Perturbation]] = {
    "iso": lambda level: Iso(sensor=SENSOR, lens=LENS, native_pixels=1, iso=level),
    "defocus": lambda level: Defocus(sensor=SENSOR, lens=LENS, native_pixels=100, f_number=level, distance=1),
    "shutter": lambda level: Shutter(sensor=SENSOR, lens=LENS, native_pixels=100, shutter=level, speed=1),
    "row_noise": lambda level: RowNoise(sensor=SENSOR, lens=LENS, native_pixels=1, row_noise=level, iso=3200),
    "camera": lambda level: Camera(
        sensor={**SENSOR, "row_noise": 9.0}, lens=LENS, native_pixels=9, iso=level, distance=1, speed=0.1
    ),
}
PERTURBATIONS |= CAMERAS
PIXELS = [f"{fault}{kind}" for fault in ("stuck", "hot", "dead", "pixel") for kind in ("", "_persistent")]
LEVELS = (
    dict.fromkeys(PERTURBATIONS, 1.5)
    | dict.fromkeys(PIXELS, 4)
    | dict.fromkeys(CORRUPTIONS, 5)
    | {"iso": 3200, "defocus": 1.2, "shutter": 0.03, "row_noise": 32.0, "camera": 3200}
    | {
        "noise": 0.3,
        "grid": 1.0,
        "shift": 0.4,
        "zoom": 1.0,
        "shear": 30,
        "rotate": 45,
        "perspective": 50,
        "erase": 0.5,
        "mesh": 0.3,
        "texture": 0.6,
        "pixel_dropout": 0.6,
        "environment": 1.0,
        "chains": 1.0,
        "augmix": 3.0,
        "prime": 1.0,
        "pixmix": 4,
        "view": 1.0,
    }
)
RANDOM = [name for name, make in PERTURBATIONS.items() if make(LEVELS[name]).random]

every_perturbation = pytest.mark.parametrize("name", PERTURBATIONS)
every_perturbation_from_zero = pytest.mark.parametrize("name", [name for name in PERTURBATIONS if name not in CAMERAS])
every_random_perturbation = pytest.mark.parametrize("name", RANDOM)


def make(name: str, level: float | None = None) -> Perturbation:
    return PERTURBATIONS[name](LEVELS[name] if level is None else level)


def some_images(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def assert_same(name: str, left: Tensor, right: Tensor) -> None:
    """Random perturbations to the last bit; what is computed by matrix products or powers up to their rounding."""
    exact = name in RANDOM and name not in (*CAMERAS, "elastic_transform", "glass_blur", "pixmix", "prime")
    torch.testing.assert_close(left, right, rtol=0, atol=0 if exact else 1e-6)


@every_perturbation
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(4, 1, 6, 6), (3, 3, 5, 9), (2, 3, 9, 5), (1, 4, 8, 2)], ids=str)
def test_images_keep_shape_dtype_and_range(name, dtype, shape):
    images = some_images(*shape, dtype=dtype)
    before = images.clone()
    perturbed = make(name)(images, seed=1)
    assert (perturbed.shape, perturbed.dtype) == (images.shape, dtype)
    assert 0 <= perturbed.min() <= perturbed.max() <= 1
    assert torch.equal(images, before), "the caller's images were changed"
    assert not torch.equal(perturbed, images) or (name == "saturate" and shape[1] != 3)


@every_perturbation
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_images_stay_in_range(name, value):
    perturbed = make(name)(torch.full((4, 3, 6, 6), value), seed=1)
    assert 0 <= perturbed.min() <= perturbed.max() <= 1


@every_perturbation
def test_gradients_reach_the_images(name):
    images = some_images(4, 3, 12, 10).requires_grad_()
    (make(name)(images, seed=1) * some_images(4, 3, 12, 10)).sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad.flatten(1).any(1).all(), "an image that no gradient reached"


@every_perturbation_from_zero
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_level_zero_is_the_identity(name, dtype):
    images = some_images(4, 3, 6, 5, dtype=dtype)
    assert torch.equal(make(name, 0)(images, seed=1), images)


@every_perturbation
def test_the_same_seed_gives_the_same_images(name):
    images = some_images(4, 3, 6, 5)
    once = make(name)(images, seed=1)
    torch.rand(7)
    assert torch.equal(make(name)(images, seed=1), once)


@every_perturbation
def test_an_image_is_perturbed_alike_in_a_batch_of_any_size_and_order(name):
    perturbation, images = make(name), some_images(8, 3, 6, 5)
    together = perturbation(images, seed=1)
    alone = [perturbation(images[[i]], seed=1, indices=torch.tensor([i])) for i in range(8)]
    assert_same(name, torch.cat(alone), together)
    order = torch.tensor([5, 2, 7, 0])
    assert_same(name, perturbation(images[order], seed=1, indices=order), together[order])


@every_perturbation
def test_how_images_lie_in_memory_changes_nothing(name):
    images = some_images(4, 3, 12, 10)
    turned = images.to(memory_format=torch.channels_last)
    assert_same(name, make(name)(turned, seed=1), make(name)(images, seed=1))


@every_perturbation
def test_what_was_perturbed_before_changes_nothing(name):
    fresh, used, images = make(name), make(name), some_images(4, 3, 6, 5)
    used(images, seed=9)
    used(images[:2])
    assert torch.equal(used(images, seed=1), fresh(images, seed=1))


@every_random_perturbation
def test_another_seed_gives_other_images(name):
    images = some_images(4, 3, 6, 5)
    differs = (make(name)(images, seed=1) != make(name)(images, seed=2)).flatten(1).any(1)
    assert differs.all()


@every_random_perturbation
def test_without_a_seed_the_global_generator_decides(name):
    perturbation, images = make(name), some_images(4, 3, 6, 5)
    torch.manual_seed(3)
    first, second = perturbation(images), perturbation(images)
    torch.manual_seed(3)
    assert torch.equal(perturbation(images), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", [name for name in RANDOM if not name.endswith("persistent")])
def test_two_images_of_a_batch_are_perturbed_differently(name):
    images = some_images(1, 3, 6, 5).expand(2, -1, -1, -1)
    first, second = make(name)(images, seed=1)
    assert not torch.equal(first, second)


@every_perturbation
def test_random_says_whether_the_seed_matters(name):
    perturbation, images = make(name), some_images(4, 3, 6, 5)
    assert perturbation.random == (not torch.equal(perturbation(images, seed=1), perturbation(images, seed=2)))


@every_perturbation
def test_a_batch_of_no_images_comes_back_empty(name):
    assert make(name)(torch.empty(0, 3, 6, 5), seed=1).shape == (0, 3, 6, 5)


@every_perturbation
def test_it_carries_the_name_and_level_of_its_configuration(name):
    perturbation = make(name)
    assert (perturbation.name, perturbation.level) == (name, LEVELS[name])
    assert str(LEVELS[name]) in repr(perturbation)


WRONG_IMAGES = [
    (torch.zeros(3, 6, 5), r"must have shape \(batch, channels, height, width\); got \(3, 6, 5\)"),
    (torch.zeros(1, 1, 3, 6, 5), r"must have shape .* got \(1, 1, 3, 6, 5\)"),
    (torch.zeros(2, 3, 6, 5, dtype=torch.uint8), r"must be floating-point .* got torch.uint8.*images / 255"),
    (torch.zeros(2, 3, 6, 5).bool(), r"must be floating-point .* got torch.bool"),
    (torch.full((2, 3, 6, 5), -0.25), r"must be in \[0, 1\]; got values from -0.25 to -0.25.*belongs to the model"),
    (torch.tensor([0.5, 255.0]).view(2, 1, 1, 1), r"must be in \[0, 1\]; got values from 0.5 to 255"),
    (torch.tensor([0.5, math.nan]).view(2, 1, 1, 1), r"must be in \[0, 1\]; got NaN"),
    (torch.tensor([0.5, math.inf]).view(2, 1, 1, 1), r"must be in \[0, 1\]; got values from 0.5 to inf"),
]


@pytest.mark.parametrize(("images", "message"), WRONG_IMAGES)
def test_wrong_images_are_refused_with_the_rule_and_what_came(images, message):
    with pytest.raises(ValueError, match=message):
        check_images(images)


@every_perturbation
def test_every_perturbation_checks_its_images(name):
    with pytest.raises(ValueError, match=r"`images` must be in \[0, 1\]"):
        make(name)(torch.full((2, 3, 6, 5), 2.0))


@every_perturbation
@pytest.mark.parametrize("shape", [(3,), (5,), (4, 1), ()], ids=str)
def test_indices_must_be_one_for_each_image(name, shape):
    indices = torch.zeros(shape, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"`indices` must be whole numbers of shape \(4,\), one for each image; got"):
        make(name)(some_images(4, 3, 6, 5), indices=indices)


@every_perturbation_from_zero
@pytest.mark.parametrize("level", [-1, math.nan, math.inf, "1", True, None], ids=repr)
def test_a_level_that_is_no_number_from_zero_is_refused(name, level):
    with pytest.raises(
        ValueError,
        match=rf"`(count|std|sigma|level|severity|rounds)` must be a (whole )?number >= 0; got {level!r}\. It is",
    ):
        PERTURBATIONS[name](level)


@pytest.mark.parametrize("name", PIXELS)
def test_pixels_are_whole(name):
    with pytest.raises(ValueError, match=r"`count` must be a whole number >= 0; got 2\.5"):
        make(name, 2.5)
    assert make(name, 2.0).count == 2


@pytest.mark.parametrize("name", PIXELS)
def test_there_cannot_be_more_faulty_pixels_than_pixels(name):
    with pytest.raises(ValueError, match="`count` must be at most 30, the pixels of a 6 x 5 image; got 31"):
        make(name, 31)(some_images(4, 3, 6, 5))
