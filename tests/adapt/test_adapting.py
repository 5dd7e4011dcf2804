"""Networks that adapt: what they say follows from what they have seen, and `reset` undoes it."""

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from robust.adapt import Adapting, BatchStatistics, Eata, Memo, MixedStatistics, Sar, Tent
from robust.errors import ParameterError
from robust.perturb.corruptions import CORRUPTIONS

SHAPE, CLASSES = (1, 8, 8), 10
ABOUT = {"image_shape": SHAPE, "num_classes": CLASSES}
WAYS: dict[str, Callable[[nn.Module], Adapting]] = {
    "bn": lambda network: BatchStatistics(network=network, **ABOUT),
    "bn_mixed": lambda network: MixedStatistics(network=network, **ABOUT),
    "tent": lambda network: Tent(network=network, **ABOUT),
    "eata": lambda network: Eata(network=network, **ABOUT),
    "sar": lambda network: Sar(network=network, lr=0.01, **ABOUT),
    "memo": lambda network: Memo(network=network, views=4, lr=0.05, **ABOUT),
}
LEARNING = ("tent", "eata", "sar")


def network(norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), norm(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), norm(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(32, CLASSES),
    )


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    loaded = load_digits()
    return torch.from_numpy(loaded.images).float()[:, None] / 16, torch.from_numpy(loaded.target)


@pytest.fixture(scope="module")
def trained(digits: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """The weights of one that knows the first 1,000 digits."""
    images, labels = digits
    model, generator = network(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(12):
        optimizer.param_groups[0]["lr"] = 0.01 if epoch < 8 else 0.001
        for rows in torch.randperm(1000, generator=generator).split(100):
            functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.state_dict()


@pytest.fixture
def adapting(trained: dict[str, Tensor]) -> Callable[[str], Adapting]:
    """One that adapts, with trained weights, as a checkpoint is read."""

    def make(way: str) -> Adapting:
        model = WAYS[way](network())
        model.network.load_state_dict(trained)
        return model.eval()

    return make


def asked(model: Adapting, images: Tensor, size: int = 50) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model(one) for one in images.split(size)])


@pytest.fixture(scope="module")
def pale(digits: tuple[Tensor, Tensor]) -> Tensor:
    return CORRUPTIONS["contrast"](severity=4)(digits[0][1000:])


