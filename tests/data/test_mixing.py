"""Mixed images: what they are mixed of, in what shares, and that nothing but seed, epoch and image decides that."""

import pytest
import torch

from robust.data import CutMix, ImageSet, Mixup, PerturbedData, Splits
from robust.perturb import GaussianNoise, ImageRandom, key

COUNT = 24


def make_data(augmentation: object, **options: object) -> PerturbedData:
    images = torch.randint(0, 256, (COUNT, 3, 8, 10), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = ImageSet(images, torch.arange(COUNT) % 5, tuple("abcde"))
    settings = {"batch_size": 8, "seed": 3, **options}
    data = PerturbedData(Splits(split, split), augmentation=augmentation, **settings)  # type: ignore[arg-type]
    data.start_epoch(2, 1.0)
    return data


def shown(data: PerturbedData) -> list[torch.Tensor]:
    """Images, labels and targets of an epoch, in the images' order."""
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]
    order = torch.cat([batch.indices for batch in batches]).argsort()
    columns = [[batch.images, batch.labels, batch.targets] for batch in batches]
    return [torch.cat(column)[order] for column in zip(*columns, strict=True)]  # type: ignore[arg-type]


@pytest.mark.parametrize("perturbation", [None, GaussianNoise(std=0.2)])
def test_a_mixed_image_is_a_mixture_of_itself_and_the_partner_that_its_key_names(perturbation: object) -> None:
    images, labels, targets = shown(make_data(Mixup(alpha=1), perturbation=perturbation))
    plain = torch.cat(list(make_data(None, perturbation=perturbation).training_images()))
    places = torch.arange(COUNT)
    partners = ImageRandom(key("partner", 3, 2), places).integers(COUNT)
    own = Mixup(alpha=1).shares(ImageRandom(key("mix", 3, 2), places))
    share = own[:, None, None, None]
    torch.testing.assert_close(images, share * plain + (1 - share) * plain[partners])
    for place in range(COUNT):
        parts = torch.zeros(5)
        parts[place % 5] += own[place]
        parts[partners[place] % 5] += 1 - own[place]
        torch.testing.assert_close(targets[place], parts)
        assert labels[place] == (place if own[place] >= 0.5 else partners[place]) % 5


@pytest.mark.parametrize("mixing", [Mixup(alpha=0.4), CutMix()])
def test_an_image_is_mixed_alike_in_any_batch_and_order_and_otherwise_in_another_epoch(mixing: object) -> None:
    one, other = make_data(mixing), make_data(mixing, batch_size=5, shuffle=True)
    for ours, theirs in zip(shown(one), shown(other), strict=True):
        torch.testing.assert_close(ours, theirs)
    one.start_epoch(3, 1.0)
    assert not torch.equal(shown(one)[0], shown(other)[0])


def test_a_box_of_cutmix_is_whole_and_has_the_area_that_is_said() -> None:
    random = ImageRandom(7, torch.arange(200))
    images, shares = CutMix().mix(torch.zeros(200, 1, 10, 16), torch.ones(200, 1, 10, 16), random)
    torch.testing.assert_close(images.mean((1, 2, 3)), 1 - shares)
    rows, columns = images[:, 0].amax(2).sum(1), images[:, 0].amax(1).sum(1)
    assert torch.equal(rows * columns, images.sum((1, 2, 3))), "it is a rectangle"
    assert 0.4 < shares.mean() < 0.6


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_of_a_beta_distribution(alpha: float) -> None:
    shares = Mixup(alpha=alpha).shares(ImageRandom(1, torch.arange(20_000)))
    assert abs(shares.mean() - 0.5) < 0.01
    assert abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.005


def test_what_a_network_is_standardised_by_is_not_mixed() -> None:
    mixed, plain = (torch.cat(list(make_data(one).training_images())) for one in (Mixup(), None))
    assert torch.equal(mixed, plain)


def test_both_images_go_through_what_comes_first() -> None:
    inverted = make_data(Mixup(first=lambda images, random: 1 - images))
    torch.testing.assert_close(shown(inverted)[0], 1 - shown(make_data(Mixup()))[0])
