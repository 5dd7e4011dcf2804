"""What images a network may be meant for, other than those it is given: hypotheses of a preflight."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

View = Callable[[Tensor], Tensor]
_SIZES = (32, 64, 224)  # pixels a side
_COLOURS = 3
_BRIGHTEST = 255
_CONSTANTS: Mapping[int, Mapping[str, tuple[Sequence[float], Sequence[float]]]] = {
    3: {
        "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "CIFAR-10's": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    },
    1: {"MNIST's": ((0.1307,), (0.3081,))},
}


@dataclass(frozen=True)
class Hypothesis:
    """Images that the network may be meant for: how they are made of those in [0, 1], and which options of a model say
    so."""

    kind: str
    shown: str
    view: View
    options: str


def fitting(images: Tensor) -> Iterator[Hypothesis]:
    """Other sizes and numbers of channels."""
    yield from _sizes(images.shape[-1])
    if images.shape[1] == 1:
        yield Hypothesis(
            "channels", "three like channels", lambda seen: seen.expand(-1, _COLOURS, -1, -1), "channels=rgb"
        )
    if images.shape[1] == _COLOURS:
        yield Hypothesis("channels", "grey images", lambda seen: seen.mean(1, keepdim=True), "channels=grey")


def _sizes(own: int) -> list[Hypothesis]:
    def resized(size: int) -> View:
        return lambda seen: functional.interpolate(seen, size=(size, size), mode="bilinear", antialias=True)

    return [
        Hypothesis("size", f"images of {size}x{size} pixels", resized(size), f"size={size}")
        for size in _SIZES
        if size != own
    ]


def hypotheses(images: Tensor) -> list[Hypothesis]:
    """What images of this shape (n, channels, height, width), in [0, 1], could be meant to be, the most usual first."""
    channels = images.shape[1]
    found = [
        Hypothesis("range", "images from 0 to 255", lambda seen: seen * _BRIGHTEST, f"range={_BRIGHTEST}"),
        Hypothesis("range", "images from 0 to 1 in place of 0 to 255", lambda seen: seen / _BRIGHTEST, "range=1"),
    ]
    if channels == _COLOURS:
        found.append(Hypothesis("channels", "images with blue first (BGR)", lambda seen: seen.flip(1), "channels=bgr"))
    own = [images.mean((0, 2, 3)).tolist(), images.std((0, 2, 3)).clamp(min=1e-3).tolist()]
    constants = {
        **_CONSTANTS.get(channels, {}),
        "0.5 and 0.5": ((0.5,) * channels, (0.5,) * channels),
        "the images' own": tuple([round(one, 4) for one in each] for each in own),
    }
    for name, (mean, std) in constants.items():
        options = f"mean={_listed(mean)} std={_listed(std)}"
        found += [
            Hypothesis("normalization", f"normalised images (mean and std: {name})", _normalized(mean, std), options),
            Hypothesis(
                "normalization",
                f"images that are normalised once less (mean and std: {name})",
                _raw(mean, std),
                "standardize=none",
            ),
        ]
    if channels == _COLOURS:
        mean, _ = _CONSTANTS[channels]["ImageNet's"]
        named = f"range={_BRIGHTEST} mean={_listed([round(_BRIGHTEST * one, 2) for one in mean])} std=1"
        view = _normalized(mean, (1 / _BRIGHTEST,) * channels)
        found.append(Hypothesis("normalization", "images from 0 to 255, less ImageNet's mean", view, named))
    return [*found, *_sizes(images.shape[-1])]


def blue_first(found: Sequence[Hypothesis]) -> list[Hypothesis]:
    """The same with blue first too: of two faults neither may show alone."""
    bgr = next((one for one in found if one.options == "channels=bgr"), None)
    return [] if bgr is None else [_both(one, bgr) for one in found if one.kind in ("range", "normalization")]


def _both(one: Hypothesis, other: Hypothesis) -> Hypothesis:
    return Hypothesis(
        f"{one.kind} and {other.kind}",
        f"{one.shown}, and {other.shown}",
        lambda seen: one.view(other.view(seen)),
        f"{one.options} {other.options}",
    )


def _normalized(mean: Sequence[float], std: Sequence[float]) -> View:
    return lambda seen: (seen - _of_channels(mean, seen)) / _of_channels(std, seen)


def _raw(mean: Sequence[float], std: Sequence[float]) -> View:
    return lambda seen: seen * _of_channels(std, seen) + _of_channels(mean, seen)


def _of_channels(numbers: Sequence[float], images: Tensor) -> Tensor:
    return images.new_tensor(numbers)[:, None, None]


def _listed(numbers: Sequence[float]) -> str:
    return f"[{','.join(f'{one:g}' for one in numbers)}]"


def advice(options: str) -> str:
    """What to set, for a run and in Python."""
    words = options.split()
    run = " ".join(f"model.{one}" for one in words)
    pairs = (one.partition("=") for one in words)
    python = ", ".join(
        f"{name}={value}" if value[0] in "[0123456789" else f'{name}="{value}"' for name, _, value in pairs
    )
    return f"Set {run} (in Python: robust.models.Adapted(network=model, ..., {python}))."
