"""Whether arrays of corrupted images are what their names and places say, told from the images they were made of."""

from pathlib import Path

import numpy as np
from torch import Tensor

from robust.data.published.one_test import KEY
from robust.perturb.corruptions import SEVERITIES

#: corruptions that a greater severity moves further from the natural image; of glass, snow or saturation not all do
GROWING = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "brightness", "pixelate")
_SAMPLE = 200  # images that are looked at
_ALIKE = 0.25  # the share of these that must be nearest to their own natural image; a chance order gives one in 200
_FALL = 0.02  # by which share a distance must fall, and by how many standard errors, to be a fall
_ERRORS = 4


def sample_places(count: int) -> np.ndarray:
    """The places, at even steps, of up to 200 of so many images, int64."""
    return np.linspace(0, count - 1, min(count, _SAMPLE)).round().astype(np.int64)


def check_images(file: Path, images: np.ndarray, natural: Tensor) -> None:
    """Raises ValueError unless `images`, uint8 of shape (n, height, width, channels), are corruptions of the `natural`
    ones, (n, channels, height, width), in the same order."""
    places = sample_places(len(natural))
    found = _directions(np.stack([images[place] for place in places]))
    known = _directions(_natural(natural, places))
    alike = found @ known.T
    share = float((alike.diagonal() >= alike.max(1) - 1e-6).mean())
    if share < _ALIKE:
        raise ValueError(
            f"`{KEY}`: the images in {file} must be the data's test images, in their order; of {len(places)} at even "
            f"steps {share:.0%} are nearer to their own natural image than to the others. Labels may agree for all "
            "that: the order is that of the published archive."
        )


def check_severities(file: Path, images: np.ndarray, natural: Tensor) -> None:
    """Raises ValueError where `images`, uint8 of shape (5 n, height, width, channels), five blocks of a corruption that
    grows, come nearer to the `natural` ones, (n, channels, height, width), from one severity to the next."""
    count = len(natural)
    places = sample_places(count)
    own = _natural(natural, places)
    blocks = [np.stack([images[block * count + place] for place in places]) for block in range(SEVERITIES)]
    distances = np.stack([np.abs(block.astype(np.float32) - own).mean((1, 2, 3)) for block in blocks])
    means, steps = distances.mean(1), np.diff(distances, axis=0)
    errors = steps.std(1, ddof=1) / np.sqrt(len(places)) if len(places) > 1 else np.full(len(steps), np.inf)
    fallen = (steps.mean(1) < -_FALL * means[:-1]) & (steps.mean(1) < -_ERRORS * errors)
    if fallen.any():
        least = int(fallen.argmax()) + 1
        raise ValueError(
            f"`{KEY}`: {file} must hold severities 1 to {SEVERITIES}, the weakest first, in blocks of {count} images; "
            f"got images that lie nearer to the natural ones at {least + 1} than at {least} (by {means[least]:.1f} and "
            f"{means[least - 1]:.1f} of 255 on average). Unpack the set again."
        )


def _natural(images: Tensor, places: np.ndarray) -> np.ndarray:
    return np.stack([images[int(place)].cpu().numpy() for place in places]).transpose(0, 2, 3, 1).astype(np.float32)


def _directions(images: np.ndarray) -> np.ndarray:
    """Images less their mean, of length 1: what brightness and contrast leave. Shape (n, values)."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))
