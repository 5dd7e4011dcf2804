"""Learning from images that label themselves, and what starts from it."""

from pathlib import Path

import pytest
import torch
from torchvision.transforms.v2.functional import rotate

from robust.configuration import build_splits, compose
from robust.data import Batch, ImageSet, Splits, labelled, turned
from robust.learn import Rotation
from robust.prepare import Run, prepare
from robust.run import execute
from robust.runs import State, load, read_rows

QUICK = ["trainer.threads=1", "trainer.accelerator=cpu", "evaluation=natural"]


def run(root: Path, *settings: str) -> Run:
    prepared = prepare(compose([f"runs_dir={root}", *QUICK, *settings]))
    status = execute(prepared)
    assert status.state is State.DONE, status.reason
    return prepared


def some(count: int = 12, size: tuple[int, int] = (6, 6)) -> Splits:
    images = torch.randint(256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    part = ImageSet(images, torch.arange(count) % 3, ("a", "b", "c"))
    return Splits(part, part)


def test_turns_are_those_of_torchvision() -> None:
    splits, every = some(), turned(some())
    assert every.train.classes == ("0°", "90°", "180°", "270°")
    assert torch.equal(every.train.images, splits.train.images)
    for image, label, source in zip(every.test.images, every.test.labels, 4 * list(splits.test.images), strict=True):
        assert torch.equal(image, rotate(source, 90.0 * int(label)))
    with pytest.raises(ValueError, match="needs square pictures, to turn them by a quarter; got 6 x 8"):
        turned(some(size=(6, 8)))


def test_a_batch_is_learnt_in_all_turns() -> None:
    seen = []

    class Network(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            corner = images[:, 0, 0, 0] + 2 * images[:, 0, 0, -1]  # which corner is lit, and so how it was turned
            turn = torch.stack([corner == 1, corner == 0, corner == 0, corner == 2], dim=1)
            return turn.float()

    images = torch.zeros(5, 1, 4, 4)
    images[:, 0, 0, 0] = 1
    task = Rotation(Network(), optimizer=torch.optim.SGD)
    _, shown = task.learn(Batch(images, torch.zeros(5, dtype=torch.int64), {}, torch.arange(5)))
    assert torch.equal(seen[0], torch.cat([images.rot90(turn, (2, 3)) for turn in range(4)]))
    assert 0 < shown["accuracy"] <= 5


def test_which_way_up_a_digit_is_can_be_learnt_and_tested(tmp_path: Path) -> None:
    natural = run(tmp_path, "task=rotation", "technique=natural", "recipe.pretext.max_epochs=10")
    rows = read_rows(natural.folder)
    assert rows["data"].item() == "digits_rotation"
    assert rows["n"].item() == 4 * 497
    assert rows["accuracy"].item() > 0.6


def test_fewer_labels_are_among_more_of_them_and_of_every_class() -> None:
    splits = build_splits(compose([]).data)
    few, more = (labelled(splits, share, seed=1).train for share in (0.01, 0.1))
    assert few.labels.unique().tolist() == list(range(10))
    assert 10 <= len(few) < len(more) == pytest.approx(0.1 * len(splits.train), abs=6)
    pictures = {image.numpy().tobytes() for image in more.images}
    assert all(image.numpy().tobytes() in pictures for image in few.images)
    other = labelled(splits, 0.1, seed=2).train
    assert not torch.equal(other.images, more.images)
    assert labelled(splits, 1, seed=0).train.images.shape == splits.train.images.shape


def test_what_starts_from_it_takes_its_trunk_and_a_new_head(tmp_path: Path) -> None:
    short = ["recipe.pretext.max_epochs=2", "recipe.probe.max_epochs=2", "data.labels=0.1"]
    probe = run(tmp_path, "technique=probe", *short)
    parent = probe.parents[""]
    assert parent.config.task.name == "rotation"
    assert parent.config.data.labels is None
    before, after = load(parent.folder).state_dict(), load(probe.folder).state_dict()
    for name, value in after.items():
        assert name.startswith("head") or torch.equal(value, before[name]), name
    assert after["head.0.weight"].shape[0] == 10
    assert before["head.0.weight"].shape[0] == 4
    assert probe.reference != parent.identity.folder
    assert len(probe.splits.train) < 150
    tuned = run(tmp_path, "technique=finetune", *short, "recipe.finetune.max_epochs=1")
    assert tuned.parents[""].folder == parent.folder
    changed = load(tuned.folder).state_dict()
    assert not all(torch.equal(value, before[name]) for name, value in changed.items() if not name.startswith("head"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["technique=probe", "technique.start=jigsaw"],
            "must be null, natural or a task without labels, rotation.*jigsaw",
        ),
        (["technique=natural", "data.labels=0"], "`data.labels` must be above 0 and at most 1, .*; got 0"),
        (["technique=natural", "data.labels=1.5"], "`data.labels` must be above 0 and at most 1, .*; got 1.5"),
        (["task=rotation", "technique=trades"], "must be left out with `task=rotation`, which does not classify"),
    ],
)
def test_wrong_settings_are_explained(settings: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(compose([f"runs_dir={tmp_path}", *QUICK, *settings]))
