"""Where images come from: what is read, and what is said when it cannot be."""

import hashlib
import os
import pickle
import shutil
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from robust.data import cifar10, digits, mnist

DATA = Path(os.environ.get("ROBUST_DATA", "data"))
DIGITS = tuple("0123456789")
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def some_bytes(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


# scikit-learn's digits


def test_digits_are_1300_to_train_and_497_to_test():
    splits = digits()
    assert (splits.train.images.shape, splits.test.images.shape) == ((1300, 1, 28, 28), (497, 1, 28, 28))
    assert splits.train.images.dtype == splits.test.images.dtype == torch.uint8
    assert splits.train.labels.dtype == splits.test.labels.dtype == torch.int64
    assert splits.train.classes == splits.test.classes == DIGITS
    assert splits.digest is None


def test_digits_are_stratified():
    splits = digits()
    train, test = (part.labels.bincount(minlength=10) for part in (splits.train, splits.test))
    assert ((train - (train + test) * 1300 / 1797).abs() <= 1).all()


def test_digits_are_scikit_learns_each_of_them_once():
    splits, bunch = digits(size=8), load_digits()
    pairs = zip(bunch.images, bunch.target, strict=True)
    originals = {(image.round().astype(np.uint8).tobytes(), label) for image, label in pairs}
    found = [
        ((image.float() * 16 / 255).round().byte().numpy().tobytes(), int(label))
        for part in (splits.train, splits.test)
        for image, label in zip(part.images, part.labels, strict=True)
    ]
    assert len(originals) == len(found) == 1797
    assert set(found) == originals, "an image is lost, in both parts, or has another's label"


def test_digits_are_enlarged_bilinearly():
    small, large = digits(size=8).test, digits(size=20).test
    assert torch.equal(small.labels, large.labels)
    expected = [
        np.asarray(Image.fromarray(image[0].float().numpy()).resize((20, 20), Image.Resampling.BILINEAR))
        for image in small.images
    ]
    np.testing.assert_allclose(large.images[:, 0], expected, atol=1.01)


def test_digits_are_the_same_every_time():
    one, other = digits(), digits()
    assert torch.equal(one.train.images, other.train.images)
    assert torch.equal(one.train.labels, other.train.labels)
    assert torch.equal(one.test.images, other.test.images)


# MNIST


def write_idx(path, values):
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(header + values.tobytes())


@pytest.fixture
def small_mnist(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 60), ("t10k", 20)):
        write_idx(raw / f"{part}-images-idx3-ubyte", some_bytes(count, 28, 28))
        write_idx(raw / f"{part}-labels-idx1-ubyte", some_bytes(count) % 10)
    return raw


