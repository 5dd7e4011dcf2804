"""The data module: natural and perturbed images, mixed, on the device."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from robust.data.augmentation import Augmentation, check_augmentation
from robust.data.images import ImageSet, Splits, to_float
from robust.data.mapping import read_ahead
from robust.data.memory import fits_on as _fits
from robust.data.mixing import Mixing
from robust.perturb import ImageRandom, Perturbation, key

_LEAST_SHARE = 0.25  # of a batch that the last one must hold: with fewer a batch norm would judge by a handful


class Batch(NamedTuple):
    """What reaches a model: `images` in [0, 1], shape (batch, channels, height, width), their `labels`, int64 of shape
    (batch,), what else is known of them (see `ImageSet`), and their `indices`, int64 of shape (batch,): places in the
    data set, of those too of which few are labelled. Where images are mixed, `targets` are the shares of all classes,
    float of shape (batch, classes), and `labels` the class with the greater share. `natural`, where that is asked for,
    are the images unperturbed, augmented alike."""

    images: Tensor
    labels: Tensor
    extras: Mapping[str, Tensor]
    indices: Tensor
    targets: Tensor | None = None
    natural: Tensor | None = None


class _Epochs:
    """What Lightning iterates over: the batches of the data module's present epoch."""

    def __init__(self, data: "PerturbedData"):
        self.data = data

    def __len__(self) -> int:
        return len(self.data.batch_sizes(drop_last=self.data.drop_last))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        batches = self.data.batches(drop_last=self.data.drop_last, part=self.data.part)
        return map(self.data.with_partners, batches)


