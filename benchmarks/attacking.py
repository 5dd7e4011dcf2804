"""Attacks against the libraries that have them."""

import functools
import importlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import foolbox
import numpy as np
import torch
from scipy.optimize import differential_evolution
from torch import Tensor, nn

from benchmarks.pairs import Result, at_least, at_most, in_turn
from robust.attack import fgsm, gradient_sign, one_pixel, pgd
from robust.attack.libraries import torchattacks
from robust.data import to_float
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.runs import load

_IMAGES, _STEPS, _STEP, _EPS = 256, 100, 1 / 255, 0.1
_PIXEL_IMAGES, _POPULATION, _GENERATIONS = 64, 10, 10
_PARITY_IMAGES, _LARGE, _LONG, _SEEDS = 400, 100, 100, 2
_ROUNDS = 9

_Attack = Callable[[], object]


def bench_attacking() -> Iterator[Result]:
    """The ratio of others' time to ours, for the same attacks on the same images of the same trained network. Of
    torchattacks, which pins old packages, where it is installed."""
    model, images, labels = _task()
    yield _toward_classes(model, images, labels)
    rival = foolbox.PyTorchModel(model, bounds=(0, 1))
    away = foolbox.criteria.Misclassification(labels)
    theirs = {
        "FGSM": foolbox.attacks.LinfFastGradientAttack(random_start=False),
        "PGD": foolbox.attacks.LinfPGD(abs_stepsize=_EPS / 4, steps=40),
    }
    ours: dict[str, _Attack] = {
        "FGSM": lambda: fgsm(model, images, labels, eps=_EPS),
        "PGD": lambda: pgd(model, images, labels, eps=_EPS, step=_EPS / 4, steps=40),
    }
    other = _torchattacks()
    for name, attack in theirs.items():
        once = functools.partial(attack, rival, images, away, epsilons=_EPS)
        rivals: dict[str, _Attack] = {f"foolbox {type(attack).__name__}": once}
        if other:
            options = {"FGSM": {}, "PGD": {"alpha": _EPS / 4, "steps": 40}}[name]
            made = getattr(other, name)(model, eps=_EPS, **options)
            rivals[f"torchattacks {name}"] = functools.partial(_judged, model, made, images, labels)
        yield from _against(f"{name}, {_IMAGES} digits", ours[name], rivals, least=1)
    if other:
        few, their_labels = images[:_PIXEL_IMAGES], labels[:_PIXEL_IMAGES]
        made = other.OnePixel(model, steps=_GENERATIONS, popsize=_POPULATION)

        def mine() -> object:
            return one_pixel(
                model, few, their_labels, population=_POPULATION, generations=_GENERATIONS, strategy="best1"
            )

        rivals = {"torchattacks OnePixel": functools.partial(_judged, model, made, few, their_labels)}
        yield from _against(f"one pixel, {_PIXEL_IMAGES} digits", mine, rivals, least=5)
        yield _autoattack(other, model, images, labels)
    yield from _parity()


def _autoattack(other: Any, model: nn.Module, images: Tensor, labels: Tensor) -> Result:
    """By how many points AutoAttack succeeds more or less often through the adapter than called by itself."""
    options = {"norm": "Linf", "eps": _EPS / 4}
    found = torchattacks(model, images, labels, method="AutoAttack", options=options)
    direct = _judged(model, other.AutoAttack(model, n_classes=10, seed=0, **options), images, labels) != labels
    rates = found.success.float().mean().item(), direct.float().mean().item()
    note = f"{rates[0]:.1%} against {rates[1]:.1%}"
    apart = np.array([100 * abs(rates[0] - rates[1])])
    return at_most(f"AutoAttack's success, {_IMAGES} digits", "torchattacks", apart, 1, unit="points", note=note)


