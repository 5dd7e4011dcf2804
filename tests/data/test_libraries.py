"""Data of others: arrays in a file, torchvision's classes, Hugging Face's folders: right, or refused in a sentence."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from robust.data import huggingface, npz, torchvision
from robust.errors import Notice
from robust.experiment.prepare import prepare


def some_bytes(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


IMAGES, LABELS = some_bytes(6, 8, 7, 3), np.array([0, 1, 2, 0, 1, 2])
OTHERS = some_bytes(3, 8, 7, 3, seed=1)


def save(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


# Arrays in a file


@pytest.mark.parametrize("pattern", ["{}_images {}_labels", "x_{} y_{}"])
@pytest.mark.parametrize(
    "change",
    [
        lambda images: images,
        lambda images: images.transpose(0, 3, 1, 2),
        lambda images: images / np.float32(255),
        lambda images: images.astype(np.int64),
    ],
)
def test_arrays_of_any_layout_and_type_are_the_same_images(tmp_path: Path, pattern: str, change: Any) -> None:
    arrays = {}
    for part, images, labels in (("train", IMAGES, LABELS), ("test", OTHERS, LABELS[:3, None])):
        names = pattern.format(part, part).split()
        arrays |= {names[0]: change(images), names[1]: labels}
    splits = npz(path=save(tmp_path / "mine.npz", **arrays))
    assert np.array_equal(splits.train.images.permute(0, 2, 3, 1), IMAGES)
    assert np.array_equal(splits.test.images.permute(0, 2, 3, 1), OTHERS)
    assert splits.test.labels.tolist() == [0, 1, 2]
    assert splits.train.classes == ("0", "1", "2")
    assert splits.digest
    assert not splits.notes


def test_medmnists_validation_images_are_left_out_which_is_said(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        f"{part}_{kind}": one
        for part in ("train", "val", "test")
        for kind, one in (("images", some_bytes(4, 8, 8, seed=len(part))), ("labels", np.array([[0], [1], [0], [1]])))
    }
    with pytest.warns(Notice, match="val_images are left out"):
        splits = npz(path=save(tmp_path / "m.npz", classes=np.array(["sound", "ill"]), **arrays))
    assert splits.train.shape == (1, 8, 8)
    assert splits.train.classes == ("sound", "ill")
    with pytest.raises(ValueError, match=r"`data\.num_classes` must be null, or the 2 that .* names; got 3"):
        npz(path=str(tmp_path / "m.npz"), num_classes=3)


def test_a_set_to_test_on_alone_is_for_a_network_that_does_not_learn(tmp_path: Path) -> None:
    path = save(tmp_path / "t.npz", test_images=IMAGES, test_labels=LABELS)
    splits = npz(path=path, num_classes=5)
    assert (len(splits.train), len(splits.test), len(splits.test.classes)) == (0, 6, 5)
    with pytest.raises(ValueError, match=r"`data=npz` must have images to train on, unless nothing learns; it has 6"):
        prepare(["data=npz", f"data.path={path}", f"runs_dir={tmp_path / 'runs'}", "trainer.accelerator=cpu"])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"pictures": IMAGES}, r"must be a \.npz file with test_images.*; got .*m\.npz with nothing"),
        ({"test_images": IMAGES}, r"must be a \.npz file with test_images.*; got .*m\.npz with test_images"),
        ({"test_images": IMAGES, "test_labels": LABELS[:4]}, r"m\.npz\): Labels must be of shape \(6,\)"),
        ({"test_images": IMAGES, "test_labels": np.eye(6, dtype=int)}, r"If they are one-hot: labels\.argmax\(1\)"),
        ({"test_images": IMAGES.astype(float), "test_labels": LABELS}, r"from 0 to 1; .*Divide them by 255"),
        ({"test_images": some_bytes(6, 3, 8, 3), "test_labels": LABELS}, r"which may be either"),
        ({"test_images": np.array([None, {}]), "test_labels": LABELS}, r"numpy\.savez wrote, of numbers alone"),
        ({"test_images": IMAGES, "test_labels": LABELS, "classes": np.array(["a"])}, r"Labels must be from 0 to 0"),
    ],
)
def test_arrays_that_mean_nothing_are_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        npz(path=save(tmp_path / "m.npz", **arrays))


def test_what_is_no_file_of_arrays_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"`data\.path` must be a \.npz file with .*is not there"):
        npz(path=str(tmp_path / "none.npz"))
    good = Path(save(tmp_path / "m.npz", test_images=IMAGES, test_labels=LABELS))
    monkeypatch.setattr("robust.data.arrays.free_memory", lambda: 100)
    with pytest.raises(ValueError, match=r"must be a file whose arrays fit into memory; got .* GB\. Pictures"):
        npz(path=str(good))
    for content in (b"", b"none", good.read_bytes()[:-50]):
        good.write_bytes(content)
        with pytest.raises(ValueError, match=r"`data\.path` must be a file that numpy\.savez wrote"):
            npz(path=str(good))


# torchvision


def save_picture(path: Path, seed: int, width: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(some_bytes(8, width, 3, seed=seed)).save(path)


@pytest.fixture
def eurosat_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Imagenette's layout, which is class folders, of two sizes of pictures."""
    root = tmp_path / "imagenette2"
    for part in ("train", "val"):
        for place, wnid in enumerate(datasets.Imagenette._WNID_TO_CLASS):
            save_picture(root / part / wnid / "0.JPEG", place, width=9 + place % 2)
    return tmp_path


