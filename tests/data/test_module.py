"""The data module: which images of a batch are perturbed, and that they are the same ones every time."""

import importlib
import math

import pytest
import pytorch_lightning as pl
import torch

from robust.data import ImageSet, PerturbedData, Splits
from robust.perturb import DeadPixels, GaussianNoise, HotPixels

MODULE = importlib.import_module("robust.data.module")


def make_splits(count=10, size=4):
    images = torch.randint(1, 255, (count, 3, size, size), generator=torch.Generator().manual_seed(0)).byte()
    labels = torch.arange(count)
    classes = tuple(str(label) for label in labels.tolist())
    return Splits(ImageSet(images, labels, classes), ImageSet(images[:3], labels[:3], classes))


def make_data(perturbation=None, *, count=10, batch_size=4, share=1.0, epoch=0, **options):
    data = PerturbedData(make_splits(count), batch_size=batch_size, perturbation=perturbation, **options)
    data.start_epoch(epoch, share)
    return data


def natural(data):
    return data.splits.train.images.float() / 255


def shown(data):
    return torch.cat(list(data.training_images()))


def batches(data):
    """What a model gets in an epoch."""
    return [data.on_after_batch_transfer(batch, 0)[:2] for batch in data.train_dataloader()]


def test_without_a_perturbation_images_are_natural():
    data = make_data(share=1.0)
    assert torch.equal(shown(data), natural(data))
    assert shown(data).dtype == torch.float32


@pytest.mark.parametrize(
    ("share", "batch_size", "perturbed"),
    [(0, 4, 0), (0.5, 4, 2), (1, 4, 4), (0.5, 5, 2), (0.24, 4, 0), (0.25, 4, 1), (0.99, 4, 3), (0.1, 10, 1)],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_natural_images_come_first_and_the_last_int_of_share_times_batch_are_perturbed(
    share, batch_size, perturbed, fresh
):
    data = make_data(DeadPixels(count=16), batch_size=batch_size, share=share, fresh=fresh)
    whole = 10 // batch_size
    for number, (images, labels) in enumerate(batches(data)[:whole]):
        rows = slice(number * batch_size, (number + 1) * batch_size)
        split = batch_size - perturbed
        assert torch.equal(images[:split], natural(data)[rows][:split])
        assert images[split:].shape == (perturbed, 3, 4, 4)
        assert not images[split:].any(), "these should be black"
        assert torch.equal(labels, data.splits.train.labels[rows])
        assert images.dtype == torch.float32


def test_an_incomplete_batch_is_perturbed_by_the_same_share():
    data = make_data(HotPixels(count=16), batch_size=4, share=0.5)
    white = (shown(data) == 1).flatten(1).all(1)
    assert white.tolist() == [False, False, True, True] * 2 + [False, True]
    assert torch.equal(torch.cat([images for images, _ in batches(data)]), shown(data))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (10, 4, [4, 4, 2]),
        (12, 4, [4, 4, 4]),
        (9, 4, [4, 5]),  # of one image a batch norm learns nothing
        (20, 16, [16, 4]),
        (19, 16, [19]),  # what is left is less than a quarter
        (5, 2, [2, 3]),
        (3, 1, [1, 1, 1]),
        (1, 1, [1]),
        (7, 100, [7]),
    ],
)
def test_every_image_is_learnt_from_once_in_an_epoch_and_no_batch_is_a_handful(count, batch_size, sizes, shuffle):
    data = make_data(count=count, batch_size=batch_size, shuffle=shuffle, epoch=2)
    found = [labels for _, labels in batches(data)]
    assert [len(labels) for labels in found] == sizes
    assert len(data.train_dataloader()) == len(sizes)
    assert sorted(torch.cat(found).tolist()) == list(range(count))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("count", "processes"), [(10, 4), (9, 2), (1, 4), (3, 4), (7, 2)])
