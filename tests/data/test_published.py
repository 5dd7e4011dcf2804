"""Published data sets in their own files: every image with its label, right way up; counted, or refused with the
reason."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision import datasets, transforms

from robust.data import Splits, cifar100, emnist, fashion_mnist, imagenet, stl10, svhn
from robust.errors import Notice
from robust.experiment.prepare import prepare

WNIDS = ["n01440764", "n01443537", "n02007558", "n02012849"]


def some_bytes(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_idx(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(header + values.tobytes())


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_fashion_mnist_is_read_and_its_images_are_counted(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    for part, count in (("train", 12), ("t10k", 5)):
        write_idx(raw / f"{part}-images-idx3-ubyte", some_bytes(count, 28, 28))
        write_idx(raw / f"{part}-labels-idx1-ubyte", some_bytes(count) % 10)
    with pytest.warns(Notice, match="Fashion-MNIST was published with 60,000 images to train; 12 are there"):
        splits = fashion_mnist(dir=str(tmp_path), download=False)
    assert np.array_equal(splits.test.images[:, 0], some_bytes(5, 28, 28))
    assert np.array_equal(splits.train.labels, some_bytes(12) % 10)
    assert splits.train.classes[9] == "Ankle boot"
    assert len(splits.notes) == 2
    assert splits.digest, "the name does not say which images they are"
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(ValueError, match=r"Fashion-MNIST in .*/raw is damaged \(.*\)\. Delete it and fetch it again"):
        fashion_mnist(dir=str(tmp_path), download=False)


@pytest.mark.parametrize(("split", "first", "classes"), [("letters", 1, 26), ("balanced", 0, 47)])
def test_emnist_is_upright_and_counted_from_its_first_class(
    tmp_path: Path, split: Any, first: int, classes: int
) -> None:
    raw, images = tmp_path / "EMNIST" / "raw", some_bytes(6, 28, 28)
    for part in ("train", "test"):
        write_idx(raw / f"emnist-{split}-{part}-images-idx3-ubyte", images.transpose(0, 2, 1).copy())
        write_idx(raw / f"emnist-{split}-{part}-labels-idx1-ubyte", np.arange(first, first + 6, dtype=np.uint8))
    splits = emnist(dir=str(tmp_path), download=False, split=split)
    assert np.array_equal(splits.test.images[:, 0], images)
    assert splits.train.labels.tolist() == [*range(6)]
    assert len(splits.train.classes) == classes
    with pytest.raises(FileNotFoundError, match=r"EMNIST \(mnist\) is not in .*emnist-mnist-train-images"):
        emnist(dir=str(tmp_path), download=False, split="mnist")


def test_svhn_calls_zero_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {}
    for part in ("train", "test"):
        path = tmp_path / f"{part}_32x32.mat"
        savemat(path, {"X": some_bytes(32, 32, 3, 4), "y": np.array([[10], [1], [9], [10]])})
        parts[part] = ["", path.name, md5(path)]
    monkeypatch.setattr(datasets.SVHN, "split_list", parts)
    splits = svhn(dir=str(tmp_path), download=False)
    assert splits.test.labels.tolist() == [0, 1, 9, 0]
    assert np.array_equal(splits.train.images[3].permute(1, 2, 0), some_bytes(32, 32, 3, 4)[..., 3])
    (tmp_path / "test_32x32.mat").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"SVHN in .*test_32x32\.mat is damaged"):
        svhn(dir=str(tmp_path), download=False)


def test_cifar100_has_its_hundred_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "cifar-100-python"
    place.mkdir()
    names = [f"class {number}" for number in range(100)]
    contents = {
        "train": {"data": some_bytes(4, 3072), "fine_labels": [7, 99, 7, 99]},
        "test": {"data": some_bytes(2, 3072, seed=1), "fine_labels": [0, 50]},
        "meta": {"fine_label_names": names},
    }
    for name, content in contents.items():
        (place / name).write_bytes(pickle.dumps(content))
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", md5(place / "train")]])
    monkeypatch.setattr(datasets.CIFAR100, "test_list", [["test", md5(place / "test")]])
    monkeypatch.setattr(datasets.CIFAR100, "meta", datasets.CIFAR100.meta | {"md5": md5(place / "meta")})
    splits = cifar100(dir=str(tmp_path), download=False)
    assert splits.test.classes == tuple(names)
    assert splits.train.labels.tolist() == [7, 99, 7, 99]
    assert np.array_equal(splits.test.images, some_bytes(2, 3072, seed=1).reshape(2, 3, 32, 32))


def test_stl10_is_read_without_its_unlabelled_images(tmp_path: Path) -> None:
    root, image = tmp_path / "stl10_binary", some_bytes(3, 96, 96)
    root.mkdir()
    for part in ("train", "test"):
        (root / f"{part}_X.bin").write_bytes(image.transpose(0, 2, 1).tobytes() * 2)
        (root / f"{part}_y.bin").write_bytes(bytes([1, 10]))
    (root / "class_names.txt").write_text("\n".join(f"class{number}" for number in range(10)) + "\n")
    splits = stl10(dir=str(tmp_path), download=False)
    assert splits.test.labels.tolist() == [0, 9]
    assert np.array_equal(splits.train.images[1], image)
    (root / "test_y.bin").write_bytes(bytes([1]))
    with pytest.raises(ValueError, match=r"STL-10 in .*stl10_binary is damaged \(Labels must be of shape \(2,\)"):
        stl10(dir=str(tmp_path), download=False)
    with pytest.raises(FileNotFoundError, match=r"STL-10 is not in .*, or `data.download=true`\."):
        stl10(dir=str(tmp_path / "elsewhere"), download=False)


# ImageNet


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four classes, three images each to train on, two to test on, of other sizes."""
    for part, count in (("train", 3), ("val", 2)):
        for label, wnid in enumerate(WNIDS):
            for number in range(count):
                path = tmp_path / "imagenet" / part / wnid / f"{number}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = some_bytes(40 + 9 * label, 61 - 10 * number, 3, seed=10 * label + number)
                Image.fromarray(pixels).resize((pixels.shape[1], pixels.shape[0])).save(path, quality=95)
    return tmp_path / "imagenet"


