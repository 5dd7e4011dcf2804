"""Tiny-ImageNet as it is published: read whole or in part, or refused with the reason."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robust.data import Splits, tiny_imagenet

MODULE = importlib.import_module("robust.data.tiny_imagenet")  # `robust.data.tiny_imagenet` is the function
WNIDS = ["n02124075", "n04067472", "n01443537", "n02058221"]


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((64, 64)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The published layout, of four classes with twelve images to train and two to validate."""
    root = tmp_path / "tiny-imagenet-200"
    lines = []
    for label, wnid in enumerate(WNIDS):
        for number in range(12):
            save(root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG", 100 * label + number)
        for number in range(2):
            name = f"val_{4 * number + label}.JPEG"
            save(root / "val" / "images" / name, 1000 + 10 * label + number)
            lines.append(f"{name}\t{wnid}\t0\t0\t9\t9")
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    (root / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    names = ["Egyptian cat", "reel", "goldfish, Carassius auratus", "albatross, mollymawk"]
    (root / "words.txt").write_text("".join(f"{wnid}\t{name}\n" for wnid, name in zip(WNIDS, names, strict=True)))
    return root


def read(root: Path, num_classes: int = 4, per_class: int = 12, cache: Path | None = None) -> Splits:
    return tiny_imagenet(
        dir=str(root.parent), num_classes=num_classes, per_class=per_class, cache_dir=str(cache) if cache else None
    )


def test_every_image_has_its_class(root: Path) -> None:
    splits = read(root)
    assert splits.train.classes == ("goldfish", "albatross", "Egyptian cat", "reel")
    assert splits.train.shape == splits.test.shape == (3, 64, 64)
    assert torch.bincount(splits.train.labels).tolist() == [12] * 4
    assert torch.bincount(splits.test.labels).tolist() == [2] * 4
    for wnid, label in (("n01443537", 0), ("n04067472", 3)):
        path = root / "train" / wnid / "images" / f"{wnid}_7.JPEG"
        wanted = torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1)
        (place,) = (splits.train.images == wanted).flatten(1).all(1).nonzero()[:, 0].tolist()
        assert splits.train.labels[place] == label
    wanted = torch.from_numpy(np.asarray(Image.open(root / "val/images/val_1.JPEG")).copy()).permute(2, 0, 1)
    assert torch.equal(splits.test.images[6], wanted), "the first validation image of the reel"


def test_training_images_come_mixed(root: Path) -> None:
    labels = read(root).train.labels
    assert labels[:12].unique().numel() >= 3


def test_a_part_has_its_classes_at_even_steps_and_the_first_images_of_each(root: Path) -> None:
    part, whole = read(root, num_classes=2, per_class=10), read(root)
    assert part.train.classes == ("goldfish", "Egyptian cat")
    assert torch.bincount(part.train.labels).tolist() == [10, 10]
    assert len(part.test) == 4
    ninth = root / "train/n01443537/images/n01443537_9.JPEG"
    eleventh = root / "train/n01443537/images/n01443537_11.JPEG"
    for path, there in ((ninth, True), (eleventh, False)):
        pixels = torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1)
        assert (part.train.images == pixels).flatten(1).all(1).any() == there, path.name
        assert (whole.train.images == pixels).flatten(1).all(1).any()
    assert part.digest != whole.digest


def test_it_is_decoded_once(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(root, cache=tmp_path / "cache")

    def refuse(*_: object) -> None:
        raise AssertionError("an image was decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "decode", refuse)
        again = read(root, cache=tmp_path / "cache")
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.train.labels, again.train.labels)
    assert first.digest == again.digest
    save(root / "train/n01443537/images/n01443537_3.JPEG", 77)
    assert read(root, cache=tmp_path / "cache").digest != first.digest


def test_classes_of_one_name_keep_their_wnids(root: Path) -> None:
    words = (root / "words.txt").read_text().replace("albatross, mollymawk", "reel")
    (root / "words.txt").write_text(words)
    assert read(root).train.classes == ("goldfish", "n02058221", "Egyptian cat", "n04067472")


@pytest.mark.parametrize("missing", ["wnids.txt", "words.txt", "val/val_annotations.txt"])
def test_a_missing_list_is_named(root: Path, missing: str) -> None:
    (root / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"{missing} is not there. Expected wnids.txt, words.txt, train/<wnid>"):
        read(root)


def test_a_missing_image_is_named(root: Path) -> None:
    (root / "val/images/val_2.JPEG").unlink()
    with pytest.raises(FileNotFoundError, match=r"val_2\.JPEG is not there\. Unpack Tiny-ImageNet again\."):
        read(root)


def test_a_broken_image_is_named(root: Path) -> None:
    path = root / "train/n01443537/images/n01443537_3.JPEG"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"The image .*n01443537_3\.JPEG cannot be read .*Repair or remove it\."):
        read(root)


def test_a_class_with_too_few_images_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match=r"`data.per_class` must be at most .*; got 13, and .*n01443537/im"):
        read(root, per_class=13)


def test_a_damaged_list_is_named(root: Path) -> None:
    (root / "val/val_annotations.txt").write_text("val_0.JPEG n02124075\n")
    with pytest.raises(ValueError, match="line 1, must be an image and its wnid, apart by a tab; got 'val_0"):
        read(root)
    (root / "val/val_annotations.txt").write_text("val_0.JPEG\tn02124075\t0\n")
    with pytest.raises(ValueError, match=r"names no image of n01443537, n02058221, n04067472\. Unpack"):
        read(root)
    (root / "wnids.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"wnids.txt is damaged .*\. Unpack Tiny-ImageNet again\."):
        read(root)


@pytest.mark.parametrize("count", [1, 5, 2.5])
def test_as_many_classes_as_there_are(root: Path, count: int) -> None:
    with pytest.raises(ValueError, match=f"`data.num_classes` must be from 2 to 4, all there are; got {count}"):
        read(root, num_classes=count)


def test_without_it_the_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Tiny-ImageNet is not in .*Set `data.dir`"):
        tiny_imagenet(dir=str(tmp_path))
