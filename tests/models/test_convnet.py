"""The two networks of arXiv 2004.03452, as they are configured, and their switches."""

import pytest
import torch
from torch import nn

from robust.experiment.build import build
from robust.experiment.compose import compose
from robust.models import ConvNet, linear_head
from robust.models.convnet import MaxPool, MeanPool

SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
every_network = pytest.mark.parametrize("name", SHAPES)


def make(name, shape=None, **changes):
    config = compose([f"data={name}"])
    return build(config.model, image_shape=shape or SHAPES[name], num_classes=10, **changes)


def some_images(name, count=4):
    return torch.rand(count, *SHAPES[name], generator=torch.Generator().manual_seed(0))


def kinds(module):
    return [type(layer) for layer in module]


@pytest.mark.parametrize(("name", "features"), [("mnist", 160), ("cifar10", 2048)])
def test_the_head_gets_as_many_features_as_published(name, features):
    model = make(name)
    assert model.features(some_images(name)).shape == (4, features)
    assert [(layer.in_features, layer.out_features) for layer in model.head] == [(features, 10)]
    assert model(some_images(name)).shape == (4, 10)


def test_the_network_for_mnist_is_figure_1():
    model = make("mnist")
    assert kinds(model.features) == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, MaxPool, nn.Dropout, nn.Flatten]
    convolution = model.features[0]
    assert (convolution.in_channels, convolution.out_channels) == (1, 10)
    assert (convolution.kernel_size, convolution.stride, convolution.padding) == ((7, 7), (3, 3), (0, 0))
    assert model.features[4].p == 0.2


def test_the_network_for_cifar10_is_figure_2():
    model = make("cifar10")
    unit = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert kinds(model.features) == [*unit, *unit, MaxPool, nn.Dropout] * 4 + [nn.Flatten]
    convolutions = [layer for layer in model.features if isinstance(layer, nn.Conv2d)]
    assert [layer.in_channels for layer in convolutions] == [3, 64, 64, 128, 128, 256, 256, 512]
    assert [layer.out_channels for layer in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert {(layer.kernel_size, layer.stride, layer.padding) for layer in convolutions} == {((3, 3), (1, 1), (1, 1))}
    assert {layer.p for layer in model.features if isinstance(layer, nn.Dropout)} == {0.2}


@every_network
def test_normalisation_is_the_first_layer(name):
    model, images = make(name).eval(), some_images(name)
    assert model.standardize.per == "feature"
    plain = model(images)
    model.standardize.fit([images])
    assert torch.equal(model(images), model.head(model.features(model.standardize(images))))
    assert not torch.equal(model(images), plain)


SWITCHES = [
    ({"batch_norm": False}, nn.BatchNorm2d, None),
    ({"dropout": 0}, nn.Dropout, None),
    ({"dropout": 0.0}, nn.Dropout, None),
    ({"activation": "tanh"}, nn.ReLU, nn.Tanh),
    ({"max_pool": False}, MaxPool, MeanPool),
]


@every_network
@pytest.mark.parametrize(("switch", "off", "instead"), SWITCHES, ids=[str(switch) for switch, *_ in SWITCHES])
def test_a_switch_takes_out_its_layer_and_nothing_else(name, switch, off, instead):
    usual, changed = kinds(make(name).features), kinds(make(name, **switch).features)
    assert off in usual
    assert changed == [instead if layer is off else layer for layer in usual if layer is not off or instead]
    assert make(name, **switch)(some_images(name)).shape == (4, 10)


@every_network
def test_all_switches_off_leave_a_convolutional_network(name):
    model = make(name, batch_norm=False, dropout=0, max_pool=False, standardize="none")
    assert set(kinds(model.features)) == {nn.Conv2d, nn.ReLU, MeanPool, nn.Flatten}
    images = some_images(name)
    assert torch.equal(model.train()(images), model.eval()(images)), "nothing is left that knows of training"


def test_mean_pooling_takes_the_mean_of_the_same_windows():
    assert MeanPool()(torch.arange(16.0).view(1, 1, 4, 4)).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


@pytest.mark.parametrize(("pool", "expected"), [(MaxPool(), [[2.0, 4.0]]), (MeanPool(), [[1.5, 3.5]])], ids=str)
def test_a_single_row_or_column_stays(pool: nn.Module, expected: list[list[float]]) -> None:
    row = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]], requires_grad=True)
    for images in (row, row.detach()):
        with torch.set_grad_enabled(images.requires_grad):
            assert pool(images)[0, 0].tolist() == expected
            assert pool(images.mT)[0, 0].mT.tolist() == expected
            assert pool(pool(pool(images))).shape == (1, 1, 1, 1)


