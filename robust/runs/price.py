"""What a run costs: seconds, of processors and of GPUs, joules, and memory; measured while it is made.

The energy of GPUs is NVML's (`pip install nvidia-ml-py`), shared evenly by the processes on each; that of processors is
RAPL's where the system lets one read it, by this process's share of what was computed meanwhile. Else it is a model of
so many watts, and `joules_by` says which.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

#: watts of a busy core, and of a GPU, where nothing measures them
CORE_WATTS, GPU_WATTS = 10, 300
#: what tables show
SHOWN = ("seconds", "cpu_seconds", "gpu_seconds", "joules", "joules_by", "peak_bytes", "gpu_peak_bytes")
_RAPL = Path("/sys/class/powercap")
_MOST = ("peak_bytes", "gpu_peak_bytes")  # of which a run's is the greatest of its sessions


class Meter:
    """What the parts of a run cost, from now on, or each of so many `runs` that are made as one; it holds so many
    `gpus`.

    `durations_s`: seconds of each part. `rapl` is where the system shows RAPL.
    """

    def __init__(self, *, gpus: int = 0, runs: int = 1, rapl: Path = _RAPL) -> None:
        self.gpus, self.runs, self.rapl = gpus, runs, rapl
        self.durations_s: dict[str, float] = {}
        self._cpu_s: dict[str, float] = {}
        self._work: dict[str, int] = {}
        self._joules: dict[str, float] = {}  # by what says so
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak of memory is counted anew
        if gpus:
            import torch

            torch.cuda.reset_peak_memory_stats()

    @contextlib.contextmanager
    def part(self, name: str, *, work: int = 0) -> Iterator[None]:
        """Counts what is done inside as a part; `work` is how much that was: images times epochs, or tests, or attacks;
        0 where that is not known."""
        start, cpu, busy, rapl, nvml = time.monotonic(), _cpu_s(), _busy_s(), _rapl_j(self.rapl), _nvml_j(self.gpus)
        try:
            yield
            self._work[name] = self._work.get(name, 0) + work
        finally:
            seconds, mine = (time.monotonic() - start) / self.runs, (_cpu_s() - cpu) / self.runs
            self.durations_s[name] = self.durations_s.get(name, 0) + seconds
            self._cpu_s[name] = self._cpu_s.get(name, 0) + mine
            share = min(1.0, mine / max(_busy_s() - busy, 1e-9))
            self._add("rapl", _spent(rapl, _rapl_j(self.rapl)), share, f"{CORE_WATTS} W a core", mine * CORE_WATTS)
            if self.gpus:
                usual = seconds * self.gpus * GPU_WATTS
                share = 1 / _sharers(self.gpus) / self.runs
                self._add("nvml", _spent(nvml, _nvml_j(self.gpus)), share, f"{GPU_WATTS} W a GPU", usual)

    def _add(self, by: str, measured: float | None, share: float, model: str, usual: float) -> None:
        name, joules = (model, usual) if measured is None else (by, measured * share)
        self._joules[name] = self._joules.get(name, 0) + joules

    def price(self) -> dict[str, Any]:
        """What it came to so far, as plain values: seconds, cpu_seconds, gpu_seconds, joules and joules_by, peak_bytes
        of memory and gpu_peak_bytes; and cpu_s and work of each part."""
        seconds = sum(self.durations_s.values())
        return {
            "seconds": round(seconds, 3),
            "cpu_seconds": round(sum(self._cpu_s.values()), 3),
            "gpu_seconds": round(seconds * self.gpus, 3),
            "joules": round(sum(self._joules.values()), 1),
            "joules_by": ", ".join(self._joules),
            "peak_bytes": _peak_bytes(),
            "gpu_peak_bytes": self._gpu_peak_bytes(),
            "cpu_s": {name: round(value, 3) for name, value in self._cpu_s.items()},
            "work": dict(self._work),
        }

    def _gpu_peak_bytes(self) -> int:
        if not self.gpus:
            return 0
        import torch

        return int(torch.cuda.max_memory_allocated())


def total(prices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several sessions of a run came to; nothing for none that says."""
    known = [one for one in prices if one]
    found: dict[str, Any] = {}
    for name, value in (pair for one in known for pair in one.items()):
        if isinstance(value, Mapping):
            before = found.setdefault(name, {})
            found[name] = {**before, **{part: round(before.get(part, 0) + more, 3) for part, more in value.items()}}
        elif isinstance(value, str):
            found[name] = ", ".join(dict.fromkeys(filter(None, [*found.get(name, "").split(", "), *value.split(", ")])))
        else:
            before = found.get(name, 0)
            found[name] = max(before, value) if name in _MOST else round(before + value, 3)
    return found


def is_price(value: object) -> bool:
    """Whether a value that was read is a price, or nothing: numbers from 0, words, and numbers of parts."""
    if not isinstance(value, dict):
        return False
    numbers = [one for one in value.values() if not isinstance(one, dict | str)]
    numbers += [inner for one in value.values() if isinstance(one, dict) for inner in one.values()]
    return all(isinstance(one, int | float) and 0 <= one < float("inf") for one in numbers)


def _cpu_s() -> float:
    """Of this process and of those that it started and that ended."""
    return sum(os.times()[:4])


def _busy_s() -> float:
    """Of all processes of this machine."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0)


def _rapl_j(place: Path) -> dict[str, float]:
    """Joules of each processor since it started; nothing where that cannot be read."""
    try:
        return {one.name: int((one / "energy_uj").read_text()) / 1e6 for one in place.glob("intel-rapl:?")}
    except (OSError, ValueError):
        return {}


def _nvml(gpus: int, ask: Callable[[Any, Any], float]) -> dict[str, float]:
    """What NVML answers of each of the first GPUs that this process sees; nothing where it does not: without its
    package, the right to ask, or a GPU that counts."""
    if not gpus:
        return {}
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        names = [f"GPU-{torch.cuda.get_device_properties(place).uuid}" for place in range(gpus)]
        return {name: ask(pynvml, pynvml.nvmlDeviceGetHandleByUUID(name)) for name in names}
    except Exception:  # noqa: BLE001, its errors are its own; the model stands in
        return {}


def _nvml_j(gpus: int) -> dict[str, float]:
    """Joules of each GPU since its driver was loaded."""
    return _nvml(gpus, lambda nvml, one: nvml.nvmlDeviceGetTotalEnergyConsumption(one) / 1000)


def _sharers(gpus: int) -> float:
    """How many processes compute on a GPU, in the mean."""
    found = _nvml(gpus, lambda nvml, one: len(nvml.nvmlDeviceGetComputeRunningProcesses(one)))
    return max(1.0, sum(found.values()) / max(1, len(found)))


def _spent(before: Mapping[str, float], after: Mapping[str, float]) -> float | None:
    """The difference; None where nothing was measured, or a counter began anew."""
    spent = [value - before[name] for name, value in after.items() if name in before]
    return sum(spent) if spent and min(spent) >= 0 else None


def _peak_bytes() -> int:
    """The most memory that this process had resident since that was counted anew; where the system does not count
    that, what it has now."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration, ValueError):
        return int(psutil.Process().memory_info().rss)
