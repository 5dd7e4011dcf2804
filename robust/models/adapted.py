"""Networks of others, behind images in [0, 1] and logits."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.errors import check
from robust.models.convnet import linear_head
from robust.models.heads import asked, find_head, taken_out
from robust.models.outputs import opened
from robust.models.standardize import Standardize

Standardization = Literal["own", "channel", "none"]
Channels = Literal["rgb", "bgr", "grey"]
Layout = Literal["channels_first", "channels_last"]
Outputs = Literal["logits", "probabilities"]
Size = int | Sequence[int] | Literal["data"] | None
_GREY = (0.299, 0.587, 0.114)  # the share of red, green and blue in the luma of ITU-R BT.601
_COLOURS = 3
_LARGEST = 4096  # pixels a side
_Numbers = float | Sequence[float] | None
_STATISTICS = (("mu", "sigma"), ("normalize.mean", "normalize.std"), ("mean", "std"))  # as files call them
_UNUSED = ("sub_block1.",)  # weights that some of RobustBench's files hold for nothing
_PREFIXES = ("module.", "model.", "network.", "_orig_mod.")  # that wrappers put before a weight's name


class Wants(NamedTuple):
    """The images that a network was made for, which its attribute `wants` may say: their size, the mean and standard
    deviation that it standardises by, and the order of dimensions (see `Adapted`)."""

    size: Size = None
    mean: _Numbers = None
    std: _Numbers = None
    layout: Layout = "channels_first"


class Adapted(nn.Module):
    """Any `network`, as all else here expects one: it takes images in [0, 1], shape (batch, channels, height, width),
    and returns logits, shape (batch, num_classes).

    On their way in, images are resized to `size`, a number of pixels or (height, width) (bilinear, antialiased; None:
    as they are), given the `channels` the network takes (None: as many as they have; grey images become colour ones of
    three like channels), multiplied by `range`, 1 or 255, and standardised: by `mean` and `std`, a number or one for
    each channel, in units of `range` (`standardize="own"`); to zero mean and unit variance of each channel over the
    training images ("channel"); or not ("none"). `layout="channels_last"` gives the network (batch, height, width,
    channels).

    What is not said of size, `mean`, `std` and layout the network's `wants` say, where it has them.

    On their way out, the logits are taken out of a mapping or an object that holds them as `logits`, and the logarithm
    is taken of `outputs="probabilities"`. `classes` says, for each class of the data, which of the network's
    outputs mean it: its logit is theirs, of several the logarithm of their summed exponentials. The others are left
    out.

    A linear layer that makes the network's output is its `head`, which techniques may make anew: with `head`, the
    widths of hidden layers, it is. Raises ValueError for options that do not fit the network.
    """

    mean: Tensor
    std: Tensor
    #: whether it has trained weights without a file of them
    brings_weights = True

    def __init__(
        self,
        *,
        network: nn.Module,
        image_shape: tuple[int, int, int],
        num_classes: int,
        size: Size = None,
        channels: Channels | None = None,
        range: float = 1.0,
        mean: _Numbers = None,
        std: _Numbers = None,
        standardize: Standardization = "own",
        layout: Layout | None = None,
        outputs: Outputs = "logits",
        classes: Sequence[Sequence[int]] | None = None,
        head: Sequence[int] | None = None,
    ):
        super().__init__()
        said = getattr(network, "wants", None)
        wants = said if isinstance(said, Wants) else Wants()
        mean, std = wants.mean if mean is None else mean, wants.std if std is None else std
        self.size = _as_size(wants.size if size is None else size)
        self.channels, self.layout, self.outputs = channels, layout or wants.layout, outputs
        self.range = range
        check("model.range", range, "1 or 255", range in (1, 255))
        self._taken = count = channels_of(channels, image_shape)
        if channels == "bgr" and image_shape[0] != _COLOURS:
            raise ValueError(f"`model.channels=bgr` needs images of three channels; got {image_shape[0]}.")
        own = standardize == "own"
        means = _of_each_channel("mean", mean if own and mean is not None else 0.0, count)
        stds = _of_each_channel("std", std if own and std is not None else 1.0, count)
        check("model.std", std, "above 0", min(stds) > 0)
        self._standardizes = any(means) or any(one != 1 for one in stds)  # else values stay as they are, bit for bit
        for name, numbers in (("mean", means), ("std", stds)):
            self.register_buffer(name, torch.tensor(numbers)[:, None, None], persistent=False)
        if standardize == "channel":
            self.standardize = Standardize(image_shape=(count, 1, 1), per="channel")
        self.network = network
        shape = (count, *(self.size or image_shape[1:]))
        found = find_head(network, _example(shape, self.layout))
        self.head = None if found is None else taken_out(network, found)
        self._head_name = found
        if head is not None:
            if not isinstance(self.head, nn.Linear):
                raise ValueError(
                    f"The technique puts a new head on, for which {type(network).__name__} must end in a linear layer "
                    "that makes its output; none was found. Take technique=pretrained, or one that keeps the head."
                )
            self.head = linear_head(self.head.in_features, num_classes, hidden=head)
            classes = None
        self.classes = None if classes is None else [list(one) for one in classes]
        self._check_outputs(shape, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        given = opened(self.network(self.prepare(images)))
        if self.head is not None:
            given = self.head(given)
        if self.outputs == "probabilities":
            given = given.clamp_min(torch.finfo(given.dtype).tiny).log()
        if self.classes is None:
            return given
        if all(len(one) == 1 for one in self.classes):
            return given[:, [place for (place,) in self.classes]]
        return torch.stack([given[:, one].logsumexp(1) for one in self.classes], dim=1)

    def prepare(self, images: Tensor) -> Tensor:
        """Images in [0, 1], shape (batch, channels, height, width), as the network takes them."""
        if self.size is not None and tuple(images.shape[2:]) != self.size:
            images = functional.interpolate(images, self.size, mode="bilinear", antialias=True)
        if images.shape[1] == 1 and self._taken == _COLOURS:
            images = images.expand(-1, _COLOURS, -1, -1)
        elif images.shape[1] == _COLOURS and self._taken == 1:
            images = (images * images.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True)
        if self.channels == "bgr":
            images = images.flip(1)
        if self.range != 1:
            images = images * self.range
        if self._standardizes:
            images = (images - self.mean) / self.std
        if hasattr(self, "standardize"):
            images = self.standardize(images)
        return images.permute(0, 2, 3, 1) if self.layout == "channels_last" else images

    def take_weights(self, weights: Mapping[str, Tensor], source: str, *, keep_head: bool) -> None:
        """Takes the weights of the network, by their names in it, with the head's or, with `keep_head` false, without
        where that has other outputs. Raises ValueError, calling them `source`, where they are another network's."""
        ours = self.state_dict().keys() & weights.keys()
        if any(name.startswith("network.") for name in ours):  # as `robust export` wrote them
            weights = {self._theirs_of(name) if name in ours else name: value for name, value in weights.items()}
        known = self._without_statistics(_without_prefix(weights, self._theirs()), source)
        given = {self._ours(name): value for name, value in known.items() if not name.startswith(_UNUSED)}
        wanted = {name: value for name, value in self.state_dict().items() if not name.startswith("standardize.")}
        mine, theirs = (
            {name: tuple(one.shape) for name, one in each.items() if isinstance(one, Tensor)}
            for each in (wanted, given)
        )
        heads = {name for name in {*mine, *theirs} if name.startswith("head.")}
        other_head = any(mine.get(name) != theirs.get(name) for name in heads)
        if other_head and keep_head and heads & theirs.keys():
            rows, wanted_rows = (
                next((one[0] for name, one in each.items() if name in heads), 0) for each in (theirs, mine)
            )
            raise ValueError(
                f"`weights={source}` have a head of {rows} outputs where the data has {wanted_rows} classes. "
                "`model.classes=FILE` says which outputs mean them; a technique that trains from these weights "
                "(technique=natural, or finetune with technique.start=null) puts a new head on."
            )
        left = heads if other_head else set()
        differ = sorted(name for name in {*mine, *theirs} - left if mine.get(name) != theirs.get(name))
        differ = [name for name in differ if not (name.endswith(".num_batches_tracked") and name not in theirs)]
        if differ:
            more = f" and {len(differ) - 5} more" if len(differ) > 5 else ""
            names = ", ".join(name.removeprefix("network.") for name in differ[:5])
            shapes = [one.get(differ[0], ()) for one in (theirs, mine)]
            advice = " They take images in colour: model.channels=rgb." if _differ_in_colour(*shapes) else ""
            raise ValueError(
                f"`weights={source}` are of another network: {names}{more} differ (the first: {shapes[0] or 'none'} "
                f"there, {shapes[1] or 'none'} here).{advice}"
            )
        self.load_state_dict({name: value for name, value in given.items() if name not in left}, strict=False)

    def _without_statistics(self, weights: Mapping[str, Tensor], source: str) -> Mapping[str, Tensor]:
        """The weights without the mean and standard deviation that some files hold besides. Raises ValueError where
        these are others than those that images are standardised by."""
        for mean, std in _STATISTICS:
            if mean not in weights or std not in weights:
                continue
            theirs = [weights[name].flatten().tolist() for name in (mean, std)]
            ours = [one.flatten() for one in (self.mean, self.std)]
            same = (
                len(a) in (1, len(b)) and torch.allclose(b, b.new_tensor(a), atol=1e-3)
                for a, b in zip(theirs, ours, strict=True)
            )
            if not all(same):
                shown = (str([round(one, 4) for one in numbers]).replace(" ", "") for numbers in theirs)
                raise ValueError(
                    "`weights={}` hold the mean and standard deviation that the network's images are to have: set "
                    "model.mean={} model.std={}.".format(source, *shown)
                )
            weights = {name: value for name, value in weights.items() if name not in (mean, std)}
        return weights

    def _theirs(self) -> set[str]:
        """The names of the network's weights as it is without us."""
        return {self._theirs_of(name) for name in self.state_dict()}

    def _theirs_of(self, name: str) -> str:
        return name.removeprefix("network.") if name.startswith("network.") else f"{self._head_name}{name[4:]}"

    def _ours(self, name: str) -> str:
        head = self._head_name
        if head is not None and name.startswith(f"{head}."):
            return f"head.{name.removeprefix(f'{head}.')}"
        return f"network.{name}"

    def _check_outputs(self, shape: tuple[int, int, int], num_classes: int) -> None:
        """Raises ValueError where the network cannot be asked, or has other outputs than there are classes."""
        given = asked(self.network, _example(shape, self.layout))
        if given is None:
            return
        outputs = (self.head(given) if self.head is not None else given).shape[1]
        if outputs != num_classes:
            there = "the data has {} classes" if self.classes is None else "`model.classes` names {}"
            raise ValueError(
                f"The network has {outputs} outputs where {there.format(num_classes)}. `model.classes=FILE` says which "
                "class each output means, a line each."
            )


