"""A run's folder: the name of every file in it, and each file read and written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet
from omegaconf import OmegaConf

from robust.files import atomic_write
from robust.runs.config import Config, check_targets
from robust.runs.identity import Identity

# What is measured, and networks, are imported where they are needed: torch comes with them, and rows are read without.
if TYPE_CHECKING:
    from torch import nn

    from robust.measure import Measurement, Samples, Views
    from robust.models.registry import Network

_WORDS = ("run", "data", "model", "technique", "train_perturbation", "test_perturbation", "kind", "reference")
_NEEDED = ("run", "data", "model", "technique", "test_perturbation", "test_level", "trial", "n", "accuracy")
_MAY_LACK = {
    name: [""] for name in ("expected_calibration_error", "rms_calibration_error", "aurra")
}  # of what gives no logits
_BINS = ["bin_counts", "bin_right", "bin_confidence"]
_IMAGES = ("original", "adversarial")


class _Named:
    """The path of a file, or of a folder, of this name in a run's folder."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, folder: "RunFolder", _: type | None = None) -> Path:
        return folder.path / self.name


@dataclass(frozen=True)
class RunFolder:
    """A run's folder at `path`, whether or not it is there. A property is the path of a file; what `read_...` finds no
    file for is None. A file is written whole or not at all."""

    path: Path

    config = _Named("config.yaml")  # the configuration, resolved
    checkpoint = _Named("last.ckpt")  # a training that is under way
    model = _Named("model.ckpt")  # the trained network
    metrics = _Named("metrics.csv")  # what was logged while it trained, an epoch a row
    log = _Named("log.txt")
    status = _Named("status.json")  # how it ended, what it ran on, what it is
    claim = _Named("claim.json")  # who is at work on it
    lock = _Named(".lock")
    rows = _Named("rows.csv")  # a test a row
    predictions = _Named("predictions.parquet")  # of every image in every test
    confusion = _Named("confusion.csv")
    summary = _Named("summary.json")
    samples = _Named("samples.npz")  # a few test images as the network saw them
    attacks = _Named("attacks.parquet")
    natural_adversarial = _Named("natural_adversarial.csv")
    neighbours = _Named("neighbours.csv")  # how much of the classes is in the features
    stages = _Named("stages.parquet")  # what a mind's eye made of each image
    views = _Named("views.npz")
    report = _Named("report")
    wandb = _Named("wandb")
    tensorboard = _Named("tensorboard")

    def read_config(self) -> Config:
        """The configuration: plain values, by key or attribute. Raises OSError where there is none, ValueError where it
        would have made what nobody here named."""
        config: Config = Config.of(OmegaConf.to_container(OmegaConf.load(self.config)))
        check_targets(config, self.config)
        return config

    def write_config(self, config: Config) -> None:
        """Writes it."""
        atomic_write(self.config, OmegaConf.to_yaml(OmegaConf.create(config.plain())))

    def load_model(self, *, networks: "Sequence[Network | str]" = ()) -> "nn.Module":
        """The trained network: see `robust.load`."""
        if not self.model.is_file():
            raise FileNotFoundError(
                f"There is no trained model in {self.path}: {self.model.name} is missing. "
                "Give the folder of a finished run."
            )
        from robust.runs.model import load_model

        return load_model(self.model, networks=networks)

    def save_model(self, network: "nn.Module", architecture: Mapping[str, Any]) -> None:
        """Writes the weights and the network's constructor (`_target_`) and arguments, plain values only."""
        from robust.runs.model import save_model

        save_model(self.model, network, architecture)

    def read_record(self) -> dict[str, Any] | None:
        """How the run ended when it last did (see `write_status`). Raises ValueError where that is damaged."""
        try:
            return json.loads(self.status.read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{self.status} is damaged ({error}). Delete it and run again.") from error

    def identity(self) -> Identity | None:
        """What the run is, as its record says; None where it does not, or an older version of robust wrote it."""
        return Identity.from_dict((self.read_record() or {}).get("identity"))

    def read_rows(self) -> pd.DataFrame:
        """The rows. Perturbation "none" is a word, not a missing value, and a hash of digits is no number. Raises
        ValueError where they are damaged, OSError where there are none."""
        try:
            rows = pd.read_csv(self.rows, keep_default_na=False, dtype=dict.fromkeys(_WORDS, str), na_values=_MAY_LACK)
        except (ValueError, pd.errors.ParserError) as error:
            raise ValueError(f"{self.rows} is damaged ({error}). Delete it and run again.") from error
        if missing := [name for name in _NEEDED if name not in rows]:
            raise ValueError(f"{self.rows} is damaged (no {', '.join(missing)}). Delete it and run again.")
        return rows.reindex(columns=rows.columns.union(list(_MAY_LACK), sort=False))

    def known_tests(self) -> set[tuple[str, float, int, int]]:
        """The tests (see TEST_KEY) whose row and whose predictions are there."""
        from robust.runs import tables

        predictions = self.read_predictions(tables.TEST_KEY)
        if predictions is None or not self.rows.is_file():
            return set()
        return tables.tests_in(self.read_rows(), predictions)

    def write_tests(self, measured: "Measurement", identity: Identity, reference: str, classes: Sequence[str]) -> None:
        """Writes rows, predictions, confusion and summary, old and new tests together.

        Each test stands in them once, whatever was written before; the rows come last, since they say what is known.
        """
        from robust.measure import confusion_counts
        from robust.runs import tables

        rows = tables.complete_rows(measured.rows, identity, reference)
        if self.rows.is_file():
            rows = tables.join_tests(self.read_rows(), rows)
        predictions = tables.join_tests(self.read_predictions(), measured.predictions)
        predictions = predictions.merge(rows[tables.TEST_KEY].drop_duplicates(), on=tables.TEST_KEY)
        _write_parquet(self.predictions, predictions)
        _write_csv(self.confusion, confusion_counts(predictions, classes))
        atomic_write(self.summary, json.dumps(tables.summary_of(rows), indent=2, allow_nan=False) + "\n")
        _write_csv(self.rows, rows)

    def read_predictions(self, columns: Sequence[str] | None = None) -> pd.DataFrame | None:
        """What every test came to, or some `columns` of that: TEST_KEY, label and predicted, and `confidence_bins`."""
        return _read_parquet(self.predictions, columns)

    def read_confidence(self) -> pd.DataFrame | None:
        """How sure the network was in its tests: test_perturbation, test_level and the arrays of `confidence_bins`;
        None also where that was not kept."""
        if not {*_BINS} <= {*_columns(self.predictions)}:
            return None
        known = pd.read_parquet(self.predictions, columns=["test_perturbation", "test_level", *_BINS])
        kept = known.dropna(subset=_BINS).reset_index(drop=True)
        return kept if len(kept) else None

    def read_confusion(self) -> pd.DataFrame | None:
        """See `confusion_counts`."""
        return _read_csv(self.confusion, "condition", "true", "predicted")

    def read_summary(self) -> dict[str, Any]:
        """See `summary_of`. Raises OSError where there is none."""
        return json.loads(self.summary.read_text())

    def read_metrics(self) -> pd.DataFrame | None:
        """What was logged while it trained: epoch, train_loss and more."""
        return _read_csv(self.metrics)

    def read_attacks(self, *, images: bool = True) -> pd.DataFrame | None:
        """The attacks, with the few `images` that were kept or without."""
        names = None if images else [name for name in _columns(self.attacks) if name not in _IMAGES]
        return _read_parquet(self.attacks, names)

    def made_attacks(self) -> pd.DataFrame | None:
        """Which attacks there are: what tells them apart, and the label."""
        from robust.runs import tables

        return _read_parquet(self.attacks, [*tables.ATTACK_KEY, "label"])

    def add_attacks(self, attacks: pd.DataFrame) -> None:
        """Adds attacks to those that are there; each of an image at a threshold stands there once."""
        from robust.runs import tables

        _write_parquet(self.attacks, tables.join_attacks(self.read_attacks(), attacks.assign(run=self.path.name)))

    def read_natural_adversarial(self) -> pd.DataFrame | None:
        """How the network does on natural adversarial examples; `images` is their digest."""
        return _read_csv(self.natural_adversarial, "train_perturbation", "kind", "images")

    def write_natural_adversarial(
        self, measured: pd.DataFrame, images: str, identity: Identity, reference: str
    ) -> None:
        """Writes how it does on those of the digest `images`, in place of what was known."""
        from robust.runs import tables

        _write_csv(self.natural_adversarial, tables.with_run(measured.assign(images=images), identity, reference))

    def read_neighbours(self) -> pd.DataFrame | None:
        """See `write_neighbours`: one row."""
        return _read_csv(self.neighbours)

    def write_neighbours(self, **accuracies: float) -> None:
        """Writes how much of the classes is in a network's features (see `neighbours_accuracy`)."""
        _write_csv(self.neighbours, pd.DataFrame([accuracies]))

    def read_samples(self) -> "Samples | None":
        """A few test images as the network saw them."""
        from robust.measure import Samples

        return Samples(**arrays) if (arrays := _read_arrays(self.samples)) else None

    def write_samples(self, samples: "Samples") -> None:
        """Writes them."""
        _write_arrays(self.samples, samples)

    def read_stages(self) -> pd.DataFrame | None:
        """See `measure_stages`."""
        return _read_parquet(self.stages)

    def read_views(self) -> "Views | None":
        """What a mind's eye saw of a few images."""
        from robust.measure import Views

        return Views(**arrays) if (arrays := _read_arrays(self.views)) else None

    def write_views(self, views: "Views", stages: pd.DataFrame) -> None:
        """Writes what a mind's eye saw, and its stages, which say that both are there."""
        _write_arrays(self.views, views)
        _write_parquet(self.stages, stages)


def load(run_folder: str | Path, *, networks: "Sequence[Network | str]" = ()) -> "nn.Module":
    """The trained model of a run, in eval mode, on the CPU: from images in [0, 1] to logits.

    It may be a network of `robust.models`, one that was registered (`robust.register`, or an installed package's entry
    point), or one of these `networks`: classes, or their dotted names. Nothing else is imported or called. Raises
    FileNotFoundError where there is no trained model, ValueError where the file is damaged, names another network, or
    holds the weights of another.
    """
    return RunFolder(Path(run_folder)).load_model(networks=networks)


def _read_csv(path: Path, *words: str) -> pd.DataFrame | None:
    """A table; `words` are columns that hold no numbers."""
    if not path.is_file():
        return None
    return pd.read_csv(path, dtype=dict.fromkeys(words, str), keep_default_na=not words, na_values=_MAY_LACK)


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    atomic_write(path, table.to_csv(index=False))


def _columns(path: Path) -> list[str]:
    return pyarrow.parquet.read_schema(path).names if path.is_file() else []


def _read_parquet(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame | None:
    return pd.read_parquet(path, columns=columns) if path.is_file() else None


def _write_parquet(path: Path, table: pd.DataFrame) -> None:
    atomic_write(path, table.to_parquet(index=False, compression="zstd"))


def _read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as kept:
        return dict(kept)


def _write_arrays(path: Path, kept: "Samples | Views") -> None:
    """The fields of a dataclass, which are arrays, in one file."""
    atomic_write(path, lambda file: np.savez_compressed(file, **vars(kept)))
