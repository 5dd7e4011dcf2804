"""A run's folder: the name of every file in it, and each file read and written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from robust.runs import contents, sums
from robust.runs.config import Config
from robust.runs.contents import if_sound
from robust.runs.formats import DamagedError
from robust.runs.identity import Identity
from robust.runs.record import read_record

# What is measured, and networks, are imported where they are needed: torch comes with them, and rows are read without.
if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from robust.measure import Measurement, Samples
    from robust.models.registry import Network


class _Named:
    """The path of a file, or of a folder, of this name in a run's folder."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, folder: "RunFolder", _: type | None = None) -> Path:
        return folder.path / self.name


@dataclass(frozen=True)
class RunFolder:
    """A run's folder at `path`, whether or not it is there. A property is the path of a file; what `read_...` finds no
    file for is None, and what it finds damaged, or of another run, raises DamagedError, a ValueError with the file's
    name. A file is written whole or not at all, with its sum (see `robust.runs.sums`)."""

    path: Path

    config = _Named("config.yaml")  # the configuration, resolved
    checkpoint = _Named("last.ckpt")  # a training that is under way
    model = _Named("model.ckpt")  # the trained network
    metrics = _Named("metrics.csv")  # what was logged while it trained, an epoch a row
    log = _Named("log.txt")
    status = _Named(sums.RECORD)  # how it ended, what it ran on, what it is
    claim = _Named("claim.json")  # who is at work on it
    rows = _Named("rows.csv")  # a test a row
    predictions = _Named("predictions.parquet")  # of every image in every test
    confusion = _Named("confusion.csv")
    summary = _Named("summary.json")
    samples = _Named("samples.npz")  # a few test images as the network saw them
    attacks = _Named("attacks.parquet")
    published = _Named("published.parquet")  # a test of a published test set a row
    stability = _Named("stability.parquet")  # a sequence of frames a row
    knn = _Named("knn.csv")  # the k-NN accuracy of the features
    report = _Named("report")
    wandb = _Named("wandb")
    tensorboard = _Named("tensorboard")

    def read_config(self) -> Config:
        """The configuration: plain values, by key or attribute; raises as `contents.read_config`."""
        return contents.read_config(self.config)

    def write_config(self, config: Config) -> None:
        """Writes it, less secrets, and says which."""
        self._write({self.config: contents.config_text(config)})

    def load_model(self, *, networks: "Sequence[Network | str]" = ()) -> "nn.Module":
        """The trained network: see `robust.load`."""
        if not sums.check(self.model):
            raise FileNotFoundError(
                f"There is no trained model in {self.path}: {self.model.name} is missing. "
                "Give the folder of a finished run."
            )
        from robust.runs.model import load_model

        return load_model(self.model, networks=networks)

    def save_model(self, network: "nn.Module", architecture: Mapping[str, Any]) -> None:
        """Writes the weights and the network's constructor (`_target_`) and arguments, plain values only."""
        from robust.runs.model import checkpoint

        self._write({self.model: checkpoint(network, architecture)})

    def read_record(self) -> dict[str, Any] | None:
        """How the run ended when it last did (see `write_status`)."""
        return read_record(self.status) if sums.check(self.status) else None

    def write_record(self, record: Mapping[str, Any]) -> None:
        self._write({self.status: json.dumps(record, indent=2) + "\n"})

    def identity(self) -> Identity | None:
        """What the run is, as its record says; None where it does not, or an older version of robust wrote it."""
        try:
            return Identity.from_dict((self.read_record() or {}).get("identity"))
        except (KeyError, TypeError) as error:
            raise DamagedError(self.status, f"its identity is not one: {error}") from error

    def read_rows(self) -> pd.DataFrame:
        """The rows, as `contents.read_rows` reads them. Raises OSError where there are none."""
        return contents.read_rows(self.rows)

    def has_record(self) -> bool:
        """Whether it ended once; says so where the record of that is gone."""
        return self.status.is_file() or sums.check(self.status)

    def has_rows(self) -> bool:
        """Whether it was tested; says so where the rows are gone."""
        return self.rows.is_file() or sums.check(self.rows)

    def known_rows(self) -> pd.DataFrame | None:
        """The rows of the tests whose predictions are there too, undamaged."""
        from robust.runs import tables

        rows = self._sound_rows()
        predictions = if_sound(lambda: contents.read_predictions(self.predictions, tables.TEST_KEY, quickly=True))
        return None if rows is None or predictions is None else tables.rows_in(rows, predictions)

    def known_tests(self) -> set[tuple[str, float, int, int]]:
        """The tests (see TEST_KEY) of these; without those of conditions that ended early."""
        from robust.runs import tables

        return set() if (rows := self.known_rows()) is None else tables.whole_tests(rows)

    def write_tests(self, measured: "Measurement", identity: Identity, reference: str, classes: Sequence[str]) -> None:
        """Writes rows, predictions, confusion and summary, old and new tests together, each once; what is damaged is
        left out. The rows come last, since they say what is known."""
        from robust.runs import tables

        rows = tables.join_tests(self._sound_rows(), tables.complete_rows(measured.rows, identity, reference))
        predictions = tables.join_tests(if_sound(self.read_predictions), measured.predictions)
        predictions = predictions.merge(rows[tables.TEST_KEY].drop_duplicates(), on=tables.TEST_KEY)
        self._write_tables(rows, predictions, classes)

    def restore_tables(self, classes: Sequence[str]) -> None:
        """Writes again what rows and predictions come to, where those are there."""
        if self.rows.is_file() and (predictions := self.read_predictions()) is not None:
            self._write_tables(self.read_rows(), predictions, classes)

    def _write_tables(self, rows: pd.DataFrame, predictions: pd.DataFrame, classes: Sequence[str]) -> None:
        from robust.measure import confusion_counts
        from robust.runs import tables

        self._write(
            {
                self.predictions: tables.without_until(predictions),
                self.confusion: confusion_counts(predictions, classes),
                self.summary: json.dumps(tables.summary_of(rows), indent=2, allow_nan=False) + "\n",
                self.rows: tables.without_until(rows),
            }
        )

    def lost(self, extras: Sequence[str], *, tested: bool) -> list[str]:
        """The files that are gone or damaged and that the run's command can make again: what it is and, of a run that
        is `tested`, what comes of its tests beside their rows and predictions, and the `extras` of its task. Of a large
        file its size alone is looked at."""
        needed = [self.config, *([self.confusion, self.summary, self.samples] if tested else [])]
        maybe = [self.path / name for name in extras] if tested else []
        absent = [path for path in needed if not path.exists()] + [path for path in maybe if sums.is_gone(path)]
        return [path.name for path in (*needed, *maybe) if path in absent or not sums.is_sound(path)]

    def forget_model(self) -> None:
        """Removes the trained network."""
        sums.remove([self.model])

    def forget_tests(self) -> list[str]:
        """Removes what was measured of a network that is no more; returns the names of what there was."""
        tests = [self.rows, self.predictions, self.confusion, self.summary, self.samples, *self._extras()]
        measured = [*tests, self.attacks, self.published, self.stability, self.knn]
        if there := [path for path in measured if path.exists()]:
            sums.remove(there)
        return [path.name for path in there]

    def read_predictions(self, columns: Sequence[str] | None = None) -> pd.DataFrame | None:
        """What every test came to, or some `columns` of that: TEST_KEY, label and predicted, and `confidence_bins`."""
        return contents.read_predictions(self.predictions, columns)

    def read_whole_tests(self) -> pd.DataFrame | None:
        """TEST_KEY, label and predicted of the tests of all images: what stands at one place there is of one image."""
        return contents.read_whole_tests(self.predictions)

    def read_confidence(self, counts: Sequence[str] = contents.BINS) -> pd.DataFrame | None:
        """The network's confidence in its tests: TEST_KEY and the arrays of `confidence_bins`, or other `counts`; None
        also where these were not kept."""
        return contents.read_confidence(self.predictions, counts)

    def read_confusion(self) -> pd.DataFrame | None:
        """See `confusion_counts`."""
        return contents.read_table(self.confusion, words=("condition", "true", "predicted"), numbers=["count"])

    def read_summary(self) -> dict[str, Any]:
        """See `summary_of`. Raises OSError where there is none."""
        return contents.read_summary(self.summary)

    def read_metrics(self) -> pd.DataFrame | None:
        """What was logged while it trained: epoch, train_loss and more."""
        return contents.read_table(self.metrics, numbers=["epoch"])

    def write_metrics(self, metrics: pd.DataFrame) -> None:
        self._write({self.metrics: metrics})

    def read_attacks(self, *, images: bool = True) -> pd.DataFrame | None:
        """The attacks, with the few `images` that were kept or without."""
        return contents.read_attacks(self.attacks, images=images)

    def made_attacks(self) -> pd.DataFrame | None:
        """Which attacks there are, undamaged: what tells them apart, and the label."""
        from robust.runs import tables

        columns = [*tables.ATTACK_KEY, "label"]
        return if_sound(lambda: contents.read_attacks(self.attacks, columns, quickly=True))

    def add_attacks(self, attacks: pd.DataFrame) -> None:
        """Adds attacks to those that are there, undamaged; each of an image at a threshold stands there once."""
        from robust.runs import tables

        attacks = tables.join_attacks(if_sound(self.read_attacks), attacks.assign(run=self.path.name))
        self._write({self.attacks: attacks})

    def read_published(self, *, predictions: bool = True) -> pd.DataFrame | None:
        """How the network does on published test sets (see `measure_published`), with its `predictions` or without."""
        return contents.read_published(self.published, predictions=predictions)

    def known_published(self) -> set[tuple[Any, ...]]:
        """Which of these tests were made, undamaged: set, corruption, severity, digest of the images."""
        from robust.runs import tables

        known = if_sound(partial(self.read_published, predictions=False))
        return set() if known is None else tables.keys_in(known, tables.PUBLISHED)

    def write_published(self, tests: pd.DataFrame, planned: set[Any], identity: Identity, reference: str) -> None:
        """Adds tests of published sets to those there, undamaged; of the sets `planned` no others stay."""
        from robust.runs import tables

        rows = tables.with_run(tests, identity, reference)
        self._write({self.published: tables.join_published(if_sound(self.read_published), rows, planned)})

    def read_stability(self) -> pd.DataFrame | None:
        """How stable the network is under sequences of frames (see `measure_stability`)."""
        return contents.read_stability(self.stability)

    def write_stability(self, tests: pd.DataFrame, identity: Identity, reference: str) -> None:
        """Adds tests to those there, undamaged; of each sequence the last one stands there."""
        from robust.runs import tables

        rows = tables.with_run(tests, identity, reference)
        self._write({self.stability: tables.join_stability(if_sound(self.read_stability), rows)})

    def read_knn(self) -> pd.DataFrame | None:
        """See `write_knn`: one row."""
        return contents.read_table(self.knn, numbers=["untrained", "trained"])

    def knows_knn(self) -> bool:
        """Whether these are there, undamaged."""
        return if_sound(self.read_knn) is not None

    def write_knn(self, **accuracies: float) -> None:
        """Writes the k-NN accuracy of a network's features, `trained` and `untrained`, fractions."""
        self._write({self.knn: pd.DataFrame([accuracies])})

    def read_samples(self) -> "Samples | None":
        """A few test images as the network saw them."""
        return contents.read_samples(self.samples)

    def write_samples(self, samples: "Samples") -> None:
        self._write({self.samples: samples})

    def has_extras(self, names: Sequence[str]) -> bool:
        """Whether further files, such as a task keeps (see `Task.inspect`), are there, undamaged."""
        return all(if_sound(partial(sums.check, self.path / name)) for name in names)

    def read_extra_table(self, name: str, columns: Sequence[str]) -> pd.DataFrame | None:
        """A table of such a file, Parquet, that has these columns."""
        return contents.read_parquet(self.path / name, columns)

    def read_extra_arrays(self, name: str, dimensions: Mapping[str, int]) -> "dict[str, np.ndarray] | None":
        """The arrays of such a file: these, each of so many dimensions."""
        return contents.read_arrays(self.path / name, dimensions)

    def write_extras(self, files: Mapping[str, Any]) -> None:
        """Writes such files: by name a data frame, or a dataclass of arrays."""
        self._write({self.path / name: content for name, content in files.items()})

    def _extras(self) -> list[Path]:
        """Such files that were written, whether or not they are still there."""
        own = {one.name for one in vars(type(self)).values() if isinstance(one, _Named)}
        return [self.path / name for name in sums.names(self.path) if name not in own and Path(name).name == name]

    def _sound_rows(self) -> pd.DataFrame | None:
        return if_sound(self.read_rows) if self.rows.is_file() else None

    def _write(self, files: Mapping[Path, Any]) -> None:
        sums.write({path: contents.as_bytes(path, content) for path, content in files.items()})
