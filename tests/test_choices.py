"""What `--help` offers can be chosen."""

import re
import subprocess
import sys
from pathlib import Path

from robust.files.choices import installed_choices

ROOT = Path(__file__).parent.parent


def test_help_offers_the_sweeps_there_are_and_no_other_files_as_such() -> None:
    command = [sys.executable, "train.py", "--help"]
    said = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    groups = dict(re.findall(r"^([\w/]+): (.+)$", said.partition("== Config ==")[0], flags=re.MULTILINE))
    folders = [ROOT / "sweeps", *(folder / "sweep" for folder in installed_choices())]
    assert groups["sweep"].split(", ") == sorted(path.stem for folder in folders for path in folder.glob("*.yaml"))
    assert "_base" not in said
    assert groups["attack"].startswith("atlas, ")
    assert not [group for group in groups if group.startswith("sweep/")]
    assert not [path for path in (ROOT / "sweeps").iterdir() if path.is_dir()]
