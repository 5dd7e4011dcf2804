"""One run from its configuration: build, fit, measure, save."""

import contextlib
import json
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from robust.configuration import build, build_conditions, build_perturbation, build_splits, check_numbers, require_complete
from robust.data import PerturbedData, Splits
from robust.errors import one_line
from robust.evaluation import complete_rows
from robust.files import write_whole
from robust.learn import Classifier, Curriculum, Curve, DivergedError, Schedule
from robust.measure import TEST_KEY, Condition, Measurement, measure, scores, summarize, take_samples
from robust.perturb import Perturbation, key
from robust.runs import (
    CHECKPOINT,
    MODEL,
    ROWS,
    ClaimedError,
    Identity,
    State,
    Status,
    claimed,
    identify,
    load,
    read_rows,
    read_status,
    save_model,
    write_status,
)

_log = logging.getLogger(__name__)
_PREDICTIONS, _CONFUSION = "predictions.parquet", "confusion.csv"


@dataclass(frozen=True, eq=False)
class Run:
    """A run that was checked and can start: its configuration and the parts it describes."""

    config: DictConfig
    splits: Splits
    perturbation: Perturbation | None
    conditions: list[Condition]
    identity: Identity

    @property
    def folder(self) -> Path:
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
        wanted = {(c.name, c.level, trial, settings.seed) for c in self.conditions for trial in range(c.trials(settings.trials))}
        return len(wanted - known)


def prepare(config: DictConfig) -> Run:
    """Checks everything that can be checked before training. Raises ValueError or FileNotFoundError, with what to do."""
    require_complete(config)
    check_numbers(config)
    perturbation = build_perturbation(config.perturb)
    if perturbation is not None and config.technique.share is None:
        raise ValueError(
            f"`technique={config.technique.name}` trains on unperturbed images; got `perturb={perturbation.name}`. Leave it out, or choose another technique."
        )
    if perturbation is None and config.technique.share is not None:
        raise ValueError(f"`technique={config.technique.name}` needs a perturbation; got `perturb=none`. For unperturbed images: `technique=natural`.")
    check_writable(Path(config.runs_dir))
    splits = build_splits(config.data)
    conditions = build_conditions(config.evaluation, config.perturb.family)
    for condition in conditions:
        if condition.perturbation:
            condition.perturbation.check(splits.test.shape)
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    words = {"perturbation": perturbation.name, "level": perturbation.level} if perturbation else {"perturbation": "none", "level": 0}
    run = Run(config, splits, perturbation, conditions, identify(plain, **words, data_digest=splits.digest))
    build_data(run)
    build_network(run)
    return run


def check_writable(runs_dir: Path) -> None:
    """Raises OSError where runs cannot be kept."""
    probe = runs_dir.absolute() / ".writable"
    try:
        write_whole(probe, "")
        probe.unlink()
    except OSError as error:
        raise OSError(f"`runs_dir` must be a folder that can be written to; {runs_dir} cannot ({error.strerror}). Give another: runs_dir=FOLDER.") from error


def build_data(run: Run) -> PerturbedData:
    settings = run.config.data
    return PerturbedData(
        run.splits,
        batch_size=settings.batch_size,
        perturbation=run.perturbation,
        seed=run.config.seed,
        fresh=run.config.perturb.fresh,
        shuffle=settings.shuffle,
    )


def build_network(run: Run) -> nn.Module:
    """The untrained network, its weights drawn from the run's seed."""
    torch.manual_seed(key("weights", run.config.seed))
    return build(run.config.model, **_image_arguments(run))


def _image_arguments(run: Run) -> dict[str, object]:
    return {"image_shape": list(run.splits.train.shape), "num_classes": len(run.splits.train.classes)}


