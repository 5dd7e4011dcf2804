"""The networks of the mind's eye: shapes, what each stage sees, and how scores become predictions."""

import pytest
import torch

from robust.models import AlexNet, Thresholded, gives_logits
from robust.studies.minds_eye.networks import (
    PATCH,
    AlexNetWithPose,
    Comparator,
    Estimator,
    Projector,
    TripleStaged,
)

SHAPE, NAMES = (1, 64, 64), ["pitch", "yaw", "roll"]


@pytest.fixture
def eye():
    torch.manual_seed(0)
    return TripleStaged(image_shape=SHAPE, num_classes=4, parameters=NAMES).eval()


@pytest.fixture
def images():
    return torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(1))


def test_the_small_alexnet_has_the_published_layers(images):
    network = AlexNet(image_shape=SHAPE, num_classes=4).eval()
    convolutions = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    linear = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_channels for layer in convolutions] == [16, 64, 96, 96, 64]
    assert [layer.out_features for layer in linear] == [1024, 1024, 4]
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.LocalResponseNorm)]
    assert [(norm.size, norm.alpha, norm.beta) for norm in norms] == [(5, 1e-4, 0.75)] * 2
    assert network(images).shape == (5, 4)


def test_a_second_head_leaves_the_logits_alone(images):
    network = AlexNetWithPose(image_shape=SHAPE, num_classes=4, parameters=NAMES).eval()
    logits, parameters = network.estimate(images)
    assert torch.equal(logits, network(images))
    assert parameters.shape == (5, 3)


def test_the_estimator_depends_on_the_class_and_is_clipped(images):
    network = Estimator(image_shape=SHAPE, num_classes=3, parameters=NAMES).eval()
    raw = [network.raw(images, torch.full((5,), label)) for label in range(3)]
    assert not torch.equal(raw[0], raw[1])
    assert torch.equal(network(images, torch.zeros(5, dtype=torch.int64)), raw[0].clamp(0, 1))


def test_the_projector_draws_on_black():
    network = Projector(image_shape=SHAPE, num_classes=3, parameters=NAMES).eval()
    widths = [layer.out_features for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    assert widths == [512, 512, 384, 384, 6144]
    drawing, alpha = network(torch.rand(5, 3), torch.arange(5) % 3)
    assert drawing.shape == alpha.shape == (5, *SHAPE)
    assert 0 <= alpha.min() <= alpha.max() <= 1
    network.alpha.bias.data.fill_(-50)
    assert network(torch.rand(5, 3), torch.arange(5) % 3)[0].abs().max() < 1e-6


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 64, 32), (1, 60, 60)])
def test_the_projector_names_images_it_cannot_draw(shape):
    with pytest.raises(ValueError, match=r"grey squares with a side of a multiple of 8 pixels; got images of shape \("):
        Projector(image_shape=shape, num_classes=3, parameters=NAMES)


def test_the_comparator_sees_one_patch_at_a_time(images):
    network = Comparator().eval()
    drawings, alphas = images.flip(0), images.flip(1, 2)
    whole = network(images, drawings, alphas)
    assert whole.shape == (5, 1, 55, 55)
    for top, left in ((0, 0), (17, 40), (54, 54)):
        window = (..., slice(top, top + PATCH), slice(left, left + PATCH))
        patch = network(images[window], drawings[window], alphas[window])
        torch.testing.assert_close(patch[..., 0, 0], whole[..., top, left], rtol=1e-4, atol=1e-5)


def test_a_view_is_the_stages_one_after_the_other(eye, images):
    images = torch.cat([images, images.flip(2), images.flip(3)])
    view = eye.look(images)
    assert view.parameters.shape == (15, 3, 3)
    assert view.drawing.shape == view.alpha.shape == (15, 3, 64, 64)
    assert view.similarity.shape == view.weight.shape == (15, 3, 55, 55)
    assert view.score.shape == (15, 3)
    for label in range(3):
        classes = torch.full((15,), label)
        parameters = eye.estimator(images, classes)
        drawing, alpha = eye.projector(parameters, classes)
        similarity = eye.comparator(images, drawing, alpha).sigmoid()
        pooled = alpha.unfold(2, PATCH, 1).unfold(3, PATCH, 1).mean((4, 5))
        score = (similarity * pooled).sum((1, 2, 3)) / pooled.sum((1, 2, 3))
        torch.testing.assert_close(view.score[:, label], score)
        torch.testing.assert_close(view.weight[:, label], pooled[:, 0])
    assert 0 <= view.score.min() <= view.score.max() <= 1


def test_the_greatest_output_is_the_prediction_at_any_threshold(eye, images):
    scores = eye.look(images).score.detach()
    middle = float(scores.max(1).values.sort().values[2])  # reached by three of the five
    for threshold in (0.01, middle, middle + 1e-4, 0.99):
        eye.threshold = threshold
        best, place = scores.max(1)
        wanted = torch.where(best >= threshold, place, 3)
        assert eye(images).shape == (5, 4)
        assert torch.equal(eye(images).argmax(1), wanted)
        assert torch.equal(eye.predictions_at(eye(images), [0.5, threshold])[:, 1], wanted)


@pytest.mark.parametrize("threshold", [0, 1, -0.5, 1.5, float("nan")])
def test_a_threshold_is_between_0_and_1(eye, threshold):
    with pytest.raises(ValueError, match="`threshold` must be above 0 and below 1; got "):
        eye.threshold = threshold
    with pytest.raises(ValueError, match="`threshold` must be above 0 and below 1; got "):
        TripleStaged(image_shape=SHAPE, num_classes=4, parameters=NAMES, threshold=threshold)


def test_an_attack_leads_it_to_scores(eye):
    assert isinstance(eye, Thresholded)
    assert not gives_logits(eye)
    scores = torch.tensor([[0.2, 0.9, 0.1, 0.45]])
    assert eye.target_loss(scores, torch.tensor([0])).item() == pytest.approx(0.8**2 + 0.9**2 + 0.1**2)
    assert eye.target_loss(scores, torch.tensor([3])).item() == pytest.approx(0.2**2 + 0.9**2 + 0.1**2)
