"""Anyone's images: class folders are decoded once, rightly, or refused with the reason."""

import importlib
import os
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from robust.data import folder
from robust.errors import Notice

MODULE = importlib.import_module("robust.data.decode")
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save(path, picture, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture, dtype=np.uint8))
    image.save(path, **options)


def noise(seed, height=8, width=8):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_folder(root, classes=("ant", "bee"), train=4, test=2):
    """Class folders of random PNG images, 8 x 8; every image another one."""
    for part, count in (("train", train), ("test", test)):
        for label, name in enumerate(classes):
            for i in range(count):
                save(root / part / name / f"{i}.png", noise((part == "train", label, i)))
    return root


def read(root, size=8, **options):
    return folder(path=str(root), size=size, **options)


def read_one(root, picture, *, size=8, channels=3, suffix="png", background="white", **options):
    """What becomes of one picture."""
    for part in ("train", "test"):
        save(root / part / "it" / f"0.{suffix}", picture, **options)
    return read(root, size, channels=channels, background=background).test.images[0]


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded, in order."""
    paths, decode_one = [], MODULE._decode_one

    def spy(path, *args):
        paths.append(os.path.relpath(path))
        return decode_one(path, *args)

    monkeypatch.setattr(MODULE, "_decode_one", spy)
    return paths


# What is read


def test_images_and_labels_follow_the_names_of_classes_and_files(tmp_path):
    make_folder(tmp_path, classes=("b", "a", "10", "9"), train=1, test=2)
    splits = read(tmp_path)
    assert splits.train.classes == splits.test.classes == ("10", "9", "a", "b")
    assert splits.test.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    expected = [noise((0, label, i)) for label in (2, 3, 1, 0) for i in range(2)]
    assert np.array_equal(splits.test.images.permute(0, 2, 3, 1), expected)


def test_every_training_image_keeps_its_label(tmp_path):
    splits = read(make_folder(tmp_path, train=30))
    known = {noise((1, label, i)).tobytes(): label for label in range(2) for i in range(30)}
    found = [known.pop(image.permute(1, 2, 0).numpy().tobytes()) for image in splits.train.images]
    assert found == splits.train.labels.tolist()
    assert not known


def test_the_order_of_training_images_is_fixed_and_mixes_the_classes(tmp_path):
    one, other = (read(make_folder(tmp_path / name, train=30)) for name in ("one", "other"))
    assert torch.equal(one.train.images, other.train.images)
    assert torch.equal(one.train.labels, other.train.labels)
    assert 5 < one.train.labels[:30].sum() < 25
    assert one.test.labels.tolist() == sorted(one.test.labels.tolist())


def test_an_image_of_the_right_size_is_read_as_it_is(tmp_path):
    assert np.array_equal(read_one(tmp_path, noise(0)).permute(1, 2, 0), noise(0))


@pytest.mark.parametrize(("height", "width"), [(8, 16), (32, 64), (64, 32), (4, 8), (20, 50), (50, 20)])
def test_the_shorter_side_is_resized_and_the_middle_kept(tmp_path, height, width):
    picture = noise(0, height, width)
    scale = 8 / min(height, width)
    whole = Image.fromarray(picture).resize((round(width * scale), round(height * scale)), Image.Resampling.BILINEAR)
    left, top = (whole.width - 8) // 2, (whole.height - 8) // 2
    expected = np.asarray(whole.crop((left, top, left + 8, top + 8)))
    image = read_one(tmp_path, picture).permute(1, 2, 0)
    np.testing.assert_allclose(image, expected, atol=1)


def test_resizing_keeps_the_proportions(tmp_path):
    picture = np.zeros((16, 24, 3), dtype=np.uint8)
    picture[4:12, 8:16] = 255
    image = read_one(tmp_path, picture)[0].float()
    assert image.gt(127).sum(0).tolist() == image.gt(127).sum(1).tolist() == [0, 0, 4, 4, 4, 4, 0, 0]


def test_one_channel_is_the_brightness(tmp_path):
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    picture[:4], picture[4:] = RED, GREEN
    image = read_one(tmp_path, picture, channels=1)
    assert image.shape == (1, 8, 8)
    assert image[0, :, 0].tolist() == [76] * 4 + [150] * 4


def test_a_grey_image_becomes_three_equal_channels(tmp_path):
    grey = noise(0)[:, :, 0]
    assert np.array_equal(read_one(tmp_path, grey), np.stack([grey] * 3))


def test_the_cameras_orientation_is_respected(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    image = read_one(tmp_path, noise(0), exif=exif)
    assert np.array_equal(image.permute(1, 2, 0), np.rot90(noise(0), -1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_images_of_any_kind_show_what_they_show(tmp_path, mode):
    colours = np.zeros((8, 8, 3), dtype=np.uint8)
    colours[:4], colours[:, 4:] = 255, 255
    grey = mode in {"1", "L", "LA", "I;16"}
    colours[4:, :4] = 0 if grey else RED
    if mode == "I;16":
        picture = Image.fromarray(colours[:, :, 0].astype(np.uint16) * 257 // 2)
        colours //= 2
    else:
        picture = Image.fromarray(colours).convert(mode)
    assert picture.mode == mode
    image = read_one(tmp_path, picture, suffix="tif" if mode == "CMYK" else "png")
    np.testing.assert_allclose(image.permute(1, 2, 0), colours, atol=1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGB", "L", "1", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_transparent_is_white_or_what_the_background_is_to_be(tmp_path, mode, channels):
    """Black on nothing, as drawings are: the upper half is drawn, the lower one is not there."""
    alpha = Image.fromarray(np.repeat(np.uint8([[255]] * 4 + [[0]] * 4), 8, 1))
    options = {}
    if mode in ("RGBA", "LA"):
        picture = Image.new(mode, (8, 8))
        picture.putalpha(alpha)
    elif mode in ("P", "PA"):
        picture = Image.eval(alpha, lambda value: value == 0).convert("L")
        picture = picture.convert("P")
        picture.putpalette([0, 0, 0, *GREEN])
        options = {"transparency": 1}
    else:
        picture = Image.fromarray((np.asarray(alpha) == 0).astype(np.uint16) * 7) if mode == "I;16" else None
        picture = picture or Image.eval(alpha, lambda value: 255 * (value == 0)).convert(mode)
        options = {"transparency": {"RGB": (255, 255, 255), "L": 255, "1": 255, "I;16": 7}[mode]}
    for name, lower in (("white", 255), ("black", 0), ("#808080", 128)):
        read = read_one(tmp_path / name, picture, channels=channels, background=name, **options)
        assert read[:, :4].unique().tolist() == [0], name
        assert read[:, 4:].unique().tolist() == [lower], name


def test_half_transparent_is_half_of_each(tmp_path):
    picture = Image.new("RGBA", (8, 8), (0, 0, 200, 102))
    assert read_one(tmp_path, picture)[:, 0, 0].tolist() == [153, 153, 233]


def test_an_unknown_background_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`data.background` must be a colour such as white, .*; got nothing\."):
        read(make_folder(tmp_path), background="nothing")


def test_a_palette_with_transparent_colours_is_read_in_silence(tmp_path):
    picture = Image.fromarray(np.tile(np.arange(8, dtype=np.uint8) % 2, (8, 1)), mode=None).convert("P")
    picture.putpalette([*RED, *BLUE])
    image = read_one(tmp_path, picture, transparency=b"\x00\x80")
    assert image[:, 0, :2].T.tolist() == [[255, 255, 255], [127, 127, 255]]


def test_only_images_in_class_folders_are_read(tmp_path):
    make_folder(tmp_path)
    before = read(tmp_path)
    (tmp_path / "train" / "ant" / "notes.txt").write_text("no image")
    (tmp_path / "train" / "README.md").write_text("no class")
    (tmp_path / "train" / ".cache").mkdir()
    (tmp_path / "validation").mkdir()
    (tmp_path / "test" / "ant" / ".DS_Store").write_text("of a Mac")
    with pytest.warns(
        Notice, match=r"3 files or folders are not read: .*/notes\.txt has no suffix of an image, \.\.\."
    ) as told:
        after = read(tmp_path)
    assert after.digest == before.digest
    assert len(told) == 1


def test_a_suffix_may_be_written_large(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "test" / "ant" / "0.png").rename(tmp_path / "test" / "ant" / "0.PNG")
    assert len(read(tmp_path).test) == 4


def test_workers_read_the_same(tmp_path, monkeypatch):
    make_folder(tmp_path, train=7)
    alone = read(tmp_path)
    monkeypatch.setattr(MODULE, "_WORTH_WORKERS", 5)
    monkeypatch.setattr(MODULE, "_IMAGES_A_JOB", 3)
    together = read(tmp_path)
    assert torch.equal(together.train.images, alone.train.images)
    assert together.digest == alone.digest
    (tmp_path / "train" / "bee" / "bad.png").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"The image .*/train/bee/bad\.png cannot be read"):
        read(tmp_path)


# The cache


def test_the_second_time_nothing_is_decoded(tmp_path, decoded):
    root = make_folder(tmp_path / "insects")
    first = read(root, cache_dir=str(tmp_path / "cache"))
    assert len(decoded) == 12
    second = read(root, cache_dir=str(tmp_path / "cache"))
    assert len(decoded) == 12
    for part in ("train", "test"):
        one, other = getattr(first, part), getattr(second, part)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert one.classes == other.classes
    assert first.digest == second.digest


def test_without_a_cache_nothing_is_written(tmp_path, decoded):
    make_folder(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    read(tmp_path)
    read(tmp_path)
    assert len(decoded) == 24
    assert sorted(tmp_path.rglob("*")) == before


def change(root):
    save(root / "test" / "ant" / "0.png", noise(99))
    os.utime(root / "test" / "ant" / "0.png", (1, 1))


def touch_older(root):
    os.utime(root / "test" / "ant" / "0.png", (1, 1))


def add(root):
    save(root / "test" / "ant" / "9.png", noise(99))


def remove(root):
    (root / "test" / "ant" / "0.png").unlink()


def rename(root):
    (root / "test" / "ant" / "0.png").rename(root / "test" / "ant" / "9.png")


def move(root):
    (root / "test" / "ant" / "0.png").rename(root / "test" / "bee" / "0a.png")


@pytest.mark.parametrize("meddle", [change, touch_older, add, remove, rename, move])
def test_the_cache_notices_what_happened_to_a_file(tmp_path, decoded, meddle):
    root = make_folder(tmp_path / "insects")
    read(root, cache_dir=str(tmp_path / "cache"))
    decoded.clear()
    meddle(root)
    kept = read(root, cache_dir=str(tmp_path / "cache"))
    assert decoded
    fresh = read(root)
    assert torch.equal(kept.test.images, fresh.test.images)
    assert torch.equal(kept.test.labels, fresh.test.labels)
    assert kept.digest == fresh.digest


@pytest.mark.parametrize("other", [{"size": 4}, {"channels": 1}], ids=str)
def test_other_sizes_and_channels_have_caches_of_their_own(tmp_path, decoded, other):
    root = make_folder(tmp_path / "insects")
    for _ in range(2):
        assert read(root, cache_dir=str(tmp_path / "cache")).train.shape == (3, 8, 8)
        read(root, cache_dir=str(tmp_path / "cache"), **other)
    assert len(decoded) == 24


def test_folders_of_one_name_do_not_share_a_cache(tmp_path, decoded):
    one, other = make_folder(tmp_path / "one" / "images"), make_folder(tmp_path / "other" / "images", train=3)
    for _ in range(2):
        assert len(read(one, cache_dir=str(tmp_path / "cache")).train) == 8
        assert len(read(other, cache_dir=str(tmp_path / "cache")).train) == 6
    assert len(decoded) == 22


# The digest


def test_a_copy_elsewhere_has_the_same_digest(tmp_path):
    one = make_folder(tmp_path / "one")
    other = shutil.copytree(one, tmp_path / "other")
    assert read(one).digest == read(other, cache_dir=str(tmp_path / "cache")).digest


@pytest.mark.parametrize("part", ["train", "test"])
def test_one_pixel_makes_another_digest(tmp_path, part):
    make_folder(tmp_path)
    before = read(tmp_path).digest
    pixels = np.asarray(Image.open(tmp_path / part / "ant" / "0.png")).copy()
    pixels[3, 4, 1] ^= 1
    save(tmp_path / part / "ant" / "0.png", pixels)
    assert read(tmp_path).digest != before


def test_another_label_makes_another_digest(tmp_path):
    make_folder(tmp_path)
    before = read(tmp_path)
    (tmp_path / "test" / "bee" / "0.png").rename(tmp_path / "test" / "ant" / "9.png")
    after = read(tmp_path)
    assert torch.equal(after.test.images, before.test.images)
    assert after.digest != before.digest


def test_another_class_name_makes_another_digest(tmp_path):
    assert read(make_folder(tmp_path / "one")).digest != read(make_folder(tmp_path / "two", classes=("a", "b"))).digest


# What is refused

LAYOUT = (
    "Expected train/<class>/<image> and test/<class>/<image>, or train/<image> and test/<image> without classes; to "
    "test alone, <class>/<image>."
)


def exactly(text):
    return f"^{re.escape(text)}$"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    expected = f"`data.path` must be a folder of images; {tmp_path}/nowhere is not there. {LAYOUT}"
    with pytest.raises(FileNotFoundError, match=exactly(expected)):
        read(tmp_path / "nowhere")


def test_images_to_test_on_must_be_there(tmp_path):
    make_folder(tmp_path)
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(FileNotFoundError, match=exactly(f"There is no folder {tmp_path}/test. {LAYOUT}")):
        read(tmp_path)


@pytest.mark.parametrize("layout", ["test", "val", "."])
def test_images_to_test_on_may_be_all_there_are(tmp_path, layout):
    whole = read(make_folder(tmp_path / "whole"))
    shutil.copytree(tmp_path / "whole" / "test", tmp_path / "part" / layout)
    splits = read(tmp_path / "part")
    assert torch.equal(splits.test.images, whole.test.images)
    assert splits.test.classes == splits.train.classes == whole.test.classes
    assert (len(splits.train), splits.train.shape) == (0, (3, 8, 8))


def test_folders_of_parts_are_not_taken_for_classes(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "train").rename(tmp_path / "Training")
    (tmp_path / "test").rename(tmp_path / "validation")
    with pytest.raises(FileNotFoundError, match=exactly(f"There is no folder {tmp_path}/train. {LAYOUT}")):
        read(tmp_path)


def test_validation_images_are_tested_on_where_there_are_no_others(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "test").rename(tmp_path / "val")
    assert (len(read(tmp_path).train), len(read(tmp_path).test)) == (8, 4)


def test_images_without_classes_are_of_one(tmp_path):
    whole = make_folder(tmp_path / "whole", classes=["unlabelled"])
    for part in ("train", "test"):
        shutil.copytree(whole / part / "unlabelled", tmp_path / "bare" / part)
    (tmp_path / "bare" / "train" / "notes.txt").write_text("no image")
    bare = read(tmp_path / "bare")
    assert bare.train.classes == ("unlabelled",)
    assert bare.digest == read(whole).digest
    shutil.copytree(make_folder(tmp_path / "other") / "test", tmp_path / "bare" / "test", dirs_exist_ok=True)
    with pytest.raises(ValueError, match=r"/test holds folders \(ant\) and, beside them, 2 images \(0\.png\)\."):
        read(tmp_path / "bare")
    shutil.copytree(tmp_path / "other" / "test", tmp_path / "mixed" / "test")
    shutil.copytree(tmp_path / "bare" / "train", tmp_path / "mixed" / "train")
    with pytest.raises(ValueError, match="only one of them has ant, bee, unlabelled"):
        read(tmp_path / "mixed")


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=exactly(f"{tmp_path}/train holds no images. {LAYOUT}")):
        read(tmp_path)


def test_a_class_without_images_is_refused(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "train" / "cat").mkdir()
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"Class cat has no images in .*train/cat\. Add some \(.*\.png.*\), or remove"):
        read(tmp_path)


def test_both_parts_must_hold_the_same_classes(tmp_path):
    make_folder(tmp_path)
    save(tmp_path / "train" / "cat" / "0.png", noise(0))
    save(tmp_path / "test" / "dog" / "0.png", noise(0))
    with pytest.raises(ValueError, match="must hold the same classes; only one of them has cat, dog"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif"])
@pytest.mark.parametrize("left", [0, 10, 0.5])
def test_a_truncated_image_is_named_and_nothing_is_kept(tmp_path, suffix, left):
    root = make_folder(tmp_path / "insects")
    broken = root / "test" / "bee" / f"5.{suffix}"
    save(broken, noise(0, 64, 64))
    content = broken.read_bytes()
    broken.write_bytes(content[: int(left * len(content)) if left < 1 else left])
    with pytest.raises(ValueError, match=r"The image .* cannot be read \(.+\)\. Repair or remove it\.") as error:
        read(root, cache_dir=str(tmp_path / "cache"))
    assert str(broken) in str(error.value)
    assert not list(tmp_path.glob("cache/**/*"))


def test_a_folder_that_is_called_an_image_is_a_folder(tmp_path):
    make_folder(tmp_path)
    save(tmp_path / "train" / "ant" / "more.png" / "0.png", noise(5))
    assert len(read(tmp_path).train) == 9


def test_an_error_leaves_the_former_cache_as_it_was(tmp_path, decoded):
    root = make_folder(tmp_path / "insects")
    before = read(root, cache_dir=str(tmp_path / "cache"))
    (root / "test" / "bee" / "9.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"9\.png cannot be read"):
        read(root, cache_dir=str(tmp_path / "cache"))
    (root / "test" / "bee" / "9.png").unlink()
    decoded.clear()
    assert read(root, cache_dir=str(tmp_path / "cache")).digest == before.digest
    assert not decoded
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_images_have_one_or_three_channels(tmp_path, channels):
    with pytest.raises(ValueError, match=rf"`data.channels` must be 3 \(colour\) or 1 \(grey\); got {channels}\."):
        read(tmp_path, channels=channels)


@pytest.mark.parametrize("size", [0, -3])
def test_images_have_at_least_one_pixel(tmp_path, size):
    with pytest.raises(ValueError, match=rf"`data.size` must be at least 1 pixel; got {size}\."):
        read(tmp_path, size)