def _parity() -> Iterator[Result]:
    """By how many points the one-pixel attack succeeds more or less often than SciPy's differential evolution, of the
    same length, which asks about an image's candidates together: means over seeds."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 196, 4)).eval()
    images = 0.3 + 0.4 * torch.rand(_PARITY_IMAGES, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        labels = model(images).argmax(1)
    ours, theirs = [], []
    for seed in range(_SEEDS):
        found = one_pixel(model, images, labels, population=_LARGE, generations=_LONG, strategy="best1", seed=seed)
        ours.append(found.success.float().mean().item())
        fooled = [_evolved(model, image, label, seed) for image, label in zip(images, labels, strict=True)]
        theirs.append(np.mean(fooled))
    note = f"{np.mean(ours):.1%} against {np.mean(theirs):.1%}, {_SEEDS} seeds"
    apart = np.array([100 * abs(np.mean(ours) - np.mean(theirs))])
    subject = f"one pixel's success, {_PARITY_IMAGES} images"
    yield at_most(subject, "SciPy differential_evolution", apart, 1, unit="points", note=note)


def _evolved(model: nn.Module, image: Tensor, label: Tensor, seed: int) -> bool:
    """Whether SciPy finds a pixel that changes the verdict on an image."""
    fooled = False

    def sure(candidates: np.ndarray) -> np.ndarray:
        nonlocal fooled
        y, x = torch.from_numpy(candidates[:2]).long().clamp(max=15)
        changed = image.repeat(len(x), 1, 1, 1)
        changed[torch.arange(len(x)), :, y, x] = torch.from_numpy(candidates[2:].T.copy()).float()
        with torch.no_grad():
            logits = model(changed)
        fooled |= bool((logits.argmax(1) != label).any())
        return logits.softmax(1)[:, label].double().numpy()

    differential_evolution(
        sure,
        [(0, 16), (0, 16), (0, 1), (0, 1), (0, 1)],
        maxiter=_LONG,
        popsize=_LARGE // 5,
        init="random",
        recombination=1,
        atol=-1,
        tol=-1,
        polish=False,
        rng=np.random.default_rng(seed),
        updating="deferred",
        vectorized=True,
        callback=lambda *_: fooled,
    )
    return fooled


def _task() -> tuple[nn.Module, Tensor, Tensor]:
    """A natural network of the digits, and test images with their labels."""
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(["data=digits", "technique=natural", "evaluation=none", f"runs_dir={folder}"])
        execute(run)
        model = load(run.folder)
    test = run.splits.test[slice(_IMAGES)]
    return model, to_float(test.images), test.labels


def _against(subject: str, ours: _Attack, rivals: dict[str, _Attack], *, least: float) -> Iterator[Result]:
    for name, rival in rivals.items():
        times = in_turn([ours, rival], rounds=_ROUNDS)
        yield at_least(subject, name, times[:, 1] / times[:, 0], least)


def _judged(model: nn.Module, attack: Callable[[Tensor, Tensor], Tensor], images: Tensor, labels: Tensor) -> Tensor:
    """What came of an attack that only returns images."""
    found = attack(images, labels).detach()
    with torch.no_grad():
        return model(found).argmax(1)


def _toward_classes(model: nn.Module, images: Tensor, labels: Tensor) -> Result:
    """Step by step toward the next class, where images finish at different times."""
    targets = (labels + 1) % 10
    attack = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=_STEP, steps=_STEPS, random_start=False)
    rival = foolbox.PyTorchModel(model, bounds=(0, 1))

    def theirs() -> object:
        return attack(rival, images, foolbox.criteria.TargetedMisclassification(targets), epsilons=1.0)

    found = gradient_sign(model, images, targets, step=_STEP, max_steps=_STEPS)
    times = in_turn(
        [lambda: gradient_sign(model, images, targets, step=_STEP, max_steps=_STEPS), theirs], rounds=_ROUNDS
    )
    quartiles = torch.quantile(found.steps.float(), torch.tensor([0.25, 0.5, 0.75])).tolist()
    note = (
        f"{found.success.float().mean():.0%} reached within {_STEPS} steps, half of them between "
        f"{quartiles[0]:.0f} and {quartiles[2]:.0f}"
    )
    return at_least(
        f"gradient sign, {_IMAGES} digits", "foolbox LinfBasicIterativeAttack", times[:, 1] / times[:, 0], 2, note=note
    )


def _torchattacks() -> Any:
    """The package, where it is installed."""
    try:
        return importlib.import_module("torchattacks")
    except ImportError:
        return None
