"""Attacks that others keep: everything of foolbox and of torchattacks, AutoAttack among it."""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from robust.attack.gate import FAULTS, Budget, checked, norm_named, sifted, warn_of_faults
from robust.attack.result import AttackResult, check_classes, check_least, empty_result
from robust.errors import require
from robust.models import ask, device_of, preserved, said
from robust.perturb import key
from robust.progress import progressing
from robust.values.numbers import is_number

#: from images and classes, on the model's device, to adversarial images; NaN where it has none
_Search = Callable[[Tensor, Tensor], Tensor]
_FROM_ZEROS = ("L2CarliniWagnerAttack", "EADAttack")  # begin with black images, and leave them where they find none
_NO_RESULT = FAULTS.index("no result")


class _Asked(nn.Module):
    """A model as libraries know it, which returns logits and counts the images it is asked about. What these are, and
    what it says of them, is not looked at: some searches leave the range of images on their way."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.images = 0
        self.register_buffer("_here", torch.zeros((), device=device_of(model)))  # where it is, if it holds nothing else
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        self.images += len(images)
        return said(self.model, images)

    def train(self, mode: bool = True) -> "_Asked":
        """The model stays in its mode: it is only asked."""
        self.training = mode
        return self


@checked
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
) -> AttackResult:
    """An attack of foolbox (Rauber et al. 2020), by the name of its class, such as `LinfDeepFoolAttack`, made with
    `options`, within `eps` of its own norm (None: however far it takes).

    Arguments, result and errors else as of `robust.attack.pgd`; `steps` are not known and 0, `queries` are those of the
    batch, per image; draws are torch's and NumPy's own, which each batch begins at the seed. An image for which the
    attack finds no place to start, or gives what may not be taken, stays as it was (`AttackResult.faults`). Raises
    ValueError where the package, the attack or what that needs is not there.
    """
    library = require("foolbox", what="`attack=foolbox`", extra="attacks")
    given = dict(options or {})
    if isinstance(given.get("distance"), str):  # of an attack that measures its steps as it is told
        given["distance"] = getattr(library.distances, norm_named(given["distance"]) or "", given["distance"])
    attack = _make(library.attacks, "foolbox", method, given)
    budget = None
    if eps is not None:
        budget = Budget(eps, _norm_of(attack, method))
        budget.check(images)
    asked = _Asked(model)
    wrapped = library.PyTorchModel(asked, bounds=(0, 1), device=device_of(model))
    criterion = library.criteria.TargetedMisclassification if targeted else library.criteria.Misclassification

    def search(part: Tensor, goals: Tensor) -> Tensor:
        raw, clipped, _ = attack(wrapped, part, criterion(goals), epsilons=eps)
        if method not in _FROM_ZEROS:
            return clipped
        empty = (raw.flatten(1).amax(1) == 0) & (part.flatten(1).amax(1) > 0)
        return torch.where(empty[:, None, None, None], math.nan, clipped)

    return _in_batches(
        asked, images, classes, search, budget, name=f"attack.method={method}", targeted=targeted, seed=seed,
        batch_size=batch_size, title=title,
    )  # fmt: skip


@checked
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
) -> AttackResult:
    """An attack of torchattacks (Kim 2020), by the name of its class, such as `AutoAttack`, made with `options`, among
    them its eps; else as `foolbox`."""
    library, given = require("torchattacks", what="`attack=torchattacks`"), dict(options or {})
    norm = "l2" if "L2" in method else norm_named(given.get("norm", "linf")) or "linf"
    if "eps" in given:
        Budget(given["eps"], norm).check(images)
    asked = _Asked(model)
    if "n_classes" in inspect.signature(getattr(library, method, object)).parameters:
        with torch.no_grad():
            outputs = ask(model, torch.zeros(1, *images.shape[1:], device=device_of(model)))
        given.setdefault("n_classes", outputs.shape[1])
    attack = _make(library, "torchattacks", method, given, asked)
    if targeted:
        attack.set_mode_targeted_by_label(quiet=True)
    eps: Any = getattr(attack, "eps", None)
    return _in_batches(
        asked, images, classes, attack, Budget(eps, norm) if is_number(eps) else None, name=f"attack.method={method}",
        targeted=targeted, seed=seed, batch_size=batch_size, title=title,
    )  # fmt: skip


def _make(attacks: Any, library: str, method: str, options: Mapping[str, Any], *arguments: Any) -> Any:
    made = getattr(attacks, method, None)
    if not _is_attack(made):
        known = sorted(name for name, one in vars(attacks).items() if _is_attack(one))
        raise ValueError(f"`attack.method` must be an attack of {library}: {', '.join(known)}; got {method}.")
    try:
        return made(*arguments, **options)
    except (TypeError, ValueError, AssertionError) as error:
        raise ValueError(
            f"`attack.options` must be those of {library}'s {method}; got {dict(options)} ({error})."
        ) from error
    except ImportError as error:
        raise ValueError(_needs_package(method, error)) from error


def _is_attack(one: Any) -> TypeGuard[type[Any]]:
    return isinstance(one, type) and not inspect.isabstract(one)


def _needs_package(method: str, error: ImportError) -> str:
    return f"`attack.method={method}` needs the package {error.name} ({error}): pip install {error.name}"


def _norm_of(attack: Any, method: str) -> str:
    """The norm that an attack of foolbox measures its steps in: its own, else that of its name. Raises ValueError where
    it is to be told."""
    try:
        norm = norm_named(attack.distance.p)
    except (AttributeError, NotImplementedError):
        norm = None
    except ValueError as error:
        raise ValueError(
            f"`attack.options.distance` must be l0, l1, l2 or linf with `attack.method={method}`, which has no norm of "
            "its own for `attack.eps`; got none."
        ) from error
    return norm or next((one for one in ("linf", "l0", "l1", "l2") if method.lower().startswith(one)), "l2")


@contextlib.contextmanager
def _drawn_from(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, the global generators, torch's and NumPy's, begin at a seed; afterwards they go on as before."""
    numpy_state = np.random.get_state()
    start = key("library", seed)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(start)
            np.random.seed(start % (1 << 32))
            yield
    finally:
        np.random.set_state(numpy_state)


