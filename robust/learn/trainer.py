"""The Trainer of a run."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from robust.learn.keeping import LastCheckpoint, Progress


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
) -> pl.Trainer:
    """Lightning's Trainer, silent but for one progress bar, with a checkpoint to resume from.

    Nothing is logged, saved or moved in the middle of an epoch: a
    step costs what it costs bare.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    return pl.Trainer(
        max_epochs=max_epochs,
        accelerator=accelerator,
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        logger=False,
        enable_checkpointing=True,
        enable_model_summary=False,
        enable_progress_bar=progress,
        callbacks=[
            *callbacks,
            LastCheckpoint(checkpoint, every_s=checkpoint_every_s),
            *([Progress(title)] if progress else []),
        ],
    )