def _differ_in_colour(there: tuple[int, ...], here: tuple[int, ...]) -> bool:
    """Whether these shapes of weights are those of a convolution of three channels, and of one."""
    return (*there[1:2], *here[1:2]) == (_COLOURS, 1)


def channels_of(channels: Channels | None, image_shape: Sequence[int]) -> int:
    """How many channels a network takes that takes these `channels`; None: as many as the images have."""
    return (1 if channels == "grey" else _COLOURS) if channels else image_shape[0]


def _as_size(size: Size) -> tuple[int, int] | None:
    if size is None or size == "data":
        return None
    sides = (size, size) if isinstance(size, int) else tuple(size)
    rule = f"a number of pixels from 1 to {_LARGEST}, [height, width], or data, as they are"
    check("model.size", size, rule, len(sides) == 2 and all(1 <= one <= _LARGEST for one in sides))
    return sides[0], sides[1]


def _of_each_channel(name: str, value: float | Sequence[float], count: int) -> list[float]:
    numbers = [float(value)] * count if isinstance(value, int | float) else [float(one) for one in value]
    if count == 1 and len(numbers) == _COLOURS:
        numbers = [sum(numbers) / _COLOURS]
    rule = f"a number, or {count} of them, one for each channel"
    check(f"model.{name}", value, rule, len(numbers) == count and all(map(math.isfinite, numbers)))
    return numbers


def _example(shape: tuple[int, int, int], layout: Layout) -> Tensor:
    images = torch.zeros(2, *shape)
    return images.permute(0, 2, 3, 1) if layout == "channels_last" else images


def _without_prefix(weights: Mapping[str, Tensor], wanted: set[str]) -> Mapping[str, Tensor]:
    """The weights by their names without what wrappers put before them, as far as that makes them known."""
    found = dict(weights)
    while not wanted & found.keys():
        prefix = next((one for one in _PREFIXES if found and all(name.startswith(one) for name in found)), None)
        if prefix is None:
            return weights
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found
