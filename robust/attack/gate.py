"""What goes into a search for adversarial images, and what may come back from one."""

import contextlib
import functools
import inspect
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, ParamSpec

import torch
from torch import Tensor, nn

from robust.attack.result import AttackResult, check_attack, check_number
from robust.models import device_of
from robust.values.numbers import is_whole, plain

Arguments = ParamSpec("Arguments")

#: why an image that a search gave was not taken; the first: it was
FAULTS = ("", "no result", "not finite", "outside [0, 1]", "further than eps", "no success")
_SLACK = 1e-6  # by which rounding may leave [0, 1], or the ball
_NORMS = {"0": "l0", "1": "l1", "2": "l2", "inf": "linf", "infinity": "linf"}


class Budget(NamedTuple):
    """How far an image, shape (channels, height, width) in [0, 1], may move: `eps` in `norm`, one of l0 (how many
    values change), l1, l2, linf (the greatest change of a value)."""

    eps: float
    norm: str

    def distance(self, images: Tensor, moved: Tensor) -> Tensor:
        """How far each of the images moved, shape (n,)."""
        change = (moved - images).flatten(1).abs()
        if self.norm == "linf":
            return change.amax(1)
        if self.norm == "l0":
            return (change > _SLACK).sum(1).to(change)
        return change.sum(1) if self.norm == "l1" else change.norm(dim=1)

    def check(self, images: Tensor) -> None:
        """Raises ValueError for a radius that images in [0, 1] of this shape do not have."""
        if self.norm not in _NORMS.values():
            raise ValueError(f"`attack.norm` must be l0, l1, l2 or linf; got {self.norm}.")
        check_number("eps", self.eps)
        size = math.prod(images.shape[1:])
        greatest = {"linf": 1.0, "l2": math.sqrt(size)}.get(self.norm, float(size))
        if not 0 <= self.eps <= greatest:
            raise ValueError(
                f"`attack.eps` must be from 0 to {greatest:g}, since images are in [0, 1]; got {self.eps:g}. Grey "
                f"levels are written {self.eps:g}/255."
            )


def norm_named(value: Any) -> str | None:
    """Our word for a norm: of 2, "L2", inf, "Linf" and the like; None for what is none."""
    value = plain(value)
    word = f"{value:g}" if isinstance(value, float | int) else str(value).lower().removeprefix("l")
    return _NORMS.get(word)


def checked(search: Callable[Arguments, AttackResult]) -> Callable[Arguments, AttackResult]:
    """A search, called as `search(model, images, classes, **options)`, that takes numbers of any type, images of any
    precision (half is searched in as float32) and classes of any integer type, also inside `torch.no_grad()` and
    `torch.inference_mode()`. Raises ValueError for what `check_attack` does, and for a seed or numbers that are not
    whole."""
    signature = inspect.signature(search)

    @functools.wraps(search)
    def checked_search(*arguments: Arguments.args, **options: Arguments.kwargs) -> AttackResult:
        bound = signature.bind(*arguments, **options)
        given = {name: plain(value) for name, value in bound.arguments.items()}
        with torch.inference_mode(mode=False), torch.enable_grad():
            model = given["model"]
            device_of(model)  # says so where it is nowhere
            given["images"], given["classes"] = prepared(model, given["images"], given["classes"])
            if given.get("training") is not None:
                given["training"] = prepared(model, *given["training"])
            if "seed" in given and not is_whole(given["seed"]):
                raise ValueError(f"`attack.seed` must be a whole number; got {given['seed']!r}.")
            if given.get("numbers") is not None:
                given["numbers"] = _whole("a number", given["numbers"], len(given["images"]))
            return search(**given)  # type: ignore[call-arg]

    return checked_search


