"""The contact sheet shows what it says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from robust.experiment.build import build_perturbation, build_splits
from robust.experiment.compose import compose
from robust.experiment.perturbed import named_perturbations
from robust.experiment.sheet import STRENGTHS, contact_sheet


def sheet(*settings: str, images: int = 3) -> Figure:
    config, rows = named_perturbations(settings, usual="shift,zoom", shares=list(STRENGTHS.values()))
    return contact_sheet(build_splits(config.data).test, rows, images=images)


def test_a_row_for_each_perturbation_growing_in_strength() -> None:
    figure = sheet("data=digits", "perturb=erase,hot,noise", images=2)
    cells = np.array(figure.axes).reshape(3, 8)
    assert [line[0].get_ylabel() for line in cells] == ["erase", "hot", "noise"]
    assert [cell.get_title() for cell in cells[0]] == ["natural", "low", "middle", "high"] * 2
    shown = [[cell.images[0].get_array() for cell in line] for line in cells]
    for line in shown:
        for start in (0, 4):
            changes = [float(np.abs(line[start + place] - line[start]).sum()) for place in range(4)]
            assert changes == sorted(changes)
            assert changes[1] > 0
    assert np.array_equal(shown[0][0], shown[1][0])
    assert not np.array_equal(shown[0][0], shown[0][4]), "another image"


def test_the_command_writes_it(command: Callable[..., object], tmp_path: Path) -> None:
    done = command("-m", "robust", "sheet", str(tmp_path / "a" / "sheet.png"), "--images", "1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a" / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_no_perturbation_cannot_be_shown() -> None:
    with pytest.raises(ValueError, match="`perturb` must name perturbations; got none"):
        sheet("perturb=none")


@pytest.mark.parametrize("count", [0, 11])
def test_each_image_is_of_another_class(count: int) -> None:
    with pytest.raises(ValueError, match=f"`images` must be from 1 to 10, the number of classes; got {count}"):
        sheet(images=count)


def test_a_sheet_leaves_perturbations_as_they_are() -> None:
    sheet("perturb=shift", images=1)
    shift = build_perturbation(compose(["perturb=shift"]).perturb)
    assert shift is not None
    assert shift.lowest == 0.25
