"""imagecorruptions-imaug, which corrupts image by image, in a process and an environment of its own."""

import subprocess
import sys
from types import TracebackType
from typing import Self

NEEDS = ("imagecorruptions-imaug==1.1.5", "setuptools<81")
_SERVER = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from imagecorruptions import corrupt
images = {}
for line in sys.stdin:
    name, severity, count, size = line.split()
    shape = int(count), int(size), int(size), 3
    if shape not in images:
        images[shape] = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for image in images[shape]:
        corrupt(image, corruption_name=name, severity=int(severity))
    print("done", flush=True)
"""


class Imagecorruptions:
    """The library, ready to corrupt; None of it where the environment cannot be made."""

    def __enter__(self) -> Self | None:
        packages = [part for need in NEEDS for part in ("--with", need)]
        command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", *packages, "python", "-c", _SERVER]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            self.corrupt("gaussian_noise", 1, size=32)
        except OSError:
            return None
        return self

    def corrupt(self, name: str, count: int, *, size: int, severity: int = 3) -> None:
        """Corrupts `count` images of `size` x `size` x 3. Raises OSError where that fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name} {severity} {count} {size}\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "done\n":
            raise OSError(f"imagecorruptions cannot do {name}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.communicate()