def prepared(model: nn.Module, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Images and classes as a search takes them: float32 or float64, int64. Raises ValueError for others (see
    `check_attack`)."""
    if isinstance(images, Tensor) and images.is_floating_point() and images.dtype != torch.float64:
        images = images.float()
    classes = _whole("a class", classes, len(images))
    check_attack(model, images, classes)
    images = images.detach()
    return (images.clone() if images.is_inference() else images), classes


def _whole(what: str, values: Any, count: int) -> Tensor:
    values = torch.as_tensor(values)
    if values.shape != (count,) or values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise ValueError(
            f"An attack needs images, and {what} for each; got {values.dtype} of shape "
            f"{tuple(values.shape)} for {count} images."
        )
    return values.long().clone() if values.is_inference() else values.long()


def sifted(moved: Any, images: Tensor, budget: Budget | None, name: str) -> tuple[Tensor, Tensor]:
    """The images that a search gave, where they may be taken, else those that it began with; and int64 of shape (n,):
    which of FAULTS each has. They may be taken where they are finite, in [0, 1] (clipped where rounding left it) and
    within the budget. Raises ValueError for what are no images of this shape."""
    if not isinstance(moved, Tensor) or moved.shape != images.shape:
        got = tuple(moved.shape) if isinstance(moved, Tensor) else type(moved).__name__
        raise ValueError(f"{name} must return images of shape {tuple(images.shape)}, a tensor; got {got}.")
    moved = moved.detach().to(images)
    if not len(moved):
        return moved, torch.zeros(0, dtype=torch.int64)
    low, high = moved.flatten(1).aminmax(dim=1)
    faults = torch.zeros(len(moved), dtype=torch.int64, device=moved.device)
    if budget is not None:
        faults[budget.distance(images, moved) > budget.eps * (1 + 1e-5) + _SLACK] = FAULTS.index("further than eps")
    faults[(low < -_SLACK) | (high > 1 + _SLACK)] = FAULTS.index("outside [0, 1]")
    faults[~(low.isfinite() & high.isfinite())] = FAULTS.index("not finite")
    kept = torch.where((faults > 0)[:, None, None, None], images, moved.clamp(0, 1))
    return kept, faults.cpu()


def settled(
    found: Any,
    images: Tensor,
    budget: Budget | None,
    name: str,
    *,
    say: Callable[[Tensor], Tensor] | None = None,
    wanted: Callable[[Tensor], Tensor] = Tensor.bool,
) -> AttackResult:
    """What came of a search, less the images that may not be taken: these are as they were, no success, and bear their
    fault. Where predictions are not to be believed, `say` gives the network's, shape (n, rules), of images, and
    `wanted` which of them were sought: an image that does not have one is no success. Warns, once for all; raises
    ValueError for what is no `AttackResult` of these images."""
    _check_found(found, images, name)
    known = torch.zeros_like(found.steps).cpu() if found.faults is None else found.faults.cpu()  # and warned of
    faults = known.clone()
    kept, before, after, success = [], found.before.cpu().clone(), found.after.cpu().clone(), found.success.cpu()
    for rule, moved in enumerate(found.images.unbind(1)):
        taken, fault = sifted(moved, images.to(moved.device), budget, name)
        faults[:, rule] = torch.where(fault > 0, fault, faults[:, rule])
        kept.append(taken)
    if say is not None:
        before, after = say(images), torch.stack([say(one)[:, rule] for rule, one in enumerate(kept)], dim=1)
        faults[success & ~wanted(after) & (faults == 0)] = FAULTS.index("no success")
        success = wanted(after)
    for rule, taken in enumerate(kept):
        bad = (faults[:, rule] > 0).to(taken.device)[:, None, None, None]
        kept[rule] = torch.where(bad, images.to(taken), taken)
    warn_of_faults(faults.where(known == 0, 0), name)
    return AttackResult(
        images=torch.stack(kept, dim=1),
        success=success & (faults == 0),
        steps=found.steps.cpu().long(),
        before=before.long(),
        after=torch.where(faults > 0, before, after).long(),
        queries=found.queries.cpu().long(),
        faults=faults,
    )


def _check_found(found: Any, images: Tensor, name: str) -> None:
    if not isinstance(found, AttackResult):
        raise ValueError(f"{name} must return a `robust.attack.AttackResult`; got {type(found).__name__}.")
    many = isinstance(found.images, Tensor) and found.images.dim() > 1
    count, rules = len(images), found.images.shape[1] if many else 1
    wanted = {"images": (count, rules, *images.shape[1:])}
    for one in ("images", "success", "steps", "before", "after", "queries"):
        value, shape = getattr(found, one), wanted.get(one, (count, rules))
        if not isinstance(value, Tensor) or value.shape != shape or (one == "success" and value.dtype != torch.bool):
            what = "boolean" if one == "success" else "a tensor"
            got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"`AttackResult.{one}` of {name} must be {what} of shape {shape}; got {got}.")


def warn_of_faults(faults: Tensor, name: str) -> None:
    """Warns, in one line, of the images of a search that were not taken, and why."""
    if not faults.any():
        return
    counts = {word: int((faults == place).sum()) for place, word in enumerate(FAULTS) if place}
    why = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    warnings.warn(
        f"{name}: {int((faults > 0).any(1).sum())} of {len(faults)} images are not taken ({why}); they count as no "
        "success, and stay as they were.",
        stacklevel=2,
    )


class _Enough(BaseException):
    """The network was asked often enough; no `except Exception` of a search is to catch it."""


@contextlib.contextmanager
def begun(model: nn.Module, asked: int = 100) -> Iterator[None]:
    """Ends what is inside, without a word, once the model was asked about so many images: what a search needs is known
    by then. (TorchScript has no hooks; there it goes on.)"""
    left = asked

    def count(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if left <= 0:
            raise _Enough
        left -= len(arguments[0]) if arguments else 1

    hook = None if isinstance(model, torch.jit.ScriptModule) else model.register_forward_pre_hook(count)
    try:
        yield
    except _Enough:
        return
    finally:
        if hook is not None:
            hook.remove()
