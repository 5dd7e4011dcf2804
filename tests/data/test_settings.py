"""Photographs at known settings of a camera, in the layout of ImageNet-ES: named by their settings, or refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

from robust.data import ImageSet, PublishedTest, Splits, published_tests

WNIDS = ("n02699494", "n01443537", "n02124075")
PICTURE = "ILSVRC2012_val_{}.JPEG"


@pytest.fixture
def splits() -> Splits:
    """Three classes of 8x8 pictures, not in the order of their wnids."""
    test = ImageSet(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), torch.arange(3), ("altar", "goldfish", "cat"))
    return Splits(test, test, wnids=WNIDS)


def write(folder: Path, settings: int, lights: tuple[str, ...] = ("l1", "l5")) -> Path:
    """Each picture's red says its setting and class."""
    for light in lights:
        for setting in range(1, settings + 1):
            for label, wnid in enumerate(WNIDS[:2]):
                place = folder / light / f"param_{setting}" / wnid
                place.mkdir(parents=True)
                red = 3 * setting + 40 * label + 60 * (light == "l5")
                Image.new("RGB", (12, 10), (red, 0, 0)).save(place / PICTURE.format(label), quality=100)
    return folder


def read(folder: Path, splits: Splits) -> list[PublishedTest]:
    return published_tests(str(folder), splits)


def test_each_setting_is_a_test_that_says_iso_f_number_shutter_and_light(splits: Splits, tmp_path: Path) -> None:
    tests = read(write(tmp_path / "control", 27), splits)
    said = {one.corruption: one for one in tests}
    assert len(said) == len(tests) == 54
    isos, f_numbers, shutters = (250, 2000, 16000), ("5", "9", "16"), ("1/4", "1/60", "1/1000")
    assert said.keys() == {
        f"ISO {iso}, f/{f_number}, {shutter} s, light {light}"
        for iso in isos
        for f_number in f_numbers
        for shutter in shutters
        for light in ("on", "off")
    }
    seventeenth = said["ISO 2000, f/9, 1/1000 s, light off"]  # its folder is l5/param_17
    images = seventeenth.read()
    assert images.labels.tolist() == [1, 0], "classes are those of the wnids, in the order of the folders"
    assert [abs(int(red) - 111) <= 2 for red in images.images[:, 0, 4, 4]] == [False, True]
    assert seventeenth.shared is not None
    assert seventeenth.shared.tolist() == [0, 1]


def test_the_validation_photographs_have_a_grid_of_their_own(splits: Splits, tmp_path: Path) -> None:
    said = [one.corruption for one in read(write(tmp_path / "control", 64, ("l1",)), splits)]
    assert len(said) == 64
    assert said[0] == "ISO 200, f/5, 0.4 s, light on"
    assert said[21] == "ISO 800, f/8, 1/20 s, light on"
    assert said[-1] == "ISO 12800, f/20, 1/1250 s, light on"


def test_the_whole_set_is_read_part_by_part(splits: Splits, tmp_path: Path) -> None:
    root = tmp_path / "ImageNet-ES"
    write(root / "es-test" / "param_control", 27)
    write(root / "es-test" / "auto_exposure", 5)
    shutil.copytree(root / "es-test" / "param_control" / "l1" / "param_1", root / "es-test" / "sampled_tin_no_resize2")
    shutil.copytree(root / "es-test" / "sampled_tin_no_resize2", root / "es-train" / "tin_no_resize_sample_removed")
    found = pd.Series([one.name for one in read(root, splits)]).value_counts().to_dict()
    assert found == {
        "ImageNet-ES es-test param_control": 54,
        "ImageNet-ES es-test auto_exposure": 10,
        "ImageNet-ES es-test sampled_tin_no_resize2": 1,
    }
    automatic = [one.corruption for one in read(root / "es-test" / "auto_exposure", splits)]
    assert automatic[-1] == "automatic 5, light off"


def remove_class(place: Path) -> None:
    shutil.rmtree(place / "param_9" / WNIDS[1])


def empty_class(place: Path) -> None:
    (place / "param_9" / WNIDS[1] / PICTURE.format(1)).unlink()


def spoil(place: Path) -> None:
    (place / "param_9" / WNIDS[1] / PICTURE.format(1)).write_bytes(b"no picture")


def mix_up(place: Path) -> None:
    one, other = place / "param_9" / WNIDS[0], place / "param_9" / WNIDS[1]
    one.rename(place / "kept")
    other.rename(one)
    (place / "kept").rename(other)


def foreign(place: Path) -> None:
    for inner in [*place.parent.glob("*/param_*/n*")]:
        inner.rename(inner.parent / inner.name.replace("n0", "n9"))


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a class is missing": (remove_class, r"same classes; only one of .*param_9 and the first has n01443537"),
    "an empty folder": (empty_class, r"Class n01443537 has no images in .*param_9"),
    "no picture": (spoil, r"image .*param_9.*cannot be read \(it is no image\)"),
    "labels mixed up": (mix_up, r"same pictures in the same classes; only one of .*param_9 .* has n01443537/ILSV"),
    "other classes": (foreign, r"must hold classes of the data; none of its 2 \(such as n91443537\)"),
    "a setting is missing": (lambda place: shutil.rmtree(place / "param_9"), r"got 26, and no param_9\. Unpack"),
    "too few settings": (lambda place: shutil.rmtree(place / "param_27"), r"5, 27, 64 folders from param_1; got 26\."),
    "another light": (lambda place: place.rename(place.parent / "l3"), r"must be l1 \(light on\), l5 .*; got l3"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_not_as_published_is_refused(splits: Splits, tmp_path: Path, mistake: str) -> None:
    write(tmp_path / "set", 27)
    plant, message = MISTAKES[mistake]
    plant(tmp_path / "set" / "l5")
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "set", splits)
