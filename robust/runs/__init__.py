"""Runs on disk: what a run is, how far it has come, and every file of its folder."""

from robust.files.claiming import ClaimedError, GoneError
from robust.files.process import scheduler
from robust.runs.collect import collect, find_older, find_runs, prices, write_table
from robust.runs.config import Config, leaves
from robust.runs.distances import with_distances
from robust.runs.folder import RunFolder
from robust.runs.formats import DamagedError
from robust.runs.identity import VERSION, Identity, identify
from robust.runs.limits import image_limits
from robust.runs.log import logged
from robust.runs.network import load
from robust.runs.settings import is_setting, with_settings
from robust.runs.state import (
    State,
    Status,
    claimed,
    clear,
    code_version,
    failed_since,
    git_commit,
    read_end,
    read_status,
    wait_for_one,
    warnings_of,
    write_status,
)

__all__ = [
    "VERSION",
    "ClaimedError",
    "Config",
    "DamagedError",
    "GoneError",
    "Identity",
    "RunFolder",
    "State",
    "Status",
    "claimed",
    "clear",
    "code_version",
    "collect",
    "failed_since",
    "find_older",
    "find_runs",
    "git_commit",
    "identify",
    "image_limits",
    "is_setting",
    "leaves",
    "load",
    "logged",
    "prices",
    "read_end",
    "read_status",
    "scheduler",
    "wait_for_one",
    "warnings_of",
    "with_distances",
    "with_settings",
    "write_status",
    "write_table",
]
