"""What a run tells an experiment tracker."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from robust.errors import require


@dataclass(frozen=True)
class Subject:
    """What is tracked: a run, or the report of a sweep.

    `folder` is where its files lie, `job_type` train, test (of a network that was trained before) or report.
    """

    folder: Path
    name: str
    job_type: str
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A figure as PNG, and what it shows."""

    png: bytes
    caption: str


class Tracker:
    """Tracks nothing; the others do what these methods say.

    `logger` is Lightning's, for the curves of a training; None until `start`, and for none. `shows` says whether
    scores, tables, figures and pages have a place in it: where not, none need be drawn.
    """

    shows = False

    def __init__(self, subject: Subject):
        self.subject = subject
        self.logger: Logger | None = None

    def knows(self) -> bool:
        """Whether it was told of this one before."""
        return True

    def start(self) -> None:
        """Opens it, or goes on where an interrupted run was."""

    def log_scores(self, scores: Mapping[str, float | str]) -> None:
        """Single figures to sort and plot runs by."""

    def log_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Tables, by name."""

    def log_pictures(self, pictures: Mapping[str, Picture]) -> None:
        """Figures, by name."""

    def log_page(self, page: str) -> None:
        """A page as HTML."""

    def close(self, *, failed: str = "") -> None:
        """Ends it; `failed` is what went wrong."""

    def where(self) -> str:
        """Where to look at this one and those beside it; "" for nowhere."""
        return ""


class CsvTracker(Tracker):
    """Lightning's CSV files, for the curves; what is measured lies in the run's own. A resumed training begins a new
    version."""

    def start(self) -> None:
        self.logger = CSVLogger(self.subject.folder, name="csv")

    def where(self) -> str:
        return f"{self.subject.folder.parent}/*/csv"


class TensorBoardTracker(Tracker):
    """TensorBoard: curves, scores beside the configuration (HParams), tables as text, figures as images."""

    shows = True

    def __init__(self, subject: Subject):
        super().__init__(subject)
        require("tensorboard", what="`logger=tensorboard`", extra="tensorboard")

    def knows(self) -> bool:
        return (self.subject.folder / "tensorboard").is_dir()

    def start(self) -> None:
        self.logger = TensorBoardLogger(self.subject.folder, name="tensorboard", version="", default_hp_metric=False)

    def log_scores(self, scores: Mapping[str, float | str]) -> None:
        numbers = {name: value for name, value in scores.items() if not isinstance(value, str)}
        self._tensorboard.log_hyperparams(self.subject.config, numbers)

    def log_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        for name, table in tables.items():
            self._tensorboard.experiment.add_text(name, table.to_html(index=False))

    def log_pictures(self, pictures: Mapping[str, Picture]) -> None:
        for name, picture in pictures.items():
            pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))
            self._tensorboard.experiment.add_image(name, pixels, dataformats="HWC")

    def close(self, *, failed: str = "") -> None:
        if self.logger is not None:
            if failed:
                self._tensorboard.experiment.add_text("failed", failed)
            self.logger.finalize("failed" if failed else "success")

    def where(self) -> str:
        return f"tensorboard --logdir {self.subject.folder.parent}"

    @property
    def _tensorboard(self) -> TensorBoardLogger:
        assert isinstance(self.logger, TensorBoardLogger)
        return self.logger
