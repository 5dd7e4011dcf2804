"""How a network starts: where its weights come from, and which of its layers learn."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import pytorch_lightning as pl
from torch import Tensor, nn

_FEW = 3  # names that are told
OTHERS = "network."  # before the names of the weights that others have in `Adapted`
_NORMS = nn.modules.batchnorm._NormBase


#: what a network with a new head has of its own: that, and how it standardises, which is fitted to what it then sees
NEW = ("head", "standardize")


def copy_weights(network: nn.Module, weights: Mapping[str, Tensor], *, new: Sequence[str] = NEW) -> None:
    """Copies all `weights`, tensors by name, of the shapes that the network has, but those of the parts `new`, which
    keep their own. Raises ValueError for another network's."""
    own, given = (
        {name: value for name, value in one.items() if name.partition(".")[0] not in new}
        for one in (network.state_dict(), weights)
    )
    shapes, others = ({name: tuple(value.shape) for name, value in one.items()} for one in (own, given))
    if differ := [name for name in {**shapes, **others} if shapes.get(name) != others.get(name)]:
        more = f" and {len(differ) - _FEW} more" if len(differ) > _FEW else ""
        raise ValueError(f"The weights are of another network: {', '.join(differ[:_FEW])}{more} differ.")
    network.load_state_dict(given, strict=False)


def freeze(network: nn.Module, trainable: Sequence[str]) -> None:
    """Freezes every parameter whose name matches none of the patterns `trainable`, such as "head.*" or "*.bias"; those
    of others' networks go by the names that they have there.

    Raises ValueError for a pattern that matches none.
    """
    parameters = {name.removeprefix(OTHERS): parameter for name, parameter in network.named_parameters()}
    for pattern in trainable:
        if not any(fnmatchcase(name, pattern) for name in parameters):
            parts = dict.fromkeys(f"{name.partition('.')[0]}.*" for name in parameters)
            raise ValueError(
                f"`technique.trainable` must match parameters of the network; {pattern!r} matches none. "
                f"There are {', '.join(parts)}."
            )
    for name, parameter in parameters.items():
        parameter.requires_grad_(any(fnmatchcase(name, pattern) for pattern in trainable))


class FrozenNorms(pl.Callback):
    """Keeps the statistics of normalisation layers whose parameters are frozen: they stay in eval mode."""

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        for layer in module.modules():
            parameters = list(layer.parameters(recurse=False))
            if isinstance(layer, _NORMS) and parameters and not any(one.requires_grad for one in parameters):
                layer.eval()
