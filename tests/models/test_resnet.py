"""Residual networks are the published ones but for their stem."""

import pytest
import torch
from torchvision.models import resnet18, resnet50

from robust.models import ResNet

SHAPE = (3, 64, 64)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("depth", "published"), [(18, resnet18), (50, resnet50)])
def test_behind_the_stem_it_is_torchvisions(depth, published, images):
    torch.manual_seed(0)
    ours, theirs = ResNet(image_shape=SHAPE, num_classes=7, depth=depth).eval(), published(num_classes=7).eval()
    for part in ("layer1", "layer2", "layer3", "layer4"):
        theirs.get_submodule(part).load_state_dict(ours.get_submodule(part).state_dict())
    theirs.fc.load_state_dict(ours.head[0].state_dict())
    theirs.conv1, theirs.bn1, theirs.maxpool = ours.stem[0], ours.stem[1], torch.nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("depth", [18, 50])
def test_squeezing_weighs_the_channels_of_each_block(depth, images):
    network = ResNet(image_shape=SHAPE, num_classes=7, depth=depth, squeeze=True).eval()
    plain = ResNet(image_shape=SHAPE, num_classes=7, depth=depth)
    blocks = sum(len(network.get_submodule(f"layer{place}")) for place in range(1, 5))
    squeezes = [one for one in network.modules() if type(one).__name__ == "SqueezeExcitation"]
    assert len(squeezes) == blocks
    channels = 256 if depth == 50 else 64
    assert squeezes[0].fc1.weight.shape == (channels // 16, channels, 1, 1)
    assert sum(p.numel() for p in network.parameters()) > sum(p.numel() for p in plain.parameters())
    before = network(images)
    squeezes[-1].fc2.bias.data.fill_(-100)  # shut: nothing of the last block is added
    assert not torch.equal(network(images), before)
    last = network.layer4[-1]
    features = network.layer3(network.layer2(network.layer1(network.stem(images))))
    for block in network.layer4[:-1]:
        features = block(features)
    torch.testing.assert_close(last(features), features.relu())


def test_a_stride_in_the_stem_halves_what_follows(images):
    slow, fast = (ResNet(image_shape=SHAPE, num_classes=7, stem_stride=stride).eval() for stride in (1, 2))
    assert slow.stem(images).shape[2:] == (64, 64)
    assert fast.stem(images).shape[2:] == (32, 32)
    assert slow(images).shape == fast(images).shape == (2, 7)
    pooled = ResNet(image_shape=SHAPE, num_classes=7, stem_kernel=7, stem_stride=2, stem_pool=True).eval()
    published = resnet18(num_classes=7).eval()
    assert pooled.stem(images).shape == published.maxpool(published.conv1(images)).shape == (2, 64, 16, 16)


def test_half_the_width_is_half_the_channels_everywhere(images):
    wide, narrow = (ResNet(image_shape=SHAPE, num_classes=7, width=width, squeeze=True).eval() for width in (64, 32))
    of_wide, of_narrow = images, images
    for part in ("stem", "layer1", "layer2", "layer3", "layer4"):
        of_wide, of_narrow = wide.get_submodule(part)(of_wide), narrow.get_submodule(part)(of_narrow)
        assert of_narrow.shape[2:] == of_wide.shape[2:]
        assert 2 * of_narrow.shape[1] == of_wide.shape[1]
    assert narrow(images).shape == (2, 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 20}, "`model.depth` must be one of 18, 34, 50; got 20"),
        ({"stem_stride": 4}, "`model.stem_stride` must be 1 or 2; got 4"),
        ({"width": 0}, "`model.width`, the stem's channels, must be a whole number >= 1; got 0"),
        ({"width": 3.5}, "`model.width`, the stem's channels, must be a whole number >= 1; got 3.5"),
    ],
)
def test_other_networks_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ResNet(image_shape=SHAPE, num_classes=7, **settings)
