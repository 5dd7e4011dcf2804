"""Makes distributions.csv and the last part of README.md: what is drawn, beside imagecorruptions-imaug.

PYTHONPATH=. python results/corruptions/distributions.py

Both corrupt 500 images of Tiny-ImageNet (in ROBUST_DATA) with the constants of 224 pixels, which that library has for
any size, each with random numbers of its own, rounded down to 8 bits. Of each image its mean, standard deviation, how
alike neighbours are, and the logarithm of its power in rings of the spectrum: the mean difference in standard errors.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.imagecorruptions import NEEDS
from robust.data import tiny_imagenet
from robust.perturb import ImageRandom, key
from robust.perturb.corruptions import CORRUPTIONS, constants

HERE = Path(__file__).parent
DRAWN = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "glass_blur", "motion_blur", "snow", "frost"),
    *("fog", "spatter"),
)
COUNT, RINGS = 500, 6
THEIRS = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, imagecorruptions
folder = sys.argv[1]
images = np.load(os.path.join(folder, "images.npy"))
np.random.seed(0)
below = np.random.randint
np.random.randint = lambda *given: below(*((5,) if given == (6,) else given))  # photographs of frost: as published
for name, severity in json.loads(sys.argv[2]):
    found = [imagecorruptions.corrupt(one, corruption_name=name, severity=severity) for one in images]
    np.save(os.path.join(folder, f"{name}{severity}.npy"), np.stack(found).astype(np.uint8))
print(os.path.join(os.path.dirname(imagecorruptions.__file__), "frost"))
"""


def figures(images: np.ndarray) -> pd.DataFrame:
    """Of each image, uint8 of shape (n, side, side, 3), what is compared."""
    values = images.astype(np.float64) / 255
    centred = values - values.mean((1, 2), keepdims=True)
    variance = (centred**2).mean((1, 2, 3))
    alike = (centred[:, :, 1:] * centred[:, :, :-1]).mean((1, 2, 3)) / variance
    power = np.abs(np.fft.fft2(centred, axes=(1, 2))) ** 2
    waves = np.abs(np.fft.fftfreq(images.shape[1])) * images.shape[1]
    radius = np.hypot(waves[:, None], waves)
    edges = np.geomspace(1, images.shape[1] / 2, RINGS + 1)
    rings = {
        f"power {ring}": np.log(power[:, (radius >= low) & (radius < high)].mean((1, 2)) + 1e-12)
        for ring, (low, high) in enumerate(itertools.pairwise(edges), start=1)
    }
    return pd.DataFrame({"mean": values.mean((1, 2, 3)), "deviation": np.sqrt(variance), "neighbours": alike, **rings})


def ours(name: str, severity: int, images: np.ndarray, frost: str) -> np.ndarray:
    """The same images under our corruption, with the constants of 224 pixels, in 8 bits."""
    given = {"pictures": frost} if name == "frost" else {}  # of which it takes the first five, as published
    kind, own = CORRUPTIONS[name](severity=severity, **given), constants(name, severity, 224)
    values = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    drawn = kind.draw(ImageRandom(key(name, severity), torch.arange(len(values))), tuple(values.shape[1:]), *own)
    found = kind.corrupt(values, *own, **drawn).clamp(0, 1)
    return (found * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


with tempfile.TemporaryDirectory() as folder:
    pictures = tiny_imagenet(dir=os.environ["ROBUST_DATA"], per_class=1).test.images[:: 10_000 // COUNT]
    images = pictures.permute(0, 2, 3, 1).contiguous().numpy()
    np.save(f"{folder}/images.npy", images)
    asked = [(name, severity) for name in DRAWN for severity in range(1, 6)]
    packages = [part for need in NEEDS for part in ("--with", need)]
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", *packages, "python", "-c", THEIRS, folder]
    frost = subprocess.run([*command, json.dumps(asked)], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    lines = []
    for name, severity in asked:
        mine, theirs = (
            figures(one) for one in (ours(name, severity, images, frost), np.load(f"{folder}/{name}{severity}.npy"))
        )
        apart = mine - theirs
        for figure, error in (apart.std() / np.sqrt(COUNT)).items():
            means = {"ours": mine[figure].mean(), "theirs": theirs[figure].mean()}
            lines.append((name, severity, figure, *means.values(), apart[figure].mean() / error))
columns = ["corruption", "severity", "figure", "ours", "theirs", "standard_errors"]
table = pd.DataFrame(lines, columns=columns)
table.to_csv(HERE / "distributions.csv", index=False, float_format="%.6g")
table["apart"] = table["standard_errors"].abs()
each = table.groupby("corruption", sort=False)["apart"]
shown = pd.DataFrame({"within two": each.apply(lambda one: f"{(one <= 2).sum()} of {len(one)}"), "largest": each.max()})
rows = [f"| {name} | {line['within two']} | {line['largest']:.1f} |" for name, line in shown.iterrows()]
page = HERE / "README.md"
heading = "| corruption | within two standard errors | most |"
before = page.read_text().partition(heading)[0]
page.write_text("\n".join([before + heading, "| --- | --- | --- |", *rows, ""]))
