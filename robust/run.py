"""One run from its configuration: build, fit, measure, save."""

import contextlib
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from robust.configuration import (
    as_level,
    build,
    build_conditions,
    build_perturbation,
    build_splits,
    check_numbers,
    model_name,
    plain,
    reference,
    require_complete,
)
from robust.data import PerturbedData, Splits
from robust.errors import one_line
from robust.files import write_whole
from robust.learn import Classifier, Constant, Curriculum, Curve, DivergedError, FrozenNorms, freeze, take_weights
from robust.measure import Condition, measure, take_samples
from robust.perturb import Perturbation, key
from robust.results import known_tests, write_tables
from robust.runs import (
    CHECKPOINT,
    MODEL,
    ClaimedError,
    Identity,
    State,
    Status,
    claimed,
    identify,
    load,
    read_checkpoint,
    read_status,
    save_model,
    write_status,
)

_log = logging.getLogger(__name__)
_WAIT_S = 2.0  # between two looks at a run that another process does


class ParentError(RuntimeError):
    """The run that another starts from is not there."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run that was checked and can start: its configuration and the parts it describes."""

    config: DictConfig
    splits: Splits
    perturbation: Perturbation | None
    conditions: list[Condition]
    identity: Identity
    parent: "Run | None" = None  # whose weights it starts from

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return Path(self.config.runs_dir).absolute() / self.identity.folder

    @property
    def status(self) -> Status:
        """How far it has come; to do again where tests are missing that this evaluation asks for."""
        status = read_status(self.folder)
        if status.state is State.DONE and self.missing_tests():
            return Status(State.ABSENT, "tests are missing")
        return status

    def missing_tests(self) -> int:
        """How many trials this evaluation asks for that were not measured yet."""
        settings = self.config.evaluation
        known = known_tests(self.folder, keep_predictions=settings.keep_predictions)
        trials = [
            (condition, trial) for condition in self.conditions for trial in range(condition.trials(settings.trials))
        ]
        return len({(condition.name, condition.level, trial, settings.seed) for condition, trial in trials} - known)

    def build_data(self) -> PerturbedData:
        """The data module."""
        settings = self.config.data
        return PerturbedData(
            self.splits,
            batch_size=settings.batch_size,
            perturbation=self.perturbation,
            seed=self.config.seed,
            fresh=self.config.perturb.fresh,
            shuffle=settings.shuffle,
        )

    def build_network(self) -> nn.Module:
        """The untrained network: its weights drawn from the run's seed, its layers frozen as the technique says."""
        torch.manual_seed(key("weights", self.config.seed))
        network = build(self.config.model, **self._arguments())
        if self.config.technique.trainable is not None:
            freeze(network, self.config.technique.trainable)
        return network

    def architecture(self) -> dict[str, Any]:
        """The network's constructor (`_target_`) and all its arguments, as plain values."""
        return {**plain(self.config.model, without="name"), **self._arguments()}

    def _arguments(self) -> dict[str, Any]:
        head = self.config.technique.head
        return {
            "image_shape": list(self.splits.train.shape),
            "num_classes": len(self.splits.train.classes),
            **({"head": list(head)} if head is not None else {}),
        }


def prepare(config: DictConfig) -> Run:
    """Checks everything that can be checked before training. Raises ValueError or OSError, with what to do."""
    require_complete(config)
    check_numbers(config)
    check_writable(Path(config.runs_dir))
    perturbation = build_perturbation(config.perturb)
    check_technique(config, perturbation)
    splits = build_splits(config.data)
    conditions = build_conditions(config.evaluation, splits.test.shape, config.perturb.family)
    parent = prepare(reference(config)) if config.technique.start is not None else None
    identity = identify(
        plain(config),
        model=model_name(config.model),
        perturbation=perturbation.name if perturbation else "none",
        level=perturbation.level if perturbation else 0,
        data_digest=splits.digest,
        parent=parent.identity.digest if parent else None,
    )
    run = Run(config, splits, perturbation, conditions, identity, parent)
    with as_level(config.perturb):
        run.build_data()
    run.build_network()
    return run


