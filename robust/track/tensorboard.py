"""TensorBoard, in the run's folder."""

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger

from robust.errors import require
from robust.files.places import check_inside
from robust.runs import RunFolder
from robust.track.tracker import Picture, TrackedRun, Tracker


class TensorBoardTracker(Tracker):
    """TensorBoard: curves, scores beside the configuration (HParams), tables as text, figures as images."""

    shows = True

    def __init__(self, tracked: TrackedRun):
        super().__init__(tracked)
        require("tensorboard", what="`logger=tensorboard`", extra="tensorboard")

    def start(self) -> None:
        place = RunFolder(self.tracked.folder).tensorboard
        check_inside(place / "any", place.parent)
        self.logger = TensorBoardLogger(place.parent, name=place.name, version="", default_hp_metric=False)

    def log_scores(self, scores: Mapping[str, float | str]) -> None:
        numbers = {name: value for name, value in scores.items() if not isinstance(value, str)}
        self._tensorboard.log_hyperparams(self.tracked.config, numbers)

    def log_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        for name, table in tables.items():
            self._tensorboard.experiment.add_text(name, table.to_html(index=False))

    def log_pictures(self, pictures: Mapping[str, Picture]) -> None:
        for name, picture in pictures.items():
            pixels = np.asarray(Image.open(io.BytesIO(picture.png())).convert("RGB"))
            self._tensorboard.experiment.add_image(name, pixels, dataformats="HWC")

    def close(self, *, failed: str = "") -> None:
        if self.logger is not None:
            if failed:
                self._tensorboard.experiment.add_text("failed", failed)
            self.logger.finalize("failed" if failed else "success")

    @property
    def _tensorboard(self) -> TensorBoardLogger:
        assert isinstance(self.logger, TensorBoardLogger)
        return self.logger
