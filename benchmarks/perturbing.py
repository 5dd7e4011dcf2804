"""Perturbations against the libraries that have them: 32 x 32 colour images a second."""

from collections.abc import Callable, Iterator

import kornia
import numpy as np
import torch
from kornia.augmentation import RandomGaussianNoise, RandomSaltAndPepperNoise
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torchvision.transforms.v2 import GaussianNoise as TorchvisionNoise
from torchvision.transforms.v2.functional import gaussian_blur as torchvision_blur

from benchmarks.pairs import Result, at_least, in_turn
from robust.perturb import DeadPixels, GaussianBlur, GaussianNoise, HotPixels, MixedPixels, Perturbation, StuckPixels

_COUNT = 2000
_ROUNDS = 15


def _plain_pixels(count: int, values: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The short way in plain torch, for what no library has: distinct random positions of each image set to values."""

    def perturb(images: Tensor) -> Tensor:
        positions = torch.rand(len(images), 32 * 32).topk(count).indices[:, None].expand(-1, 3, -1)
        return images.flatten(2).scatter(2, positions, values(positions)).view_as(images)

    return perturb


def _salt_and_pepper(salt: float) -> Callable[[Tensor], Tensor]:
    return RandomSaltAndPepperNoise(amount=5 / 1024, salt_vs_pepper=salt, p=1.0)


def _rivals(images: Tensor) -> Iterator[tuple[Perturbation, float, dict[str, Callable[[], object]]]]:
    """Each perturbation, the least ratio to the fastest of the others, and these."""
    array = images.numpy()
    generator = np.random.default_rng(0)

    def numpy_noise() -> np.ndarray:
        return np.clip(array + generator.normal(0, 0.05, array.shape).astype(np.float32), 0, 1)

    kornia_noise, torchvision_noise = RandomGaussianNoise(std=0.05, p=1.0), TorchvisionNoise(sigma=0.05)
    yield (
        GaussianNoise(std=0.05),
        0.9,
        {
            "kornia RandomGaussianNoise": lambda: kornia_noise(images).clamp(0, 1),
            "torchvision v2.GaussianNoise": lambda: torchvision_noise(images),
            "numpy normal": numpy_noise,
            "plain torch": lambda: (images + 0.05 * torch.randn_like(images)).clamp(0, 1),
        },
    )
    yield (
        GaussianBlur(sigma=1.0),
        1.0,
        {
            "kornia gaussian_blur2d": lambda: kornia.filters.gaussian_blur2d(images, (9, 9), (1.0, 1.0)),
            "torchvision v2 gaussian_blur": lambda: torchvision_blur(images, [9, 9], [1.0, 1.0]),
            "scipy gaussian_filter": lambda: gaussian_filter(array, (0, 0, 1, 1)),
        },
    )
    yield (
        GaussianBlur(sigma=1.0, channels=True),
        1.0,
        {"scipy gaussian_filter": lambda: gaussian_filter(array, (0, 1, 1, 1))},
    )
    pixels: list[tuple[Perturbation, float | None, Callable[[Tensor], Tensor]]] = [
        (StuckPixels(count=5), None, lambda at: torch.rand(at.shape)),
        (HotPixels(count=5), 1.0, lambda at: torch.ones(at.shape)),
        (DeadPixels(count=5), 0.0, lambda at: torch.zeros(at.shape)),
        (MixedPixels(count=5), None, lambda at: torch.rand(at.shape)),
    ]
    for perturbation, salt, values in pixels:
        plain = _plain_pixels(5, values)
        rivals: dict[str, Callable[[], object]] = {"plain torch": lambda plain=plain: plain(images)}  # type: ignore[misc]
        if salt is not None:
            kornia_salt = _salt_and_pepper(salt)
            rivals["kornia RandomSaltAndPepperNoise"] = lambda kornia_salt=kornia_salt: kornia_salt(images)  # type: ignore[misc]
        yield perturbation, 0.9, rivals


def bench_perturbing() -> Iterator[Result]:
    """The ratio of our images a second to the fastest other's, for each perturbation."""
    images = torch.rand(_COUNT, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for perturbation, limit, rivals in _rivals(images):
        times = in_turn([lambda p=perturbation: p(images, seed=0), *rivals.values()], rounds=_ROUNDS)  # type: ignore[misc]
        rates = _COUNT / np.median(times, axis=0)
        fastest = 1 + int(np.argmax(rates[1:]))
        names = ["ours", *rivals]
        note = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in zip(names, rates, strict=True))
        ratios = times[:, fastest] / times[:, 0]
        yield at_least(
            f"{perturbation.name} {perturbation.level:g}, images a second", names[fastest], ratios, limit, note=note
        )
