"""The training of a run, in one process or several."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from robust.adapt import Adapting
from robust.data import PerturbedData, to_float
from robust.experiment.build import PARTS, build_schedule, build_splits, build_task, build_trainer
from robust.experiment.experiment import Experiment
from robust.experiment.keys import BEST
from robust.experiment.start import init_from_parents
from robust.experiment.threads import AUTO, computing
from robust.learn import (
    Averaging,
    Constant,
    Curriculum,
    DivergedError,
    EpochLogger,
    FrozenNorms,
    KnnAccuracy,
    Task,
    Validation,
    as_trained,
    doubts,
    has_finite_weights,
)
from robust.runs import RunFolder, State, Status, failed_since, read_status, scheduler
from robust.runs.model import damaged, read_checkpoint

_log = logging.getLogger(__name__)
_KNOWN = 2000  # training images that a network that adapts may know
_LOOK_S = 0.2  # between two looks at a run that the first process begins


class ParentError(RuntimeError):
    """The run that another starts from is not there."""


def train(run: Experiment, logger: Logger | None = None, callbacks: Sequence[pl.Callback] = ()) -> None:
    """Trains the network, from the last checkpoint where there is one, and saves it; one that does not learn is saved
    as it is given."""
    network = run.build_network()
    init_from_parents(network, run.config, load_parents(run))
    if isinstance(network, Adapting):
        images = run.splits.train.images[:_KNOWN]
        network.fit(to_float(some) for some in images.split(run.config.adapt.batch_size))
    if not run.learns:
        run.files.save_model(network, run.architecture())
    elif fit(run, network, run.folder, logger=logger, callbacks=callbacks).is_global_zero:
        if not has_finite_weights(network):
            raise DivergedError("Training diverged: not all weights are finite. Try a smaller learning rate.")
        run.files.save_model(network, run.architecture())


def fit(
    run: Experiment,
    network: nn.Module,
    folder: Path,
    *,
    logger: Logger | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> pl.Trainer:
    """Trains this network as the run says, from the last checkpoint in `folder` where there is one; returns Lightning's
    Trainer."""
    config, files = run.config, RunFolder(folder)
    if config.trainer.channels_last:
        network.to(memory_format=torch.channels_last)
    if mode := config.trainer.compile:
        network.compile(mode=mode)
    task = build_task(config, network)
    trainer = build_trainer(
        config,
        title=run.identity.title,
        checkpoint=files.checkpoint,
        logger=logger,
        callbacks=[*_callbacks(run), EpochLogger(files.write_metrics, run=run.identity.digest), *callbacks],
    )
    data = run.build_data()
    for note in (*build_splits(config.data.without(PARTS)).notes, *data.notes):
        _log.info("%s", note)
    if resumed := files.checkpoint.is_file():
        _check_checkpoint(files.checkpoint, run.identity.digest)
    _log.info("%s training %s", "resuming" if resumed else "starting", run.identity.folder)
    resume: dict[str, Any] = {"ckpt_path": files.checkpoint, "weights_only": True} if resumed else {}
    with _shared_out(config.trainer.threads, trainer.num_devices):
        try:
            trainer.fit(task, datamodule=data, **resume)
        except ProcessRaisedException as error:
            raise _as_raised(error) from error
    if trainer.is_global_zero:
        _tell_doubts(run, task, data, files)
    return trainer


def _callbacks(run: Experiment) -> list[pl.Callback]:
    """What sets the epochs of a run, and measures after each: of the averaged weights, where they are averaged."""
    config, trainer = run.config, run.config.trainer
    found: list[pl.Callback] = [Averaging(trainer.ema)] if trainer.ema is not None else []
    found += [Curriculum(build_schedule(config)), FrozenNorms()]
    if run.has_knn:
        found.append(KnnAccuracy(build_splits(config.data)))
    if (images := run.splits.validation) is not None:
        settings = {"seed": config.seed, "batch_size": config.evaluation.batch_size, "patience": trainer.patience}
        found.append(Validation(images, run.perturbation, keep_best=trainer.keep == BEST, **settings))
    return found


def _check_checkpoint(path: Path, run: str) -> None:
    """Raises ValueError unless a checkpoint is one to resume this run from, by the digest of its identity."""
    callbacks = read_checkpoint(path, "state_dict", "optimizer_states", "loops", "callbacks")["callbacks"]
    curve = callbacks.get(EpochLogger.__qualname__) if isinstance(callbacks, dict) else None
    if not isinstance(curve, dict) or curve.get("run", run) != run:
        raise damaged(path, ValueError("it is of another run"))


def _tell_doubts(run: Experiment, task: Task, data: PerturbedData, files: RunFolder) -> None:
    """Warns of a network that may have learnt nothing."""
    curve, labels = files.read_metrics(), run.splits.train.labels
    assert curve is not None
    constant = isinstance(build_schedule(run.config), Constant)
    rows, guess = curve.to_dict("records"), task.guess(labels)
    found = doubts(rows, guess, count=len(labels), constant=constant)
    if found and guess is not None and "train_accuracy" in rows[-1]:
        last, count = as_trained(task, data)
        found = doubts([*rows[:-1], {**rows[-1], **last}], guess, count=count, constant=constant)
    for doubt in found:
        _log.warning("%s", doubt)


def load_parents(run: Experiment) -> dict[str, nn.Module]:
    """The networks that a run starts from, trained, by the part that takes their weights. Raises ParentError where one
    of them failed."""
    for parent in run.parents.values():
        if not parent.files.model.is_file():
            status = parent.status()
            raise ParentError(f"The run it starts from is {status.state}: {status.reason} [{parent.folder}]")
    return {part: parent.load() for part, parent in run.parents.items()}


def follow(run: Experiment) -> Status:
    """What the other processes that `srun` started do: they join each training that the first one begins."""
    for parent in run.parents.values():
        follow(parent)
    _join(run)
    return run.status()


def _join(run: Experiment) -> None:
    """Joins the training of a run, if there is one: once, and stays until the first process has saved it."""
    joined, begun = False, psutil.Process().create_time()
    while not run.files.model.is_file():
        status = read_status(run.folder)
        if status.state is State.DONE or failed_since(status, begun):
            return
        if status.state is State.RUNNING and not joined:
            if (status.record or {}).get("job") == scheduler()["job"]:
                joined = True
                try:
                    with computing(run):
                        train(run)
                except Exception:  # noqa: BLE001, the first process meets it too, and records it
                    _log.exception("failed")
        elif joined and status.state is not State.RUNNING:
            return
        time.sleep(_LOOK_S)


@contextlib.contextmanager
def _shared_out(threads: int | str | None, processes: int) -> Iterator[None]:
    """What processes that the trainer starts are to find in their environment; the next training begins anew."""
    each = max(1, torch.get_num_threads() // processes) if threads in AUTO else threads
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(each)
    try:
        yield
    finally:
        os.environ.pop("MASTER_PORT", None)  # Lightning's, of a port that is free again for anybody
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def _as_raised(error: ProcessRaisedException) -> Exception:
    """What one of several processes raised, of which only the text came back."""
    name, _, text = str(error).strip().splitlines()[-1].partition(": ")
    kinds: dict[str, type[Exception]] = {"ValueError": ValueError}
    kinds |= {f"{kind.__module__}.{kind.__name__}": kind for kind in (DivergedError, ParentError)}
    return kinds[name](text) if name in kinds else RuntimeError(f"{name}: {text}")
