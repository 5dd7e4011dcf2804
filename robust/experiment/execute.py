"""One run, from the claim on its folder to the record of how it ended."""

import logging
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from robust.errors import one_line
from robust.experiment.build import build_tracker
from robust.experiment.cost import cost_missing, measure_cost
from robust.experiment.evaluate import attack_missing, has_diverged, load_for_tests, measure_missing, measure_others
from robust.experiment.experiment import Experiment
from robust.experiment.exposure import distances_missing
from robust.experiment.given import given_files
from robust.experiment.parents import is_run
from robust.experiment.published import from_anywhere
from robust.experiment.threads import computing
from robust.experiment.train import follow, train
from robust.experiment.until import waits_for_natural
from robust.experiment.work import work_left
from robust.files.claiming import Claim, TakenOverError, describe, say
from robust.learn import DivergedError, PausedError, on_gpu
from robust.models import IMAGENET
from robust.runs import (
    ClaimedError,
    GoneError,
    State,
    Status,
    claimed,
    code_version,
    collect,
    failed_since,
    logged,
    read_end,
    read_status,
    wait_for_one,
    write_status,
)
from robust.runs.config import Config
from robust.runs.price import Meter, total
from robust.track import TrackedRun, Tracker, opened, track_run, tracking_key

_log = logging.getLogger(__name__)
_LONGEST = 128  # characters of a name that a tracker takes
_MOMENT_S = 0.1  # after which a process that only removed what another left has let go again


def execute(
    run: Experiment, *, since: float | None = None, patient: bool = True, callbacks: Sequence[pl.Callback] = ()
) -> Status:
    """Does what is left of a run: trains or resumes it, with these `callbacks` too, measures what is missing; before
    it, of those it starts from.

    A failure is recorded and returned, not raised; a run that failed since the time `since`, when the sweep began
    (now), while another process had it, or to start from, is not tried again. Raises ClaimedError where another process
    is at work on it, or on one to start from, or takes it over, unless it is `patient` and waits for that; GoneError
    where its folder is moved or deleted under way; PausedError where a callback has it go on another time.
    """
    since = time.time() if since is None else since
    if (status := run.status()).state is State.DONE:
        return status
    if run.rank:
        return follow(run)
    for parent in _needed(run):
        if parent.status().state is not State.DONE:
            _finish_parent(parent, since=since, patient=patient)
    waited = ""
    while True:
        try:
            return _do_alone(run, waited, callbacks)
        except ClaimedError as error:
            _wait(run, error, patient=patient)
            waited = str(error)
        if failed_since(status := read_status(run.folder), since):
            return status


def _needed(run: Experiment) -> list[Experiment]:
    """The runs that must be done before a run: those that it starts from; and the natural one, for the distances of its
    training, or where tests end when it is known how the run stands beside it."""
    natural = [run.reference] if run.reference and (distances_missing(run) or waits_for_natural(run)) else []
    return [*run.parents.values(), *natural]


def _wait(run: Experiment, error: ClaimedError, *, patient: bool) -> None:
    """Waits for the process that has a run. Raises the error that said so unless it is `patient`."""
    if isinstance(error, TakenOverError):
        say(str(error))
    if not patient:
        time.sleep(_MOMENT_S)
        if read_status(run.folder).state is State.RUNNING:
            raise error
    wait_for_one([run.folder])


def _do_alone(run: Experiment, waited: str, callbacks: Sequence[pl.Callback]) -> Status:
    """Does what is left of a run, after what was `waited` for. Raises ClaimedError where another process has it."""
    with claimed(run.folder) as claim, logged(run.files.log) as warned, computing(run):
        _log_what_was(claim, waited)
        ended = read_end(run.folder)  # again: another process may have had it since
        if not ended or ended.state is not State.DONE or run.is_incomplete():
            _complete(run, warned, callbacks)
    return read_status(run.folder)


def _log_what_was(claim: Claim, waited: str) -> None:
    """Logs what was waited for; what a process that is gone left, and whether it was of another version."""
    if waited:
        _log.info("waited: %s", waited)
    if before := claim.replaced:
        _log.info("going on with what %s left", describe(before))
        if (theirs := before.get("version")) and theirs != code_version():
            _log.warning("this run was begun by another version of robust (%s; this is %s)", theirs, code_version())


