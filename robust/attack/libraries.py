"""Attacks that others keep: everything of foolbox and of torchattacks, AutoAttack among it."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robust.attack.gradient import check_eps
from robust.attack.search import (
    Attacked,
    check_attack,
    check_least,
    check_outputs,
    nothing_yet,
    progress,
)
from robust.errors import require
from robust.models import device_of
from robust.perturb import key

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
    seed: int = 0,
    batch_size: int = 256,
    title: str | None = None,
) -> Attacked:
    """An attack of foolbox (Rauber et al. 2020), by the name of its class, such as `LinfDeepFoolAttack`, made with
    `options`, within `eps` (None: however far it takes).

    Arguments, result and errors else as of `robust.attack.pgd`; `steps` are not known and 0, `queries` are those of the
    batch, per image; draws are torch's own, which each batch begins at the seed. Raises ValueError where the package or
    the attack is not there.
    """
    if eps is not None:
        check_eps(eps, "linf" if method.startswith("Linf") else "l2", images)
    library = require("foolbox", what="`attack=foolbox`", extra="attacks")
    attack = _make(library.attacks, "foolbox", method, options or {})
    wrapped = library.PyTorchModel(model, bounds=(0, 1), device=device_of(model))
    criterion = library.criteria.TargetedMisclassification if targeted else library.criteria.Misclassification

    def search(part: Tensor, goals: Tensor) -> Tensor:
        return attack(wrapped, part, criterion(goals), epsilons=eps)[1]

    return _in_batches(model, images, classes, search, targeted=targeted, seed=seed, batch_size=batch_size, title=title)


def torchattacks(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    method: str,
    options: Mapping[str, Any] | None = None,
    targeted: bool = False,
    seed: int = 0,
    batch_size: int = 256,
    title: str | None = None,
) -> Attacked:
    """An attack of torchattacks (Kim 2020), by the name of its class, such as `AutoAttack`, made with `options`, among
    them its eps; else as `foolbox`."""
    library, given = require("torchattacks", what="`attack=torchattacks`"), dict(options or {})
    if "eps" in given:
        check_eps(given["eps"], "l2" if "L2" in method or given.get("norm") == "L2" else "linf", images)
    if "n_classes" in inspect.signature(getattr(library, method, object)).parameters:
        with torch.no_grad():
            outputs = model(torch.zeros(1, *images.shape[1:], device=device_of(model)))
        given.setdefault("n_classes", outputs.shape[1])
    attack = _make(library, "torchattacks", method, given, model)
    if targeted:
        attack.set_mode_targeted_by_label(quiet=True)
    return _in_batches(model, images, classes, attack, targeted=targeted, seed=seed, batch_size=batch_size, title=title)


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
    seed: int,
    batch_size: int,
    title: str | None,
) -> Attacked:
    check_attack(model, images, classes)
    classes = classes.cpu()
    check_least(batch_size=(batch_size, 1))
    found, device, asked = nothing_yet(images, 1), device_of(model), 0

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
                outputs = model(part)
            check_outputs(outputs, goals)
            found.before[rows, 0] = outputs.argmax(1).cpu()
            asked = 0
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(key("library", seed))
                moved = search(part, goals).detach()
            found.queries[rows, 0] = -(-asked // len(rows))
            found.images[rows, 0] = moved.to(images.device)
            with torch.no_grad():
                found.after[rows, 0] = model(moved).argmax(1).cpu()
    finally:
        counting.remove()
    found.success[:, 0] = (found.after[:, 0] == classes) == targeted
    return found
