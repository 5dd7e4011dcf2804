"""Experiment trackers: what a run and a report tell W&B, TensorBoard or CSV files."""

from robust.track.results import make_tracker, track_report, track_run, tracked
from robust.track.tracker import CsvTracker, Picture, Subject, TensorBoardTracker, Tracker
from robust.track.wandb import WandbTracker

__all__ = [
    "CsvTracker",
    "Picture",
    "Subject",
    "TensorBoardTracker",
    "Tracker",
    "WandbTracker",
    "make_tracker",
    "track_report",
    "track_run",
    "tracked",
]
