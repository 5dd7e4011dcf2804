"""Networks of others: what they are shown, what is taken from them, where their weights come from."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from robust.models import Adapted, Wants, make_network
from robust.models.pretrained import load_pretrained

SHAPE = (3, 8, 8)
SIZES = {"image_shape": [3, 32, 32], "num_classes": 10}


class Seen(nn.Module):
    """Returns what it was shown, its first values as logits."""

    def forward(self, images):
        self.images = images
        return images.flatten(1)[:, :4]


class Small(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.body = nn.Conv2d(3, 5, 3)
        self.fc = nn.Linear(5, classes)

    def forward(self, images):
        return self.fc(functional.relu(self.body(images)).mean((2, 3)))


def adapted(network, shape=SHAPE, count=4, **options):
    return Adapted(network=network, image_shape=shape, num_classes=count, **options)


def test_images_are_shown_as_they_are_where_nothing_is_said():
    images = torch.rand(5, *SHAPE)
    assert torch.equal(adapted(Seen()).prepare(images), images)


def test_range_mean_and_std_are_those_of_the_network():
    images = torch.rand(5, *SHAPE)
    shown = adapted(Seen(), range=255, mean=[104, 117, 123], std=2).prepare(images)
    wanted = (images * 255 - torch.tensor([104.0, 117, 123])[:, None, None]) / 2
    assert torch.allclose(shown, wanted)


def test_bgr_turns_the_channels_round_and_channels_last_puts_them_behind():
    images = torch.rand(5, *SHAPE)
    shown = adapted(Seen(), channels="bgr", layout="channels_last").prepare(images)
    assert torch.equal(shown, images.flip(1).permute(0, 2, 3, 1))


def test_grey_images_are_shown_as_colour_ones_and_the_other_way_round():
    grey, colour = torch.rand(2, 1, 8, 8), torch.rand(2, 3, 8, 8)
    assert torch.equal(adapted(Seen(), (1, 8, 8), channels="rgb").prepare(grey), grey.expand(-1, 3, -1, -1))
    one = adapted(Seen(), channels="grey").prepare(colour)
    assert one.shape == (2, 1, 8, 8)
    assert torch.allclose(one[:, 0], 0.299 * colour[:, 0] + 0.587 * colour[:, 1] + 0.114 * colour[:, 2])


def test_images_are_resized_to_the_networks_size_and_gradients_reach_them():
    model = adapted(Small(), size=[16, 12])
    images = torch.rand(2, *SHAPE, requires_grad=True)
    assert model.prepare(images).shape == (2, 3, 16, 12)
    model(images).sum().backward()
    assert images.grad.abs().sum() > 0


def test_the_logits_are_those_of_the_network_itself():
    network = Small().eval()
    images = torch.rand(6, *SHAPE)
    with torch.no_grad():
        wanted = network(images)
        assert torch.equal(adapted(network).eval()(images), wanted)


def test_probabilities_become_logits_whose_softmax_they_are():
    network = nn.Sequential(Small(), nn.Softmax(1)).eval()
    images = torch.rand(6, *SHAPE)
    with torch.no_grad():
        wanted = network(images)
        assert torch.allclose(adapted(network, outputs="probabilities")(images).softmax(1), wanted, atol=1e-6)


def test_a_network_may_say_what_images_it_was_made_for_and_is_overruled_by_what_is_set():
    class Said(Small):
        wants = Wants(size=12, mean=0.5, std=[0.1, 0.2, 0.4])

    images = torch.rand(2, *SHAPE)
    model = adapted(Said())
    assert model.size == (12, 12)
    assert torch.allclose(model.mean, torch.full((3, 1, 1), 0.5))
    shown = adapted(Said(), size="data", mean=0, std=1).prepare(images)
    assert torch.equal(shown, images)


def test_a_class_has_the_logit_of_its_output_or_the_summed_ones_of_several():
    images = torch.rand(3, *SHAPE)
    one = adapted(Small(6), count=6, classes=[[4], [1]])
    several = adapted(Small(6), count=6, classes=[[0, 2], [1]])
    with torch.no_grad():
        assert torch.equal(one(images), one.head(one.network(images))[:, [4, 1]])
        given = several.head(several.network(images))
        wanted = torch.stack([given[:, [0, 2]].exp().sum(1).log(), given[:, 1]], 1)
        assert torch.allclose(several(images), wanted, atol=1e-6)


def test_a_new_head_takes_the_place_of_the_old_one():
    model = adapted(Small(7), head=[6])
    assert model(torch.rand(2, *SHAPE)).shape == (2, 4)
    assert [one.out_features for one in model.head.modules() if isinstance(one, nn.Linear)] == [6, 4]


def test_a_network_without_a_last_linear_layer_gets_no_new_head():
    with pytest.raises(ValueError, match="must end in a linear layer"):
        adapted(Seen(), head=[])


def test_other_outputs_than_classes_are_refused_with_the_key_that_maps_them():
    with pytest.raises(ValueError, match=r"7 outputs where the data has 4 classes.*model\.classes"):
        adapted(Small(7))


def test_what_cannot_be_called_is_refused_with_the_keys_that_say_what_it_takes():
    with pytest.raises(ValueError, match=r"cannot be called with images of shape \(2, 1, 8, 8\).*model\.channels"):
        adapted(Small(), (1, 8, 8))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("range", 2, "1 or 255"),
        ("size", 0, "number of pixels"),
        ("size", [1, 2, 3], "number of pixels"),
        ("mean", [0.5, 0.5], "3 of them"),
        ("mean", float("nan"), "a number"),
        ("std", 0, "above 0"),
    ],
)
def test_options_out_of_range_are_refused(option, value, said):
    with pytest.raises(ValueError, match=rf"`model\.{option}`.*{said}"):
        adapted(Small(), **{option: value})


def saved(tmp_path, state, **around):
    path = tmp_path / "weights.pt"
    torch.save({**around, "state_dict": state} if around else state, path)
    return str(path)


@pytest.mark.parametrize("prefix", ["", "module.", "module.model."])
def test_weights_are_found_by_the_networks_own_names_behind_any_wrappers_prefix(tmp_path, prefix):
    other = Small()
    path = saved(tmp_path, {f"{prefix}{name}": value for name, value in other.state_dict().items()}, epoch=3)
    model = adapted(Small())
    load_pretrained(model, path)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(model(images), other(images))


def test_weights_with_another_head_are_refused_or_leave_the_new_one(tmp_path):
    path = saved(tmp_path, Small(9).state_dict())
    with pytest.raises(ValueError, match=r"head of 9 outputs where the data has 4 classes"):
        load_pretrained(adapted(Small()), path)
    model = adapted(Small())
    before = model.head.weight.clone()
    load_pretrained(model, path, keep_head=False)
    assert torch.equal(model.head.weight, before)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    path = saved(tmp_path, {"body.weight": torch.zeros(2, 3, 3, 3), "body.bias": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"another network: body\.bias, body\.weight differ"):
        load_pretrained(adapted(Small()), path)


def test_a_mean_and_std_in_the_file_must_be_those_that_are_set(tmp_path):
    state = {
        **Small().state_dict(),
        "mu": torch.tensor([0.5, 0.4, 0.3])[:, None, None],
        "sigma": torch.full((3, 1, 1), 0.2),
    }
    path = saved(tmp_path, state)
    with pytest.raises(ValueError, match=r"model\.mean=\[0\.5,0\.4,0\.3\] model\.std=\[0\.2,0\.2,0\.2\]"):
        load_pretrained(adapted(Small()), path)
    load_pretrained(adapted(Small(), mean=[0.5, 0.4, 0.3], std=0.2), path)


@pytest.mark.parametrize("architecture", ["wide_resnet_28_1", "resnet18", "preact_resnet18_bn", "preact_resnet18_v2"])
def test_networks_of_robustbenchs_architectures_know_the_names_of_its_files(architecture):
    described = {"_target_": "robust.models.RobustBenchNetwork", "architecture": architecture}
    model = make_network({**described, **SIZES})
    names = {name.rpartition(".")[0] for name in model._theirs()}
    wanted = {
        "wide_resnet_28_1": {"conv1", "block1.layer.0.conv1", "block2.layer.0.convShortcut", "bn1", "fc"},
        "resnet18": {"conv1", "bn1", "layer1.0.conv2", "layer2.0.shortcut.0", "layer2.0.shortcut.1", "linear"},
        "preact_resnet18_bn": {"conv1", "layer1.0.bn1", "layer2.0.shortcut.0", "bn", "linear"},
        "preact_resnet18_v2": {"conv1", "layer1.0.bn1", "layer4.1.conv2", "linear"},
    }[architecture]
    assert wanted <= names
    with torch.no_grad():
        assert model.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_an_unknown_architecture_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"`model\.architecture`.*Did you mean `resnet18`"):
        make_network({"_target_": "robust.models.TorchvisionNetwork", "architecture": "resnet118", **SIZES})


@pytest.mark.parametrize("argument", ["weights", "pretrained", "checkpoint_path"])
def test_what_reads_weights_is_no_argument_that_a_checkpoint_may_name(argument):
    described = {"_target_": "robust.models.TorchvisionNetwork", "architecture": "resnet18", **SIZES}
    with pytest.raises(ValueError, match=r"weights=FILE"):
        make_network({**described, "arguments": {argument: "somewhere"}})


def test_weights_are_found_by_the_names_that_an_export_gives_them(tmp_path):
    other = adapted(Small())
    model = adapted(Small())
    load_pretrained(model, saved(tmp_path, other.state_dict()))
    images = torch.rand(4, *SHAPE)
    assert torch.equal(model(images), other(images))
