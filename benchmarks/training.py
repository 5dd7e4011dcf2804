"""Training and testing against bare loops that do the same arithmetic."""

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.pairs import Result, at_most, in_turn, seconds
from robust.data import to_float
from robust.experiment.compose import compose
from robust.experiment.execute import train
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.measure import Condition, measure
from robust.models import ResNet
from robust.perturb import GaussianBlur, GaussianNoise, HotPixels

_PAIRS = 4
_TEST_PAIRS = 7
_STEPS = 3


def _train_bare(run: Experiment, images: torch.Tensor) -> None:
    """What a run's training comes to in plain torch, over images that are ready."""
    model: Any = run.build_network()
    model.standardize.fit([images])
    optimizer = torch.optim.Adam(model.parameters(), lr=run.config.optimizer.lr)
    labels, size = run.splits.train.labels, run.config.data.batch_size
    for _ in range(run.config.trainer.max_epochs):
        for start in range(0, len(images) // size * size, size):
            loss = functional.cross_entropy(model(images[start : start + size]), labels[start : start + size])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def bench_training() -> Iterator[Result]:
    """Wall time of a whole training on MNIST as a run does it, perturbing and checkpoints included."""
    settings = ["data=mnist", "trainer.progress=false", "trainer.checkpoint_every_s=10"]
    for technique in (["technique=natural"], ["technique=constant", "perturb=noise"]):
        times = []
        for _ in range(_PAIRS):
            with tempfile.TemporaryDirectory() as folder:
                run = prepare([*settings, *technique, f"runs_dir={folder}"])
                run.folder.mkdir()
                images = to_float(run.splits.train.images)
                if run.perturbation:
                    images = run.perturbation(images, seed=0)
                _train_bare(run, images[:15_000])  # warm
                times.append((seconds(lambda: train(run)), seconds(lambda: _train_bare(run, images))))  # noqa: B023
        ours, bare = np.array(times).T
        note = f"{np.median(ours):.1f} s and {np.median(bare):.1f} s for 50 epochs"
        yield at_most(f"training on MNIST, {run.identity.title}", "bare torch loop", ours / bare, 1.15, note=note)


def bench_testing() -> Iterator[Result]:
    """25 trials of 10,000 MNIST images against perturbing and the forward pass alone."""
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(["data=mnist", "technique=natural", f"runs_dir={folder}"])
    model, test = run.build_network().eval(), run.splits.test
    images, indices = to_float(test.images), torch.arange(len(test))
    for perturbation in (HotPixels(count=2), GaussianNoise(std=0.05), GaussianBlur(sigma=1.0)):
        condition = Condition(perturbation)

        def alone(condition: Condition = condition) -> None:
            with torch.inference_mode():
                for trial in range(25 if condition.random else 1):
                    for start in range(0, len(images), 1000):
                        batch = slice(start, start + 1000)
                        model(condition.view(images[batch], indices[batch], seed=0, trial=trial))

        def ours(condition: Condition = condition) -> None:
            measure(model, test, [condition])

        times = in_turn([ours, alone], rounds=_TEST_PAIRS)
        note = f"{np.median(times[:, 0]):.2f} s for {25 if condition.random else 1} trials"
        subject = f"testing 10,000 MNIST images, {condition.title}"
        yield at_most(subject, "perturbing and forward alone", times[:, 0] / times[:, 1], 1.3, note=note)


def bench_resnet() -> Iterator[Result]:
    """Steps of a ResNet-18 for 2 cores on 100 images of 64x64 against the same with PyTorch's convolutions alone, in
    float32 and with bfloat16 as `trainer.precision=bf16-mixed` has it."""
    size: dict[str, Any] = {"image_shape": (3, 64, 64), "num_classes": 20}
    ours, theirs = (ResNet(**size, stem_stride=2, stem_pool=True) for _ in range(2))
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d):
            module.__class__ = nn.Conv2d
    images = torch.rand(100, 3, 64, 64)
    models = [model.to(memory_format=torch.channels_last) for model in (ours, theirs)]
    for mixed in (False, True):
        times = in_turn([functools.partial(_step, model, images, mixed) for model in models], rounds=_TEST_PAIRS)
        both = " and ".join(f"{np.median(each) / _STEPS:.2f} s" for each in times.T)
        subject = f"training ResNet-18 on 64x64, stem of stride 2, {'bf16-mixed' if mixed else 'float32'}"
        against, note = "the same with PyTorch's convolutions", f"{both} a step of 100 images"
        yield at_most(subject, against, times[:, 0] / times[:, 1], 0.85, note=note)


def _step(model: nn.Module, images: torch.Tensor, mixed: bool) -> None:
    for _ in range(_STEPS):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = functional.cross_entropy(model(images), torch.arange(len(images)) % 20)
        loss.backward()


def mnist_is_there() -> bool:
    """Whether the benchmark's data can be read without a download."""
    raw = Path(compose(["data=mnist"]).data.dir) / "MNIST" / "raw"
    return (raw / "train-images-idx3-ubyte").is_file()
