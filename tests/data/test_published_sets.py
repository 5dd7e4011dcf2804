"""Published test sets: recognised by what lies there, read as published, and refused where something is otherwise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robust.data import ImageSet, PublishedTest, Splits, named_folders, published_tests, recreate
from robust.experiment.perturbed import named_corruptions
from robust.perturb import ImageRandom, key
from robust.perturb.corruptions import Fog, GaussianNoise

COUNT, SIZE = 40, 8
WNIDS = ("n01443537", "n02058221", "n02124075", "n04067472")


@pytest.fixture
def splits() -> Splits:
    """Four classes of 8x8 pictures, no two alike."""
    pixels = np.random.default_rng(0).integers(40, 216, (COUNT, 3, SIZE, SIZE), dtype=np.uint8)
    test = ImageSet(torch.from_numpy(pixels), torch.arange(COUNT) % 4, ("a", "b", "c", "d"))
    return Splits(test, test, wnids=WNIDS)


def as_published(splits: Splits) -> np.ndarray:
    return splits.test.images.permute(0, 2, 3, 1).numpy()


def noisy(splits: Splits, levels: tuple[float, ...] = (4, 8, 12, 16, 20)) -> np.ndarray:
    chance, natural = np.random.default_rng(1), as_published(splits).astype(float)
    blocks = [natural + chance.normal(0, level, natural.shape) for level in levels]
    return np.concatenate(blocks).clip(0, 255).astype(np.uint8)


def write_cifar_c(folder: Path, splits: Splits) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "labels.npy", np.tile(splits.test.labels.numpy().astype(np.uint8), 5))
    np.save(folder / "gaussian_noise.npy", noisy(splits))
    np.save(folder / "fog.npy", np.tile(as_published(splits) // 2 + 60, (5, 1, 1, 1)))
    return folder


def paint(path: Path, red: int, size: int = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), (red, 0, 0)).save(path)


def read_tests(folder: Path, splits: Splits) -> list[PublishedTest]:
    return published_tests(str(folder), splits)


def keys(tests: list[PublishedTest]) -> list[tuple[str, str, int]]:
    return [(one.name, one.corruption, one.severity) for one in tests]


def test_a_set_of_severities_is_read_block_by_block(splits: Splits, tmp_path: Path) -> None:
    tests = read_tests(write_cifar_c(tmp_path / "CIFAR-10-C", splits), splits)
    assert keys(tests) == [("CIFAR-10-C", name, s) for name in ("fog", "gaussian_noise") for s in range(1, 6)]
    assert all(one.own and one.shared is None and not one.recreated for one in tests)
    images = tests[7].read()
    assert torch.equal(images.labels, splits.test.labels)
    assert np.array_equal(images.images.permute(0, 2, 3, 1).numpy(), noisy(splits)[2 * COUNT : 3 * COUNT])
    assert len({one.digest for one in tests[5:]}) == 5, "each block has a digest of its own"


def test_a_digest_says_what_the_images_are_and_not_where_they_lie(splits: Splits, tmp_path: Path) -> None:
    one, other = (read_tests(write_cifar_c(tmp_path / name, splits), splits)[5] for name in ("one", "other"))
    assert one.digest == other.digest
    pixels = noisy(splits)
    pixels[3, 2, 2] ^= 1
    np.save(tmp_path / "other" / "gaussian_noise.npy", pixels)
    assert read_tests(tmp_path / "other", splits)[5].digest != one.digest


def test_a_set_of_one_severity_is_read_without_its_training_images(splits: Splits, tmp_path: Path) -> None:
    for name in ("identity", "stripe"):
        place = tmp_path / "MNIST-C" / name
        place.mkdir(parents=True)
        np.save(place / "test_images.npy", as_published(splits))
        np.save(place / "test_labels.npy", splits.test.labels.numpy())
        np.save(place / "train_images.npy", np.zeros(3))
    tests = read_tests(tmp_path / "MNIST-C", splits)
    assert keys(tests) == [("MNIST-C", "identity", 0), ("MNIST-C", "stripe", 0)]
    assert all(one.own for one in tests)
    assert torch.equal(tests[0].read().images, splits.test.images)
    np.save(tmp_path / "MNIST-C" / "stripe" / "test_labels.npy", splits.test.labels.numpy()[::-1])
    assert not read_tests(tmp_path / "MNIST-C", splits)[1].own


def test_versions_of_a_set_in_one_folder_are_told_apart(splits: Splits, tmp_path: Path) -> None:
    for version in ("v4", "v6"):
        np.save(tmp_path / f"cifar10.1_{version}_data.npy", as_published(splits)[:7])
        np.save(tmp_path / f"cifar10.1_{version}_labels.npy", splits.test.labels[:7].numpy())
    tests = published_tests({"10.1": str(tmp_path)}, splits)
    assert keys(tests) == [("10.1 v4", "", 0), ("10.1 v6", "", 0)]
    assert len(tests[0].read()) == 7


@pytest.mark.parametrize("deeper", ["", "noise"])
def test_corruptions_in_folders_are_read_as_deep_as_they_lie(splits: Splits, tmp_path: Path, deeper: str) -> None:
    for severity in (1, 2):
        for wnid, red in ((WNIDS[1], 60), (WNIDS[3], 180), ("n99999999", 7)):
            paint(tmp_path / "set" / deeper / "shot_noise" / str(severity) / wnid / "0.JPEG", red + severity)
    tests = read_tests(tmp_path / "set", splits)
    assert keys(tests) == [("set", "shot_noise", 1), ("set", "shot_noise", 2)]
    found, shared = tests[1].read(), tests[1].shared
    assert shared is not None
    assert shared.tolist() == found.labels.tolist() == [1, 3]
    assert abs(int(found.images[0, 0, 0, 0]) - 62) <= 3


def test_photographs_are_those_of_shared_classes_and_cut_as_the_data_are(splits: Splits, tmp_path: Path) -> None:
    for wnid, reds in ((WNIDS[1], (60, 62)), (WNIDS[3], (180,)), ("n99999999", (7,))):
        for number, red in enumerate(reds):
            paint(tmp_path / "imagenet-a" / wnid / f"{number}.png", red, size=20)
    (test,) = read_tests(tmp_path / "imagenet-a", splits)
    found = test.read()
    assert found.labels.tolist() == [1, 1, 3]
    assert found.images[:, 0, 0, 0].tolist() == [60, 62, 180]
    assert found.shape == (3, SIZE, SIZE)
    border = Image.new("RGB", (10, 10), (200, 0, 0))
    border.paste((10, 0, 0), (1, 1, 9, 9))
    border.save(tmp_path / "imagenet-a" / WNIDS[1] / "0.png")
    (whole,), (middle,) = (
        read_tests(tmp_path / "imagenet-a", splits),
        published_tests([str(tmp_path / "imagenet-a")], splits, resize=10),
    )
    assert whole.read().images[0, 0].max() > 30, "resized to 8, the border stays"
    assert middle.read().images[0, 0].max() == 10, "resized to 10, the middle 8 are left"
    assert whole.digest != middle.digest


def test_numbered_classes_are_those_of_imagenet_in_the_order_of_wnids(splits: Splits, tmp_path: Path) -> None:
    wnids = tuple(f"n{place:08d}" for place in range(1000))
    for number in range(1000):
        (tmp_path / "v2" / str(number)).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"must have all of these; it has 4"):
        read_tests(tmp_path / "v2", splits)
    one = ImageSet(splits.test.images[:1], torch.zeros(1, dtype=torch.int64), wnids)
    paint(tmp_path / "v2" / "0" / "0.png", 5)
    picture = (tmp_path / "v2" / "0" / "0.png").read_bytes()
    for number in range(1000):
        (tmp_path / "v2" / str(number) / "0.png").write_bytes(picture)
    paint(tmp_path / "v2" / "10" / "0.png", 99)
    (test,) = read_tests(tmp_path / "v2", Splits(one, one, wnids=wnids))
    found = test.read()
    assert test.shared is None
    assert found.images[found.labels == 10, 0, 0, 0].tolist() == [99], "not in the order of the folders' names"


def swap_blocks(folder: Path, splits: Splits) -> None:
    np.save(folder / "gaussian_noise.npy", noisy(splits, (4, 8, 12, 20, 16)))


def shuffle_images(folder: Path, splits: Splits) -> None:
    """Within their classes, so that labels agree."""
    places = np.arange(COUNT).reshape(-1, 4)[::-1].reshape(-1)
    np.save(folder / "fog.npy", np.concatenate([as_published(splits)[places]] * 5))


def cut(folder: Path, splits: Splits) -> None:
    file = folder / "fog.npy"
    file.write_bytes(file.read_bytes()[:-1000])


MISTAKES: dict[str, tuple[Callable[[Path, Splits], object], str]] = {
    "severities in another order": (
        swap_blocks,
        r"gaussian_noise\.npy must hold severities 1 to 5, the weakest first.*nearer to .* at 5 than at 4",
    ),
    "images in another order": (
        shuffle_images,
        r"fog\.npy must be the data's test images, in their order; of 40 .* 0%",
    ),
    "labels not tiled": (
        lambda folder, splits: np.save(folder / "labels.npy", np.repeat(splits.test.labels.numpy(), 5)),
        r"labels\.npy must hold the labels of .* 40 test images, in their order, 5 times; got 0 for 1 at place 1",
    ),
    "labels of one severity": (
        lambda folder, splits: np.save(folder / "labels.npy", splits.test.labels.numpy()),
        r"in their order, 5 times: 200; got 40",
    ),
    "labels of other classes": (
        lambda folder, splits: np.save(folder / "labels.npy", np.arange(200)),
        r"must be of the data's classes, from 0 to 3; got 0 to 199\. It is a set for other data",
    ),
    "images of another size": (
        lambda folder, splits: np.save(folder / "fog.npy", np.zeros((200, 9, 9, 3), np.uint8)),
        r"must hold uint8 of shape \(200, 8, 8, 3\).*; got uint8 of shape \(200, 9, 9, 3\)",
    ),
    "fewer images": (
        lambda folder, splits: np.save(folder / "fog.npy", noisy(splits)[:-1]),
        r"got uint8 of shape \(199, 8, 8, 3\)",
    ),
    "floats": (
        lambda folder, splits: np.save(folder / "fog.npy", noisy(splits) / 255),
        r"must hold uint8 .* got float64",
    ),
    "half of a file": (cut, r"fog\.npy cannot be read \(.*\)\. Unpack the set again"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_not_as_published_is_refused(splits: Splits, tmp_path: Path, mistake: str) -> None:
    folder = write_cifar_c(tmp_path / "set", splits)
    plant, message = MISTAKES[mistake]
    plant(folder, splits)
    with pytest.raises(ValueError, match=rf"`evaluation\.published`.*{message}"):
        read_tests(folder, splits)


def test_a_folder_in_no_known_layout_is_refused(splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folders of published test sets; .*nowhere is not there"):
        read_tests(tmp_path / "nowhere", splits)
    (tmp_path / "pictures" / "cats").mkdir(parents=True)
    with pytest.raises(
        ValueError, match=r"must be folders in a published layout: labels\.npy .*; got .*pictures with cats"
    ):
        read_tests(tmp_path / "pictures", splits)
    paint(tmp_path / "foreign" / "n99999999" / "0.png", 9)
    with pytest.raises(ValueError, match=r"none of its 1 \(such as n99999999\) is among the data's wnids"):
        read_tests(tmp_path / "foreign", splits)
    with pytest.raises(ValueError, match=r"need data whose wnids are known"):
        read_tests(tmp_path / "foreign", Splits(splits.train, splits.test))
    paint(tmp_path / "large" / "fog" / "1" / WNIDS[0] / "0.png", 9, size=20)
    with pytest.raises(ValueError, match=r"is of 20x20 pixels, and the data's images of 8x8"):
        read_tests(tmp_path / "large", splits)


def test_a_set_is_called_as_its_folder_unless_it_is_named() -> None:
    assert named_folders(None) == {}
    assert named_folders("sets/A") == {"A": Path("sets/A")}
    assert named_folders(["sets/A", {"mine": "sets/B"}]) == {"A": Path("sets/A"), "mine": Path("sets/B")}
    with pytest.raises(ValueError, match=r"must be sets of different names; got A\. Name one: \{name: folder\}"):
        named_folders(["one/A", "two/A"])


def corruptions(severities: range = range(1, 6)) -> dict[str, list[GaussianNoise] | list[Fog]]:
    return {
        "gaussian_noise": [GaussianNoise(severity=one) for one in severities],
        "fog": [Fog(severity=one) for one in severities],
    }


def test_a_recreated_set_is_read_again_and_said_to_be_one(splits: Splits, tmp_path: Path) -> None:
    files = recreate(tmp_path / "set", splits.test, corruptions(), seed=3)
    assert [one.name for one in files] == ["gaussian_noise.npy", "fog.npy"]
    pixels = np.load(files[0])
    assert (pixels.dtype, pixels.shape) == (np.uint8, (5 * COUNT, SIZE, SIZE, 3))
    drawn = ImageRandom(key("store", 3, "test", "gaussian_noise", 2.0), torch.arange(COUNT))
    shown = GaussianNoise(severity=2).perturb(splits.test.images.float() / 255, drawn)
    rounded = (shown * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(pixels[COUNT : 2 * COUNT], rounded)
    tests = read_tests(tmp_path / "set", splits)
    assert len(tests) == 10
    assert all(one.recreated and one.own for one in tests)


def test_a_recreated_set_goes_on_where_it_was_and_holds_nothing_else(
    splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recreate(tmp_path / "whole", splits.test, corruptions())

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Fog, "corrupt", stop)
        with pytest.raises(KeyboardInterrupt):
            recreate(tmp_path / "set", splits.test, corruptions())
    made = (tmp_path / "set" / "gaussian_noise.npy").stat().st_mtime_ns
    assert not (tmp_path / "set" / "fog.npy").exists()
    again = recreate(tmp_path / "set", splits.test, corruptions())
    assert again[0].stat().st_mtime_ns == made
    assert [one.read_bytes() for one in again] == [one.read_bytes() for one in whole]
    with pytest.raises(ValueError, match=r"holds a set that was made with other settings .*Name another folder"):
        recreate(tmp_path / "set", splits.test, corruptions(), seed=1)
    with pytest.raises(ValueError, match=r"must be of 5 severities; got 3"):
        recreate(tmp_path / "new", splits.test, corruptions(range(1, 4)))
    assert not (tmp_path / "new").exists()


def test_the_command_stores_a_set_in_the_published_layout(command: Callable[..., object], tmp_path: Path) -> None:
    words = ("store", str(tmp_path / "digits-c"), "data=digits", "perturb=brightness,pixelate", "--layout", "cifar10_c")
    done = command("-m", "robust", *words, "data.source.size=8")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"2 corruptions of 497 images at 5 severities: {tmp_path / 'digits-c'}\n"
    with pytest.raises(ValueError, match=r"`perturb` must be common corruptions: gaussian_noise, .*; got noise"):
        named_corruptions(["data=digits", "perturb=noise"])
