"""Random numbers that belong to an image."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robust.perturb import ImageRandom, key

steadily = settings(deadline=None, derandomize=True, max_examples=60)
KINDS = {
    "uniform": lambda random: random.uniform(3, 5),
    "integers": lambda random: random.integers(1000, 3, 5),
    "normal": lambda random: random.normal(3, 5),
    "quick_normal": lambda random: random.quick_normal(3, 5),
    "distinct": lambda random: random.distinct(50, 7),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def draws(images, *parts):
    return ImageRandom(key("test", *parts), torch.arange(images))


def correlation(left, right):
    return torch.corrcoef(torch.stack([left.flatten(), right.flatten()]))[0, 1].abs()


@steadily
@given(high=st.integers(0, 60), share=st.floats(0, 1), images=st.integers(0, 9), seed=st.integers(0, 2**62))
def test_distinct_numbers_are_distinct_and_in_range(high, share, images, seed):
    count = round(share * high)
    chosen = ImageRandom(key(seed), torch.arange(images)).distinct(high, count)
    assert (chosen.shape, chosen.dtype) == ((images, count), torch.int64)
    assert (chosen.sort(1).values.diff(dim=1) > 0).all()
    assert ((chosen >= 0) & (chosen < high)).all()


@pytest.mark.parametrize(("high", "count"), [(5, 6), (5, -1), (0, 1)])
def test_more_distinct_numbers_than_there_are_cannot_be_drawn(high, count):
    with pytest.raises(ValueError, match=f"`count` must be from 0 to {high}, the number there are; got {count}"):
        draws(2).distinct(high, count)


def test_every_set_of_distinct_numbers_is_equally_likely():
    chosen = draws(20_000).distinct(6, 3).sort(1).values
    sets, hits = chosen.unique(dim=0, return_counts=True)
    assert len(sets) == 20
    assert stats.chisquare(hits).pvalue > 0.001


def test_uniform_values_are_uniform_and_below_one():
    values = draws(100).uniform(1000)
    assert (values.shape, values.dtype) == ((100, 1000), torch.float32)
    assert 0 <= values.min() < 1e-3
    assert 1 - 1e-3 < values.max() < 1
    assert stats.kstest(values.flatten(), "uniform").pvalue > 0.001


def test_the_first_value_of_each_image_is_uniform_over_images():
    assert stats.kstest(draws(50_000).uniform(1).flatten(), "uniform").pvalue > 0.001


def test_the_first_value_of_an_image_is_uniform_over_keys():
    values = torch.cat([draws(1, seed).uniform(1) for seed in range(2000)])
    assert stats.kstest(values.flatten(), "uniform").pvalue > 0.001


@pytest.mark.parametrize(
    ("draw", "high"),
    [*(("integers", one) for one in (1, 2, 3, 10, 1000)), *(("small_integers", one) for one in (1, 6, 256))],
)
def test_integers_are_uniform_below_high(draw, high):
    values = getattr(draws(100), draw)(high, 1001).flatten()
    assert 0 <= values.min() <= values.max() < high
    assert high == 1 or stats.chisquare(values.bincount(minlength=high)).pvalue > 0.001


def test_integers_reach_as_high_as_is_promised():
    values = draws(100).integers(2**31, 1000)
    assert 0 <= values.min() <= values.max() < 2**31
    assert values.max() > 0.999 * 2**31


@pytest.mark.parametrize("kind", ["normal", "quick_normal"])
def test_normal_values_are_normal(kind):
    values = getattr(draws(1000), kind)(999).flatten().double()
    assert stats.kstest(values, "norm").pvalue > 0.001
    assert values.isfinite().all()
    assert stats.kurtosis(values) == pytest.approx(0, abs=0.02)
    beyond = 2 * stats.norm.sf(4.5) * values.numel()
    assert (values.abs() > 4.5).sum() == pytest.approx(beyond, abs=4 * beyond**0.5)


def test_the_rarest_normal_value_is_finite():
    index = 29_291_324  # its first 24 bits are all 0, and the logarithm of 0 is not finite
    assert ImageRandom(key("test"), torch.tensor([index])).uniform(1).item() == 0
    values = ImageRandom(key("test"), torch.tensor([index])).normal(2)
    assert values.norm().item() == pytest.approx((48 * math.log(2)) ** 0.5, rel=1e-5)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,), (3, 0)], ids=str)
@pytest.mark.parametrize("images", [0, 1, 4])
def test_any_shape_can_be_drawn(shape, images):
    for kind in ("uniform", "normal", "quick_normal", "words"):
        assert getattr(draws(images), kind)(*shape).shape == (images, *shape)
    assert draws(images).integers(9, *shape).shape == (images, *shape)


@pytest.mark.parametrize("kind", ["uniform", "normal", "quick_normal"])
def test_images_draws_and_keys_are_uncorrelated(kind):
    one, other = draws(200, 0), draws(200, 1)
    first, second, elsewhere = (getattr(random, kind)(200) for random in (one, one, other))
    limit = 4 / first.numel() ** 0.5
    assert correlation(first[:-1], first[1:]) < limit, "neighbouring images"
    assert correlation(first[:, :-1], first[:, 1:]) < limit, "neighbouring values"
    assert correlation(first, second) < limit, "first and second draw"
    assert correlation(first[:, 1:], second[:, :-1]) < limit, "first and second draw, shifted"
    assert correlation(first[1:], second[:-1]) < limit, "first draw of one image and second draw of the next"
    assert correlation(first, elsewhere) < limit, "two keys"


@every_kind
def test_the_same_key_and_index_draw_the_same(kind):
    torch.manual_seed(0)
    first = KINDS[kind](draws(4))
    torch.manual_seed(1)
    assert torch.equal(KINDS[kind](draws(4)), first)
    assert not torch.equal(KINDS[kind](draws(4, "another")), first)


@every_kind
@pytest.mark.parametrize("indices", [[0], [7, 7], [999, 3, 500], list(range(100, 137))], ids=str)
def test_a_row_depends_on_its_index_alone(kind, indices):
    everything = KINDS[kind](draws(1000))
    some = KINDS[kind](ImageRandom(key("test"), torch.tensor(indices)))
    assert torch.equal(some, everything[indices])


def test_a_large_draw_is_the_same_row_by_row():
    everything = draws(20).normal(3, 101, 99)
    alone = [ImageRandom(key("test"), torch.tensor([i])).normal(3, 101, 99) for i in range(20)]
    assert torch.equal(torch.cat(alone), everything)


@every_kind
def test_a_second_draw_does_not_depend_on_the_size_of_the_first(kind):
    few, many = draws(4), draws(4)
    few.uniform(2)
    many.uniform(2000)
    assert torch.equal(KINDS[kind](few), KINDS[kind](many))


def test_shared_draws_are_one_row_that_belongs_to_no_image():
    one = draws(4).shared().uniform(6)
    other = ImageRandom(key("test"), torch.tensor([90, 91])).shared().uniform(6)
    assert one.shape == (1, 6)
    assert torch.equal(one, other)
    assert not (draws(4).uniform(6) == one).any()
    assert not torch.equal(draws(4, "another").shared().uniform(6), one)


def test_keys_tell_their_parts_apart():
    parts = [("train", 0), ("train", 1), ("train", 0, 1), ("train", "0"), ("test", 0), ("tr", "ain", 0), (0, "train")]
    keys = {key(*each) for each in parts}
    assert len(keys) == len(parts)
    assert all(-(2**63) <= each < 2**63 for each in keys)


CHANGED = (
    "The random numbers have changed: every perturbed image, and with it every published result, would change. "
    "If that is meant, say so in the README and write the new numbers here."
)
PINNED_KEYS = (6446224718177058744, 7287187068323254222, 5694367389426422167)
PINNED_UNIFORM = [[13460147, 8736975, 5637319], [7907898, 8548151, 6913978]]
PINNED_INTEGERS = [[185, 505, 919], [210, 300, 529]]
PINNED_NORMAL = [-1.5685941, 0.024533, -0.483471, -0.4213949, 2.2026362, -0.5841792]
PINNED_DISTINCT = [[48, 4, 67, 89], [25, 71, 34, 61]]
PINNED_SHARED = [[4441477, 424494]]


def test_keys_are_the_same_in_every_process():
    assert (key("test", 1, 2), key("a", 0), key()) == PINNED_KEYS, CHANGED


def test_the_numbers_are_those_of_the_published_results():
    random = ImageRandom(key("pinned", 0), torch.tensor([0, 7]))
    assert random.uniform(3).mul(2**24).tolist() == PINNED_UNIFORM, CHANGED
    assert random.integers(1000, 3).tolist() == PINNED_INTEGERS, CHANGED
    assert random.normal(3).flatten().tolist() == pytest.approx(PINNED_NORMAL, rel=1e-5), CHANGED
    assert random.distinct(100, 4).tolist() == PINNED_DISTINCT, CHANGED
    assert random.shared().uniform(2).mul(2**24).tolist() == PINNED_SHARED, CHANGED


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_as_many_are_true_as_the_share_says(share: float) -> None:
    random = ImageRandom(key("bernoulli"), torch.arange(50))
    true = random.bernoulli(torch.full((50,), share), 3, 1001)
    assert true.shape == (50, 3, 1001)
    assert true.dtype == torch.bool
    assert true.float().mean() == pytest.approx(share, abs=0.003)
    again = ImageRandom(key("bernoulli"), torch.arange(50))
    assert torch.equal(again.bernoulli(torch.full((50,), share), 3, 1001), true)


def test_draws_of_a_large_batch_are_those_of_its_parts() -> None:
    whole = ImageRandom(key("large"), torch.arange(3000)).uniform(300)
    part = ImageRandom(key("large"), torch.arange(1000, 1010)).uniform(300)
    assert torch.equal(whole[1000:1010], part)
