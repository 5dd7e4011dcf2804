"""Learning from images that label themselves, and what starts from it."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn import functional
from torchvision.transforms.v2.functional import rotate

from robust.data import Batch, ImageSet, Splits, label_subset, patch_pairs, rotation_dataset
from robust.experiment.build import build_splits
from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.learn import KnnAccuracy, RotationPrediction, SimCLR, nt_xent
from robust.measure import features, knn_accuracy
from robust.models import ConvNet, Siamese, trunk_of
from robust.runs import RunFolder, State, load

QUICK = ["trainer.threads=1", "trainer.accelerator=cpu", "evaluation=natural"]


def run(root: Path, *settings: str) -> Experiment:
    prepared = prepare([f"runs_dir={root}", *QUICK, *settings])
    status = execute(prepared)
    assert status.state is State.DONE, status.reason
    return prepared


def some(count: int = 12, size: tuple[int, int] = (6, 6)) -> Splits:
    images = torch.randint(256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    part = ImageSet(images, torch.arange(count) % 3, ("a", "b", "c"))
    return Splits(part, part)


def test_turns_are_those_of_torchvision() -> None:
    splits, every = some(), rotation_dataset(some())
    assert every.train.classes == ("0°", "90°", "180°", "270°")
    assert torch.equal(every.train.images, splits.train.images)
    for image, label, source in zip(every.test.images, every.test.labels, 4 * list(splits.test.images), strict=True):
        assert torch.equal(image, rotate(source, 90.0 * int(label)))
    with pytest.raises(ValueError, match="needs square pictures, to turn them by a quarter; got 6 x 8"):
        rotation_dataset(some(size=(6, 8)))


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
    task = RotationPrediction(Network(), optimizer=torch.optim.SGD)
    _, shown = task.compute_loss(Batch(images, torch.zeros(5, dtype=torch.int64), {}, torch.arange(5)))
    assert torch.equal(seen[0], torch.cat([images.rot90(turn, (2, 3)) for turn in range(4)]))
    assert shown["accuracy"] == 3.75  # the network tells three of four turns


def test_which_way_up_a_digit_is_can_be_learnt_and_tested(tmp_path: Path) -> None:
    natural = run(tmp_path, "task=rotation", "recipe.pretrain.max_epochs=10")
    assert natural.identity.technique == "natural"
    assert natural.identity.perturbation == "none", "unless somebody says so"
    rows = RunFolder(natural.folder).read_rows()
    assert rows["data"].item() == "digits_rotation"
    assert rows["n"].item() == 4 * 497
    assert rows["accuracy"].item() > 0.6


def test_pairs_are_patches_of_the_picture_that_never_touch() -> None:
    gap, jitter, size, side = 2, 2, 48, 12
    images = torch.randint(256, (3, 1, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    part = ImageSet(images, torch.zeros(3, dtype=torch.int64), ("a",))
    train = patch_pairs(Splits(part, part), gap=gap, jitter=jitter).train
    assert train.classes[0] == "above left"
    assert train.shape == (1, side, 2 * side)
    assert train.labels.tolist() == 3 * list(range(8))
    steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    places, corners = set(), images[:, 0].unfold(1, side, 1).unfold(2, side, 1)
    for number, (pair, label) in enumerate(zip(train.images[:, 0], train.labels, strict=True)):
        found = []
        for patch in pair.split(side, dim=1):
            same = (corners[number // 8] == patch).all(-1).all(-1).nonzero()
            assert len(same) == 1, "it is a patch of its own picture"
            found.append(same[0])
        apart, wanted = (found[1] - found[0]).tolist(), steps[int(label)]
        places.add((int(label), *apart))
        for distance, step in zip(apart, wanted, strict=True):
            assert abs(distance) <= jitter if step == 0 else distance * step >= side + gap
    assert len(places) > 16, "they are moved"


def test_where_blocks_of_a_codec_meet_gives_no_place_away() -> None:
    block = torch.randint(256, (1, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for size in (32, 48, 64):
        images = block.repeat(1, 1, 8, 8)[..., :size, :size]  # nothing but blocks
        pairs = patch_pairs(
            Splits(*(2 * [ImageSet(images, torch.zeros(1, dtype=torch.int64), ("a",))])), jitter=0
        ).train
        assert (pairs.images == pairs.images[:1]).all(), "all eight look alike"


def test_pairs_show_no_colour_and_images_must_hold_them() -> None:
    splits = some(size=(40, 32))
    pairs = patch_pairs(splits).train.images
    assert pairs.shape == (96, 3, 6, 12)
    assert (pairs == pairs[:, :1]).all()
    assert torch.equal(patch_pairs(splits).train.images, pairs)
    with pytest.raises(ValueError, match="up to 1, each 8 pixels from the next: of 23 pixels a side; got 22 x 3"):
        patch_pairs(some(size=(22, 30)))
    with pytest.raises(ValueError, match="each 16 pixels from the next: of 45 pixels a side; got 32 x 32"):
        patch_pairs(some(size=(32, 32)), gap=3)
    with pytest.raises(ValueError, match=r"`task\.images\.gap` must be a whole number >= 0, of pixels; got -1"):
        patch_pairs(splits, gap=-1)


def test_where_an_obvious_patch_lies_is_learnt(tmp_path: Path) -> None:
    """Pictures that grow brighter to the right and below, each patch another grey."""
    for part, count in (("train", 60), ("test", 20)):
        (tmp_path / "slopes" / part / "any").mkdir(parents=True)
        for number in range(count):
            right, down = np.meshgrid(np.arange(48), np.arange(48))
            picture = (20 + number / 2 + right + 2.5 * down).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / "slopes" / part / "any" / f"{number}.png")
    folder = ["data=folder", f"data.path={tmp_path / 'slopes'}", "data.size=48", f"data.dir={tmp_path}"]
    settings = ["technique=natural", "task=patches", "data.batch_size=40", "optimizer.lr=0.01", "trainer.max_epochs=12"]
    learnt = run(tmp_path / "runs", *folder, "model.units=[8]", "model.dropout=0", *settings)
    assert RunFolder(learnt.folder).read_rows()["accuracy"].item() > 0.8
    assert isinstance(load(learnt.folder), Siamese)


def test_a_siamese_network_shows_both_halves_to_one_trunk() -> None:
    inner = ConvNet(image_shape=(1, 8, 8), num_classes=8, units=[4], kernel_size=3)
    network = Siamese(network=inner, image_shape=(1, 8, 16), num_classes=8).eval()
    images = torch.rand(3, 1, 8, 16)
    halves = [trunk_of(network)(half) for half in images.chunk(2, dim=-1)]
    torch.testing.assert_close(network(images), network.head(torch.cat(halves, dim=1)))
    with pytest.raises(ValueError, match="two squares side by side; got 8 x 12 pixels"):
        Siamese(network=inner, image_shape=(1, 8, 12), num_classes=8)


@pytest.mark.parametrize("processes", [1, 2])
def test_nt_xent_is_that_of_a_plain_loop(processes: int) -> None:
    torch.manual_seed(0)
    views = torch.nn.functional.normalize(torch.randn(processes, 2, 5, 6, dtype=torch.float64), dim=-1)
    every = views.flatten(0, 2)
    losses = []
    for process in range(processes):
        for view in range(2):
            for picture in range(5):
                mine = views[process, view, picture]
                others = [one for one in every if one is not mine and not torch.equal(one, mine)]
                near = sum(torch.exp(mine @ one / 0.2) for one in others)
                losses.append(-torch.log(torch.exp(mine @ views[process, 1 - view, picture] / 0.2) / near))
    found = [nt_xent(views[place].flatten(0, 1), every, place=place, temperature=0.2)[0] for place in range(processes)]
    torch.testing.assert_close(sum(found) / processes, sum(losses) / len(losses))


def test_views_of_a_picture_are_found_again() -> None:
    same = torch.eye(6)
    loss, right = nt_xent(torch.cat([same, same]), torch.cat([same, same]), temperature=0.1)
    assert right == 12
    assert loss < 0.01


def test_features_are_what_the_head_is_given() -> None:
    network = ConvNet(image_shape=(3, 8, 8), num_classes=4, units=[5], kernel_size=3).eval()
    images = torch.randint(256, (7, 3, 8, 8), dtype=torch.uint8)
    found = features(network, images, batch_size=3)
    torch.testing.assert_close(network.head(found), network(images / 255), rtol=1e-4, atol=1e-5)
    labels = torch.arange(7) % 4
    known = ImageSet(images, labels, tuple("abcd"))
    assert knn_accuracy(network, known, known) == 1
    with torch.autocast("cpu", torch.bfloat16):  # as a callback of a trainer does
        assert knn_accuracy(network, known, known) == 1
    assert not network.head._forward_pre_hooks


def test_neighbours_vote_by_how_near_they_are() -> None:
    network = ConvNet(image_shape=(3, 8, 8), num_classes=4, units=[5], kernel_size=3).eval()
    known, asked = (
        ImageSet(torch.randint(256, (size, 3, 8, 8), dtype=torch.uint8), torch.randint(4, (size,)), tuple("abcd"))
        for size in (1000, 40)
    )
    bank, queries = (functional.normalize(features(network, one.images)) for one in (known, asked))
    right = 0
    for query, label in zip(queries, asked.labels, strict=True):
        cosines = bank @ query
        votes = [0.0] * 4
        for place in cosines.argsort(descending=True)[:4]:  # one of each 250
            votes[known.labels[place]] += math.exp(cosines[place] / 0.07)
        right += votes.index(max(votes)) == label
    assert knn_accuracy(network, known, asked) == pytest.approx(right / 40)


def test_contrasts_bring_classes_together(tmp_path: Path) -> None:
    learnt = run(tmp_path, "task=simclr", "technique=natural", "recipe.pretrain.max_epochs=6")
    curve = pd.read_csv(learnt.folder / "metrics.csv")
    assert curve["knn_untrained"].nunique() == 1
    assert curve["knn_accuracy"].iloc[-1] > curve["knn_untrained"].iloc[-1]
    assert curve["train_accuracy"].iloc[-1] > curve["train_accuracy"].iloc[0]
    assert load(learnt.folder).head[-1].out_features == 64


def test_images_without_classes_are_learnt_from(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 8)):
        (tmp_path / "mine" / part).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(256, size=(28, 28), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "mine" / part / f"{number}.png")
    mine = [
        "data=folder",
        f"data.path={tmp_path / 'mine'}",
        "data.size=28",
        "data.channels=1",
        "model=convnet_mnist",
        f"data.dir={tmp_path}",
    ]
    short = ["recipe.pretrain.max_epochs=1", "recipe.pretrain.batch_size=10", "recipe.finetune.max_epochs=1"]
    parent = run(tmp_path / "runs", "task=rotation", *mine, *short)
    assert not (parent.folder / "knn.csv").exists(), "all are of one class"
    assert not parent.is_incomplete()
    child = run(tmp_path / "runs", "technique=finetune", f"technique.start={parent.folder}", short[-1])
    assert len(RunFolder(child.folder).read_rows()) > 0
    with pytest.raises(ValueError, match=r"at least two classes; .* has one, `unlabelled`\. .* learns without classes"):
        prepare([f"runs_dir={tmp_path}", *QUICK, "technique=natural", *mine])


def test_what_starts_from_a_folder_takes_that_run(tmp_path: Path) -> None:
    short = ["recipe.pretrain.max_epochs=1", "recipe.finetune.max_epochs=1"]
    parent = run(tmp_path, "task=rotation", "technique=natural", *short)
    child_of = ["technique=finetune", f"technique.start={parent.folder}"]
    child = run(tmp_path, *child_of, *short)
    assert child.parents[""].folder == parent.folder
    assert child.reference_name != parent.identity.folder
    for setting, its in (("model.units=[9]", "model.units=[10]"), ("model.stride=2", "model.stride=3")):
        other = [f"runs_dir={tmp_path}", *QUICK, *child_of, setting]
        said = f"must be that of {parent.folder}, which it starts from: that has {its}, where this has {setting}"
        with pytest.raises(ValueError, match=re.escape(said)):
            prepare(other)
    prepare([f"runs_dir={tmp_path}", *QUICK, *child_of, "model.dropout=0.5"])


def test_what_starts_from_a_folder_is_told_by_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = run(tmp_path / "runs", "task=rotation", "technique=natural", "recipe.pretrain.max_epochs=1")
    monkeypatch.chdir(tmp_path)
    starts = [parent.folder, parent.folder.relative_to(tmp_path)]
    children = [
        prepare([f"runs_dir={tmp_path}", *QUICK, "technique=finetune", f"technique.start={start}"]) for start in starts
    ]
    assert children[0].identity == children[1].identity
    parent.folder.rename(tmp_path / "mine")
    renamed = prepare([f"runs_dir={tmp_path}", *QUICK, "technique=finetune", "technique.start=mine"])
    assert renamed.identity == children[0].identity, "whatever it is called"


def test_a_head_that_would_go_on_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    settings = ["technique=finetune", "technique.head=null"]
    with pytest.raises(ValueError, match=r"must be that of rotation, which it starts from\. .*head\.0\.weight"):
        prepare([f"runs_dir={tmp_path}", *QUICK, *settings])


def test_pairs_are_not_mirrored_and_few_labels_are_all_seen(make_run: Callable[..., Experiment]) -> None:
    augment = "+data.augment={_target_: robust.data.Augmentation, flip: true, shift: 0.1, zoom: 0.1}"
    small = ["model.kernel_size=3", "model.stride=1", "model.units=[4]", "technique=natural", augment.replace("+", "")]
    assert make_run("task=patches", *small).build_data().augmentation is None
    assert make_run("task=rotation", *small).build_data().augmentation is not None
    data = make_run("technique=natural", "data.labels=0.15", "data.batch_size=150").build_data()
    assert 190 < len(data.splits.train) < 200
    seen = set()
    for epoch in range(8):
        data.start_epoch(epoch, 0)
        seen |= {int(number) for batch in data.train_dataloader() for number in batch["indices"]}
    assert seen == set(data.splits.train.places.tolist()), "by their places in the whole data set"
    assert sum(map(len, data.training_images())) == 1300, "what is fitted to images needs no labels"


@pytest.mark.parametrize(("task", "shuffled"), [("simclr", True), ("patches", True), ("rotation", False)])
def test_tasks_whose_batches_matter_shuffle_them(
    task: str, shuffled: bool, make_run: Callable[..., Experiment]
) -> None:
    small = ["model.kernel_size=3", "model.stride=1", "model.units=[4]"]
    assert make_run(f"task={task}", *small).build_data().shuffle is shuffled


def test_few_labelled_images_make_a_batch_that_processes_can_share(make_run: Callable[..., Experiment]) -> None:
    several = ["trainer=ddp", "trainer.devices=8", "data.batch_size=200"]
    data = make_run("technique=natural", "data.labels=0.15", *several).build_data()
    assert (left := len(data.splits.train) % 8) > 0
    assert data.batch_size == len(data.splits.train) - left


def test_few_labelled_images_are_perturbed_as_among_all(make_run: Callable[..., Experiment]) -> None:
    settings = ["technique=constant", "perturb=noise", "data.batch_size=20"]
    few, every = (make_run(*settings, *more).build_data() for more in (["data.labels=0.1"], []))
    places = few.splits.train.places
    shown = []
    for data in (few, every):
        data.start_epoch(0, 1.0)
        by_place = {}
        for batch in data.batches(drop_last=False):
            mixed = data.on_after_batch_transfer(batch, 0)
            by_place |= dict(zip(mixed.indices.tolist(), mixed.images, strict=True))
        shown.append(torch.stack([by_place[place] for place in places.tolist()]))
    assert torch.equal(*shown)


def test_pictures_of_which_is_asked_where_things_are_are_not_moved(make_run: Callable[..., Experiment]) -> None:
    small = ["model.kernel_size=3", "model.stride=1", "model.units=[4]"]
    tested = make_run("task=patches", "evaluation=environment", *small).conditions
    assert {"natural", "mesh"} <= {one.name for one in tested}
    assert not {"shift", "rotate", "environment"} & {one.name for one in tested}
    for moving in (["technique=constant", "perturb=shift"], ["technique=constant", "perturb=environment"]):
        with pytest.raises(ValueError, match=r"`task=patches` asks where things are.* got `perturb="):
            make_run("task=patches", *small, *moving)
    assert make_run("task=rotation", "technique=constant", "perturb=noise").perturbation


def test_pictures_that_are_turned_are_standardised_channel_by_channel(make_run: Callable[..., Experiment]) -> None:
    """Pixel by pixel, what is turned would stand out, and nothing had to be learnt."""
    network = make_run("task=rotation").build_network()
    assert network.standardize.mean.numel() == 1


def test_an_attacker_knows_no_fewer_images_where_few_are_labelled(make_run: Callable[..., Experiment]) -> None:
    few = make_run("technique=natural", "data.labels=0.01")
    assert len(few.splits.train) == 10
    assert len(few.training_images) == 1300


def test_a_run_without_labels_that_was_stopped_goes_on(make_run: Callable[..., Experiment], tmp_path: Path) -> None:
    settings = ["task=simclr", "technique=natural", "data.batch_size=100", "trainer.checkpoint_every_s=0"]
    settings.append("trainer.max_epochs=3")
    whole = make_run(*settings)
    assert execute(whole).state is State.DONE
    stopped = make_run(*settings, f"runs_dir={tmp_path / 'stopped'}")
    task_step = SimCLR.compute_loss

    def compute_loss(self: SimCLR, batch: Batch) -> object:
        if self.global_step == 20:  # of 13 an epoch
            raise RuntimeError("the machine went down")
        return task_step(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimCLR, "compute_loss", compute_loss)
        assert execute(stopped).state is State.FAILED
    assert (stopped.folder / "last.ckpt").is_file()
    assert execute(stopped).state is State.DONE
    pd.testing.assert_frame_equal(*(pd.read_csv(one.folder / "metrics.csv") for one in (whole, stopped)))


def test_fewer_labels_are_among_more_of_them_and_of_every_class() -> None:
    splits = build_splits(compose([]).data)
    few, more = (label_subset(splits, share, seed=1).train for share in (0.01, 0.1))
    assert few.labels.unique().tolist() == list(range(10))
    assert 10 <= len(few) < len(more) == pytest.approx(0.1 * len(splits.train), abs=6)
    pictures = {image.numpy().tobytes() for image in more.images}
    assert all(image.numpy().tobytes() in pictures for image in few.images)
    other = label_subset(splits, 0.1, seed=2).train
    assert not torch.equal(other.images, more.images)
    assert label_subset(splits, 1, seed=0).train.images.shape == splits.train.images.shape


def test_what_starts_from_it_takes_its_trunk_and_a_new_head(tmp_path: Path) -> None:
    short = ["recipe.pretrain.max_epochs=2", "recipe.probe.max_epochs=2", "data.labels=0.1"]
    probe = run(tmp_path, "technique=probe", *short)
    parent = probe.parents[""]
    assert parent.config.task.name == "rotation"
    assert parent.config.data.labels is None
    before, after = load(parent.folder).state_dict(), load(probe.folder).state_dict()
    for name, value in after.items():
        assert name.startswith(("head", "standardize")) or torch.equal(value, before[name]), name
    assert after["head.0.weight"].shape[0] == 10
    assert before["head.0.weight"].shape[0] == 4
    assert probe.reference_name != parent.identity.folder
    assert len(probe.splits.train) < 150
    tuned = run(tmp_path, "technique=finetune", *short, "recipe.finetune.max_epochs=1")
    assert tuned.parents[""].folder == parent.folder
    changed = load(tuned.folder).state_dict()
    assert not torch.equal(changed["features.0.weight"], before["features.0.weight"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["technique=probe", "technique.start=jigsaw"],
            "a self-supervised task .patches, rotation, simclr. or the folder of a run; got jigsaw",
        ),
        (["technique=probe", "technique.start=rotatoin"], "got rotatoin. Did you mean `rotation`"),
        (["task=simclr", "task.module.views.level=2"], "`task.module.views.level` must be at most 1; got 2"),
        (["task=simclr", "technique=natural", "data.batch_size=1"], "at least 2 with `task=simclr`, .*; got 1"),
        (["task=simclr", "technique=natural", "task.module.temperature=0"], "must be a number above 0; got 0"),
        (["task=simclr", "task.module.temperature=hot"], "must be a number; got hot"),
        (["task=simclr", "task.outputs=0"], "`task.outputs` must be a whole number >= 1, of the head; got 0"),
        (["task=simclr", "technique=finetune"], "`task=simclr` is learnt from the start; got `technique=finetune`"),
        (["task=patches", "model=resnet18", "model.width=0"], "^`model.width`, the stem's channels, must be"),
        (
            ["task=patches", "technique=natural"],
            "cannot be learnt by this model: Images of 6 x 6 pixels are too small",
        ),
        (
            ["task=rotation", "technique=natural", "data.labels=0.5"],
            "must be left out with `task=rotation`, .*; got 0.5",
        ),
        (["technique=natural", "data.labels=0"], "`data.labels` must be a number above 0 and at most 1, .*; got 0"),
        (["technique=natural", "data.labels=1.5"], "`data.labels` must be a number above 0 and at most 1, .*; got 1.5"),
        (["task=rotation", "technique=trades"], "must be left out with `task=rotation`, which does not classify"),
    ],
)
def test_wrong_settings_are_explained(settings: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        prepare([f"runs_dir={tmp_path}", *QUICK, *settings])


def test_the_neighbours_of_data_in_the_order_of_its_classes_are_of_all_classes() -> None:
    labels = torch.arange(12_000) // 1200
    images = ImageSet(torch.zeros(12_000, 1, 1, 1, dtype=torch.uint8), labels, tuple("0123456789"))
    found = KnnAccuracy(Splits(images, images))
    assert found.known.labels.unique().tolist() == found.asked.labels.unique().tolist() == list(range(10))
    assert (len(found.known), len(found.asked)) == (4000, 6000)
