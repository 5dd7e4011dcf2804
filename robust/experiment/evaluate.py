"""What is measured of a trained run: tests, natural adversarial examples, attacks; what is there already stays."""

import itertools
import logging
import operator
import time
from collections.abc import Sequence

import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

from robust.attack import ANY, Assault
from robust.experiment.build import build_splits
from robust.experiment.experiment import Run
from robust.files import atomic_write
from robust.learn import on_gpu
from robust.measure import (
    measure_in_parts,
    measure_natural_adversarial,
    measure_stages,
    neighbours_accuracy,
    take_samples,
    take_views,
)
from robust.models import TripleStaged, folded, trunk_of
from robust.results import STAGES, VIEWS, write_attacks, write_natural_adversarial, write_neighbours, write_tables
from robust.runs import load

_log = logging.getLogger(__name__)


def measure_missing(run: Run) -> None:
    """Measures the trials that are missing and writes the run's tables."""
    if not (missing := run.missing_tests()):
        return
    config, folder, images = run.config, run.folder, run.splits.test
    model = load_for_tests(run)
    samples = take_samples(model, images, run.conditions, seed=config.evaluation.seed)
    if not samples.are_among(folder / "samples.npz"):
        samples.save(folder / "samples.npz")
    title = f"testing {run.identity.title}" if config.trainer.progress else None
    batch_size = config.evaluation.batch_size
    if isinstance(model, TripleStaged) and not (folder / STAGES).is_file():
        take_views(model, images, batch_size=batch_size).save(folder / VIEWS)
        stages = measure_stages(model, images, parameters=config.model.parameters, batch_size=batch_size, title=title)
        atomic_write(folder / STAGES, stages.to_parquet(index=False, compression="zstd"))
    every_s = config.trainer.checkpoint_every_s
    for measured in measure_in_parts(model, images, missing, batch_size=batch_size, every_s=every_s, title=title):
        write_tables(folder, measured, run.identity, run.reference, images.classes)


def measure_others(run: Run) -> None:
    """Tests on natural adversarial examples, where that is asked for and missing; asks how much of the classes is in
    the features of what learnt without labels, before and after: all test images among all that it learnt from."""
    if others := run.missing_natural_adversarial():
        found = measure_natural_adversarial(load_for_tests(run), others, batch_size=run.config.evaluation.batch_size)
        write_natural_adversarial(run.folder, found, others.digest, run.identity, run.reference)
    if run.misses_neighbours():
        splits, trained, untrained = build_splits(run.config.data), load(run.folder), run.build_network()
        trunk_of(untrained).standardize = trunk_of(trained).standardize  # known without training
        before, after = (
            neighbours_accuracy(_as_tested(one, run), splits.train, splits.test) for one in (untrained, trained)
        )
        write_neighbours(run.folder, untrained=before, trained=after)


def attack_missing(run: Run) -> None:
    """Makes the attacks that are missing, one after the other; of each the log says how long all of it takes, at the
    pace of its first pair of label and target."""
    if not (missing := run.missing_attacks()):
        return
    model = load_for_tests(run)
    for assault, pairs in itertools.groupby(missing, key=operator.itemgetter(0)):
        _attack(run, model, assault, [pair for _, pair in pairs])


def _attack(run: Run, model: nn.Module, assault: Assault, pairs: Sequence[tuple[int, int]]) -> None:
    """Makes one attack, and writes from time to time what came of it."""
    test, training, settings = run.splits.test, run.training_images, run.config.trainer
    counts = [len(assault.chosen(test, *pair)) for pair in pairs]
    title, found, written = f"{run.identity.title}: {assault.name}", [], time.monotonic()
    with tqdm(
        total=sum(counts), desc=title, unit="attack", delay=1, disable=None if settings.progress else True
    ) as bar:
        try:
            for pair, count in zip(pairs, counts, strict=True):
                begun = time.monotonic()
                shown = _toward(pair, test.classes) if settings.progress else None
                found.append(assault.attack(model, test, pair, training=training, title=shown))
                bar.update(count)
                if pair == pairs[0]:
                    minutes = (time.monotonic() - begun) * sum(counts) / count / 60
                    _log.info("%s: %d attacks, about %.1f minutes", assault.name, sum(counts), minutes)
                if time.monotonic() - written > settings.checkpoint_every_s:
                    write_attacks(run.folder, pd.concat(found), run.identity.folder)
                    found, written = [], time.monotonic()
        finally:
            if found:
                write_attacks(run.folder, pd.concat(found), run.identity.folder)


def _toward(pair: tuple[int, int], classes: Sequence[str]) -> str:
    label, target = ("any" if one == ANY else classes[one] for one in pair)
    return f"{label} to {target}"


def load_for_tests(run: Run) -> nn.Module:
    """The run's trained model, as it is tested, where it is tested."""
    return _as_tested(load(run.folder), run)


def _as_tested(model: nn.Module, run: Run) -> nn.Module:
    model = folded(model)
    if run.config.trainer.channels_last:
        model.to(memory_format=torch.channels_last)
    return model.to("cuda") if on_gpu(run.config.trainer.accelerator) else model
