"""Pictures of every kind: read as they look, or refused with the file's name; what is not read is said."""

import io
import os
import socket
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from robust.data import folder
from robust.data.picture import Style, read_picture, suffixes
from robust.errors import Notice

GREY = np.tile(np.arange(8, dtype=np.uint8) * 36, (8, 1))  # from black to nearly white


def save(path, picture, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(path, **options)
    return path


def other(number):
    """An image like no other."""
    return np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path):
    """Two classes, two images each to train on, one to test on."""
    for part, count in (("train", 2), ("test", 1)):
        for label, name in enumerate(("ant", "bee")):
            for i in range(count):
                save(tmp_path / "data" / part / name / f"{i}.png", other((count, label, i)))
    return tmp_path / "data"


def read(root, **options):
    return folder(path=str(root), size=8, **options)


def pixels(path, channels=1):
    picture, _ = read_picture(str(path), Style(8, channels))
    return np.asarray(picture)


def said(root):
    """What is told of a folder."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        splits = read(root)
    assert [str(one.message) for one in told if one.category is Notice] == list(splits.notes)
    return list(splits.notes)


# Values


@pytest.mark.parametrize(
    ("values", "suffix"),
    [
        (GREY, "png"),
        (GREY.astype(np.uint16) * 257, "png"),
        (GREY.astype(np.uint16) * 257, "tif"),
        (GREY.astype(">u2") * 257, "tif"),
        (GREY.astype(np.uint16) * 257, "pgm"),
        (GREY.astype(np.uint16) * 257, "jp2"),
    ],
)
def test_grey_values_of_8_and_16_bits_are_read_over_their_whole_range(tmp_path, values, suffix):
    assert np.array_equal(pixels(save(tmp_path / f"0.{suffix}", values)), GREY)


def tiff(values, *, bits, photometric=1, kind=1, order="<"):
    """A grey TIFF of one strip, as bytes: what Pillow does not write."""
    height, width = values.shape
    data = (
        values.tobytes()
        if bits >= 16
        else np.packbits(
            np.unpackbits(values.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 16 - bits :]
        ).tobytes()
    )
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(data)}
    tags[339] = kind
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return mark + struct.pack(f"{order}I", 8 + len(data)) + data + directory


def test_grey_values_of_12_bits_and_those_whose_zero_is_white_are_read_right(tmp_path):
    (tmp_path / "12.tif").write_bytes(tiff(GREY.astype(np.uint16) * 16, bits=12))
    (tmp_path / "white.tif").write_bytes(tiff((255 - GREY).astype("<u2") * 257, bits=16, photometric=0))
    for path in tmp_path.iterdir():
        assert np.array_equal(pixels(path), GREY), path


@pytest.mark.parametrize(
    ("values", "bits", "kind", "reason"),
    [
        (GREY.astype("<i4"), 32, 2, "signed integers or such of 32 bits, whose range is not known"),
        (GREY.astype("<u4"), 32, 1, "signed integers or such of 32 bits"),
        (GREY.astype("<i2") - 50, 16, 2, "signed integers or such of 32 bits"),
        (GREY.astype("<f4") / 255, 32, 3, "floating-point values; convert it to 8 or 16 bits"),
    ],
)
def test_values_whose_range_nobody_knows_are_refused_by_name(tmp_path, values, bits, kind, reason):
    (tmp_path / "0.tif").write_bytes(tiff(values, bits=bits, kind=kind))
    with pytest.raises(ValueError, match=rf"The image {tmp_path}/0\.tif cannot be read \(it holds .*{reason}"):
        pixels(tmp_path / "0.tif")


@pytest.mark.parametrize("mode", ["YCbCr", "LAB", "CMYK", "HSV"])
def test_colours_in_other_spaces_look_the_same(tmp_path, mode):
    if mode == "LAB":
        picture = Image.new("LAB", (8, 8), (136, 208, 195))  # L 53, a 80, b 67
    else:
        picture = Image.new("RGB", (8, 8), (255, 0, 0)).convert(mode)
    try:
        path = save(tmp_path / "0.tif", picture)
    except OSError:
        pytest.skip(f"Pillow writes no {mode}")
    np.testing.assert_allclose(pixels(path, 3)[0, 0], (255, 0, 0), atol=12)


# Files


@pytest.mark.parametrize("suffix", ["jfif", "avif", "jp2", "tga", "ico", "qoi", "sgi", "pcx", "webp", "dds", "JPG"])
def test_whatever_pillow_reads_is_an_image(root, suffix):
    try:
        save(root / "train" / "ant" / f"more.{suffix}", Image.new("RGB", (16, 16), (250, 10, 10)))
    except (OSError, KeyError, ValueError):
        pytest.skip(f"Pillow writes no {suffix} here")
    splits = read(root)
    assert len(splits.train) == 5
    assert not splits.notes


def test_nothing_is_read_that_another_program_would_be_started_for():
    assert not {".eps", ".ps", ".h5", ".mpg", ".wmf", ".pdf"} & suffixes().keys()


def test_a_file_is_read_by_what_it_holds_not_by_its_suffix(root):
    save(root / "test" / "ant" / "more.jpg", other(9), format="PNG")
    assert np.array_equal(read(root).test.images[1].permute(1, 2, 0), other(9))


def test_images_are_read_at_any_depth_and_through_links_each_folder_once(root, tmp_path):
    save(root / "train" / "ant" / "red" / "small" / "0.png", other(10))
    save(tmp_path / "elsewhere" / "0.png", other(11))
    (root / "train" / "ant" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "train" / "ant" / "red" / "loop").symlink_to(root / "train" / "ant")
    (root / "train" / "bee" / "file.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    splits = read(root)
    assert splits.train.labels.bincount().tolist() == [4, 3]
    assert splits.notes == (
        f"1 file or folder is not read: {root}/train/ant/red/loop leads to a folder that is read already.",
    )


def test_links_that_multiply_do_not_take_for_ever(root):
    place = root / "train" / "ant"
    for depth in range(40):
        place = place / f"{depth}"
        place.mkdir()
        (place.parent / "again").symlink_to(place)
    assert len(read(root).train) == 4


@pytest.mark.timeout(20)
def test_what_is_no_file_is_never_opened_and_said_once(root):
    os.mkfifo(root / "train" / "ant" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(root / "train" / "bee" / "so.png"))
    (root / "test" / "bee" / "gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(root / "train" / "loose.png")
    (root / "test" / "ant" / ".hidden.png").write_bytes(b"")
    assert [note.split(" (")[0] for note in said(root)] == [
        f"3 files or folders are not read: {root}/train/ant/pipe.png is no file",
        f"2 files or folders are not read: {root}/test/ant/.hidden.png is hidden, ...",
    ]


def test_what_systems_leave_beside_images_is_not_read(root):
    for part in ("train", "test"):
        save(root / part / "__MACOSX" / "ant" / "._0.png", other(40))
        save(root / part / "ant" / "@eaDir" / "0.png" / "thumbnail.jpg", other(41))
        save(root / part / "bee" / "._0.png", other(42))
        (root / part / "bee" / "Thumbs.db").write_bytes(b"thumbnails")
    splits = read(root)
    assert splits.test.classes == ("ant", "bee")
    assert (len(splits.train), len(splits.test)) == (4, 2)
    assert splits.notes[0].startswith(f"3 files or folders are not read: {root}/train/ant/@eaDir is hidden, ...")


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\n" + bytes(50), b"GIF89a" + bytes(9)])
def test_what_cannot_be_decoded_is_named(root, content):
    (root / "train" / "ant" / "bad.png").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"The image .*/train/ant/bad\.png cannot be read \(.+\)\. Repair or remove it"
    ):
        read(root)


def test_a_bomb_is_named(root, monkeypatch):
    save(root / "train" / "ant" / "huge.png", Image.new("1", (300, 300)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"huge\.png cannot be read \(.*decompression bomb"):
        read(root)


def test_several_pictures_in_a_file_and_very_long_ones_are_said(root):
    frames = [Image.fromarray(other(number)) for number in (20, 21)]
    for number in range(2):
        save(root / "train" / "ant" / f"moving{number}.gif", frames[0], save_all=True, append_images=frames[1:])
    save(root / "train" / "bee" / "long.png", Image.new("L", (1, 60_000)))
    assert said(root) == [
        f"The image {root}/train/ant/moving0.gif and 1 more: it holds several pictures, of which the first is read.",
        f"The image {root}/train/bee/long.png is so long that little of it is in its middle.",
    ]


def test_what_was_said_of_files_is_said_again_of_kept_ones(root, tmp_path):
    save(root / "train" / "bee" / "long.png", Image.new("L", (1, 60_000)))
    notes = [read(root, cache_dir=str(tmp_path / "cache")).notes for _ in range(2)]
    assert len(notes[0]) == 1
    assert notes[0] == notes[1]


# EXIF


def exif(*entries):
    """An EXIF block: orientation as a short, and further entries as bytes."""
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def entry(tag, kind, count, value):
    return struct.pack("<HHI", tag, kind, count) + value


TURNED = entry(0x0112, 3, 1, struct.pack("<HH", 6, 0))
DAMAGED = {
    "negative": [TURNED, entry(0x0100, 9, 1, struct.pack("<i", -5))],
    "a float": [TURNED, entry(0x0101, 11, 1, struct.pack("<f", 2.5))],
    "negative in a short": [TURNED, entry(0x0128, 8, 1, struct.pack("<hh", -1, 0))],
    "beyond the end": [TURNED, entry(0x010F, 2, 9999, struct.pack("<I", 99999))],
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_beside_the_orientation_does_not_hide_it(tmp_path, damage):
    path = save(tmp_path / "0.jpg", GREY, quality=100, exif=exif(*DAMAGED[damage]))
    np.testing.assert_allclose(pixels(path), np.rot90(GREY, -1), atol=4)


@pytest.mark.parametrize(
    "orientation",
    [
        entry(0x0112, 3, 1, struct.pack("<HH", 0, 0)),
        entry(0x0112, 3, 1, struct.pack("<HH", 99, 0)),
        entry(0x0112, 9, 1, struct.pack("<i", -6)),
        entry(0x0112, 11, 1, struct.pack("<f", 6.5)),
        entry(0x0112, 2, 4, b"six\0"),
    ],
)
def test_an_orientation_that_is_none_turns_nothing(tmp_path, orientation):
    path = save(tmp_path / "0.jpg", GREY, quality=100, exif=exif(orientation))
    np.testing.assert_allclose(pixels(path), GREY, atol=4)


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_each_way_to_hold_a_camera(tmp_path, number, suffix):
    described = Image.Exif()
    described[0x0112] = number
    path = save(tmp_path / f"0.{suffix}", other(3), exif=described)
    turned = [lambda x: x, np.fliplr, lambda x: np.rot90(x, 2), np.flipud]
    turned += [lambda x: x.swapaxes(0, 1), lambda x: np.rot90(x, -1), lambda x: np.rot90(x, 2).swapaxes(0, 1), np.rot90]
    assert np.array_equal(pixels(path, 3), turned[number - 1](other(3)))


# Classes


def rename(root, old, new):
    for part in (b"train", b"test"):
        place = os.fsencode(root) + b"/" + part + b"/"
        os.rename(place + old, place + new)  # noqa: PTH104


@pytest.mark.parametrize(
    ("name", "written"), [(b"caf\xe9", r"b'caf\\xe9'"), (b"a\nb", r"b'a\\nb'"), (b"\x1b[31m", r"b'\\x1b\[31m'")]
)
def test_names_that_cannot_be_written_are_refused_before_anything_is_read(root, name, written):
    rename(root, b"ant", name)
    with pytest.raises(
        ValueError, match=rf"must have a printable name in UTF-8; got {written} in .*/train\. Rename it"
    ):
        read(root)


@pytest.mark.parametrize("name", ["蚂蚁", "مورچه‌ها", "ant (2)", "natural", "1e5"])  # noqa: RUF001
def test_names_of_any_language_are_classes(root, name):
    rename(root, b"ant", name.encode())
    assert name in read(root).train.classes


@pytest.mark.parametrize("name", ["BEE", "bee ", "ｂｅｅ"])  # noqa: RUF001
def test_classes_of_nearly_one_name_are_said(root, name):
    rename(root, b"ant", name.encode())
    assert said(root) == ["2 classes have nearly one name, bee: are they meant to be one?"]


def test_a_class_that_is_a_link_to_another_is_refused(root):
    for part in ("train", "test"):
        (root / part / "wasp").symlink_to(root / part / "bee")
    with pytest.raises(ValueError, match=r"Classes bee and wasp in .*/train are one folder: a link leads from one"):
        read(root)


def test_test_images_that_are_training_images_are_counted(root):
    for number in range(2):
        save(root / "test" / "bee" / f"{number + 5}.bmp", other((2, number, 1)))
    assert said(root) == [f"2 of the 4 test images are training images too, such as {root}/test/bee/5.bmp."]


def test_a_name_of_a_file_that_is_no_text_is_shown_escaped(root):
    path = os.fsencode(root) + b"/train/ant/\xff.png"
    with open(path, "wb") as file:
        file.write(b"none")
    with pytest.raises(ValueError, match=r"The image .*/train/ant/\\xff\.png cannot be read"):
        read(root)
    content = io.BytesIO()
    Image.fromarray(other(30)).save(content, "PNG")
    with open(path, "wb") as file:
        file.write(content.getvalue())
    assert len(read(root, cache_dir=str(root.parent / "cache")).train) == 5