def test_mnist_is_the_mnist_that_everybody_knows(mnist_dir):
    splits = mnist(dir=str(mnist_dir), download=False)
    assert (splits.train.images.shape, splits.test.images.shape) == ((50_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert splits.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert splits.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert splits.train.labels.bincount().tolist() == [4932, 5678, 4968, 5101, 4859, 4506, 4951, 5175, 4842, 4988]
    assert splits.test.images.double().mean() / 255 == pytest.approx(0.1325, abs=0.0001)
    assert splits.train.classes == splits.test.classes == DIGITS


def test_mnist_is_read_as_it_lies_there(small_mnist, tmp_path):
    splits = mnist(dir=str(tmp_path), download=False)
    assert np.array_equal(splits.train.images, some_bytes(60, 28, 28)[:, None])
    assert np.array_equal(splits.train.labels, some_bytes(60) % 10)
    assert np.array_equal(splits.test.images, some_bytes(20, 28, 28)[:, None])


def test_mnist_trains_on_the_first_50000_images(small_mnist, tmp_path):
    write_idx(small_mnist / "train-images-idx3-ubyte", some_bytes(60_000, 1, 1))
    write_idx(small_mnist / "train-labels-idx1-ubyte", some_bytes(60_000) % 10)
    write_idx(small_mnist / "t10k-images-idx3-ubyte", some_bytes(20, 1, 1))
    splits = mnist(dir=str(tmp_path), download=False)
    assert np.array_equal(splits.train.images, some_bytes(60_000, 1, 1)[:50_000, None])
    assert np.array_equal(splits.train.labels, some_bytes(60_000)[:50_000] % 10)


def test_mnist_that_is_not_there_says_where_it_was_sought(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        mnist(dir=str(tmp_path), download=False)
    assert str(error.value) == (
        f"MNIST is not in {tmp_path}/MNIST/raw. Set `data.dir` (or ROBUST_DATA) to the folder that holds it, "
        "or `data.download=true`."
    )


@pytest.mark.parametrize("failure", [URLError("no network"), ConnectionResetError("reset"), RuntimeError("wrong md5")])
def test_mnist_that_cannot_be_downloaded_says_so(tmp_path, monkeypatch, failure):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fail)
    with pytest.raises(FileNotFoundError, match=r"MNIST is not in .*MNIST/raw and could not be downloaded") as error:
        mnist(dir=str(tmp_path), download=True)
    assert "Set `data.dir` (or ROBUST_DATA) to the folder that holds it." in str(error.value)
    assert "data.download=true" not in str(error.value), "that is what was tried"


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def empty(path):
    path.write_bytes(b"")


def garble(path):
    path.write_bytes(b"<!DOCTYPE html>" + path.read_bytes())


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("damage", [truncate, empty, garble])
def test_damaged_mnist_is_refused(small_mnist, tmp_path, damage, file, download):
    damage(small_mnist / file)
    with pytest.raises(ValueError, match=r"MNIST in .*MNIST/raw is damaged \(.+\)\. Delete it and fetch it again\."):
        mnist(dir=str(tmp_path), download=download)


def test_mnist_with_the_labels_of_the_other_part_is_refused(small_mnist, tmp_path):
    shutil.copy(small_mnist / "t10k-labels-idx1-ubyte", small_mnist / "train-labels-idx1-ubyte")
    with pytest.raises(ValueError, match=r"MNIST in .*MNIST/raw is damaged"):
        mnist(dir=str(tmp_path), download=False)


# CIFAR-10, as class folders


@pytest.mark.skipif(not (DATA / "cifar10").is_dir(), reason="ROBUST_DATA does not hold CIFAR-10 in class folders")
def test_cifar10_is_read_from_class_folders(tmp_path):
    for part in ("train", "test"):
        for name in NAMES:
            (tmp_path / "cifar10" / part / name).mkdir(parents=True)
            for file in sorted((DATA / "cifar10" / part / name).iterdir())[:2]:
                shutil.copy(file, tmp_path / "cifar10" / part / name)
    splits = cifar10(dir=str(tmp_path), download=False, cache_dir=str(tmp_path / "cache"))
    assert (splits.train.images.shape, splits.test.images.shape) == ((20, 3, 32, 32), (20, 3, 32, 32))
    assert splits.test.classes == tuple(NAMES)
    assert splits.test.labels.tolist() == [label for label in range(10) for _ in range(2)]
    assert sorted(splits.train.labels.tolist()) == splits.test.labels.tolist()
    second = sorted((tmp_path / "cifar10" / "test" / "truck").iterdir())[1]
    with Image.open(second) as image:
        assert np.array_equal(splits.test.images[19].permute(1, 2, 0), np.asarray(image.convert("RGB")))
    assert list((tmp_path / "cache").iterdir()), "the decoded images were not kept"
    assert splits.digest


# CIFAR-10, as torchvision's archive


@pytest.fixture
def small_archive(tmp_path, monkeypatch):
    """Files like the original ones, with fewer images; torchvision is told their checksums."""
    from torchvision.datasets import CIFAR10

    place = tmp_path / "cifar-10-batches-py"
    place.mkdir()
    contents = {f"data_batch_{i}": {"data": some_bytes(4, 3072) + i, "labels": [i, 0, 9, 3]} for i in range(1, 6)}
    contents["test_batch"] = {"data": some_bytes(3, 3072), "labels": [8, 1, 0]}
    contents["batches.meta"] = {"label_names": NAMES}
    sums = {}
    for name, content in contents.items():
        (place / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((place / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in sums if name.startswith("data")])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    return place


def test_cifar10_is_read_from_torchvisions_archive(small_archive, tmp_path):
    splits = cifar10(dir=str(tmp_path), download=False)
    assert np.array_equal(splits.test.images, some_bytes(3, 3072).reshape(3, 3, 32, 32))
    assert splits.test.labels.tolist() == [8, 1, 0]
    assert splits.train.images.shape == (20, 3, 32, 32)
    assert np.array_equal(splits.train.images[4:8], (some_bytes(4, 3072) + 2).reshape(4, 3, 32, 32))
    assert splits.train.labels[:8].tolist() == [1, 0, 9, 3, 2, 0, 9, 3]
    assert splits.train.classes == tuple(NAMES)
    assert splits.train.images.is_contiguous()


def test_class_folders_come_before_the_archive(small_archive, tmp_path):
    for part in ("train", "test"):
        (tmp_path / "cifar10" / part / "bird").mkdir(parents=True)
        Image.fromarray(some_bytes(32, 32, 3)).save(tmp_path / "cifar10" / part / "bird" / "0.png")
    assert cifar10(dir=str(tmp_path), download=False).train.classes == ("bird",)


def test_cifar10_that_is_not_there_says_where_it_was_sought(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        cifar10(dir=str(tmp_path), download=False)
    assert str(error.value) == (
        f"CIFAR-10 is not in {tmp_path}/cifar-10-batches-py. Set `data.dir` (or ROBUST_DATA) to the folder that holds "
        "it, or `data.download=true`."
    )


@pytest.mark.parametrize("failure", [URLError("no network"), RuntimeError("File not found or corrupted.")])
def test_cifar10_that_cannot_be_downloaded_says_so(tmp_path, monkeypatch, failure):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", fail)
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10 is not in .* and could not be downloaded"):
        cifar10(dir=str(tmp_path), download=True)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_damaged_archive_is_refused(small_archive, tmp_path, file):
    truncate(small_archive / file)
    with pytest.raises(ValueError, match=r"CIFAR-10 in .*cifar-10-batches-py is damaged .*Delete it and fetch it"):
        cifar10(dir=str(tmp_path), download=False)