def read(root: Path, **options: Any) -> Splits:
    return imagenet(path=str(root), **{"size": 24, "resize": 28, **options})


def test_imagenet_is_resized_and_cropped_as_torchvision_does_it(root: Path) -> None:
    splits = read(root)
    shown = transforms.Compose([transforms.Resize(28), transforms.CenterCrop(24), transforms.PILToTensor()])
    for label, wnid in enumerate(WNIDS):
        for number in range(2):
            with Image.open(root / "val" / wnid / f"{number}.JPEG") as picture:
                assert torch.equal(splits.test.images[2 * label + number], shown(picture.convert("RGB")))
    assert splits.test.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert splits.train.labels.bincount().tolist() == [3, 3, 3, 3]
    assert splits.train.classes == splits.wnids == tuple(WNIDS)


@pytest.mark.parametrize("file", ["words.txt", "LOC_synset_mapping.txt"])
def test_imagenets_classes_have_the_names_of_a_list_and_are_chosen_by_them(root: Path, file: str) -> None:
    names = ["tench, Tinca tinca", "goldfish, Carassius auratus", "crane", "crane"]
    space = "\t" if file == "words.txt" else " "
    (root / file).write_text("".join(f"{wnid}{space}{name}\n" for wnid, name in zip(WNIDS, names, strict=True)))
    assert read(root).train.classes == ("tench", "goldfish", *WNIDS[2:])
    chosen = read(root, classes=[WNIDS[2], "goldfish"], per_class=2)
    assert chosen.train.classes == ("goldfish", WNIDS[2])
    assert chosen.wnids == tuple(WNIDS[1:3])
    assert (len(chosen.train), len(chosen.test)) == (4, 4)
    assert read(root, num_classes=2).wnids == (WNIDS[0], WNIDS[2])
    with pytest.raises(ValueError, match=r"`data.classes` must be wnids or names .*; got goldfihs\. Did you mean"):
        read(root, classes=["tench", "goldfihs"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": ["n01440764"]}, r"`data\.classes` must be at least two different classes"),
        (
            {"classes": ["n01440764"], "num_classes": 2},
            r"`data\.num_classes` must be null where data\.classes",
        ),
        ({"num_classes": 5}, r"`data\.num_classes` must be a whole number from 2 to 4, .*; got 5"),
        ({"per_class": 4}, r"`data\.per_class` must be a whole number from 1 to 3, .*; got 4"),
        ({"resize": 23}, r"`data\.resize` must be null or at least data\.size \(24\); got 23"),
    ],
)
def test_a_part_of_imagenet_that_there_is_not_is_refused(root: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(root, **options)


def test_imagenets_validation_images_alone_are_tested_on(root: Path) -> None:
    (root / "train").rename(root / "elsewhere")
    splits = read(root)
    assert (len(splits.train), len(splits.test)) == (0, 8)
    (root / "val").rename(root / "gone")
    with pytest.raises(FileNotFoundError, match=r"`data\.path` must be ImageNet's folder; .*/val is not there"):
        read(root)
    (root / "val").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no classes' folders"):
        read(root)


def test_imagenet_is_chosen_by_name(root: Path) -> None:
    part = ["data.size=32", "data.resize=36", "data.classes=[n01440764,n02012849]", "data.cache_dir=null"]
    given = ["data=imagenet", f"data.path={root}", *part, "model=convnet_tiny_imagenet", "technique=natural"]
    run = prepare([*given, f"runs_dir={root}"])
    assert run.splits.test.shape == (3, 32, 32)
    assert run.identity.data == "imagenet"
