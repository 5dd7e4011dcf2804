"""The Trainer of a run, in one process or several."""

import contextlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.environments import LightningEnvironment, SLURMEnvironment

from robust.learn.callbacks import AtomicIO, LastCheckpoint, Progress

Devices = int | Literal["auto"]

_QUIET = ("pytorch_lightning", "lightning_fabric")  # the bar and the log say how it goes
_IGNORED = (r".*isinstance\(treespec, LeafSpec\).*", "The `srun` command is available")  # Lightning 2.6, torch 2.15


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without its own messages, for the while."""
    before = [(logger, logger.level) for logger in map(logging.getLogger, _QUIET)]
    with warnings.catch_warnings():
        _silence()
        try:
            yield
        finally:
            for logger, level in before:
                logger.setLevel(level)


def _silence() -> None:
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _IGNORED:
        warnings.filterwarnings("ignore", message=message)


class _QuietTrainer(pl.Trainer):
    """Lightning's Trainer, silent while it is made and while it trains, in each process that it starts too."""

    def __init__(self, **settings: Any):
        with _quiet():
            super().__init__(**settings)

    def fit(self, *arguments: Any, **options: Any) -> None:
        with _quiet():
            super().fit(*arguments, **options)

    def __setstate__(self, state: dict[str, Any]) -> None:
        _silence()  # only a process that was started to train gets it so
        self.__dict__.update(state)


def make_trainer(
    *,
    max_epochs: int,
    accelerator: str,
    precision: str,
    checkpoint_every_s: float,
    progress: bool,
    title: str,
    checkpoint: Path,
    callbacks: Sequence[pl.Callback],
    logger: Logger | None = None,
    checkpoints: AtomicIO | None = None,
    devices: Devices = 1,
    num_nodes: int = 1,
    gradient_clip_val: float | None = None,
    accumulate_grad_batches: int | None = None,
) -> pl.Trainer:
    """Lightning's Trainer, silent but for one progress bar, with a checkpoint to resume from.

    Nothing is logged, saved or moved in the middle of an epoch: a step costs what it costs bare. Several `devices` (of
    each of `num_nodes`; "auto": all GPUs there are) train one model by distributed data parallelism: in processes that
    this one starts, or those that `srun` started. `gradient_clip_val` is the greatest norm of a step's gradients; those
    of `accumulate_grad_batches` batches, their mean, make one step. `checkpoints` writes and reads what is saved.
    Raises ValueError where there are not as many devices.
    """
    per_node = count_devices(devices, accelerator)
    several = per_node * num_nodes > 1
    started = is_one_of_several(devices, num_nodes, accelerator)
    if num_nodes > 1 and not started:
        raise ValueError(
            f"`trainer.num_nodes` must be 1 where Slurm did not start a process for each device; got {num_nodes}. "
            "scripts/slurm/ddp.sh does."
        )
    return _QuietTrainer(
        max_epochs=max_epochs,
        accelerator=accelerator,
        devices=per_node,
        num_nodes=num_nodes,
        strategy=("ddp" if started else "ddp_spawn") if several else "auto",
        sync_batchnorm=several and on_gpu(accelerator),
        use_distributed_sampler=False,  # the data module divides the batches
        plugins=[
            SLURMEnvironment(auto_requeue=False) if started else LightningEnvironment(),
            checkpoints or AtomicIO(),
        ],
        precision=precision,
        gradient_clip_val=gradient_clip_val,
        accumulate_grad_batches=accumulate_grad_batches or 1,
        logger=logger or False,
        log_every_n_steps=1,  # what is logged is logged at an epoch's end; a larger number draws a warning
        enable_checkpointing=True,
        enable_model_summary=False,
        enable_progress_bar=progress,
        callbacks=[
            *callbacks,
            _KeepSignalHandler(),
            LastCheckpoint(checkpoint, every_s=checkpoint_every_s),
            *([Progress(title)] if progress else []),
        ],
    )


class _KeepSignalHandler(pl.Callback):
    """Leaves SIGTERM to its handler from before the training: a cluster's job that is to make room goes on until it
    is killed, and is queued again; one that ended by itself would not be."""

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self.handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if callable(self.handler) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.handler)


def on_gpu(accelerator: str) -> bool:
    """Whether this accelerator, in Lightning's words, is a GPU that is there."""
    return accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available()


def count_devices(devices: Devices, accelerator: str) -> int:
    """How many devices of a machine train one model."""
    if devices != "auto":
        return devices
    return torch.cuda.device_count() if on_gpu(accelerator) else 1


def is_one_of_several(devices: Devices, num_nodes: int, accelerator: str) -> bool:
    """Whether this is one of the processes that `srun` started to train one model together: of a job's step, to which
    neither a batch script nor a shell belongs."""
    several = count_devices(devices, accelerator) * num_nodes > 1
    return several and int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1
