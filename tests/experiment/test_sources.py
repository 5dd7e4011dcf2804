"""What is the user's own belongs to what a run is: other code, or other images, make another run."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from robust.experiment import build, rules
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.search_path import VARIABLE, use_project
from robust.runs import State

PARTS = '''
import torch
from robust.data import ImageSet, Splits
from robust.perturb import Perturbation
from shade_of import DARK


class Stripe(Perturbation):
    """A dark row."""

    name, random = "shade", False

    def __init__(self, *, row):
        super().__init__()
        self.level = row

    def apply_transform(self, images):
        images = images.clone()
        images[:, :, self.level] = DARK
        return images


def pictures(*, bright):
    labels = torch.arange(40) % 2
    images = (labels[:, None, None, None] * bright).expand(40, 1, 8, 8).to(torch.uint8)
    one = ImageSet(images, labels, ("dark", "bright"))
    return Splits(one, one)
'''
CHOICES = {
    "perturb/shade.yaml": "family: shade\nlevel: 2\nfresh: false\n"
    "transform: {_target_: shade.Stripe, row: '${..level}'}",
    "data/shade.yaml": "name: shade\nbright: 200\nsource: {_target_: shade.pictures, bright: '${data.bright}'}\n",
}
TESTED = [
    "technique=natural",
    "perturb=none",
    "evaluation.families=[shade,noise]",
    "evaluation.conditions.shade=[1,3]",
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a perturbation and a data set of its own, in a module that imports another."""
    root = tmp_path / "project"
    for name, text in CHOICES.items():
        (root / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "conf" / name).write_text(text)
    (root / "shade.py").write_text(PARTS)
    (root / "shade_of.py").write_text("DARK = 0\n")
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.syspath_prepend(str(root))
    for name in ("shade", "shade_of"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    use_project(root / "conf")
    return root


def test_other_code_makes_another_run_and_a_comment_does_not(
    project: Path, make_run: Callable[..., Experiment]
) -> None:
    first = make_run("perturb=shade").identity
    plain = make_run("technique=natural").identity
    (project / "shade.py").write_text(f"# what it does\n\n{PARTS}\n")
    assert make_run("perturb=shade").identity == first
    (project / "shade.py").write_text(PARTS.replace("= DARK", "= DARK / 2"))
    second = make_run("perturb=shade").identity
    (project / "shade_of.py").write_text("DARK = 1\n")
    third = make_run("perturb=shade").identity
    assert len({one.digest for one in (first, second, third)}) == 3
    assert len({one.kind for one in (first, second, third)}) == 3
    assert make_run("technique=natural").identity == plain, "which has nothing of one's own"


def test_tests_under_a_perturbation_whose_code_has_changed_are_made_again(
    project: Path, make_run: Callable[..., Experiment]
) -> None:
    run = make_run(*TESTED)
    assert execute(run).state is State.DONE
    assert not make_run(*TESTED).is_incomplete()
    (project / "shade_of.py").write_text("DARK = 1\n")
    again = make_run(*TESTED)
    assert again.identity == run.identity, "it learnt nothing of it"
    assert {(test[0], test[1]) for _, test in again.missing_tests()} == {("shade", 1), ("shade", 3)}
    assert execute(again).state is State.DONE
    assert not make_run(*TESTED).is_incomplete()


def test_tests_under_other_photographs_of_frost_are_made_again(
    make_run: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["technique=natural", "evaluation.families=[corruptions]", "evaluation.conditions.frost=[2]"]
    for name in ("others", "mine"):  # what was built of others in the same process is not taken for these
        frost = tmp_path / name / "frost" / "one.png"
        frost.parent.mkdir(parents=True)
        Image.new("RGB", (30, 20), "white").save(frost)
        monkeypatch.setenv("ROBUST_DATA", str(tmp_path / name))
        assert [one.name for one in make_run(*settings).conditions] == ["natural", "frost"]
    assert execute(make_run(*settings)).state is State.DONE
    assert not make_run(*settings).is_incomplete()
    Image.new("RGB", (30, 20), "grey").save(frost)
    assert {test[:2] for _, test in make_run(*settings).missing_tests()} == {("frost", 2)}


def test_other_images_of_ones_own_make_another_run(project: Path, make_run: Callable[..., Experiment]) -> None:
    settings = ["data=shade", "model=convnet_mnist", "technique=natural", "perturb=none", "evaluation=natural"]
    first = make_run(*settings, "data.batch_size=20").identity
    assert make_run(*settings, "data.batch_size=20").identity == first
    assert first.digest != make_run(*settings, "data.batch_size=20", "data.bright=100").identity.digest
    (project / "shade.py").write_text(PARTS.replace("% 2", "% 1"))
    build._read_splits.cache_clear()  # as in another process
    rules.locate.cache_clear()
    for name in ("shade", "shade_of"):
        sys.modules.pop(name)
    assert first.digest != make_run(*settings, "data.batch_size=20").identity.digest
