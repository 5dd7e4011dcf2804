"""How a network starts: where its weights come from, and which of its layers learn."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import pytorch_lightning as pl
from torch import Tensor, nn

_NORMS = nn.modules.batchnorm._NormBase


def take_weights(network: nn.Module, weights: Mapping[str, Tensor], *, new: str | None = "head") -> None:
    """Copies all weights but those of the part `new`, if there is one, which keeps its own. Raises ValueError for
    another network's."""
    kept = {name: value for name, value in weights.items() if new is None or not name.startswith(f"{new}.")}
    result = network.load_state_dict(kept, strict=False)
    missing = [name for name in result.missing_keys if new is None or not name.startswith(f"{new}.")]
    if missing or result.unexpected_keys:
        differ = ", ".join([*missing, *result.unexpected_keys])
        raise ValueError(f"The weights are of another network: {differ} differ.")


def freeze(network: nn.Module, trainable: Sequence[str]) -> None:
    """Freezes every parameter whose name matches none of the patterns `trainable`, such as "head.*" or "*.bias".

    Raises ValueError for a pattern that matches none.
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in trainable:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(
                f"`technique.trainable` must match parameters of the network; {pattern!r} matches none. "
                f"There are {', '.join(names)}."
            )
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(any(fnmatchcase(name, pattern) for pattern in trainable))


class FrozenNorms(pl.Callback):
    """Keeps the statistics of normalisation layers whose parameters are frozen: they stay in eval mode."""

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        for layer in module.modules():
            parameters = list(layer.parameters(recurse=False))
            if isinstance(layer, _NORMS) and parameters and not any(one.requires_grad for one in parameters):
                layer.eval()