def _in_batches(
    model: _Asked,
    images: Tensor,
    classes: Tensor,
    search: _Search,
    budget: Budget | None,
    *,
    name: str,
    targeted: bool,
    seed: int,
    batch_size: int,
    title: str | None,
) -> AttackResult:
    """Searches a batch at a time, and asks what the network says before and after."""
    classes = classes.cpu()
    check_least(batch_size=(batch_size, 1))
    found, device = empty_result(images, 1), device_of(model)
    faults = torch.zeros(len(images), 1, dtype=torch.int64)
    batches = torch.arange(len(images)).split(batch_size) if len(images) else ()
    with preserved(model.model):
        for weight in model.model.parameters():  # libraries go back through these too, and leave gradients there
            weight.requires_grad_(False)
        for rows in progressing(batches, title, "block", len(batches)):
            part, goals = images[rows].to(device), classes[rows].to(device)
            with torch.no_grad():
                outputs = ask(model, part, numbers=rows)
            check_classes(outputs, goals)
            found.before[rows, 0] = outputs.argmax(1).cpu()
            model.images = 0
            with _drawn_from(seed, device):
                moved = _searched(search, part, goals, name)
            found.queries[rows, 0] = -(-model.images // len(rows))
            taken, fault = sifted(moved, part, budget, name)
            faults[rows, 0] = torch.where(moved.flatten(1).isnan().all(1).cpu(), _NO_RESULT, fault)
            found.images[rows, 0] = taken.to(images.device)
            with torch.no_grad():
                found.after[rows, 0] = ask(model, taken, numbers=rows).argmax(1).cpu()
    found.success[:, 0] = ((found.after[:, 0] == classes) == targeted) & (faults[:, 0] == 0)
    warn_of_faults(faults, name)
    return AttackResult(**{**vars(found), "faults": faults})


def _searched(search: _Search, part: Tensor, goals: Tensor, name: str) -> Tensor:
    """What a search gives of a batch. Where it fails, each image is tried alone; one that fails then too comes back as
    NaN. Raises ValueError where it fails on all of them, and not for want of a place to start."""
    try:
        return search(part, goals)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if len(part) == 1 and not _is_of_image(error):
            raise ValueError(_explained(error, name)) from error
        if len(part) == 1:
            return torch.full_like(part, math.nan)
        fault = error
    found, failed = torch.full_like(part, math.nan), 0
    for row in range(len(part)):
        one = slice(row, row + 1)
        try:
            found[one] = search(part[one], goals[one])
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001
            fault, failed = (fault if _is_of_image(error) else error), failed + 1
    if failed == len(part) and not _is_of_image(fault):
        raise ValueError(_explained(fault, name)) from fault
    return found


def _is_of_image(error: Exception) -> bool:
    """Whether a library failed because of an image: it found no place to start."""
    return isinstance(error, AssertionError) or "init_attack failed" in str(error)


def _explained(error: Exception, name: str) -> str:
    if isinstance(error, ImportError):
        return _needs_package(name.partition("=")[2], error)
    more = " It only goes toward a class: attack.targeted=true" if "unsupported criterion" in str(error) else ""
    return f"`{name}` cannot be made with what it is given ({type(error).__name__}: {error}).{more}"
