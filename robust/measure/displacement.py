"""How far a perturbation moves the outputs of a network's layers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor, nn

from robust.data import ImageSet, to_float
from robust.measure.conditions import Condition
from robust.models import OutputError, Standardize, ask, device_of, evaluating
from robust.perturb import ImageRandom, key
from robust.values.numbers import is_whole, plain

_AT_ONCE = 100
_WEIGHING = (nn.Conv2d, nn.Linear)


def layers(model: nn.Module) -> list[str]:
    """The names of a network's layers, from the images to the logits: its parts that learn; of a part that is a row of
    plain layers, each convolution and linear layer."""
    parts = [(name, part) for name, part in model.named_children() if not isinstance(part, Standardize)]
    return [layer for name, part in parts for layer in _within(name, part)]


def _within(name: str, part: nn.Module) -> list[str]:
    if not any(True for _ in part.parameters()):
        return []
    weighing = [one for one in part.modules() if isinstance(one, _WEIGHING)]
    if len(weighing) < 2 or not _is_plain(part):
        return [name]
    return [
        layer
        for place, inner in part.named_children()
        if isinstance(inner, (nn.Sequential, *_WEIGHING))
        for layer in _within(f"{name}.{place}", inner)
    ]


def _is_plain(part: nn.Module) -> bool:
    """Whether it is a row of layers, or of such rows, and not of blocks."""
    return isinstance(part, nn.Sequential) and all(
        _is_plain(inner) or not any(True for _ in inner.children()) for inner in part
    )


def movement(model: nn.Module, natural: Tensor, perturbed: Tensor, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """How far perturbed images, shape (batch, ...), move the outputs of these layers from those of the natural ones, as
    a share of their length: place by place, and of their mean over all places, which an object that only stands
    elsewhere does not move. Two of shape (batch, layers)."""
    with torch.inference_mode(), _outputs(model, names) as outputs:
        ask(model, natural)
        before = [outputs[name] for name in names]
        ask(model, perturbed)
        after = [outputs[name] for name in names]
    pairs = list(zip(after, before, strict=True))
    by_place = [_distance(one.flatten(1), other.flatten(1)) for one, other in pairs]
    overall = [_distance(_overall(one), _overall(other)) for one, other in pairs]
    return torch.stack(by_place, dim=1), torch.stack(overall, dim=1)


def _distance(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).norm(dim=1) / other.norm(dim=1).clamp_min(1e-12)


def _overall(output: Tensor) -> Tensor:
    return output.flatten(2).mean(2) if output.dim() > 2 else output


@contextmanager
def _outputs(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What these layers gave at the last call of the model."""
    kept: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(lambda _, __, output, name=name: kept.update({name: output}))
        for name in names
    ]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def measure_layers(
    model: nn.Module, images: ImageSet, conditions: Sequence[Condition], *, count: int = 200, seed: int = 0
) -> pd.DataFrame:
    """How far each perturbation moves each layer (see `movement`): test_perturbation, test_level, layer, place (its
    number), n, moved (place by place) and moved_overall, the means over the first `count` images of a fixed random
    order, in the first trial.

    The model is put in eval mode for the while. Raises ValueError unless `count` is at least 1, OutputError where a
    layer gives what is not finite.
    """
    if not is_whole(count, 1):
        raise ValueError(f"`count` must be at least 1; got {count}.")
    names = layers(model)
    device = device_of(model)
    chosen = ImageRandom(key("layers", seed), images.places.cpu()).uniform().argsort(stable=True)[: plain(count)]
    lines = []
    with evaluating(model):
        for condition in conditions:
            if condition.perturbation is None:
                continue
            parts = []
            for rows in chosen.split(_AT_ONCE):
                natural = to_float(images.images[rows]).to(device)
                perturbed = condition.view(natural, images.places[rows], seed=seed, trial=0)
                parts.append(movement(model, natural, perturbed, names))
            if not all(column.isfinite().all() for part in parts for column in part):
                raise OutputError(f"The model's layers must give finite values; got others under {condition.title}.")
            means = [torch.cat(columns).mean(0).tolist() for columns in zip(*parts, strict=True)]
            about = {"test_perturbation": condition.name, "test_level": condition.level}
            lines += [
                {**about, "layer": name, "place": place, "n": len(chosen), "moved": moved, "moved_overall": overall}
                for place, (name, moved, overall) in enumerate(zip(names, *means, strict=True))
            ]
    columns = ["test_perturbation", "test_level", "layer", "place", "n", "moved", "moved_overall"]
    return pd.DataFrame(lines, columns=columns)
