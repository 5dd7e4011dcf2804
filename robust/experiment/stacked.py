"""Runs of one architecture that train as one."""

import contextlib
import json
import logging
from collections.abc import Sequence

import pandas as pd
import pytorch_lightning as pl
from torch import nn

from robust.errors import check
from robust.experiment.build import build_schedule, build_task, build_trainer, task_of
from robust.experiment.execute import what_it_is, write_config
from robust.experiment.experiment import Experiment
from robust.experiment.start import init_from_parents
from robust.experiment.threads import computing
from robust.experiment.train import load_parents
from robust.experiment.work import work_left
from robust.learn import Classifier, FrozenNorms, StackedCheckpoints, StackedClassifier, StackedData, on_gpu
from robust.models.stacked import STACKABLE, stack, state_of
from robust.runs import ClaimedError, State, claimed, logged, write_status
from robust.runs.model import read_checkpoint
from robust.runs.price import Meter
from robust.track import tracking_key

_log = logging.getLogger(__name__)
_OWN = (
    "attack",
    "camera",
    "evaluation",
    "force",
    "logger",
    "parent",
    "perturb",
    "runs_dir",
    "seed",
    "sweep",
    "technique",
)
_SHARED = ("stage", "start", "head", "trainable")  # of a technique
_ALONE = ("compile", "keep", "patience", "ema", "gradient_clip_val", "accumulate_grad_batches")  # of a trainer


def stack_key(run: Experiment) -> str | None:
    """What runs have in common that can train as one, and how many epochs they have behind them; None for a run that
    trains alone: its network is no ConvNet or ResNet, its task or objective another than to classify, a tracker looks
    on, or its trainer does more than plain steps."""
    config = run.config
    trainer, technique = config.trainer, config.technique
    kinds = {f"robust.models.{one.__name__}" for one in STACKABLE}
    alone = (
        run.architecture()["_target_"] not in kinds,
        task_of(config) is not Classifier or "objective" in technique or not run.learns,
        run.splits.validation is not None or config.data.labels is not None,
        bool(tracking_key(config.logger["_target_"])),
        any(trainer[name] for name in _ALONE) or (trainer.devices, trainer.num_nodes) != (1, 1),
        trainer.precision not in ("32-true", "64-true", "bf16-mixed"),
    )
    if any(alone):
        return None
    file = run.files.checkpoint
    epochs = read_checkpoint(file, "epoch")["epoch"] if file.is_file() else None
    shared = {name: technique[name] for name in _SHARED}
    return json.dumps([config.without(_OWN).plain(), shared, run.architecture(), epochs], sort_keys=True)


def train_stack(runs: Sequence[Experiment], *, callbacks: Sequence[pl.Callback] = ()) -> dict[Experiment, str]:
    """Trains runs of one `stack_key` together, as many as no other process has, each to be measured then as if it had
    trained alone; returns those that diverged, and how. Raises ValueError for other runs, ParentError where one is not
    there to start from."""
    with contextlib.ExitStack() as held:
        mine, warned = [], []
        for run in runs:
            with contextlib.suppress(ClaimedError):
                held.enter_context(claimed(run.folder))
                if not run.files.model.is_file():  # another process may have trained it since
                    run.files.forget_tests()  # of a network that is no more
                    warned.append(held.enter_context(logged(run.files.log)))
                    mine.append(run)
        if not mine:
            return {}
        held.enter_context(computing(mine[0]))
        _log.info("training as one of %d runs", len(mine))
        networks = [run.build_network() for run in mine]
        for run, network in zip(mine, networks, strict=True):
            init_from_parents(network, run.config, load_parents(run))
        meter = Meter(gpus=int(on_gpu(mine[0].config.trainer.accelerator)), runs=len(mine))
        with meter.part("train", work=0 if mine[0].files.checkpoint.is_file() else work_left(mine[0])["train"]):
            task = fit_stack(mine, networks, callbacks=callbacks)
        state = {name: value.cpu() for name, value in task.model.state_dict().items()}
        for place, (run, network) in enumerate(zip(mine, networks, strict=True)):
            if place not in task.diverged:
                network.load_state_dict(state_of(state, place), assign=True)
                run.files.write_metrics(pd.DataFrame(task.curves[place]))
                run.files.save_model(network, run.architecture())
                write_config(run)
                about = {**what_it_is(run), "warnings": warned[place], "durations_s": meter.durations_s}
                write_status(run.folder, State.DONE, price=meter.price(), sources=run.sources, **about)
            run.files.checkpoint.unlink(missing_ok=True)
    return {mine[place]: reason for place, reason in task.diverged.items()}


def fit_stack(
    runs: Sequence[Experiment], networks: Sequence[nn.Module], *, callbacks: Sequence[pl.Callback] = ()
) -> StackedClassifier:
    """Trains a copy of each run's network, from their last checkpoints where there are any; returns the stack of all.
    Raises ValueError for runs of several keys, or none."""
    keys = {stack_key(run) for run in runs}
    check("pack", "stacked", "a number for runs that train alone or differ", len(keys) == 1 and None not in keys)
    config, files = runs[0].config, {run.identity.digest: run.files.checkpoint for run in runs}
    task = build_task(config.changed({"task.module": {"_target_": "robust.learn.StackedClassifier"}}), stack(networks))
    assert isinstance(task, StackedClassifier)
    trainer = build_trainer(
        config,
        title=f"{len(runs)} runs as one",
        checkpoint=runs[0].files.checkpoint,
        callbacks=[FrozenNorms(), *callbacks],
        checkpoints=StackedCheckpoints(task, files),
    )
    resumed = runs[0].files.checkpoint if runs[0].files.checkpoint.is_file() else None
    data = StackedData([run.build_data() for run in runs], [build_schedule(run.config) for run in runs])
    trainer.fit(task, datamodule=data, ckpt_path=resumed, weights_only=True if resumed else None)
    return task
