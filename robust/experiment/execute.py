"""One run: fit, measure, save."""

import contextlib
import datetime
import logging
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from robust.errors import one_line
from robust.experiment.build import build_schedule, build_splits, build_task, build_trainer
from robust.experiment.compose import COMPOSED, is_run
from robust.experiment.evaluate import attack_missing, measure_missing, measure_others
from robust.experiment.experiment import Run
from robust.experiment.start import take_start
from robust.files import atomic_write
from robust.learn import Curriculum, Curve, DivergedError, FrozenNorms, Neighbours
from robust.models import IMAGENET
from robust.runs import (
    CHECKPOINT,
    MODEL,
    ClaimedError,
    State,
    Status,
    claimed,
    load,
    logged,
    read_checkpoint,
    read_end,
    read_status,
    save_model,
    scheduler,
    write_status,
)
from robust.track import track_run, tracked

_log = logging.getLogger(__name__)
#: when this process did
BEGUN = time.time()
_WAIT_S = 2.0  # between two looks at a run that another process does
_LOOK_S = 0.2  # the same, where that process waits for this one


class ParentError(RuntimeError):
    """The run that another starts from is not there."""


def execute(run: Run, *, since: float = BEGUN, patient: bool = True) -> Status:
    """Does what is left of a run: trains or resumes it, measures what is missing; before it, of those it starts from.

    A failure is recorded and returned, not raised; a run to start from that failed since the time `since`, when the
    sweep began, is not tried again. Raises ClaimedError where another process is at work on it, or on one to start
    from, unless it is `patient` and waits for that.
    """
    if run.status.state is State.DONE:
        return run.status
    if run.config.trainer.threads is not None:
        torch.set_num_threads(run.config.trainer.threads)
    if run.rank:
        return follow(run)
    for parent in run.parents.values():
        if parent.status.state is not State.DONE:
            finish_parent(parent, since=since, patient=patient)
    with claimed(run.folder), logged(run.folder / "log.txt"):
        ended = read_end(run.folder)  # again: another process may have had it since
        if not ended or ended.state is not State.DONE or run.is_incomplete():
            _complete(run)
    return read_status(run.folder)


