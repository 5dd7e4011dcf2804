"""Which network, data and code a sheet is about, so that nothing else can be meant."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from robust.evidence.subject import Subject
from robust.experiment.prepare import reopen
from robust.files.digest import digest_of
from robust.report import Section
from robust.report.section import Table
from robust.runs import RunFolder
from robust.values.text import csv

_TESTS = ("attacks", "published", "stability")  # beside the rows
_NAMED = ("config", "model", "rows", "predictions", *_TESTS)
_NOT_KEPT = "not kept"
_AT_ONCE = 1000  # images


def identification(subject: Subject) -> Section:
    """What was tested, and the SHA-256 of each file that says so."""
    run, record = subject.rows.iloc[0], subject.records[0]
    none = run["train_perturbation"] == "none"
    trained = "no perturbation (see What training had seen for what technique and augmentation do)" if none else ""
    lines = {
        "network": run["model"],
        "values in the network": _values(subject),
        "technique": run["technique"],
        "trained on": trained or f"{run['train_perturbation']} at level {run['train_level']:g}",
        "starts from": ", ".join(sorted({*(record.get("parents") or {}).values()})) or "random weights, or as given",
        "seeds of training": ", ".join(map(str, subject.rows["seed"].unique())),
        "data": run["data"],
        "test images": _images(subject),
        "test images, SHA-256": _images_digest(subject),
        "labels of the test images, SHA-256": _labels(subject),
        "code": ", ".join(_sessions(subject, _code)),
        "versions": ", ".join(_sessions(subject, _versions)),
        "measured until": _finished(subject),
        "commands": "; ".join(_sessions(subject, lambda one: str(one.get("command") or "unknown"))),
        "rows of all tests, SHA-256": rows_digest(subject),
    }
    shown = pd.DataFrame([*lines.items()], columns=["what", "value"])
    files = pd.DataFrame(_files(subject), columns=["run", "file", "SHA-256"])
    text = (
        "The hash of the rows covers every test of this sheet: it is another where one result is another. Labels are "
        "those that the runs recorded; the images are those that lie where the runs found them when this sheet is "
        "made, as 8-bit values in the order of the labels, and are hashed where their labels are the recorded ones."
    )
    return Section("What was tested", text, {}, {"what": Table(shown, shown), "files": Table(files, files)})


def rows_digest(subject: Subject) -> str:
    """SHA-256 of all rows, attacks, and tests of published sets and of sequences, in the order of the seeds."""
    files = [getattr(RunFolder(folder), name) for folder in subject.folders for name in _TESTS]
    texts = [csv(subject.rows), *(digest_of(path) for path in files if path.is_file())]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def made_at(subject: Subject) -> str:
    """When the last of the runs was last measured, as its record says it."""
    return max((str(record.get("finished", "")) for record in subject.records), default="")


def _values(subject: Subject) -> str:
    """How many numbers the network's file holds: weights, and what its norms keep."""
    path = RunFolder(subject.folders[0]).model
    if not path.is_file():
        return _NOT_KEPT
    from robust.runs.model import read_checkpoint

    state = read_checkpoint(path, "state_dict")["state_dict"]
    return f"{sum(tensor.numel() for tensor in state.values()):,} in {len(state)} tensors"


def _images(subject: Subject) -> str:
    number = f"{subject.rows['n'].iloc[0]}"
    if subject.predictions is None:
        return number
    return f"{number}, of {len({*subject.predictions['label'].iloc[0].tolist()})} classes"


def _images_digest(subject: Subject) -> str:
    """SHA-256 of the test images, where they are there and have the labels that were recorded; nothing is
    downloaded."""
    if subject.predictions is None:
        return "not hashed: no labels were kept, to tell whether they are the same"
    try:
        config = RunFolder(subject.folders[0]).read_config()
        keys = ("data.download", "data.source.download")
        offline = {key: False for key in keys if config.select(key) is not None}
        test = reopen(subject.folders[0], offline).splits.test
    except (ValueError, OSError):
        return "not hashed: the data are not here"
    if not np.array_equal(test.labels.cpu().numpy(), subject.predictions["label"].iloc[0]):
        return "not hashed: the data here have other labels"
    found = hashlib.sha256()
    for some in test.images.split(_AT_ONCE):
        found.update(some.cpu().numpy().tobytes())
    return found.hexdigest()


def _labels(subject: Subject) -> str:
    kept = subject.predictions
    return _NOT_KEPT if kept is None else hashlib.sha256(kept["label"].iloc[0].astype("uint16").tobytes()).hexdigest()


def _finished(subject: Subject) -> str:
    return made_at(subject)[:19].replace("T", " ")


def _sessions(subject: Subject, word: Any) -> Iterable[str]:
    """What each session of each run says, each once."""
    found = [word(one) for record in subject.records for one in record.get("sessions") or []]
    return dict.fromkeys(found) or ["unknown"]


def _code(session: Mapping[str, Any]) -> str:
    commit = str(session.get("git_commit") or "unknown commit")
    changed = " with files changed since" if commit.endswith("+") else ""
    return f"robust {(session.get('versions') or {}).get('robust', 'unknown')}, {commit.rstrip('+')}{changed}"


def _versions(session: Mapping[str, Any]) -> str:
    versions = session.get("versions") or {}
    return ", ".join(f"{name} {version}" for name, version in versions.items() if name != "robust") or "unknown"


def _files(subject: Subject) -> Iterable[tuple[str, str, str]]:
    for folder in subject.folders:
        for name in _NAMED:
            if (path := getattr(RunFolder(folder), name)).is_file():
                yield folder.name, path.name, digest_of(path)