def test_a_class_of_torchvisions_with_splits_is_read_once(eurosat_like: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"dataset": "Imagenette", "dir": str(eurosat_like), "cache_dir": str(eurosat_like / "c")}
    splits = torchvision(**options, size=6)
    assert splits.test.shape == (3, 6, 6)
    assert splits.test.labels.tolist() == [*range(10)]
    assert torch.equal(splits.train.images, splits.test.images)
    with pytest.raises(ValueError, match=r"`data\.size` must be given where pictures are of several sizes; got 9"):
        torchvision(**options)
    monkeypatch.setattr(datasets.Imagenette, "__getitem__", None)
    assert torchvision(**options, size=6).digest == splits.digest


def test_a_class_of_torchvisions_with_train_is_read_as_its_pictures_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Grey:
        classes = ("a", "b")

        def __init__(self, root: str, train: bool):
            self.images = some_bytes(4, 5, 5, seed=int(train))

        def __len__(self) -> int:
            return 4

        def __getitem__(self, place: int) -> tuple[Image.Image, int]:
            return Image.fromarray(self.images[place]), place % 2

    monkeypatch.setattr(datasets, "USPS", Grey)
    splits = torchvision(dataset="USPS", dir=str(tmp_path))
    assert np.array_equal(splits.train.images[:, 0], some_bytes(4, 5, 5, seed=1))
    assert splits.test.labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("dataset", "kind", "said"),
    [
        ("GTSRV", ValueError, r"`data\.dataset` must be a class of torchvision.*; got GTSRV\. Did you mean `GTSRB`\?"),
        ("ImageFolder", ValueError, r"`data\.dataset` must be a class of torchvision"),
        ("USPS", FileNotFoundError, r"torchvision's USPS cannot be read in .*or set `data\.download=true`,"),
        ("GTSRB", FileNotFoundError, r"torchvision's GTSRB cannot be read in "),
    ],
)
def test_a_class_of_torchvisions_that_cannot_be_read_is_named(
    tmp_path: Path, dataset: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        torchvision(dataset=dataset, dir=str(tmp_path))


# Hugging Face


@pytest.fixture
def library() -> ModuleType:
    found = pytest.importorskip("datasets", reason="the extra huggingface is not installed")
    found.disable_progress_bars()
    return found


def table(library: ModuleType, count: int, seed: int, **more: object) -> Any:
    """Rows of a picture, whether it is an ant or a bee, and "b" for each of the columns `more`."""
    features = {"img": library.Image(), "fine_label": library.ClassLabel(names=["ant", "bee"]), **more}
    columns = {
        "img": [Image.fromarray(some_bytes(5, 5, 3, seed=seed + row)) for row in range(count)],
        "fine_label": [row % 2 for row in range(count)],
        **{name: ["b"] * count for name in more},
    }
    return library.Dataset.from_dict(columns, features=library.Features(features))


@pytest.mark.parametrize("form", ["saved", "parquet"])
def test_hugging_faces_columns_are_found_by_their_types(library: ModuleType, tmp_path: Path, form: str) -> None:
    parts = {"train": table(library, 4, 0), "validation": table(library, 2, 50), "test": table(library, 3, 90)}
    if form == "saved":
        library.DatasetDict(parts).save_to_disk(tmp_path / "set")
    for name, part in parts.items() if form == "parquet" else ():
        part.to_parquet(tmp_path / "set" / f"{name}-00000-of-00001.parquet")
    splits = huggingface(path=str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert (len(splits.train), len(splits.test)) == (4, 3)
    assert splits.train.classes == ("ant", "bee")
    assert np.array_equal(splits.test.images[1].permute(1, 2, 0), some_bytes(5, 5, 3, seed=91))


def test_hugging_faces_validation_or_only_split_is_tested_on(library: ModuleType, tmp_path: Path) -> None:
    library.DatasetDict(train=table(library, 4, 0), validation=table(library, 2, 50)).save_to_disk(tmp_path / "two")
    assert len(huggingface(path=str(tmp_path / "two")).test) == 2
    table(library, 3, 90).save_to_disk(tmp_path / "one")
    splits = huggingface(path=str(tmp_path / "one"))
    assert (len(splits.train), len(splits.test)) == (0, 3)


def test_hugging_faces_pictures_in_folders_are_read(library: ModuleType, tmp_path: Path) -> None:
    for part, count in (("train", 4), ("test", 2)):
        for row in range(count):
            folder = tmp_path / "set" / part / ("ant", "bee")[row % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(some_bytes(5, 5, 3, seed=row)).save(folder / f"{row}.png")
    with pytest.warns(UserWarning, match="2 of the 2 test images are training images too"):
        splits = huggingface(path=str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert (len(splits.train), splits.test.classes, splits.test.labels.tolist()) == (4, ("ant", "bee"), [0, 1])


def test_hugging_faces_columns_are_named_where_types_do_not_tell(library: ModuleType, tmp_path: Path) -> None:
    more = {"species": library.Value("string"), "coarse_label": library.ClassLabel(names=["b"])}
    table(library, 4, 0, **more).save_to_disk(tmp_path / "set")
    path = str(tmp_path / "set")
    with pytest.raises(ValueError, match=r"`data\.columns` must be the columns .*; got nothing\. There are img"):
        huggingface(path=path)
    assert huggingface(path=path, columns=["img", "species"]).test.classes == ("b",)
    with pytest.raises(ValueError, match=r"`data\.columns` must be the columns .*; got \['img', 'kind'\]"):
        huggingface(path=path, columns=["img", "kind"])


def test_what_hugging_face_cannot_read_or_would_run_is_refused(library: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`data\.path` must be the folder of a data set .*is not there"):
        huggingface(path=str(tmp_path / "none"))
    library.DatasetDict(train=table(library, 1, 0), extra=table(library, 1, 0)).save_to_disk(tmp_path / "set")
    with pytest.raises(ValueError, match=r"`data\.path` must be a data set with a split test .*; got train, extra"):
        huggingface(path=str(tmp_path / "set"))
    (tmp_path / "set" / "mine.py").write_text("raise SystemExit")
    with pytest.raises(ValueError, match=r"without a program of its own; got .*mine\.py\. None is run\."):
        huggingface(path=str(tmp_path / "set"))
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match=r"`data\.path` must be the folder of a data set .*It says: "):
        huggingface(path=str(tmp_path / "bare"), cache_dir=str(tmp_path / "cache"))


def test_without_its_package_hugging_faces_data_say_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        ValueError, match=r"data=huggingface needs the package datasets .*pip install 'robust\[huggingf"
    ):
        huggingface(path=str(tmp_path))