def _complete(run: Experiment, warned: Sequence[str], callbacks: Sequence[pl.Callback]) -> None:
    """Trains and measures what is left, and records how that ended, and what was `warned` of."""
    files, left = run.files, work_left(run)
    meter = Meter(gpus=run.processes if on_gpu(run.config.trainer.accelerator) else 0)
    about = {**what_it_is(run), "warnings": warned, "durations_s": meter.durations_s}
    try:
        write_config(run)
        with opened(_tracker(run)) as tracker:
            if not _is_trained(run):
                with meter.part("train", work=0 if files.checkpoint.is_file() else left["train"]):
                    train(run, tracker.logger, callbacks)
            files.checkpoint.unlink(missing_ok=True)  # here, so that a process that is killed leaves none for good
            with meter.part("measure", work=left["measure"]):
                measure_missing(run)
                measure_others(run)
            if cost_missing(run):
                about["cost"] = measure_cost(run, load_for_tests(run))
            with meter.part("attack", work=left["attack"]):
                attack_missing(run)
            if run.conditions and tracker.shows:
                _tell(tracker, run, meter.price())
    except (ClaimedError, GoneError, PausedError):
        raise
    except Exception as error:
        if _is_queued_again(error):
            raise
        if isinstance(error, DivergedError):
            files.checkpoint.unlink(missing_ok=True)
        _log.exception("failed")
        write_status(run.folder, State.FAILED, reason=one_line(error), price=meter.price(), **about)
    else:
        told = [key] if (key := tracking_key(run.config.logger["_target_"])) else []
        write_status(run.folder, State.DONE, price=meter.price(), tracked=told, sources=run.sources, **about)
        _log.info("done: %s", meter.durations_s)


def what_it_is(run: Experiment) -> dict[str, Any]:
    """What a record says of a run, however it ended."""
    parents = {part: one.identity.kind for part, one in run.parents.items()}
    about = {"identity": run.identity.as_dict(), "parents": parents}
    return {**about, "settings": run.settings, "trained_on": run.trained_on}


def write_config(run: Experiment) -> None:
    """Writes a run's configuration; that of one that is there already stays as it was."""
    if not run.where:
        run.files.write_config(_from_anywhere(run.config))


def _is_trained(run: Experiment) -> bool:
    """Whether there is a trained network to go on with. One that made the run fail, since what it learnt is not finite,
    is removed; so is what was measured of one that is no more."""
    files, ended = run.files, read_end(run.folder)
    if files.model.is_file() and ended and ended.state is State.FAILED and has_diverged(run):
        files.forget_model()
        _log.warning("what it had learnt was not finite: trained again")
    if not files.model.is_file() and (removed := files.forget_tests()):
        _log.warning("trained again, so what was measured before is removed: %s", ", ".join(removed))
    return files.model.is_file()


def _finish_parent(parent: Experiment, *, since: float, patient: bool) -> None:
    """Does a run that others start from, or waits for the process that does it. If it failed `since` then, so will
    they. Raises ClaimedError where it would have to wait and is not `patient`."""
    if not failed_since(read_status(parent.folder), since):  # else each of its children would try in vain
        execute(parent, since=since, patient=patient)


def _tracker(run: Experiment) -> Tracker:
    """Its tracker, not opened."""
    config, identity = run.config, run.identity
    about = TrackedRun(
        run.folder,
        name=f"{run.title}, seed {identity.seed}"[:_LONGEST],
        job_type="test" if run.files.model.is_file() else "train",
        tags=[identity.data, config.model.name, identity.technique, identity.perturbation],
        config={**config.without(["logger"]).plain(), "run": identity.folder},
    )
    return build_tracker(config.logger, about)


def _tell(tracker: Tracker, run: Experiment, price: Mapping[str, Any]) -> None:
    """Tells a tracker what was measured, and what that cost, with what it cost before."""
    from robust.page import brief  # draws: a second that nothing need wait for
    from robust.report import run_drawings
    from robust.tolerated import tolerated_levels

    natural = run.reference
    known = natural and natural.files.rows.is_file() and read_status(natural.folder).state is State.DONE
    folders = [natural.folder, run.folder] if natural and known else [run.folder]
    rows, confusion = collect(folders), run.files.read_confusion()
    assert confusion is not None
    levels = tolerated_levels(folders, rows)
    track_run(
        tracker,
        summary=run.files.read_summary(),
        rows=run.files.read_rows(),
        confusion=confusion,
        pictures=run_drawings(run.folder),
        found=brief(rows, folders).table(),
        tolerated=levels[levels["kind"] == run.identity.kind],
        price=total([(run.files.read_record() or {}).get("price", {}), price]),
    )


def _from_anywhere(config: Config) -> Config:
    """The configuration with paths that hold in any working directory; some may be words too."""
    files = [f"model.{name}" for name in given_files(config.model)]
    names = ("data.dir", "data.path", "data.cache_dir", "weights", *files)
    paths = {name: path for name in names if (path := config.select(name)) and (name, path) != ("weights", IMAGENET)}
    if is_run(config.technique.start):
        paths["technique.start"] = config.technique.start
    return config.changed(
        {**{name: str(Path(path).absolute()) for name, path in paths.items()}, **from_anywhere(config)}
    )


def _is_queued_again(error: Exception) -> bool:
    """Whether Slurm is about to end this job to start it again: with it goes the command that asked for that."""
    return isinstance(error, subprocess.CalledProcessError) and "requeue" in error.cmd