def check_technique(config: DictConfig, perturbation: Perturbation | None) -> None:
    """Raises ValueError unless the technique has a perturbation exactly if it needs one, and a start that there is."""
    technique = config.technique
    if technique.start not in (None, "natural"):
        raise ValueError(f"`technique.start` must be null (anew) or natural (from that run); got {technique.start!r}.")
    if perturbation and technique.share is None:
        raise ValueError(
            f"`technique={technique.name}` trains on unperturbed images; got `perturb={perturbation.name}`. "
            "Leave `perturb` out, or choose another technique."
        )
    if not perturbation and technique.share is not None:
        raise ValueError(
            f"`technique={technique.name}` needs a perturbation; got `perturb=none`. "
            "For unperturbed images: `technique=natural`."
        )


def check_writable(runs_dir: Path) -> None:
    """Raises OSError where runs cannot be kept."""
    probe = runs_dir.absolute() / ".writable"
    try:
        write_whole(probe, "")
        probe.unlink()
    except OSError as error:
        raise OSError(
            f"`runs_dir` must be a folder that can be written to; got {runs_dir} ({error.strerror}). "
            "Give another: runs_dir=FOLDER."
        ) from error


def execute(run: Run) -> Status:
    """Does what is left of a run: trains or resumes it, measures what is missing.

    A failure is recorded and returned, not raised. Raises ClaimedError where another process is at work on it.
    """
    if run.status.state is State.DONE:
        return run.status
    if run.parent and run.parent.status.state is not State.DONE:
        finish_parent(run.parent)
    with claimed(run.folder), _logged(run.folder / "log.txt"):
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
    return read_status(run.folder)


def finish_parent(parent: Run) -> None:
    """Does a run that others start from, or waits for the process that does it. If it fails, so will they."""
    while True:
        with contextlib.suppress(ClaimedError):
            execute(parent)
            return
        time.sleep(_WAIT_S)


def train(run: Run) -> None:
    """Trains the network, from the last checkpoint where there is one, and saves it."""
    config = run.config
    network = run.build_network()
    if run.parent:
        take_parents_weights(network, run.parent)
    classifier = Classifier(network, optimizer=build(config.optimizer, _partial_=True), seed=config.seed)
    schedule = build(config.technique.share) if config.technique.share is not None else Constant(share=0)
    checkpoint = run.folder / CHECKPOINT
    trainer = build(config.trainer, _partial_=True)(
        title=run.identity.title,
        checkpoint=checkpoint,
        callbacks=[Curriculum(schedule), FrozenNorms(), Curve(run.folder / "metrics.csv")],
    )
    if resumed := checkpoint.is_file():
        read_checkpoint(checkpoint, "state_dict", "optimizer_states", "loops")
    _log.info("%s training %s", "resuming" if resumed else "starting", run.identity.folder)
    resume = {"ckpt_path": checkpoint, "weights_only": True} if resumed else {}
    with warnings.catch_warnings():  # Lightning 2.6 on torch 2.15
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
        trainer.fit(classifier, datamodule=run.build_data(), **resume)
    save_model(run.folder, network, run.architecture())


def take_parents_weights(network: nn.Module, parent: Run) -> None:
    """Starts a network from a run's weights, all but the head. Raises ParentError where that run failed."""
    status = parent.status
    if not (parent.folder / MODEL).is_file():
        raise ParentError(f"The run it starts from is {status.state}: {status.reason} [{parent.folder}]")
    take_weights(network, load(parent.folder).state_dict())


def measure_missing(run: Run) -> None:
    """Measures the trials that are missing and writes the run's tables."""
    if not run.missing_tests():
        return
    settings, folder = run.config.evaluation, run.folder
    model = load(folder).to(_test_device(run.config.trainer.accelerator))
    measured = measure(
        model,
        run.splits.test,
        run.conditions,
        trials=settings.trials,
        seed=settings.seed,
        batch_size=settings.batch_size,
        keep_predictions=settings.keep_predictions,
        known=known_tests(folder, keep_predictions=settings.keep_predictions),
        title=f"testing {run.identity.title}" if run.config.trainer.progress else None,
    )
    take_samples(model, run.splits.test, run.conditions, seed=settings.seed).save(folder / "samples.npz")
    write_tables(folder, measured, run.identity)


def _test_device(accelerator: str) -> torch.device:
    return torch.device("cuda" if accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available() else "cpu")


@contextlib.contextmanager
def _timed(durations: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        durations[name] = time.monotonic() - start


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Sends what the program logs, and warnings, to the run's log."""
    handler = logging.FileHandler(path)
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
