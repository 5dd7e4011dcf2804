"""Tests on published sets: scored over the classes they are of, made once, kept, and shown."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import robust
from robust.data import PublishedTest, Splits, folder, published_tests
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.measure import measure_published
from robust.page import write_report
from robust.report.published import published_table
from robust.report.terminal import print_results
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
    """A picture of this red, with a mark that no other has in that place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (8, 8), (red, 0, 0))
    picture.putpixel((red % 8, red // 8 % 8), (red, 255, 0))
    picture.save(path)


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


@pytest.fixture
def corrupted(tmp_path: Path, images: Path) -> Path:
    """The test images in CIFAR-10-C's layout: as they are at every severity, and ever brighter."""
    test = folder(path=str(images), size=8).test
    pixels, place = test.images.permute(0, 2, 3, 1).numpy(), tmp_path / "images-c"
    place.mkdir()
    np.save(place / "labels.npy", np.tile(test.labels.numpy(), 5))
    np.save(place / "spatter.npy", np.tile(pixels, (5, 1, 1, 1)))
    brighter = [pixels.astype(int) + 10 * severity for severity in range(1, 6)]
    np.save(place / "brightness.npy", np.concatenate(brighter).clip(0, 255).astype(np.uint8))
    return place


class ByRed(torch.nn.Module):
    """The class whose red is nearest, and the first class before all others for the brightest images."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        red = 255 * batch[:, 0].mean((1, 2))
        logits = -(red[:, None] - 60 * torch.arange(4.0)).abs()
        logits[red >= 180, 0] = 10
        return logits


def read(path: Path) -> Splits:
    return folder(path=str(path), size=8)


@pytest.fixture
def settings(tmp_path: Path, images: Path) -> list[str]:
    return [*SETTINGS, *NETWORK, f"runs_dir={tmp_path / 'runs'}", f"data.path={images}"]


def test_of_a_set_with_some_of_the_classes_only_these_may_be_answered(images: Path, others: Path) -> None:
    (part,) = measure_published(ByRed(), published_tests(str(others), read(images)))
    (found,) = part.to_dict("records")
    assert (found["accuracy"], found["n"], found["classes"]) == (3 / 4, 4, 2)
    assert found["low"] < found["accuracy"] < found["high"]
    assert found["label"] is found["predicted"] is None, "they are not the data's own"


def test_predictions_are_kept_where_the_images_are_the_datas_own(images: Path, corrupted: Path) -> None:
    tests = published_tests(str(corrupted), read(images))
    (part,) = measure_published(ByRed(), tests, every_s=np.inf)
    assert [*part["corruption"]] == ["brightness"] * 5 + ["spatter"] * 5
    right = [np.mean(one == other) for one, other in zip(part["label"], part["predicted"], strict=True)]
    assert right == [*part["accuracy"]]
    assert part["accuracy"].iloc[0] > part["accuracy"].iloc[4], "the brightest are of the next class"


def test_a_run_is_tested_on_them_once_and_the_page_and_the_terminal_show_it(
    settings: list[str], others: Path, corrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = prepare(settings)
    assert execute(plain).state is State.DONE
    trained = (plain.folder / "model.ckpt").read_bytes()
    asked = [*settings, f"evaluation.published=[{others},{{mine: {corrupted}}}]"]
    run = prepare(asked)
    assert run.folder == plain.folder
    assert run.status().state is State.ABSENT, "tests are missing"
    assert execute(run).state is State.DONE
    assert (run.folder / "model.ckpt").read_bytes() == trained, "nothing was trained again"
    table = run.files.read_published(predictions=False)
    assert table is not None
    assert table["set"].value_counts().to_dict() == {"mine": 10, "imagenet-a": 1}
    natural = RunFolder(run.folder).read_rows()["accuracy"].iloc[0]
    same = table.loc[table["corruption"] == "spatter", "accuracy"]
    assert same.tolist() == pytest.approx([natural] * 5), "these are its own test images"
    assert prepare(asked).status().state is State.DONE
    shown = published_table([run.folder])
    assert shown is not None
    assert shown.shown["tests"].tolist() == ["", "brightness, severities 1 to 5"]
    assert len(shown.numbers) == 11, "each test stands in the file"
    assert "Published test sets" in write_report([run.folder]).read_text()
    print_results(run.files.read_rows(), [run.folder])
    assert "published test sets" in capsys.readouterr().out
    written = run.files.read_config().evaluation.published
    assert written == {"imagenet-a": str(others), "mine": str(corrupted)}


def count_reads(monkeypatch: pytest.MonkeyPatch, *, stop_after: int = 99) -> list[str]:
    """The tests whose images are predicted, as they come."""
    from robust.measure import published

    made: list[str] = []
    row: Callable[..., object] = published._row

    def counted(model: torch.nn.Module, test: PublishedTest, batch_size: int) -> object:
        if len(made) == stop_after:
            raise KeyboardInterrupt
        made.append(test.title)
        return row(model, test, batch_size)

    monkeypatch.setattr(published, "_row", counted)
    return made


def damage(run: Experiment) -> None:
    file = run.files.published
    file.write_bytes(file.read_bytes()[:-1] + b"\0")


def test_what_was_measured_is_not_measured_again_unless_it_is_damaged_or_others(
    settings: list[str], corrupted: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*settings, f"evaluation.published={corrupted}", "trainer.checkpoint_every_s=0"]
    with monkeypatch.context() as patch:
        count_reads(patch, stop_after=3)
        with pytest.raises(KeyboardInterrupt):
            execute(prepare(asked))
    made = count_reads(monkeypatch)
    assert execute(prepare(asked)).state is State.DONE
    assert made == ["images-c brightness 4", "images-c brightness 5", *(f"images-c spatter {s}" for s in range(1, 6))]
    made.clear()
    (corrupted / "brightness.npy").unlink()
    test = read(Path(prepare(settings).config.data.path)).test
    np.save(corrupted / "spatter.npy", np.tile(test.images.permute(0, 2, 3, 1).numpy() // 2, (5, 1, 1, 1)))
    run = prepare(asked)
    assert execute(run).state is State.DONE
    assert made == [f"images-c spatter {severity}" for severity in range(1, 6)], "other images are another test"
    table = run.files.read_published()
    assert table is not None
    assert set(table["corruption"]) == {"spatter"}, "what is no longer in the set does not stay"
    made.clear()
    damage(run)
    assert execute(prepare(asked)).state is State.DONE
    assert len(made) == 5


def test_runs_are_compared_image_by_image_on_their_own_test_images(
    settings: list[str], corrupted: Path, tmp_path: Path
) -> None:
    asked = [*settings, f"evaluation.published={corrupted}"]
    hardened = [*asked, "technique=constant", "perturb=noise", "perturb.level=0.3"]
    runs = [prepare(asked), prepare(hardened)]
    assert all(execute(run).state is State.DONE for run in runs)
    table = published_table([run.folder for run in runs])
    assert table is not None
    mine, reference = (run.files.read_published() for run in (runs[1], runs[0]))
    assert mine is not None
    assert reference is not None
    scored = [one[one["corruption"] == "brightness"]["accuracy"].mean() for one in (mine, reference)]
    natural, compared = table.shown["against natural, points"]
    assert natural == ""
    assert float(compared.split(" [")[0]) == pytest.approx(100 * (scored[0] - scored[1]), abs=0.05)


def test_what_does_not_fit_is_refused_before_training(settings: list[str], others: Path, tmp_path: Path) -> None:
    asked = f"evaluation.published={others}"
    with pytest.raises(ValueError, match=r"must be left out here; give it to train\.py"):
        robust.evaluate(ByRed(), data="digits", overrides=[asked])
    with pytest.raises(ValueError, match=r"comes on top of other tests; got `evaluation=none`"):
        prepare([*settings, asked, "evaluation=none"])
    with pytest.raises(ValueError, match=r"need data whose wnids are known"):
        prepare(["data=digits", asked])
    for wrong in ("3", "[1]", "{a: 1}"):
        with pytest.raises(ValueError, match=r"`evaluation\.published` must be a folder, \{name: folder\}, or a list"):
            prepare(["data=digits", f"evaluation.published={wrong}"])
    with pytest.raises(ValueError, match=r"is not a key any more\. It is `evaluation\.published`"):
        prepare(["data=digits", f"evaluation.natural_adversarial={others}"])


def test_an_image_that_cannot_be_read_is_named(images: Path, others: Path) -> None:
    tests = published_tests(str(others), read(images))
    (others / "n02058221" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"n02058221/0\.png cannot be read"):
        list(measure_published(ByRed(), tests))


def test_rows_of_a_recreated_set_say_so(images: Path, corrupted: Path) -> None:
    (corrupted / "recreated.json").write_text("{}")
    rows = pd.concat(measure_published(ByRed(), published_tests(str(corrupted), read(images))))
    assert rows["recreated"].all()
