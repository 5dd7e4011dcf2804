"""What others give as data: right, or refused in one sentence."""

import re

import numpy as np
import pytest
import torch

from robust.data import ImageSet, Splits
from robust.errors import Notice
from robust.experiment.build import build_splits
from robust.runs.config import Config

RAMP = (torch.arange(4 * 1 * 5 * 6) % 256).view(4, 1, 5, 6).to(torch.uint8)
LABELS = torch.tensor([0, 1, 0, 1])


def make(images=RAMP, labels=LABELS, classes=("dark", "bright")):
    return ImageSet(images, labels, classes)


@pytest.mark.parametrize(
    "images",
    [
        RAMP.numpy(),
        RAMP.numpy().astype(">i4"),
        RAMP.numpy()[::-1][::-1],
        np.asfortranarray(RAMP.numpy()),
        np.frombuffer(RAMP.numpy().tobytes(), np.uint8).reshape(4, 1, 5, 6),  # read-only
        RAMP.numpy().astype(np.uint16),
        RAMP.long(),
        RAMP.float() / 255,
        RAMP.double().numpy() / 255,
        (RAMP.float() / 255).requires_grad_(),
        RAMP[:, 0],
        RAMP.to(memory_format=torch.channels_last),
        RAMP.tolist(),
    ],
)
def test_images_of_any_type_that_means_one_thing_are_the_same_bytes(images):
    found = make(images).images
    assert found.dtype == torch.uint8
    assert torch.equal(found, RAMP)


@pytest.mark.parametrize("labels", [LABELS.numpy(), LABELS.int(), LABELS.byte(), LABELS.tolist()])
def test_labels_are_whole_numbers_of_any_type(labels):
    assert torch.equal(make(labels=labels).labels, LABELS)
    assert make(labels=labels).labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (RAMP.float(), "Images must be floats from 0 to 1; got torch.float32 from 0 to 119. Divide them by 255."),
        (RAMP.float() / 100 - 0.5, "Images must be floats from 0 to 1; got torch.float32 from -0.5 to 0.69."),
        (RAMP / torch.tensor(0.0), "Images must be floats from 0 to 1; got torch.float32 from nan to nan."),
        (RAMP.long() * 3, "Images must be integers from 0 to 255; got torch.int64 from 0 to 357."),
        (RAMP > 50, "Images must be uint8 from 0 to 255, or floats from 0 to 1; got torch.bool."),
        (
            RAMP.expand(4, 3, 5, 6).permute(0, 2, 3, 1),
            "Images must have their channels before height and width; got shape (4, 5, 6, 3). Permute them: "
            "images.permute(0, 3, 1, 2).",
        ),
        (RAMP[0, 0], "Images must be of shape (n, channels, height, width); got (5, 6)."),
        (RAMP[:, :, :0], "Images must be of shape (n, channels, height, width); got (4, 1, 0, 6)."),
        ([["cat"]], "Images must be a tensor or an array of numbers; got list (too many dimensions 'str')."),
        (None, "Images must be a tensor or an array of numbers; got NoneType (Could not infer dtype of NoneType)."),
    ],
)
def test_images_that_could_mean_something_else_are_refused(images, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        make(images)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (LABELS.float(), "Labels must be whole numbers, each the place of an image's class among `classes`; got"),
        (["a", "b", "a", "b"], "Labels must be a tensor or an array of numbers; got list (too many dimensions 'str')."),
        (np.array(["a", "b", "a", "b"]), "Labels must be a tensor or an array of numbers; got ndarray ("),
        (LABELS + 1, "Labels must be from 0 to 1, one for each class; got 1 to 2."),
        (LABELS - 1, "Labels must be from 0 to 1, one for each class; got -1 to 0."),
        (
            torch.eye(2).long()[LABELS],
            "Labels must be one number for each image; got shape (4, 2). If they are one-hot",
        ),
        (LABELS[:3], "Labels must be of shape (4,), one for each image; got (3,)."),
        (LABELS[:, None], "Labels must be of shape (4,), one for each image; got (4, 1)."),
    ],
)
def test_labels_that_are_no_places_are_refused(labels, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        make(labels=labels)


@pytest.mark.parametrize("classes", ["ab", (), ("a", "a"), (0, 1), None])
def test_classes_are_different_names(classes):
    with pytest.raises(ValueError, match=r"Classes must be different names, such as .*; got "):
        make(classes=classes)
    assert make(classes=["a", "b"]).classes == ("a", "b")


def test_both_parts_hold_images_of_one_kind():
    with pytest.raises(ValueError, match=r"must have the same classes; got \('dark', 'bright'\) and \('a', 'b'\)\."):
        Splits(make(), make(classes=("a", "b")))
    with pytest.raises(ValueError, match=r"must have the same shape; got \(1, 5, 6\) and \(1, 5, 5\)\."):
        Splits(make(), make(RAMP[..., :5]))
    with pytest.raises(ValueError, match=r"There must be images to test on; got none, and 4 to train on\."):
        Splits(make(), make(RAMP[:0], LABELS[:0]))
    with pytest.raises(ValueError, match=r"Extras must have a row for each of the 4 images; got 3 of pose\."):
        ImageSet(RAMP, LABELS, ("dark", "bright"), {"pose": torch.zeros(3)})


def returned(what):
    """What a source of one's own returns, as a run takes it."""
    source = {"_target_": f"{__name__}.source", "what": what}
    return build_splits(Config.of({"source": source}))


SOURCES = {
    "a pair": (RAMP, LABELS),
    "doubled": Splits(make(), make(torch.cat([RAMP[:1], 255 - RAMP[1:]]))),
    "black": Splits(make(RAMP % 2), make(RAMP[:1] % 2 * 0, LABELS[:1])),
    "right": Splits(make(), make(255 - RAMP)),
}


def source(*, what):
    return SOURCES[what]  # KeyError, for what it does not know


def test_what_a_source_of_ones_own_returns_is_looked_at():
    with pytest.raises(ValueError, match=r"`data.source` \(.*source\) must return robust.data.Splits; got tuple\."):
        returned("a pair")
    with pytest.warns(Notice, match=r"1 of the 4 test images are training images too, such as number 0\."):
        assert len(returned("doubled").notes) == 1
    notes = " ".join(returned("black").notes)
    assert "All images to train are black: none is brighter than 1, of 255." in notes
    assert "There is no image to test of 1 classes: bright." in notes
    assert not returned("right").notes
    with pytest.raises(ValueError, match=r"source cannot be made with what='nothing' \(KeyError: 'nothing'\)\."):
        returned("nothing")
