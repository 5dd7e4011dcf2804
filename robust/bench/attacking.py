"""Attacks against a library that has them."""

import tempfile
from collections.abc import Iterator

import foolbox
import torch

from robust.attack import gradient_sign
from robust.bench.pairs import Result, at_least, in_turn
from robust.configuration import compose
from robust.data import to_float
from robust.prepare import prepare
from robust.run import execute
from robust.runs import load

_IMAGES, _STEPS, _STEP = 256, 100, 1 / 255
_ROUNDS = 9


def bench_attacking() -> Iterator[Result]:
    """The ratio of foolbox's time to ours, for the same steps toward the same targets on the same trained network."""
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(compose(["data=digits", "technique=natural", "evaluation=none", f"runs_dir={folder}"]))
        execute(run)
        model = load(run.folder)
    test = run.splits.test[slice(_IMAGES)]
    images, targets = to_float(test.images), (test.labels + 1) % len(test.classes)
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
    yield at_least(
        f"gradient sign, {_IMAGES} digits", "foolbox LinfBasicIterativeAttack", times[:, 1] / times[:, 0], 2, note=note
    )
