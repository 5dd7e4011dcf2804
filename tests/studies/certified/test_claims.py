"""Certified accuracies are held against what was published, and against attacks."""

from pathlib import Path

import pandas as pd
import pytest

from robust.runs import RunFolder
from robust.runs.certificates import ATTACKED, add_certificates
from robust.studies.certified import claims, findings


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Of eight images each four are right and certified, to 0.3 and 0.8."""
    folder = tmp_path / "run"
    folder.mkdir()
    about = {"certificate": "gaussian", "level": 0.25, "n0": 100, "n": 1000, "alpha": 0.001, "seed": 0}
    radii = 20 * [0.3, 0.3, 0.8, 0.8, 0.8, float("nan"), float("nan"), 0.1]
    predicted = 20 * [1, 1, 1, 1, 0, 1, 1, 0]
    table = pd.DataFrame({"image": range(160), "label": 1, "predicted": predicted, "count": 900, "least": 0.9})
    add_certificates(RunFolder(folder), table.assign(radius=radii, **about))
    stands = pd.DataFrame({"image": range(160), "stands": 20 * ([True] * 6 + [False] * 2), "size": 0.25})
    add_certificates(RunFolder(folder), stands.assign(**about), ATTACKED)
    return folder


def test_published_accuracies_and_attacks_decide(run: Path) -> None:
    about = {"run": run.name, "reference": run.name, "data": "cifar10", "model": "fast", "kind": "k", "seed": 0}
    about |= {"technique": "smoothing", "train_perturbation": "noise", "train_level": 0.25, "evaluation_seed": 0}
    rows = pd.DataFrame(
        [{**about, "test_perturbation": "natural", "test_level": 0, "trial": 0, "n": 8, "accuracy": 0.5}]
    )
    rows.to_csv(run / "rows.csv", index=False)
    found = findings([run], rows).claims.set_index("id")
    assert found["measured"].to_dict() == {
        "cohen-0": 50.0,
        "cohen-0.25": 50.0,
        "cohen-0.5": 25.0,
        "cohen-0.75": 25.0,
        "unbroken-cifar10-gaussian-0.25": 0.0,
    }
    assert found["met"].value_counts().to_dict() == {"no": 3, "yes": 2}
    assert claims.certified_claims([run], rows.assign(run="another")).empty
