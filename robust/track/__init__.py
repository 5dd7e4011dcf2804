"""Experiment trackers: told what a run and a report come to, for W&B or TensorBoard."""

from robust.track.tensorboard import TensorBoardTracker
from robust.track.tracker import Picture, TrackedRun, Tracker, opened, track_run, tracking_key
from robust.track.wandb import WandbTracker

__all__ = [
    "Picture",
    "TensorBoardTracker",
    "TrackedRun",
    "Tracker",
    "WandbTracker",
    "opened",
    "track_run",
    "tracking_key",
]
