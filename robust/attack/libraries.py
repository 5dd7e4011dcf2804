"""Attacks that others keep: everything of foolbox and of torchattacks, AutoAttack among it."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robust.attack.search import (
    Attacked,
    check_attack,
    check_least,
    nothing_yet,
    progress,
)

#: from images and classes, on the model's device, to adversarial images
_Search = Callable[[Tensor, Tensor], Tensor]


def foolbox(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    method: str,
    eps: float | None = None,
    options: Mapping[str, Any] | None = None,
    targeted: bool = False,
    batch_size: int = 256,
    title: str | None = None,
) -> Attacked:
    """An attack of foolbox (Rauber et al. 2020), by the name of its class, such as `LinfDeepFoolAttack`, made with
    `options`, within `eps` (None: however far it takes).

    Arguments, result and errors else as of `robust.attack.pgd`; `steps` are not known and 0, `queries` are those of the
    batch, per image. Raises ValueError where the package or the attack is not there.
    """
    library = _import("foolbox")
    attack = _make(library.attacks, "foolbox", method, options or {})
    wrapped = library.PyTorchModel(model, bounds=(0, 1), device=_device(model, images))
    criterion = library.criteria.TargetedMisclassification if targeted else library.criteria.Misclassification

    def search(part: Tensor, goals: Tensor) -> Tensor:
        return attack(wrapped, part, criterion(goals), epsilons=eps)[1]

    return _in_batches(model, images, classes, search, targeted=targeted, batch_size=batch_size, title=title)


def torchattacks(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    method: str,
    options: Mapping[str, Any] | None = None,
    targeted: bool = False,
    batch_size: int = 256,
    title: str | None = None,
) -> Attacked:
    """An attack of torchattacks (Kim 2020), by the name of its class, such as `AutoAttack`, made with `options`, among
    them its eps; else as `foolbox`."""
    library, given = _import("torchattacks"), dict(options or {})
    if "n_classes" in inspect.signature(getattr(library, method, object)).parameters:
        with torch.no_grad():
            outputs = model(torch.zeros(1, *images.shape[1:], device=_device(model, images)))
        given.setdefault("n_classes", outputs.shape[1])
    attack = _make(library, "torchattacks", method, given, model)
    if targeted:
        attack.set_mode_targeted_by_label(quiet=True)
    return _in_batches(model, images, classes, attack, targeted=targeted, batch_size=batch_size, title=title)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"`attack={name}` needs the package {name} ({error}). Install it: pip install {name}"
        ) from None


def _make(attacks: Any, library: str, method: str, options: Mapping[str, Any], *arguments: Any) -> Any:
    made = getattr(attacks, method, None)
    if not isinstance(made, type):
        known = sorted(name for name, one in vars(attacks).items() if isinstance(one, type))
        raise ValueError(f"`attack.method` must be an attack of {library}: {', '.join(known)}; got {method}.")
    try:
        return made(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`attack.options` must be those of {library}'s {method}; got {dict(options)} ({error})."
        ) from error


def _in_batches(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    search: _Search,
    *,
    targeted: bool,
    batch_size: int,
    title: str | None,
) -> Attacked:
    check_attack(model, images, classes)
    check_least(batch_size=(batch_size, 1))
    found, device, asked = nothing_yet(images, 1), _device(model, images), 0

    def count(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        nonlocal asked
        asked += len(arguments[0])

    counting = model.register_forward_pre_hook(count)
    try:
        for rows in progress(title, unit="batch", iterable=torch.arange(len(images)).split(batch_size)):
            if not len(rows):
                continue
            part, goals = images[rows].to(device), classes[rows].to(device)
            with torch.no_grad():
                found.before[rows, 0] = model(part).argmax(1).cpu()
            asked = 0
            moved = search(part, goals).detach()
            found.queries[rows, 0] = -(-asked // len(rows))
            found.images[rows, 0] = moved.to(images.device)
            with torch.no_grad():
                found.after[rows, 0] = model(moved).argmax(1).cpu()
    finally:
        counting.remove()
    found.success[:, 0] = (found.after[:, 0] == classes) == targeted
    return found


def _device(model: nn.Module, images: Tensor) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), images.device)
