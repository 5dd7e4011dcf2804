"""The rate of imagecorruptions, in an environment of its own: its last release needs older versions than ours.

Of what we have too, its Gaussian noise still runs there; its Gaussian blur needs a scikit-image older than Python 3.11.
"""

import subprocess
import sys

_NEEDS = ("imagecorruptions==1.1.2", "numpy<2", "scikit-image<0.21", "scipy<1.12", "setuptools<70")
_TIMED = """
import time, warnings
warnings.simplefilter("ignore")
import numpy as np
from imagecorruptions import corrupt
image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
def rate(count=1000):
    start = time.perf_counter()
    for _ in range(count):
        corrupt(image, corruption_name="gaussian_noise", severity=1)
    return count / (time.perf_counter() - start)
rate(10)
print(max(rate() for _ in range(3)))
"""


def noise_rate() -> float | None:
    """Images of 32 x 32 x 3 a second with its Gaussian noise; None where the environment cannot be made."""
    packages = [part for need in _NEEDS for part in ("--with", need)]
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--python", "3.11", *packages, "python"]
    try:
        done = subprocess.run([*command, "-c", _TIMED], check=True, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return None
    return float(done.stdout)