def execute(run: Run) -> Status:
    """Does what is left of a run: trains or resumes it, measures what is missing. A failure is recorded and returned, not raised.

    Raises ClaimedError where another process is at work on it.
    """
    if run.status.state is State.DONE:
        return run.status
    with claimed(run.folder), _logged(run.folder / "log.txt"):
        durations: dict[str, float] = {}
        try:
            write_whole(run.folder / "config.yaml", OmegaConf.to_yaml(run.config, resolve=True))
            if not (run.folder / MODEL).is_file():
                with _timed(durations, "train"):
                    train(run)
            with _timed(durations, "measure"):
                measure_missing(run)
        except Exception as error:
            if isinstance(error, DivergedError):
                (run.folder / CHECKPOINT).unlink(missing_ok=True)
            _log.exception("failed")
            write_status(run.folder, State.FAILED, reason=one_line(error), durations_s=durations)
        else:
            write_status(run.folder, State.DONE, durations_s=durations)
            (run.folder / CHECKPOINT).unlink(missing_ok=True)
            _log.info("done: %s", durations)
    return read_status(run.folder)


def train(run: Run) -> None:
    """Trains the network, from the last checkpoint where there is one, and saves it."""
    config = run.config
    network = build_network(run)
    classifier = Classifier(network, optimizer=build(config.optimizer, _partial_=True), seed=config.seed)
    schedule: Schedule = build(config.technique.share) if config.technique.share is not None else (lambda progress: 0.0)
    checkpoint = run.folder / CHECKPOINT
    trainer = build(config.trainer, _partial_=True)(
        title=run.identity.title, checkpoint=checkpoint, callbacks=[Curriculum(schedule), Curve(run.folder / "metrics.csv")]
    )
    resumed = checkpoint.is_file()
    _log.info("%s training %s", "resuming" if resumed else "starting", run.identity.folder)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")  # Lightning 2.6 on torch 2.15
        trainer.fit(classifier, datamodule=build_data(run), ckpt_path=checkpoint if resumed else None, weights_only=True if resumed else None)
    plain = OmegaConf.to_container(config.model, resolve=True)
    assert isinstance(plain, dict)
    plain.pop("name")
    save_model(run.folder, network, {**{str(name): value for name, value in plain.items()}, **_image_arguments(run)})


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
    write_tables(run, measured)


def write_tables(run: Run, measured: Measurement) -> None:
    """Joins what was measured now to what was measured before, and writes all of it; the rows last, since they say what is known."""
    folder = run.folder
    rows, confusion, predictions = complete_rows(measured.rows, run.identity), measured.confusion, measured.predictions
    if known_tests(folder, keep_predictions=predictions is not None):
        rows = pd.concat([read_rows(folder), rows], ignore_index=True)
        before = pd.read_csv(folder / _CONFUSION, dtype={"true": str, "predicted": str})
        confusion = pd.concat([before, confusion]).groupby(["condition", "true", "predicted"], sort=False, as_index=False)["count"].sum()
        if predictions is not None:
            predictions = pd.concat([pd.read_parquet(folder / _PREDICTIONS), predictions], ignore_index=True)
    summary = summarize(rows)
    content = {**scores(summary), "conditions": summary.drop(columns="run").to_dict("records")}
    if predictions is not None:
        write_whole(folder / _PREDICTIONS, predictions.to_parquet(index=False))
    write_whole(folder / _CONFUSION, confusion.to_csv(index=False))
    write_whole(folder / "summary.json", json.dumps(content, indent=2) + "\n")
    write_whole(folder / ROWS, rows.to_csv(index=False))


def known_tests(folder: Path, *, keep_predictions: bool) -> set[tuple[str, float, int, int]]:
    """The tests that were measured already; none of them if the predictions are wanted and were not kept."""
    if not (folder / ROWS).is_file() or (keep_predictions and not (folder / _PREDICTIONS).is_file()):
        return set()
    return set(read_rows(folder)[TEST_KEY].itertuples(index=False, name=None))


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
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


__all__ = ["ClaimedError", "Run", "execute", "prepare"]