def _complete(run: Run) -> None:
    """Trains and measures what is left, and records how that ended."""
    durations: dict[str, float] = {}
    try:
        config = _from_anywhere(run.config)
        atomic_write(run.folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        atomic_write(run.folder / COMPOSED, OmegaConf.to_yaml(config))
        with tracked(run.config, run.identity, run.folder) as tracker:
            if not (run.folder / MODEL).is_file():
                with _timed(durations, "train"):
                    train(run, tracker.logger)
            with _timed(durations, "measure"):
                measure_missing(run)
                measure_others(run)
            with _timed(durations, "attack"):
                attack_missing(run)
            if run.conditions:
                track_run(tracker, run.folder)
    except Exception as error:
        if _is_queued_again(error):
            raise
        if isinstance(error, DivergedError):
            (run.folder / CHECKPOINT).unlink(missing_ok=True)
        _log.exception("failed")
        write_status(run.folder, State.FAILED, reason=one_line(error), durations_s=durations)
    else:
        write_status(run.folder, State.DONE, durations_s=durations)
        (run.folder / CHECKPOINT).unlink(missing_ok=True)
        _log.info("done: %s", durations)


def _from_anywhere(config: DictConfig) -> DictConfig:
    """The configuration with paths that hold in any working directory; some may be words too."""
    config = config.copy()
    for name in ("data.dir", "data.path", "data.cache_dir", "evaluation.natural_adversarial", "weights"):
        if (path := OmegaConf.select(config, name)) and (name, path) != ("weights", IMAGENET):
            OmegaConf.update(config, name, str(Path(path).absolute()))
    if is_run(config.technique.start):
        config.technique.start = str(Path(config.technique.start).absolute())
    return config


def _is_queued_again(error: Exception) -> bool:
    """Whether Slurm is about to end this job to start it again: with it goes the command that asked for that."""
    return isinstance(error, subprocess.CalledProcessError) and "requeue" in error.cmd


def follow(run: Run) -> Status:
    """What the other processes that `srun` started do: they join each training that the first one begins."""
    for parent in run.parents.values():
        follow(parent)
    _join(run)
    return run.status


def _join(run: Run) -> None:
    """Joins the training of a run, if there is one: once, and stays until the first process has saved it."""
    joined = False
    while not (run.folder / MODEL).is_file():
        status = read_status(run.folder)
        if status.state is State.DONE or _failed_since(status, BEGUN):
            return
        if status.state is State.RUNNING and not joined:
            assert status.record
            if status.record["job"] == scheduler()["job"]:
                joined = True
                try:
                    train(run)
                except Exception:  # noqa: BLE001, the first process meets it too, and records it
                    _log.exception("failed")
        elif joined and status.state is not State.RUNNING:
            return
        time.sleep(_LOOK_S)


def finish_parent(parent: Run, *, since: float, patient: bool) -> None:
    """Does a run that others start from, or waits for the process that does it. If it failed `since` then, so will
    they. Raises ClaimedError where it would have to wait and is not `patient`."""
    said = ""
    while True:
        if _failed_since(read_status(parent.folder), since):
            return  # each of its children would try in vain
        try:
            execute(parent, since=since, patient=patient)
        except ClaimedError as error:
            if not patient:
                raise
            if said != str(error):
                said = str(error)
                _log.info("waiting: %s", said)
            time.sleep(_WAIT_S)
        else:
            return


def _failed_since(status: Status, since: float) -> bool:
    if status.state is not State.FAILED or not status.record:
        return False
    return datetime.datetime.fromisoformat(status.record["finished"]).timestamp() > since


def train(run: Run, logger: Logger | None = None) -> None:
    """Trains the network, from the last checkpoint where there is one, and saves it."""
    network = run.build_network()
    take_start(network, run.config, load_parents(run))
    if fit(run, network, run.folder, logger=logger).is_global_zero:
        save_model(run.folder, network, run.architecture())


def fit(
    run: Run,
    network: nn.Module,
    folder: Path,
    *,
    logger: Logger | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> pl.Trainer:
    """Trains this network as the run says, from the last checkpoint in `folder` where there is one; returns Lightning's
    Trainer."""
    config, checkpoint = run.config, folder / CHECKPOINT
    if config.trainer.channels_last:
        network.to(memory_format=torch.channels_last)
    if mode := config.trainer.get("compile"):
        network.compile(mode=mode)
    task = build_task(config, network)
    trainer = build_trainer(
        config,
        title=run.identity.title,
        checkpoint=checkpoint,
        logger=logger,
        callbacks=[
            Curriculum(build_schedule(config)),
            FrozenNorms(),
            *([Neighbours(build_splits(config.data))] if run.has_neighbours else []),
            Curve(folder / "metrics.csv"),
            *callbacks,
        ],
    )
    if resumed := checkpoint.is_file():
        read_checkpoint(checkpoint, "state_dict", "optimizer_states", "loops")
    _log.info("%s training %s", "resuming" if resumed else "starting", run.identity.folder)
    resume: dict[str, Any] = {"ckpt_path": checkpoint, "weights_only": True} if resumed else {}
    with _shared_out(config.trainer.threads, trainer.num_devices):
        try:
            trainer.fit(task, datamodule=run.build_data(), **resume)
        except ProcessRaisedException as error:
            raise as_raised(error) from error
    return trainer


@contextlib.contextmanager
def _shared_out(threads: int | None, processes: int) -> Iterator[None]:
    """What processes that the trainer starts are to find in their environment; the next training begins anew."""
    usual = max(1, torch.get_num_threads() // processes)
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads or usual)
    try:
        yield
    finally:
        os.environ.pop("MASTER_PORT", None)  # Lightning's, of a port that is free again for anybody
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def as_raised(error: ProcessRaisedException) -> Exception:
    """What one of several processes raised, of which only the text came back."""
    name, _, text = str(error).strip().splitlines()[-1].partition(": ")
    kinds: dict[str, type[Exception]] = {"ValueError": ValueError}
    kinds |= {f"{kind.__module__}.{kind.__name__}": kind for kind in (DivergedError, ParentError)}
    return kinds[name](text) if name in kinds else RuntimeError(f"{name}: {text}")


def load_parents(run: Run) -> dict[str, nn.Module]:
    """The networks that a run starts from, trained, by the part that takes their weights. Raises ParentError where one
    of them failed."""
    for parent in run.parents.values():
        if not (parent.folder / MODEL).is_file():
            status = parent.status
            raise ParentError(f"The run it starts from is {status.state}: {status.reason} [{parent.folder}]")
    return {part: load(parent.folder) for part, parent in run.parents.items()}


@contextlib.contextmanager
def _timed(durations: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        durations[name] = time.monotonic() - start