def test_pooling_and_dropout_follow_every_second_convolution():
    model = ConvNet(
        image_shape=(1, 12, 12),
        num_classes=3,
        units=[2, 3, 4],
        kernel_size=3,
        padding=1,
        pool_every=2,
        batch_norm=False,
    )
    unit = [nn.Conv2d, nn.ReLU]
    assert kinds(model.features) == [*unit, *unit, MaxPool, nn.Dropout, *unit, nn.Flatten]
    assert model.head[0].in_features == 4 * 6 * 6


def test_the_head_may_have_hidden_layers():
    model = make("mnist", head=[64, 32])
    assert kinds(model.head) == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert [layer.out_features for layer in model.head if isinstance(layer, nn.Linear)] == [64, 32, 10]
    assert model(some_images("mnist")).shape == (4, 10)
    assert kinds(linear_head(5, 2)) == [nn.Linear]


@every_network
def test_counting_the_features_leaves_no_trace(name):
    model = make(name)
    assert all(module.training for module in model.modules())
    counts = [layer.num_batches_tracked for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert counts
    assert not any(counts)


@every_network
def test_every_weight_learns_and_the_images_get_a_gradient(name):
    torch.manual_seed(0)
    model, images = make(name), some_images(name).requires_grad_()
    nn.functional.cross_entropy(model(images), torch.arange(4)).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())
    assert images.grad.any()


@every_network
def test_the_same_weights_answer_the_same(name):
    torch.manual_seed(0)
    model = make(name).eval()
    torch.manual_seed(0)
    again, copy = make(name).eval(), make(name).eval()
    images = some_images(name)
    assert torch.equal(again(images), model(images))
    assert not torch.equal(copy(images), model(images))
    copy.load_state_dict(model.state_dict())
    assert torch.equal(copy(images), model(images))


@pytest.mark.parametrize(("name", "shape"), [("mnist", (1, 5, 5)), ("mnist", (1, 6, 28))])
def test_images_that_are_too_small_are_refused(name, shape):
    message = rf"Images of {shape[1]} x {shape[2]} pixels are too small for this network \(.+\)\."
    with pytest.raises(ValueError, match=message):
        make(name, shape)


@pytest.mark.parametrize(("name", "shape"), [("mnist", (1, 7, 7)), ("cifar10", (3, 8, 32)), ("cifar10", (3, 1, 1))])
def test_the_smallest_images_that_fit_are_taken(name, shape):
    assert make(name, shape).eval()(torch.rand(2, *shape)).shape == (2, 10)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match=r"`model\.activation` must be one of relu, tanh; got 'gelu'"):
        make("mnist", activation="gelu")


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5, float("nan")])
def test_dropout_is_a_share_below_one(dropout):
    with pytest.raises(ValueError, match=rf"`model.dropout` must be at least 0 and below 1; got {dropout}\. It is"):
        make("mnist", dropout=dropout)


def test_an_unknown_way_to_standardize_is_refused():
    with pytest.raises(ValueError, match="`standardize` must be one of feature, channel, none; got 'pixel'"):
        make("mnist", standardize="pixel")