def test_several_processes_have_as_many_images_each_and_see_all(count, processes, shuffle):
    seen = []
    for process in range(processes):
        data = make_data(count=count, batch_size=4, shuffle=shuffle)
        data.set_shard(process, processes)
        seen.append([labels for _, labels in batches(data)])
    assert len({tuple(len(labels) for labels in one) for one in seen}) == 1
    counts = torch.cat([labels for one in seen for labels in one]).bincount(minlength=count)
    assert counts.min() >= 1
    assert counts.sum() == -(-count // processes) * processes


def test_whole_batches_alone_leave_images_out_which_is_said():
    data = make_data(count=10, batch_size=4, drop_last=True)
    assert [len(labels) for _, labels in batches(data)] == [4, 4]
    assert len(data.train_dataloader()) == 2
    assert data.notes == [
        "2 of the 10 training images are left out of each epoch, always the same: there are only whole batches of 4. "
        "data.drop_last=false learns from all."
    ]
    assert len(shown(data)) == 10
    assert not make_data(count=12, batch_size=4, drop_last=True).notes
    assert [len(labels) for _, labels in batches(make_data(count=3, batch_size=4, drop_last=True))] == [3]


def test_a_batch_larger_than_the_data_takes_all_and_says_so():
    data = make_data(count=3, batch_size=100)
    assert data.notes == ["`data.batch_size` is 100; a batch takes all 3 training images."]


def test_the_share_is_set_for_each_epoch():
    data = make_data(DeadPixels(count=16), share=0)
    black = []
    for epoch, share in enumerate([0, 0.25, 1, 0]):
        data.start_epoch(epoch, share)
        black.append(int((shown(data) == 0).flatten(1).all(1).sum()))
    assert black == [0, 2, 10, 0]


@pytest.mark.parametrize("room", [True, False])
def test_a_fixed_perturbation_is_the_same_in_every_epoch_and_for_every_batch_size(room, monkeypatch):
    monkeypatch.setattr(MODULE, "_fits", lambda size, device: room)
    data = make_data(GaussianNoise(std=0.1))
    first = shown(data)
    assert not torch.equal(first, natural(data))
    data.start_epoch(5, 1.0)
    assert torch.equal(shown(data), first)
    for batch_size in (1, 3, 10):
        assert torch.equal(shown(make_data(GaussianNoise(std=0.1), batch_size=batch_size, epoch=3)), first)


@pytest.mark.parametrize("room", [True, False])
def test_an_image_is_perturbed_alike_whatever_the_share(room, monkeypatch):
    monkeypatch.setattr(MODULE, "_fits", lambda size, device: room)
    everything = shown(make_data(GaussianNoise(std=0.1)))
    half = shown(make_data(GaussianNoise(std=0.1), share=0.5, batch_size=10))
    assert torch.equal(half[5:], everything[5:])


def test_a_kept_copy_equals_what_is_made_anew(monkeypatch):
    kept = make_data(GaussianNoise(std=0.001), count=2003, batch_size=64)
    assert all("perturbed" in batch for batch in kept.batches(drop_last=False))
    monkeypatch.setattr(MODULE, "_fits", lambda size, device: False)
    made = make_data(GaussianNoise(std=0.001), count=2003, batch_size=64)
    assert not any("perturbed" in batch for batch in made.batches(drop_last=False))
    assert torch.equal(shown(kept), shown(made))


def test_a_kept_copy_is_made_once(monkeypatch):
    perturbation = GaussianNoise(std=0.1)
    data = make_data(perturbation)
    monkeypatch.setattr(perturbation, "perturb", None)  # to call it fails
    for epoch in range(1, 3):
        data.start_epoch(epoch, 0.5)
        shown(data)


def test_another_seed_perturbs_otherwise():
    one, other = (shown(make_data(GaussianNoise(std=0.1), seed=seed)) for seed in (0, 1))
    assert (one != other).flatten(1).any(1).all()


def test_a_fresh_perturbation_is_another_in_each_epoch_and_repeatable():
    data = make_data(GaussianNoise(std=0.1), fresh=True)
    first = shown(data)
    data.start_epoch(1, 1.0)
    second = shown(data)
    assert (first != second).flatten(1).any(1).all()
    data.start_epoch(0, 1.0)
    assert torch.equal(shown(data), first)
    assert torch.equal(shown(make_data(GaussianNoise(std=0.1), fresh=True, epoch=1, batch_size=7)), second)


def order_of(data):
    return torch.cat([batch["labels"] for batch in data.batches(drop_last=False)]).tolist()


def test_without_shuffling_the_order_is_that_of_the_data():
    assert order_of(make_data(epoch=3)) == list(range(10))


def test_shuffling_is_another_order_of_all_images_in_each_epoch_keyed_by_seed_and_epoch():
    orders = {
        (seed, epoch): order_of(make_data(count=40, shuffle=True, seed=seed, epoch=epoch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert all(sorted(order) == list(range(40)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 9
    again = make_data(count=40, shuffle=True, seed=1, epoch=0, batch_size=7)
    again.start_epoch(2, 0.0)
    assert order_of(again) == orders[1, 2]


@pytest.mark.parametrize("room", [True, False])
def test_shuffled_images_keep_their_labels_and_their_perturbation(room, monkeypatch):
    monkeypatch.setattr(MODULE, "_fits", lambda size, device: room)
    ordered = shown(make_data(GaussianNoise(std=0.1)))
    shuffled = make_data(GaussianNoise(std=0.1), shuffle=True)
    order = order_of(shuffled)
    assert order != list(range(10))
    assert torch.equal(shown(shuffled), ordered[order])


def test_lightning_shows_the_model_the_perturbed_batches(tmp_path):
    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.seen = []

        def training_step(self, batch, batch_index):
            self.seen.append(batch)
            return self.weight * batch[0].sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data, model = make_data(GaussianNoise(std=0.1), share=0.5), Model()
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, datamodule=data)
    assert len(model.seen) == 3
    for (images, labels, *_), (expected_images, expected_labels) in zip(model.seen, batches(data), strict=True):
        assert torch.equal(images, expected_images)
        assert torch.equal(labels, expected_labels)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_holds_at_least_one_image(batch_size):
    with pytest.raises(ValueError, match=rf"`data.batch_size` must be at least 1; got {batch_size}\."):
        make_data(batch_size=batch_size)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_is_a_share(share):
    with pytest.raises(ValueError, match=rf"perturbed share of a batch must be from 0 to 1; got {share} in epoch 7\."):
        make_data(HotPixels(count=1), share=share, epoch=7)


def test_a_perturbation_that_does_not_fit_the_images_is_refused_at_once():
    with pytest.raises(ValueError, match="`count` must be at most 16, the pixels of a 4 x 4 image; got 17"):
        PerturbedData(make_splits(), batch_size=4, perturbation=HotPixels(count=17))