@pytest.mark.parametrize("way", WAYS)
def test_what_it_says_hangs_on_no_later_images_and_reset_undoes_all(
    way: str, adapting: Callable[[str], Adapting], pale: Tensor
) -> None:
    model, other = adapting(way), adapting(way)
    pale = pale[: 20 if way == "memo" else 400]
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    first = asked(model, pale, 10)
    assert first.shape == (len(pale), CLASSES)
    assert not first.requires_grad
    torch.testing.assert_close(asked(other, pale[:10], 10), first[:10], rtol=0, atol=0)
    moved = any(not torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    assert moved == (way in LEARNING)
    model.reset()
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    torch.testing.assert_close(asked(model, pale, 10), first, rtol=0, atol=0)


def test_statistics_of_all_natural_images_are_about_those_of_training(
    adapting: Callable[[str], Adapting], digits: tuple[Tensor, Tensor]
) -> None:
    images, labels = (one[1000:] for one in digits)
    model = adapting("bn")
    natural = (asked(model, images, len(images)).argmax(1) == labels).float().mean()
    source = network()
    source.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        assert abs(natural - (source.eval()(images).argmax(1) == labels).float().mean()) < 0.01


def test_digits_in_fog_are_told_better_and_learning_helps_more(
    adapting: Callable[[str], Adapting], digits: tuple[Tensor, Tensor]
) -> None:
    images, labels = (one[1000:] for one in digits)
    foggy = CORRUPTIONS["fog"](severity=3)(images, seed=0)
    source = network().eval()
    source.load_state_dict(adapting("bn").network.state_dict())
    with torch.no_grad():
        accuracy = {"source": (source(foggy).argmax(1) == labels).float().mean().item()}
    for way in ("bn", "tent", "eata", "sar"):
        model = adapting(way)
        if way == "tent":
            model.lr = 0.01
        accuracy[way] = (asked(model, foggy, 200).argmax(1) == labels).float().mean().item()
    assert accuracy["source"] + 0.1 < accuracy["bn"]
    assert accuracy["bn"] < accuracy["tent"], accuracy
    assert min(accuracy["eata"], accuracy["sar"]) > accuracy["source"] + 0.1


def test_tent_at_a_rate_of_0_is_the_statistics_alone(trained: dict[str, Tensor], pale: Tensor) -> None:
    still, plain = Tent(network=network(), lr=0, **ABOUT), BatchStatistics(network=network(), **ABOUT)
    for model in (still, plain):
        model.network.load_state_dict(trained)
    assert torch.equal(asked(still.eval(), pale), asked(plain.eval(), pale))


def test_a_mixture_reaches_from_the_trained_statistics_to_the_batchs(trained: dict[str, Tensor], pale: Tensor) -> None:
    source = network().eval()
    source.load_state_dict(trained)

    def mixed(**settings: float) -> Tensor:
        model = MixedStatistics(network=network(), **settings, **ABOUT).eval()
        model.network.load_state_dict(trained)
        return asked(model, pale[:50])

    with torch.no_grad():
        torch.testing.assert_close(mixed(alpha=0.0), source(pale[:50]), atol=1e-5, rtol=1e-4)
    plain = BatchStatistics(network=network(), **ABOUT).eval()
    plain.network.load_state_dict(trained)
    torch.testing.assert_close(mixed(alpha=1.0), asked(plain, pale[:50]))
    torch.testing.assert_close(mixed(prior=0.0), asked(plain, pale[:50]))
    torch.testing.assert_close(mixed(prior=150.0), mixed(alpha=0.25))


def test_a_picture_by_itself_is_what_memo_fits_to(adapting: Callable[[str], Adapting], pale: Tensor) -> None:
    one, all_together = adapting("memo"), adapting("memo")
    torch.testing.assert_close(asked(one, pale[:6], 1), asked(all_together, pale[:6], 6), rtol=0, atol=0)
    still = Memo(network=network(), views=4, lr=0.0, **ABOUT).eval()
    still.network.load_state_dict(one.network.state_dict())
    assert not torch.allclose(asked(still, pale[:6]), asked(adapting("memo"), pale[:6]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (3, 1, 2, 2)])
def test_one_picture_and_a_small_one_get_finite_answers(way: str, shape: tuple[int, ...]) -> None:
    model = WAYS[way](network()).eval()
    images = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        assert asked(model, images).isfinite().all()


def test_what_is_sure_of_all_begins_anew(trained: dict[str, Tensor], digits: tuple[Tensor, Tensor]) -> None:
    model = Sar(network=network(), lr=0.05, collapse=10.0, **ABOUT).eval()
    model.network.load_state_dict(trained)
    asked(model, digits[0][1000:])
    assert all(torch.equal(value, trained[name]) for name, value in model.network.state_dict().items())


def test_eata_leaves_out_what_it_is_unsure_of_and_holds_what_mattered(
    trained: dict[str, Tensor], digits: tuple[Tensor, Tensor], pale: Tensor
) -> None:
    def moved(images: Tensor, **settings: float) -> float:
        model = Eata(network=network(), lr=0.01, **settings, **ABOUT).eval()
        model.network.load_state_dict(trained)
        model.fit(digits[0][:200].split(100))
        asked(model, images)
        return sum((value - trained[name]).abs().sum().item() for name, value in model.network.state_dict().items())

    assert moved(torch.rand(200, *SHAPE), margin=1e-6) == 0
    assert moved(pale, fisher=1e4) < 0.8 * moved(pale, fisher=0.0)


def test_a_network_without_such_norms_is_refused_and_one_with_others_learns(pale: Tensor) -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES))
    for way in ("bn", "bn_mixed", "tent", "eata"):
        with pytest.raises(ParameterError, match="batch norms"):
            WAYS[way](plain)
    with pytest.raises(ParameterError, match="norms"):
        WAYS["sar"](plain)
    grouped = Sar(network=network(lambda maps: nn.GroupNorm(4, maps)), lr=0.1, margin=1.0, **ABOUT).eval()
    before = {name: value.clone() for name, value in grouped.network.state_dict().items()}
    asked(grouped, pale[:100])
    assert any(not torch.equal(value, before[name]) for name, value in grouped.network.state_dict().items())


@pytest.mark.parametrize(
    ("way", "setting"),
    [
        *((Tent, {"lr": -1}), (Eata, {"margin": 0}), (Eata, {"redundancy": 2}), (Eata, {"fisher": -1})),
        (MixedStatistics, {"alpha": 1.5}),
        (MixedStatistics, {"prior": -1}),
        (Sar, {"collapse": -1}),
        (Memo, {"views": 0}),
    ],
)
def test_numbers_that_there_are_not_are_refused(way: type[Adapting], setting: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=f"`{next(iter(setting))}` must be"):
        way(network=network(), **setting, **ABOUT)
