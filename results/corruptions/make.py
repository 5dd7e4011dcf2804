"""Makes this folder's table and the documentation's picture: python results/corruptions/make.py."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

HERE = Path(__file__).parent
PICTURE = HERE.parent.parent / "docs" / "corruptions.png"
TESTS = "tests/perturb/test_corruptions.py"
NAMES = (
    "gaussian_noise,shot_noise,impulse_noise,speckle_noise,gaussian_blur,defocus_blur,glass_blur,motion_blur,zoom_blur,"
    "snow,frost,fog,brightness,spatter,contrast,saturate,elastic_transform,pixelate,jpeg_compression"
)

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "held.xml"
    command = [sys.executable, "-m", "pytest", TESTS, f"--junitxml={file}", "-o", "junit_family=xunit1"]
    subprocess.run(command, check=True)
    held = [json.loads(one.attrib["value"]) for one in ElementTree.parse(file).iter("property")]  # noqa: S314, our own
table = pd.DataFrame(held).groupby(["corruption", "size", "severity"], sort=False, as_index=False)["levels"].max()
table = table[table["size"].isin([32, 64, 224])]
table.to_csv(HERE / "fidelity.csv", index=False)
largest = table.pivot_table(index="corruption", columns="size", values="levels", aggfunc="max", sort=False)
markdown = largest.reindex(NAMES.split(",")).round(3).rename_axis(columns=None)
lines = [
    f"| {name} | {' | '.join(f'{one:g}' if one == one else '-' for one in line)} |"
    for name, line in zip(markdown.index, markdown.values, strict=True)
]
shown = "\n".join(["| pixels | 32 | 64 | 224 |", "| --- | --- | --- | --- |", *lines])
page = HERE / "README.md"
before, _, after = page.read_text().partition("| pixels |")
page.write_text(f"{before}{shown}\n\n{after.partition(chr(10) * 2)[2]}")
sheet = [sys.executable, "-m", "robust", "sheet", PICTURE, "data=cifar10", f"perturb={NAMES}"]
subprocess.run([*sheet, "--levels", "1,2,3,4,5", "--images", "1"], check=True)
