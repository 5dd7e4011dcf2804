"""What is measured of a run: what is missing."""

import itertools
import logging
import operator
import time
from collections.abc import Sequence

import pandas as pd
import torch
from torch import nn

from robust.adapt import Adapting
from robust.attack import ANY, AttackPlan
from robust.data import ImageSet, PublishedTest, to_float
from robust.experiment.build import build_splits, task_of
from robust.experiment.experiment import Experiment
from robust.experiment.exposure import distances_missing, measure_distances
from robust.experiment.limits import limits_missing, measure_missing_limits
from robust.experiment.recovered import adapted, recovers
from robust.experiment.sequences import sequences_missing
from robust.experiment.until import measure_tests
from robust.files.claiming import say
from robust.learn import has_finite_weights, on_gpu
from robust.measure import (
    Finding,
    SequenceTest,
    knn_accuracy,
    measure_published,
    measure_stability,
    preflight,
    published_exposure,
    take_samples,
    with_exposure,
)
from robust.models import device_of, folded, trunk_of
from robust.progress import Progress
from robust.restore import hides_gradients
from robust.runs.contents import if_sound

_log = logging.getLogger(__name__)


def measure_missing(run: Experiment) -> None:
    """Measures the trials that are missing and writes the run's tables; those that are gone or damaged, too. Of a
    network that does not learn the log says first what a preflight finds."""
    missing = run.missing_tests()
    if not missing and not (run.conditions and run.misses_files()):
        return
    config, folder, images = run.config, run.files, run.splits.test
    model = load_for_tests(run)
    if missing and not run.learns and not recovers(run.config):
        for finding in find_faults(model, images, batch_size=100, told=config.trainer.progress):
            _log.warning("%s", finding)
    samples = take_samples(model, images, run.conditions, seed=config.evaluation.seed)
    kept = if_sound(folder.read_samples)
    if kept is None or not samples.are_among(kept):
        folder.write_samples(samples)
    task = task_of(config)
    if task.inspects and not folder.has_extras(task.inspects):
        title = f"testing {run.identity.title}" if config.trainer.progress else None
        folder.write_extras(task.inspect(model, images, batch_size=config.evaluation.batch_size, title=title))
    for measured in measure_tests(run, model, images, missing):
        measured.rows = with_exposure(measured.rows, run.conditions, run.trained_on)
        folder.write_tests(measured, run.identity, run.reference_name, images.classes)
    if not missing:
        folder.restore_tables(images.classes)


def find_faults(model: nn.Module, images: ImageSet, *, batch_size: int, told: bool = True) -> list[Finding]:
    """What `preflight` finds; unless it is not to be `told`, it is said first that this is being looked for."""
    if told:
        say("preflight: is the network shown images as it expects them?")
    return preflight(model, images, batch_size=batch_size)


def measure_others(run: Experiment) -> None:
    """Tests on published sets and under sequences of frames, limits of each image, and distances of the training, where
    these are asked for and missing; measures the k-NN accuracy of a self-supervised network, before and after: all test
    images among all that it learnt from."""
    if missing := run.missing_published():
        _measure_published(run, missing)
    if sequences := sequences_missing(run):
        _measure_stability(run, sequences)
    if searches := limits_missing(run):
        measure_missing_limits(run, searches, load_for_tests(run))
    if conditions := distances_missing(run):
        measure_distances(run, conditions, load_for_tests(run.reference or run))
    if run.misses_knn():
        splits, trained, untrained = build_splits(run.config.data), run.load(), run.build_network()
        trunk_of(untrained).standardize = trunk_of(trained).standardize  # known without training
        before, after = (knn_accuracy(_as_tested(one, run), splits.train, splits.test) for one in (untrained, trained))
        run.files.write_knn(untrained=before, trained=after)