class PerturbedData(pl.LightningDataModule):
    """Training images of which a share of each batch is perturbed.

    An epoch shows every image once: the last batch holds what is left, or joins the one before it where that is less
    than a quarter of a batch. A `batch_size` above the number of images takes them all. With `drop_last=True` there are
    only whole batches, and what is left over is not shown.

    `share`, from 0 to 1, is set from outside before each epoch (`robust.learn.curriculum`): the last `int(share *
    batch)` images of a batch are perturbed. A perturbation is fixed, keyed by (seed, image), or with `fresh=True`
    another one in each epoch. Fixed ones are made once and kept where they fit. `shuffle=True` draws a new order in
    each epoch, keyed by (seed, epoch). An `augmentation` comes last, keyed by (seed, epoch, image); one that mixes
    (`Mixing`) mixes each image with any other one, whatever batch that is in, keyed likewise. `every` are the
    images of the data set where those to train on are few: what is fitted to images needs no labels. Batches are given
    unperturbed too, `with_natural`. Where several
    processes train one model, each of n takes every n-th image of a batch: together they see the batches that one
    process would; where all images cannot be divided evenly, the epoch's first ones come a second time in its last
    batch.
    """

    def __init__(
        self,
        splits: Splits,
        *,
        batch_size: int,
        perturbation: Perturbation | None = None,
        seed: int = 0,
        fresh: bool = False,
        shuffle: bool = False,
        drop_last: bool = False,
        augmentation: Augmentation | None = None,
        every: ImageSet | None = None,
        with_natural: bool = False,
    ):
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"`data.batch_size` must be at least 1; got {batch_size}.")
        if perturbation is not None:
            perturbation.try_out(splits.train.shape)
        if augmentation is not None:
            check_augmentation(augmentation, splits.train.shape)
        self.splits = splits
        self.batch_size = int(batch_size)
        self.perturbation = perturbation
        self.seed = seed
        self.fresh = fresh
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.augmentation = augmentation
        self.every = every
        self.with_natural = with_natural
        self.share = 0.0
        self.epoch = 0
        self.part = (0, 1)  # of a batch: which process, of how many
        self._train = splits.train
        self._kept: Tensor | None = None

    def setup(self, stage: str | None = None) -> None:
        if self.trainer is not None:
            self.place(self.trainer.strategy.root_device)
            self.set_shard(self.trainer.global_rank, self.trainer.world_size)

    def teardown(self, stage: str) -> None:
        """Lets the kept images go, which a worker that trains one model after another would collect."""
        self._kept = None

    def place(self, device: torch.device) -> None:
        """Moves the training images to the device where they fit there."""
        sets = [self._train] if self.every is None else [self._train, self.every]
        tensors = [tensor for one in sets for tensor in (one.images, *one.extras.values())]
        if device.type != "cpu" and _fits(sum(one.numel() * one.element_size() for one in tensors), device):
            self._train = self._train.to(device)
            self.every = None if self.every is None else self.every.to(device)

    def set_shard(self, process: int, processes: int) -> None:
        """Takes one process's images of each batch. Raises ValueError where a batch cannot be divided evenly."""
        if self.batch_size % processes:
            raise ValueError(
                f"`data.batch_size` must be a multiple of the {processes} processes that share each batch; "
                f"got {self.batch_size}."
            )
        self.part = (process, processes)

    def start_epoch(self, epoch: int, share: float) -> None:
        """Sets what the epoch's batches will be. Raises ValueError unless 0 <= share <= 1."""
        if not 0 <= share <= 1:
            raise ValueError(f"The perturbed share of a batch must be from 0 to 1; got {share} in epoch {epoch}.")
        self.epoch, self.share = epoch, share
        if share and self.perturbation is not None and not self.fresh and self._kept is None:
            self._keep()

    def train_dataloader(self) -> _Epochs:
        return _Epochs(self)

    @property
    def notes(self) -> list[str]:
        """What a user should know of how the images are divided into batches."""
        count, sizes = len(self._train), self.batch_sizes(drop_last=self.drop_last)
        notes = []
        if self.batch_size > count > 0:
            notes.append(f"`data.batch_size` is {self.batch_size}; a batch takes all {count} training images.")
        if (left := count - sum(sizes)) > 0:
            which = "another time others" if self.shuffle else "always the same"
            notes.append(
                f"{left} of the {count} training images are left out of each epoch, {which}: there are only whole "
                f"batches of {self.batch_size}. data.drop_last=false learns from all."
            )
        return notes

    def batch_sizes(self, *, drop_last: bool) -> list[int]:
        """How many images each batch of an epoch holds."""
        return _batch_sizes(len(self._train), self.batch_size, drop_last)

    def batches(self, *, drop_last: bool, part: tuple[int, int] = (0, 1)) -> Iterator[dict[str, Any]]:
        """The epoch's batches, or one process's `part` of each: dictionaries of `natural` (uint8), `perturbed`
        (float32, where they are kept), `labels`, `indices` and the set's `extras`, and `split`, how many images stay
        natural."""
        train, (process, processes) = self._train, part
        indices, order = train.places, None
        if self.shuffle:
            order = ImageRandom(key("order", self.seed, self.epoch), indices).uniform().argsort(stable=True)
        sizes, start = self.batch_sizes(drop_last=drop_last), 0
        if more := -sum(sizes) % processes:  # so that each process has as many
            sizes[-1] += more
            again = torch.arange(sum(sizes), device=indices.device) % len(train)
            order = again if order is None else order[again]
        for size in sizes:
            natural = size - int(self.share * size)
            chosen: Any = slice(start + process, start + size, processes)  # a slice of a tensor copies nothing
            start += size
            if order is not None:
                chosen = order[chosen]
            yield {**self._rows(chosen), "split": len(range(process, natural, processes))}

    def _rows(self, chosen: Any) -> dict[str, Any]:
        """What there is of some of the training images: as `batches` gives it, but for `split`."""
        train = self._train
        if isinstance(chosen, Tensor):
            read_ahead(train.images, chosen)
        columns = {"natural": train.images, "labels": train.labels, "indices": train.places}
        if self._kept is not None:
            columns["perturbed"] = self._kept
        extras = {name: column[chosen] for name, column in train.extras.items()}
        return {**{name: column[chosen] for name, column in columns.items()}, "extras": extras}

    def with_partners(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A batch, where images are mixed with a `partner` for each: one of the training images, perturbed where that
        one is; drawn by (seed, epoch, image)."""
        if not isinstance(self.augmentation, Mixing):
            return batch
        random = ImageRandom(key("partner", self.seed, self.epoch), batch["indices"])
        partners = self._rows(random.integers(len(self._train)))
        return {**batch, "partner": {**partners, "split": batch["split"]}}

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        images, labels, targets = self._shown(batch), batch["labels"], None
        if "partner" in batch:
            images, labels, targets = self._mixed(images, batch)
        natural = self._augmented(to_float(batch["natural"]), batch) if self.with_natural else None
        return Batch(images, labels, batch["extras"], batch["indices"], targets, natural)

    def _mixed(self, images: Tensor, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        """A batch's images mixed with their partners, the label of the greater part of each, and the shares of all
        classes."""
        assert isinstance(self.augmentation, Mixing)
        random = ImageRandom(key("mix", self.seed, self.epoch), batch["indices"])
        images, shares = self.augmentation.mix(images, self._shown(batch["partner"]), random)
        labels, others = batch["labels"], batch["partner"]["labels"]
        own, its = (one_hot(one, len(self.splits.train.classes)).to(shares) for one in (labels, others))
        targets = shares[:, None] * own + (1 - shares)[:, None] * its
        return images, torch.where(shares >= 0.5, labels, others), targets

    def _shown(self, batch: Any) -> Tensor:
        """A batch as it is shown, before any is mixed: its natural images, then its perturbed ones."""
        return self._augmented(self._perturbed_in_part(batch), batch)

    def _augmented(self, images: Tensor, batch: Any) -> Tensor:
        if self.augmentation is None:
            return images
        return self.augmentation(images, ImageRandom(key("augment", self.seed, self.epoch), batch["indices"]))

    def _perturbed_in_part(self, batch: Any) -> Tensor:
        natural, split = batch["natural"], batch["split"]
        if self.perturbation is None or split == len(natural):
            return to_float(natural)
        perturbed = (
            batch["perturbed"][split:]
            if "perturbed" in batch
            else self._perturb(natural[split:], batch["indices"][split:])
        )
        return torch.cat([to_float(natural[:split]), perturbed]) if split else perturbed

    def training_images(self) -> Iterator[Tensor]:
        """All training images, batch by batch, as this epoch shows them before any is mixed; those too that have no
        label."""
        shown = copy.copy(self)
        if self.every is not None:
            shown._train, shown._kept = self.every, None
        for batch in shown.batches(drop_last=False):
            yield shown._shown(batch)

    def _perturb(self, images: Tensor, indices: Tensor) -> Tensor:
        assert self.perturbation is not None
        parts = ("train", self.seed, self.epoch) if self.fresh else ("train", self.seed)
        return self.perturbation.perturb(to_float(images), ImageRandom(key(*parts), indices))

    def _keep(self) -> None:
        images, places = self._train.images, self._train.places
        if not _fits(4 * images.numel(), images.device):
            return
        kept = torch.empty(images.shape, device=images.device)
        for start in range(0, len(images), 1000):
            chosen = slice(start, min(start + 1000, len(images)))
            kept[chosen] = self._perturb(images[chosen], places[chosen])
        self._kept = kept


def _batch_sizes(count: int, size: int, drop_last: bool) -> list[int]:
    """How so many images are divided into batches of `size`."""
    whole, left = divmod(count, size)
    sizes = [size] * whole
    if not left or (drop_last and whole):
        return sizes
    if whole and (left < _LEAST_SHARE * size or left == 1):
        return [*sizes[:-1], size + left]
    return [*sizes, left]
