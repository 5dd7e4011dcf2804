"""Runs on disk: what a run is, how far it has come, its rows and its model back."""

from robust.runs.collect import ROWS, collect, find_runs, read_rows, write_table
from robust.runs.identity import Identity, identify
from robust.runs.log import logged
from robust.runs.model import load, make_model, read_checkpoint, save_model
from robust.runs.state import (
    CHECKPOINT,
    MODEL,
    STATUS,
    ClaimedError,
    State,
    Status,
    claimed,
    git_commit,
    read_end,
    read_status,
    scheduler,
    write_status,
)

__all__ = [
    "CHECKPOINT",
    "MODEL",
    "ROWS",
    "STATUS",
    "ClaimedError",
    "Identity",
    "State",
    "Status",
    "claimed",
    "collect",
    "find_runs",
    "git_commit",
    "identify",
    "load",
    "logged",
    "make_model",
    "read_checkpoint",
    "read_end",
    "read_rows",
    "read_status",
    "save_model",
    "scheduler",
    "write_status",
    "write_table",
]