def _measure_published(run: Experiment, missing: Sequence[PublishedTest]) -> None:
    """Makes these tests, and writes from time to time what came of them."""
    model, planned, settings = load_for_tests(run), {one.key for one in run.published}, run.config.trainer
    title = f"testing {run.identity.title} on published sets" if settings.progress else None
    size, every_s = run.config.evaluation.batch_size, settings.checkpoint_every_s
    for measured in measure_published(model, missing, batch_size=size, every_s=every_s, title=title):
        measured["exposure"] = published_exposure(measured["corruption"], run.trained_on)
        run.files.write_published(measured, planned, run.identity, run.reference_name)


def _measure_stability(run: Experiment, missing: Sequence[SequenceTest]) -> None:
    """The same under sequences of frames."""
    model, images, settings = load_for_tests(run), run.splits.test, run.config.trainer
    title = f"testing {run.identity.title} under sequences of frames" if settings.progress else None
    size, every_s = run.config.evaluation.batch_size, settings.checkpoint_every_s
    for measured in measure_stability(model, images, missing, batch_size=size, every_s=every_s, title=title):
        run.files.write_stability(measured, run.identity, run.reference_name)


def attack_missing(run: Experiment) -> None:
    """Makes the attacks that are missing, one after the other; of each the log says how long all of it takes, at the
    pace of its first pair of label and target."""
    if not (missing := run.missing_attacks()):
        return
    model = load_for_tests(run)
    for name in {one.name: one for one, _ in missing if one.uses_gradients} if hides_gradients(model) else ():
        _log.warning(
            "attack=%s does not see through restore=%s, whose gradient is that of leaving images as they are: robust "
            "accuracy may be too high. Add an attack that needs no gradient, such as attack=one_pixel.",
            name,
            run.config.restore.name,
        )
    for attack_plan, pairs in itertools.groupby(missing, key=operator.itemgetter(0)):
        _attack(run, model, attack_plan, [pair for _, pair in pairs])


def _attack(run: Experiment, model: nn.Module, attack_plan: AttackPlan, pairs: Sequence[tuple[int, int]]) -> None:
    """Makes one attack, and writes from time to time what came of it."""
    test, training, settings = run.splits.test, run.training_images, run.config.trainer
    counts = [len(attack_plan.chosen(test, *pair)) for pair in pairs]
    title, found, written = f"{run.identity.title}: {attack_plan.name}", [], time.monotonic()
    with Progress(title if settings.progress else None, sum(counts), "attack") as progress:
        try:
            for pair, count in zip(pairs, counts, strict=True):
                begun = time.monotonic()
                shown = _toward(pair, test.classes) if settings.progress else None
                found.append(attack_plan.attack(model, test, pair, training=training, title=shown))
                progress.add(count)
                if pair == pairs[0]:
                    minutes = (time.monotonic() - begun) * sum(counts) / count / 60
                    _log.info("%s: %d attacks, about %.1f minutes", attack_plan.name, sum(counts), minutes)
                if time.monotonic() - written > settings.checkpoint_every_s:
                    run.files.add_attacks(pd.concat(found))
                    found, written = [], time.monotonic()
        finally:
            if found:
                run.files.add_attacks(pd.concat(found))


def _toward(pair: tuple[int, int], classes: Sequence[str]) -> str:
    label, target = ("any" if one == ANY else classes[one] for one in pair)
    return f"{label} to {target}"


def has_diverged(run: Experiment) -> bool:
    """Whether the run's trained network holds weights, or gives for its test images what is not finite."""
    model = load_for_tests(run)
    if not has_finite_weights(model):
        return True
    device, size = device_of(model), run.config.evaluation.batch_size
    with torch.inference_mode():
        parts = run.splits.test.images.split(size) if run.config.task.tested else ()
        return not all(model(to_float(part.to(device))).isfinite().all() for part in parts)


def load_for_tests(run: Experiment) -> nn.Module:
    """The run's trained model, as it is tested, where it is tested."""
    return _as_tested(run.load(), run)


def _as_tested(model: nn.Module, run: Experiment) -> nn.Module:
    model = adapted(model, run.config) if isinstance(model, Adapting) else folded(model)
    if run.config.trainer.channels_last:
        model.to(memory_format=torch.channels_last)
    return model.to("cuda") if on_gpu(run.config.trainer.accelerator) else model
