"""One run: fit, measure, save."""

import contextlib
import datetime
import logging
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import OmegaConf
from torch import nn

from robust.configuration import build
from robust.errors import one_line
from robust.files import write_whole
from robust.learn import Classifier, Curriculum, Curve, DivergedError, FrozenNorms, take_weights
from robust.measure import measure_in_parts, take_samples
from robust.prepare import Run, build_schedule, build_trainer
from robust.results import write_tables
from robust.runs import (
    CHECKPOINT,
    MODEL,
    ClaimedError,
    State,
    Status,
    claimed,
    load,
    read_checkpoint,
    read_end,
    read_status,
    save_model,
    write_status,
)

_log = logging.getLogger(__name__)
_BEGUN = time.time()  # when this process did
_WAIT_S = 2.0  # between two looks at a run that another process does


class ParentError(RuntimeError):
    """The run that another starts from is not there."""


def execute(run: Run) -> Status:
    """Does what is left of a run: trains or resumes it, measures what is missing.

    A failure is recorded and returned, not raised. Raises ClaimedError where another process is at work on it.
    """
    if run.status.state is State.DONE:
        return run.status
    if run.config.trainer.threads is not None:
        torch.set_num_threads(run.config.trainer.threads)
    if run.parent and run.parent.status.state is not State.DONE:
        finish_parent(run.parent)
    with claimed(run.folder), _logged(run.folder / "log.txt"):
        ended = read_end(run.folder)  # again: another process may have had it since
        if not ended or ended.state is not State.DONE or run.missing_tests():
            _complete(run)
    return read_status(run.folder)


def _complete(run: Run) -> None:
    """Trains and measures what is left, and records how that ended."""
    durations: dict[str, float] = {}
    try:
        write_whole(run.folder / "config.yaml", OmegaConf.to_yaml(run.config, resolve=True))
        if not (run.folder / MODEL).is_file():
            with _timed(durations, "train"):
                train(run)
        with _timed(durations, "measure"):
            measure_missing(run)
    except Exception as error:  # noqa: BLE001, whatever it was, the other runs of a sweep go on
        if isinstance(error, DivergedError):
            (run.folder / CHECKPOINT).unlink(missing_ok=True)
        _log.exception("failed")
        write_status(run.folder, State.FAILED, reason=one_line(error), durations_s=durations)
    else:
        write_status(run.folder, State.DONE, durations_s=durations)
        (run.folder / CHECKPOINT).unlink(missing_ok=True)
        _log.info("done: %s", durations)


def finish_parent(parent: Run) -> None:
    """Does a run that others start from, or waits for the process that does it. If it fails, so will they."""
    said = ""
    while True:
        status = read_status(parent.folder)
        if status.state is State.FAILED and status.record and _finished(status.record) > _BEGUN:
            return  # in this very sweep: each of its children would try in vain
        try:
            execute(parent)
        except ClaimedError as error:
            if said != str(error):
                said = str(error)
                _log.info("waiting: %s", said)
            time.sleep(_WAIT_S)
        else:
            return


def _finished(record: dict[str, Any]) -> float:
    return datetime.datetime.fromisoformat(record["finished"]).timestamp()


def train(run: Run) -> None:
    """Trains the network, from the last checkpoint where there is one, and saves it."""
    config = run.config
    network = run.build_network()
    if run.parent:
        take_parents_weights(network, run.parent)
    if config.trainer.channels_last:
        network.to(memory_format=torch.channels_last)
    classifier = Classifier(network, optimizer=build(config.optimizer, _partial_=True), seed=config.seed)
    checkpoint, curve = run.folder / CHECKPOINT, Curve()
    trainer = build_trainer(
        config,
        title=run.identity.title,
        checkpoint=checkpoint,
        callbacks=[Curriculum(build_schedule(config)), FrozenNorms(), curve],
    )
    if resumed := checkpoint.is_file():
        read_checkpoint(checkpoint, "state_dict", "optimizer_states", "loops")
    _log.info("%s training %s", "resuming" if resumed else "starting", run.identity.folder)
    resume: dict[str, Any] = {"ckpt_path": checkpoint, "weights_only": True} if resumed else {}
    with warnings.catch_warnings():  # Lightning 2.6 on torch 2.15
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
        trainer.fit(classifier, datamodule=run.build_data(), **resume)
    write_whole(run.folder / "metrics.csv", pd.DataFrame(curve.rows).to_csv(index=False))
    save_model(run.folder, network, run.architecture())


def take_parents_weights(network: nn.Module, parent: Run) -> None:
    """Starts a network from a run's weights, all but the head. Raises ParentError where that run failed."""
    status = parent.status
    if not (parent.folder / MODEL).is_file():
        raise ParentError(f"The run it starts from is {status.state}: {status.reason} [{parent.folder}]")
    take_weights(network, load(parent.folder).state_dict())


def measure_missing(run: Run) -> None:
    """Measures the trials that are missing and writes the run's tables."""
    if not (missing := run.missing_tests()):
        return
    config, folder = run.config, run.folder
    model, images = load(folder).to(_test_device(config.trainer.accelerator)), run.splits.test
    take_samples(model, images, run.conditions, seed=config.evaluation.seed).save(folder / "samples.npz")
    for measured in measure_in_parts(
        model,
        images,
        missing,
        batch_size=config.evaluation.batch_size,
        every_s=config.trainer.checkpoint_every_s,
        title=f"testing {run.identity.title}" if config.trainer.progress else None,
    ):
        write_tables(folder, measured, run.identity, run.reference, images.classes)


def _test_device(accelerator: str) -> torch.device:
    return torch.device("cuda" if accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available() else "cpu")


@contextlib.contextmanager
def _timed(durations: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        durations[name] = time.monotonic() - start


class _RunLog(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Nothing: a full disk shows where results are written."""


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Sends what the program logs, and warnings, to the run's log."""
    handler = _RunLog(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("robust", "pytorch_lightning", "py.warnings")]
    logging.getLogger("robust").setLevel(logging.INFO)
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
