"""Anyone's images become an `ImageSet`, right way up and by the right names, or are refused with what to do."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from robust.data import ImageSet, as_image_set

PIXELS = torch.randint(256, (6, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 2, 1, 0])


class Pairs(Dataset):
    def __init__(self, images, labels=LABELS, classes=None):
        self.images, self.labels = images, labels
        if classes:
            self.classes = classes

    def __len__(self):
        return len(self.images)

    def __getitem__(self, place):
        return self.images[place], self.labels[place]


def pictures(mode="RGB"):
    return [Image.fromarray(one.permute(1, 2, 0).numpy()).convert(mode) for one in PIXELS]


GIVEN = {
    "an image set": lambda: ImageSet(PIXELS, LABELS, ("0", "1", "2")),
    "tensors": lambda: (PIXELS, LABELS),
    "arrays": lambda: (PIXELS.numpy(), LABELS.numpy()),
    "a list of two": lambda: [PIXELS.numpy(), LABELS.numpy().astype(np.int32)],
    "channels last": lambda: (PIXELS.permute(0, 2, 3, 1).numpy(), LABELS),
    "floats": lambda: (PIXELS.double().numpy() / 255, LABELS),
    "floats, channels last": lambda: (PIXELS.permute(0, 2, 3, 1).float() / 255, LABELS),
    "a dataset of pictures": lambda: Pairs(pictures()),
    "a dataset of palettes": lambda: Pairs([one.convert("RGBA") for one in pictures()]),
    "a dataset of tensors": lambda: TensorDataset(PIXELS, LABELS),
    "a dataset of floats": lambda: TensorDataset(PIXELS.float() / 255, LABELS),
    "a dataset of arrays, channels last": lambda: Pairs([one.permute(1, 2, 0).numpy() for one in PIXELS]),
    "a list of pairs": lambda: [(image, int(label)) for image, label in zip(PIXELS, LABELS, strict=True)],
    "labels of NumPy": lambda: Pairs(PIXELS, LABELS.numpy()),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_images_of_any_make_are_the_same(kind):
    found = as_image_set(GIVEN[kind]())
    assert torch.equal(found.images, PIXELS)
    assert torch.equal(found.labels, LABELS)
    assert found.classes == ("0", "1", "2")
    assert found.places.tolist() == [*range(6)]


def test_grey_images_have_one_channel():
    grey = torch.stack([torch.from_numpy(np.array(one)) for one in pictures("L")])
    for given in (Pairs(pictures("L")), (grey, LABELS), (grey[..., None], LABELS), (grey[:, None].numpy(), LABELS)):
        assert torch.equal(as_image_set(given).images, grey[:, None])


def test_classes_go_by_the_names_of_the_dataset():
    named = Pairs(PIXELS, classes=["cat", "dog", "bird", "fish"])
    assert as_image_set(named).classes == ("cat", "dog", "bird", "fish")
    assert as_image_set(Subset(named, [5, 0])).classes == ("cat", "dog", "bird", "fish")


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


ODD = Pairs([PIXELS[0], PIXELS[1, :, :, :3]], LABELS[:2])
REFUSED = {
    "a loader": (lambda: DataLoader(Pairs(PIXELS)), "give loader.dataset"),
    "a stream": (Stream, r"__getitem__ and __len__"),
    "sizes that differ": (lambda: ODD, r"\(3, 5, 4\), and \(3, 5, 3\) at place 1. Add Resize"),
    "normalised": (lambda: Pairs(PIXELS.float() / 50 - 1), "take Normalize out of the transform"),
    "no pairs": (lambda: Pairs(PIXELS).images.tolist(), "must give pairs|cannot be read|must be PIL"),
    "bare images": (lambda: PIXELS, "arrays .images, labels. or a robust.data.ImageSet; got Tensor"),
    "labels that are words": (lambda: Pairs(PIXELS, ["a"] * 6), "must be whole numbers; got 'a' at place 0"),
    "labels that are shares": (lambda: Pairs(PIXELS, [0.5] * 6), "must be whole numbers; got 0.5"),
    "one-hot": (lambda: (PIXELS, torch.eye(6)[:, :3].long()), "one-hot"),
    "no images": (lambda: Pairs(PIXELS[:0]), "must hold images; got none"),
    "no arrays": (lambda: (PIXELS[:0], LABELS[:0]), "must hold images|shape"),
    "16 bits": (lambda: Pairs([Image.new("I;16", (4, 5))] * 6), "must have 8 bits; got mode I;16"),
    "words": (lambda: Pairs(["a.png"] * 6), "at place 0"),
    "a number": (lambda: 3, "got int"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_labelled_images_is_refused_in_a_sentence(what):
    make, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        as_image_set(make())
