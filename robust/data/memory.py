"""How much memory there is for images."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

GB = 1e9
_SHARE = 0.5  # of what is free, that images may take unless it is said
_KEPT_SHARE = 0.25  # and what is kept besides
_ROOT = Path("/")
_FILES = (  # of a control group, by version: what may be taken, what is, and what of that is a cache of files
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(root: Path = _ROOT) -> int:
    """The bytes that this process may still take: of the machine's memory, and of that of the control groups that it
    is in, as containers and Slurm's jobs are."""
    return min([psutil.virtual_memory().available, *_free_in_groups(root)])


def fits(size: int, memory: float | None = None) -> bool:
    """Whether images of so many bytes are kept in memory: of `memory` GB, or of half of what is free."""
    return size <= (_SHARE * free_memory() if memory is None else memory * GB)


def fits_on(size: int, device: torch.device) -> bool:
    """Whether so many bytes may be kept on a device beside everything else."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    return size <= _KEPT_SHARE * free


def _free_in_groups(root: Path) -> Iterator[int]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, kinds, name = line.split(":", 2)
        for kind, most, taken, cached in _FILES:
            if kind not in kinds.split(","):
                continue
            top = root / "sys/fs/cgroup" / kind
            here = top / name.lstrip("/")
            for group in [here, *here.parents]:
                if group.is_relative_to(top) and (free := _free(group, most, taken, cached)) is not None:
                    yield free


def _free(group: Path, most: str, taken: str, cached: str) -> int | None:
    """None where nothing limits it."""
    try:
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        limit, used = (int((group / name).read_text()) for name in (most, taken))
        return max(0, limit - used + int(stat.get(cached, 0)))
    except (OSError, ValueError):  # "max", or not there
        return None
