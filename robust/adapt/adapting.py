"""A network that adapts, and what is common to all ways of it."""

import copy
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.adapt.stream import Stream
from robust.errors import ParameterError
from robust.models import Around
from robust.models.whitening import Shift

_BATCH_NORMS = nn.modules.batchnorm._BatchNorm
_NORMS = (_BATCH_NORMS, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)
_OF_NORMS = (*_NORMS, Shift)  # which shifts what a norm without a shift of its own gives


class Adapting(Around):
    """A trained `network`, from images in [0, 1], shape (batch, channels, height, width), to logits, that adapts to
    each batch that it is asked about, in any mode and whatever is asked about gradients. `reset` undoes all of it.

    `image_shape` and `num_classes` are the network's. Raises ValueError for a network without the layers that adapt.
    """

    #: how pictures come to it in tests
    stream: Stream = Stream()
    #: what `reset` brings back, by name; taken at the first batch, when the trained weights are there
    _kept: dict[str, Tensor] | None

    def __init__(self, *, network: nn.Module, image_shape: tuple[int, int, int], num_classes: int):
        super().__init__(network)
        self.num_classes = num_classes
        self._kept = None

    def begin(self) -> None:
        """Makes ready to adapt from the trained weights."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.inference_mode(mode=False):
            images = images.clone() if images.is_inference() else images.detach()
            if self._kept is None:
                self._kept = copy.deepcopy(self.network.state_dict())
                self.begin()
            return self.adapt(images).detach()

    def adapt(self, images: Tensor) -> Tensor:
        """The logits of a batch, shape (batch, classes), as the network has adapted to it."""
        raise NotImplementedError

    def reset(self) -> None:
        """Makes it what it was when it was trained."""
        if self._kept is not None:
            self.network.load_state_dict(self._kept)
            self.begin()

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Takes what it must know of unlabelled training images, `batches` of them in [0, 1]; most ways need
        nothing."""


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The batch norms of a network. Raises ParameterError where there are none."""
    found = [layer for layer in network.modules() if isinstance(layer, _BATCH_NORMS)]
    if not found:
        raise ParameterError(
            "adapt", "none, sar or memo with a network without batch norms", "one that takes their statistics"
        )
    return found


def learning_norms(network: nn.Module) -> list[nn.Parameter]:
    """The scales and shifts of a network's norms. Raises ParameterError where there are none."""
    layers = (layer for layer in network.modules() if isinstance(layer, _OF_NORMS))
    found = [weight for layer in layers for weight in layer.parameters(recurse=False)]
    if not found:
        raise ParameterError("adapt", "none or memo with a network whose norms have no scales", "one that learns them")
    return found


class OwnStatistics:
    """A batch norm's forward hook: it normalises by the statistics of the batch, mixed with the trained ones.

    `share(n)` is how much a batch of n images counts, from 0 to 1; the trained statistics stay as they are.
    """

    def __init__(self, share: Callable[[int], float]):
        self.share = share

    def __call__(self, norm: nn.modules.batchnorm._BatchNorm, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
        (values,) = inputs
        share = self.share(len(values))
        if share == 1 or norm.running_mean is None or norm.running_var is None:
            if values.numel() == values.shape[1]:  # one of each map, which is its own mean
                mean, variance = values.flatten(), torch.ones_like(values.flatten())
                return functional.batch_norm(values, mean, variance, norm.weight, norm.bias, False, 0, norm.eps)
            return functional.batch_norm(values, None, None, norm.weight, norm.bias, True, 0, norm.eps)
        others = [axis for axis in range(values.dim()) if axis != 1]
        variance, mean = torch.var_mean(values, others, correction=0)
        mean = torch.lerp(norm.running_mean, mean, share)
        variance = torch.lerp(norm.running_var, variance, share)
        return functional.batch_norm(values, mean, variance, norm.weight, norm.bias, False, 0, norm.eps)


def entropy(logits: Tensor) -> Tensor:
    """How unsure predictions are, in nats, shape (batch,)."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)


def only(network: nn.Module, weights: Iterable[nn.Parameter]) -> Iterator[nn.Parameter]:
    """These weights, which alone take gradients from now on."""
    network.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
        yield weight
