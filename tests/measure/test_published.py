"""Photographs of the model's classes from somewhere else: scored over all its classes, and over those they are of."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

import robust
from robust.data import Splits, folder, natural_adversarial
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.measure import measure_natural_adversarial
from robust.report.page import write_report
from robust.runs import RunFolder, State

WNIDS = ("n01443537", "n02058221", "n02124075", "n04067472")
SETTINGS = ["data=folder", "data.size=8", "technique=natural", "evaluation=natural", "trainer.threads=1"]
NETWORK = [
    "model.units=[8]",
    "model.kernel_size=3",
    "model.padding=1",
    "model.stride=1",
    "trainer.max_epochs=2",
    "data.batch_size=16",
]


def paint(path: Path, red: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (red, 0, 0)).save(path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four classes, each of a red of its own."""
    for part, count in (("train", 12), ("test", 3)):
        for label, wnid in enumerate(WNIDS):
            for number in range(count):
                paint(tmp_path / "images" / part / wnid / f"{number}.png", 60 * label + number)
    return tmp_path / "images"


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Photographs of two of these classes and of one that is not theirs."""
    for wnid, reds in (("n02058221", (60, 62, 180)), ("n04067472", (181,)), ("n99999999", (7,))):
        for number, red in enumerate(reds):
            paint(tmp_path / "imagenet-a" / wnid / f"{number}.png", red)
    return tmp_path / "imagenet-a"


class ByRed(torch.nn.Module):
    """The class whose red is nearest, and the first class before all others for the brightest images."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        red = 255 * batch[:, 0].mean((1, 2))
        logits = -(red[:, None] - 60 * torch.arange(4.0)).abs()
        logits[red >= 180, 0] = 10
        return logits


def read(path: Path) -> Splits:
    return folder(path=str(path), size=8)


def test_images_have_the_labels_of_the_model(images: Path, others: Path) -> None:
    found = natural_adversarial(str(others), read(images))
    assert found.shared.tolist() == [1, 3]
    assert found.images.labels.tolist() == [1, 1, 1, 3]
    assert found.images.images[:, 0, 0, 0].tolist() == [60, 62, 180, 181]
    assert found.images.classes == WNIDS


def test_masked_the_model_may_only_answer_with_what_there_is(images: Path, others: Path) -> None:
    found = measure_natural_adversarial(ByRed(), natural_adversarial(str(others), read(images))).set_index("scored")
    assert found["accuracy"].to_dict() == {"all classes": 2 / 4, "shared classes": 3 / 4}
    assert found["n"].eq(4).all()
    assert found["classes"].eq(2).all()
    assert (found["low"] < found["accuracy"]).all()
    assert (found["accuracy"] < found["high"]).all()


def test_a_run_is_tested_on_them_once_and_its_page_says_so(images: Path, others: Path, tmp_path: Path) -> None:
    settings = [*SETTINGS, *NETWORK, f"runs_dir={tmp_path / 'runs'}", f"data.path={images}"]
    plain = prepare(settings)
    assert execute(plain).state is State.DONE
    trained = (plain.folder / "model.ckpt").read_bytes()
    asked = [*settings, f"evaluation.natural_adversarial={images / 'test'}"]
    run = prepare(asked)
    assert run.folder == plain.folder
    assert run.status().state is State.ABSENT, "a test is missing"
    assert execute(run).state is State.DONE
    assert (run.folder / "model.ckpt").read_bytes() == trained, "nothing was trained again"
    table = pd.read_csv(run.folder / "natural_adversarial.csv")
    natural = RunFolder(run.folder).read_rows()["accuracy"].iloc[0]
    assert table["accuracy"].tolist() == pytest.approx([natural] * 2), "these are its own test images"
    assert prepare(asked).status().state is State.DONE
    other = prepare([*settings, f"evaluation.natural_adversarial={others}"])
    assert other.status().state is State.ABSENT, "other images are another test"
    assert "Natural adversarial examples" in write_report([run.folder]).read_text()


def test_what_does_not_fit_is_refused_before_training(images: Path, others: Path, tmp_path: Path) -> None:
    splits = read(images)
    with pytest.raises(FileNotFoundError, match=r"must be a folder of <wnid>/<image>.*nowhere is not there"):
        natural_adversarial(str(tmp_path / "nowhere"), splits)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no images\. Expected <wnid>/<image>"):
        natural_adversarial(str(tmp_path / "empty"), splits)
    paint(tmp_path / "foreign" / "n99999999" / "0.png", 9)
    with pytest.raises(ValueError, match=r"none of the 1 in .*foreign \(such as n99999999\) is among its wnids"):
        natural_adversarial(str(tmp_path / "foreign"), splits)
    asked = f"evaluation.natural_adversarial={others}"
    with pytest.raises(ValueError, match=r"must be left out here; give it to train\.py"):
        robust.evaluate(ByRed(), data="digits", overrides=[asked])
    with pytest.raises(ValueError, match=r"comes on top of other tests; got `evaluation=none`"):
        prepare(
            [
                *SETTINGS,
                *NETWORK,
                f"data.path={images}",
                f"evaluation.natural_adversarial={images}/test",
                "evaluation=none",
            ]
        )
    with pytest.raises(ValueError, match=r"needs classes whose wnids are known"):
        prepare(["data=digits", asked])
    with pytest.raises(ValueError, match=r"`evaluation.natural_adversarial` must be a folder, or null; got 3"):
        prepare(["data=digits", "evaluation.natural_adversarial=3"])
    (others / "n02058221" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"n02058221/0\.png cannot be read"):
        natural_adversarial(str(others), splits)
