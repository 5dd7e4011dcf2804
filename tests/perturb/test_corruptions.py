"""The common corruptions against other people's parts: SciPy, scikit-image, Pillow, plain loops."""

import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats
from skimage import color, filters
from torch import Tensor
from torch.nn import functional

try:
    from wand.image import Image as MagickImage
except ImportError:  # it needs a library of the system
    MagickImage = None

from robust.perturb import ImageRandom
from robust.perturb.corruptions import CORRUPTIONS, SIZES, Contrast, DrawnFrost, Frost, constants
from robust.perturb.corruptions.blur import disk
from robust.perturb.corruptions.jpeg import as_jpeg
from robust.perturb.corruptions.severity import TABLES
from robust.perturb.corruptions.weather import plasma

LEVEL = 1 / 255

at_every_size = pytest.mark.parametrize("size", SIZES)
at_every_severity = pytest.mark.parametrize("severity", range(1, 6))


def photos(size: int, *, width: int | None = None, count: int = 1, channels: int = 3) -> Tensor:
    """Pictures with large and small features, edges, black, white and grey, as 8 bits have them."""
    random = np.random.default_rng(size)
    shape = (count, channels, size, width or size)
    smooth = ndimage.gaussian_filter(random.normal(size=shape), (0, 0, size / 12, size / 12))
    fine = random.normal(size=shape) * 0.1
    images = 0.5 + 0.35 * smooth / smooth.std() + fine
    images[:, :, : size // 4, : size // 4] = 0.4
    images[:, :, -size // 8 :] = 0
    return torch.from_numpy((images.clip(0, 1) * 255).round() / 255).float()


def published(name: str, severity: int, size: int) -> tuple[float, ...]:
    return TABLES[name][size][severity - 1]


def corrupted(
    name: str, severity: float, images: Tensor, *, pictures: str | None = None, **drawn: Tensor
) -> np.ndarray:
    held.update(corruption=name, severity=severity, size=images.shape[2])
    given = {"pictures": pictures} if pictures else {}
    found = CORRUPTIONS[name](severity=severity, **given).apply_transform(images, **drawn)
    return found.permute(0, 2, 3, 1).double().numpy()


def rows(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).double().numpy()


#: what the difference that is looked at next is of
held: dict[str, object] = {}
record: list[Callable[[str, object], None]] = []


@pytest.fixture(autouse=True)
def _kept(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Largest differences stand in what `--junitxml` writes: results/corruptions is made of them."""
    record.append(record_property)
    yield
    record.clear()


def assert_near(found: np.ndarray, wanted: np.ndarray, *, most: float = LEVEL / 4) -> None:
    assert found.shape == wanted.shape
    largest = float(np.abs(found - wanted.clip(0, 1)).max())
    record[0]("held", json.dumps({**held, "levels": round(largest / LEVEL, 6)}))
    assert largest <= most


@at_every_severity
@at_every_size
def test_gaussian_blur_is_scikit_images(size: int, severity: int) -> None:
    (sigma,) = published("gaussian_blur", severity, size)
    images = photos(size)
    wanted = [filters.gaussian(one, sigma, mode="nearest", truncate=4, channel_axis=-1) for one in rows(images)]
    assert_near(corrupted("gaussian_blur", severity, images), np.stack(wanted))


@at_every_severity
@at_every_size
def test_defocus_blur_is_a_convolution_with_a_smoothed_disk(size: int, severity: int) -> None:
    radius, alias = published("defocus_blur", severity, size)
    reach, taps = (8, 3) if radius <= 8 else (int(radius), 5)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (x**2 + y**2 <= radius**2).astype(float)
    kernel /= kernel.sum()
    weights = np.exp(-0.5 * ((np.arange(taps) - taps // 2) / alias) ** 2)
    for axis in (0, 1):
        kernel = ndimage.correlate1d(kernel, weights / weights.sum(), axis, mode="mirror")
    images = photos(size)
    wanted = ndimage.correlate(rows(images), kernel[None, :, :, None], mode="mirror")
    assert_near(corrupted("defocus_blur", severity, images), wanted)


def test_disks_have_the_published_sizes() -> None:
    """Pixels, and standard deviation along an axis, of the kernels that published pictures were made with."""
    for radius, pixels in ((3, 29), (4, 49), (6, 113), (8, 197), (10, 317)):
        assert int((disk(radius, 0.01) > 1e-6).sum()) == pixels
    for severity, deviation in enumerate((1.53, 2.03, 3.04, 4.02, 5.08), start=1):
        assert spread(disk(*published("defocus_blur", severity, 224))) == pytest.approx(deviation, abs=0.006)
    for severity, deviation in enumerate((0.284, 0.462, 0.577, 0.632, 0.816), start=1):
        assert spread(disk(*published("defocus_blur", severity, 32))) == pytest.approx(deviation, abs=6e-4)
    sums = [float(disk(*published("defocus_blur", severity, 224)).sum()) for severity in (4, 5)]
    assert sums == pytest.approx([1.013, 1.011], abs=6e-4)


def spread(kernel: Tensor) -> float:
    places = torch.arange(len(kernel)).double() - len(kernel) // 2
    return math.sqrt(float((kernel.sum(0) * places.square()).sum() / kernel.sum()))


@at_every_severity
@at_every_size
def test_motion_blur_is_a_line_of_pixels(size: int, severity: int) -> None:
    radius, sigma = published("motion_blur", severity, size)
    angles = torch.tensor([-44.0, 0.0, 17.0])
    images = photos(size, count=3)
    wanted = [
        line_blurred(image, radius, sigma, angle)
        for image, angle in zip(rows(images), np.deg2rad(angles.numpy()), strict=True)
    ]
    assert_near(corrupted("motion_blur", severity, images, angle=angles), np.stack(wanted))


@pytest.mark.skipif(MagickImage is None, reason="ImageMagick's library is not installed (Debian: imagemagick)")
@at_every_severity
@at_every_size
def test_motion_blur_is_imagemagicks(size: int, severity: int) -> None:
    radius, sigma = published("motion_blur", severity, size)
    angles = torch.tensor([-135.0, -90.0, -44.0, 0.0, 17.0])  # of snow too
    images = photos(size, count=len(angles))
    wanted = []
    for image, angle in zip(rows(images), angles.tolist(), strict=True):
        with MagickImage.from_array((image * 255).round().astype(np.uint8)) as picture:
            picture.motion_blur(radius=radius, sigma=sigma, angle=angle)
            wanted.append(np.reshape(picture.export_pixels(channel_map="RGB", storage="double"), image.shape))
    assert_near(corrupted("motion_blur", severity, images, angle=angles), np.stack(wanted))


def line_blurred(image: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """ImageMagick's rule, in a loop; `angle` in radians."""
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    y, x = np.mgrid[: len(image), : image.shape[1]]
    moved = []
    for step in range(2 * radius + 1):
        across, down = (math.ceil(step * one - 0.5) for one in (math.cos(angle), math.sin(angle)))
        moved.append(image[(y + down).clip(0, len(image) - 1), (x + across).clip(0, image.shape[1] - 1)])
    return np.tensordot(weights / weights.sum(), np.stack(moved), 1)


@at_every_severity
@at_every_size
def test_zoom_blur_is_scipys_zooms(size: int, severity: int) -> None:
    greatest, step = published("zoom_blur", severity, size)
    images = photos(size, count=1)
    factors = np.arange(1, greatest + step / 2, step)
    found = rows(images)
    total = found.copy()
    for factor in factors:
        kept = math.ceil(size / factor)
        top = (size - kept) // 2
        middle = found[:, top : top + kept, top : top + kept]
        zoomed = ndimage.zoom(middle, (1, factor, factor, 1), order=1)
        cut = (zoomed.shape[1] - size) // 2
        total += zoomed[:, cut : cut + size, cut : cut + size]
    assert_near(corrupted("zoom_blur", severity, images), total / (len(factors) + 1))


@at_every_severity
@at_every_size
def test_brightness_and_saturation_are_scikit_images(size: int, severity: int) -> None:
    images = photos(size)
    hsv = color.rgb2hsv(rows(images))
    (added,) = published("brightness", severity, size)
    brighter = hsv.copy()
    brighter[..., 2] = (brighter[..., 2] + added).clip(0, 1)
    assert_near(corrupted("brightness", severity, images), color.hsv2rgb(brighter))
    factor, more = published("saturate", severity, size)
    hsv[..., 1] = (hsv[..., 1] * factor + more).clip(0, 1)
    assert_near(corrupted("saturate", severity, images), color.hsv2rgb(hsv))


@at_every_severity
@at_every_size
def test_contrast_is_about_the_mean_of_each_channel(size: int, severity: int) -> None:
    (factor,) = published("contrast", severity, size)
    images = photos(size)
    mean = rows(images).mean((1, 2), keepdims=True)
    assert_near(corrupted("contrast", severity, images), (rows(images) - mean) * factor + mean)


@at_every_severity
@pytest.mark.parametrize("width", [0, 9])
@at_every_size
def test_pixelate_is_pillows(size: int, width: int, severity: int) -> None:
    (share,) = published("pixelate", severity, size)
    images = photos(size, width=size + width)
    wanted = []
    for one in rows(images):
        picture = Image.fromarray((one * 255).round().astype(np.uint8))
        small = picture.resize((int((size + width) * share), int(size * share)), Image.Resampling.BOX)
        wanted.append(np.asarray(small.resize(picture.size, Image.Resampling.BOX)) / 255)
    assert_near(corrupted("pixelate", severity, images), np.stack(wanted), most=LEVEL + 1e-6)


@at_every_severity
@at_every_size
def test_jpeg_is_pillows(size: int, severity: int) -> None:
    (quality,) = published("jpeg_compression", severity, size)
    images = photos(size)
    with io.BytesIO() as file:
        Image.fromarray((rows(images)[0] * 255).round().astype(np.uint8)).save(file, "JPEG", quality=quality)
        wanted = np.asarray(Image.open(file)) / 255
    assert_near(corrupted("jpeg_compression", severity, images), wanted[None])


@pytest.mark.parametrize("side", [(1, 1), (2, 3), (5, 6), (8, 8), (15, 17), (16, 40), (33, 70)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows_at_any_size_and_quality(channels: int, side: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(2, channels, *side, generator=generator)
    smooth = functional.interpolate(noise[..., :2, :2], size=side, mode="bilinear")
    pictures = (torch.cat([noise, noise.round(), smooth]) * 255).round()
    for quality in (1, 10, 25, 49, 50, 65, 95, 100):
        wanted = []
        for one in pictures.byte().permute(0, 2, 3, 1).squeeze(3).numpy():
            with io.BytesIO() as file:
                Image.fromarray(one).save(file, "JPEG", quality=quality)
                wanted.append(np.asarray(Image.open(file)))
        stored = as_jpeg(pictures, quality).permute(0, 2, 3, 1).squeeze(3)
        np.testing.assert_array_equal(stored.numpy(), np.stack(wanted))


@at_every_severity
@at_every_size
def test_snow_is_blurred_flakes_from_both_sides(size: int, severity: int) -> None:
    mean, deviation, factor, least, radius, sigma, mix = published("snow", severity, size)
    images = photos(size)
    drawn = CORRUPTIONS["snow"](severity=severity).sample(ImageRandom(6, torch.arange(1)), (3, size, size))
    kept = math.ceil(size / factor)
    top = (size - kept) // 2
    flakes = (mean + deviation * drawn["field"][0].double().numpy())[top : top + kept, top : top + kept]
    flakes = ndimage.zoom(flakes, factor, order=1)
    cut = (len(flakes) - size) // 2
    flakes = flakes[cut : cut + size, cut : cut + size]
    flakes = (np.where(flakes < least, 0, flakes).clip(0, 1) * 255).astype(np.uint8) / 255
    layer = line_blurred(flakes[..., None], radius, sigma, math.radians(drawn["angle"][0]))[..., 0]
    image = rows(images)[0]
    grey = (image @ [0.299, 0.587, 0.114])[..., None]
    wanted = mix * image + (1 - mix) * np.maximum(image, 1.5 * grey + 0.5)
    wanted += (layer + np.rot90(layer, 2))[..., None]
    assert_near(corrupted("snow", severity, images, **drawn), wanted[None], most=LEVEL + 1e-6)
    assert -135 <= drawn["angle"][0] <= -45


@at_every_severity
@at_every_size
def test_noise_follows_its_field(size: int, severity: int) -> None:
    images = photos(size)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    (std,) = published("gaussian_noise", severity, size)
    field = rows(noise)
    assert_near(corrupted("gaussian_noise", severity, images, noise=noise), rows(images) + std * field)
    (std,) = published("speckle_noise", severity, size)
    assert_near(corrupted("speckle_noise", severity, images, noise=noise), rows(images) * (1 + std * field))
    chance = torch.rand(images.shape, generator=torch.Generator().manual_seed(2))
    (share,) = published("impulse_noise", severity, size)
    wanted = np.where(rows(chance) < share, rows(chance) < share / 2, rows(images))
    assert_near(corrupted("impulse_noise", severity, images, chance=chance), wanted)


@at_every_severity
@at_every_size
def test_shot_noise_counts_as_many_photons_as_scipy_says(size: int, severity: int) -> None:
    (photons,) = published("shot_noise", severity, size)
    images = torch.full((1, 3, size, size), 102 / 255)
    drawn = CORRUPTIONS["shot_noise"](severity=severity).sample(ImageRandom(3, torch.arange(1)), (3, size, size))
    counts = (corrupted("shot_noise", severity, images, **drawn) * photons).round().astype(int).ravel()
    found = np.bincount(counts, minlength=int(photons) + 1)
    wanted = stats.poisson.pmf(np.arange(len(found)), 0.4 * photons)
    wanted[-1] += 1 - wanted.sum()  # all that is above white is white
    likely = wanted * len(counts) > 5
    errors = (found - wanted * len(counts))[likely] / np.sqrt((wanted * (1 - wanted) * len(counts))[likely])
    assert np.abs(errors).max() < 4
    assert np.square(errors).mean() < 2.5


@at_every_severity
@at_every_size
def test_glass_blur_copies_pixel_after_pixel(size: int, severity: int) -> None:
    sigma, near, times = published("glass_blur", severity, size)
    images = photos(size, count=1)
    drawn = CORRUPTIONS["glass_blur"](severity=severity).sample(ImageRandom(3, torch.arange(1)), (3, size, size))
    moves = (ImageRandom(3, torch.arange(1)).small_integers(2 * near, times, 2, size, size) - near)[0].numpy()
    assert (moves.min(), moves.max()) == (-near, near - 1)
    wanted = filters.gaussian(rows(images)[0], sigma, mode="nearest", truncate=4, channel_axis=-1)
    for time in range(times):
        for row in range(size - near, near, -1):
            for column in range(size - near, near, -1):
                down, across = moves[time, :, row, column]
                wanted[row, column] = wanted[row + down, column + across]
    wanted = filters.gaussian(wanted, sigma, mode="nearest", truncate=4, channel_axis=-1)
    assert_near(corrupted("glass_blur", severity, images, **drawn), wanted[None])


@at_every_severity
@at_every_size
def test_elastic_transform_is_scipys_sampling(size: int, severity: int) -> None:
    far, alike, affine = (size * one for one in published("elastic_transform", severity, size))
    images = photos(size, count=1)
    drawn = CORRUPTIONS["elastic_transform"](severity=severity).sample(ImageRandom(4, torch.arange(1)), (3, size, size))
    half = size // 3
    before = size // 2 + np.array([[half, half], [half, -half], [-half, -half]], float)
    after = before + affine * drawn["points"][0].double().numpy()
    back = np.linalg.solve(np.c_[after, np.ones(3)], before)
    y, x = np.mgrid[:size, :size].astype(float)
    columns, lines = (np.stack([x, y, np.ones_like(x)], -1) @ back).transpose(2, 0, 1)
    image = rows(images)[0]
    wanted = [
        ndimage.map_coordinates(one, [lines, columns], order=1, mode="mirror") for one in image.transpose(2, 0, 1)
    ]
    if far:
        field = (drawn["field"][0].double().numpy() - 127.5) / 128
        across, down = (far * ndimage.gaussian_filter(one, alike, mode="reflect", truncate=3) for one in field)
        wanted = [ndimage.map_coordinates(one, [y + down, x + across], order=1, mode="reflect") for one in wanted]
    assert_near(corrupted("elastic_transform", severity, images, **drawn), np.stack(wanted, -1)[None])


@at_every_severity
@at_every_size
def test_fog_is_a_fractal_of_means(size: int, severity: int) -> None:
    thick, decay = published("fog", severity, size)
    images = photos(size, count=1)
    drawn = CORRUPTIONS["fog"](severity=severity).sample(ImageRandom(5, torch.arange(1)), (3, size, size))
    field = drawn["field"][0].tolist()
    side = len(field)  # a power of two
    clouds, step, wobble = [[0.0] * side for _ in range(side)], side, 100.0

    def put(row: int, column: int, near: list[tuple[int, int]]) -> None:
        mean = sum(clouds[one % side][other % side] for one, other in near) / 4
        clouds[row][column] = mean + wobble * wobble * field[row][column]

    while step >= 2:
        half = step // 2
        for row in range(half, side, step):
            for column in range(half, side, step):
                put(row, column, [(row + a, column + b) for a in (-half, half) for b in (-half, half)])
        for row in range(0, side, half):
            for column in range(half if row % step == 0 else 0, side, step):
                put(
                    row,
                    column,
                    [(row - half, column), (row + half, column), (row, column - half), (row, column + half)],
                )
        step, wobble = half, wobble / decay
    layer = np.array(clouds)
    layer = (layer - layer.min()) / (layer.max() - layer.min())
    most = rows(images).max()
    wanted = (rows(images) + thick * layer[None, :size, :size, None]) * most / (most + thick)
    assert_near(corrupted("fog", severity, images, **drawn), wanted)


@pytest.mark.parametrize(("size", "decay", "deviation", "near"), [(32, 3, 0.145, 0.984), (64, 2, 0.16, 0.996)])
def test_fog_has_the_published_statistics(size: int, decay: float, deviation: float, near: float) -> None:
    field = 2 * torch.rand(300, size, size, generator=torch.Generator().manual_seed(0)) - 1
    clouds = plasma(field, decay).numpy()
    assert clouds.mean() == pytest.approx(0.5, abs=0.03)
    assert clouds.std((1, 2)).mean() == pytest.approx(deviation, abs=0.02)
    pairs = [np.corrcoef(one[:, 1:].ravel(), one[:, :-1].ravel())[0, 1] for one in clouds]
    assert np.mean(pairs) == pytest.approx(near, abs=0.003)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Six pictures of other sizes, as frost is published."""
    for number, (high, wide) in enumerate([(400, 600), (315, 560), (315, 560), (350, 527), (495, 660), (323, 485)], 1):
        picture = np.random.default_rng(number).integers(0, 256, (high, wide, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"frost{number}.png")
    return tmp_path


@at_every_severity
@at_every_size
def test_frost_is_a_part_of_a_photograph_scaled_as_opencv_does(photographs: Path, size: int, severity: int) -> None:
    kept, added, scale = published("frost", severity, size)
    images = photos(size, count=3)
    perturbation = Frost(severity=severity, pictures=str(photographs))
    drawn = perturbation.sample(ImageRandom(7, torch.arange(3)), (3, size, size))
    wanted = []
    for image, which, down, across in zip(
        rows(images), *(drawn[name] for name in ("which", "down", "across")), strict=True
    ):
        photograph = np.array(Image.open(photographs / f"frost{which + 1}.png"))
        smaller = cv2.resize(photograph.astype(np.float64), (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        top, left = (int(one * (side - size)) for one, side in zip((down, across), smaller.shape[:2], strict=True))
        wanted.append(kept * image + added * smaller[top : top + size, left : left + size] / 255)
    found = corrupted("frost", severity, images, pictures=str(photographs), **drawn)
    assert_near(found, np.stack(wanted), most=LEVEL)


def test_frost_is_drawn_among_the_first_five_and_covers_any_picture(photographs: Path) -> None:
    drawn = Frost(severity=3, pictures=str(photographs)).sample(ImageRandom(0, torch.arange(400)), (3, 32, 32))
    assert torch.bincount(drawn["which"]).tolist() == pytest.approx([80] * 5, abs=25)
    large = torch.zeros(1, 3, 700, 500)
    assert Frost(severity=3, pictures=str(photographs))(large, seed=0).mean() > 0.2


def test_frost_without_photographs_says_where_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"robust\[frost\].*`frost_drawn`"):
        Frost(severity=3)
    with pytest.raises(ValueError, match=r"`pictures` must be a folder .* which is not there"):
        Frost(severity=3, pictures=str(tmp_path / "none"))
    (tmp_path / "frost").mkdir()
    (tmp_path / "frost" / "mine.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"mine\.jpg cannot"):
        Frost(severity=3)
    Image.new("RGB", (40, 50), "white").save(tmp_path / "frost" / "mine.jpg")
    assert Frost(severity=1)(torch.zeros(1, 1, 28, 28), seed=0).mean() == pytest.approx(0.2)


def test_drawn_frost_is_as_bright_and_as_rough_as_photographs() -> None:
    ice = DrawnFrost(severity=5)(torch.zeros(40, 3, 64, 64), seed=0) / 0.55
    assert float(ice.mean()) == pytest.approx(0.58, abs=0.03)
    assert 0.1 < float(ice.std((2, 3)).mean()) < 0.2
    assert float((ice[0] - ice[1]).abs().mean()) > 0.05


@at_every_severity
@at_every_size
def test_spatter_is_opencvs_edges_and_distances(size: int, severity: int) -> None:
    mean, deviation, sigma, least, strength, mud = published("spatter", severity, size)
    images = photos(size, count=1)
    drawn = CORRUPTIONS["spatter"](severity=severity).sample(ImageRandom(8, torch.arange(1)), (3, size, size))
    liquid = filters.gaussian(mean + deviation * drawn["field"][0].double().numpy(), sigma, truncate=4)
    image = rows(images)[0]
    if mud:
        covers = filters.gaussian((liquid > least).astype(np.float64), strength, truncate=4)[..., None]
        covers[covers < 0.8] = 0
        wanted = image * (1 - covers) + covers * np.array([63, 42, 20]) / 255
    else:
        drops = (np.where(liquid < least, 0, liquid) * 255).astype(np.int64).astype(np.uint8)
        near = cv2.distanceTransform(255 - cv2.Canny(drops, 50, 150), cv2.DIST_L2, 5)
        near = cv2.equalizeHist(cv2.blur(np.minimum(near, 20), (3, 3)).astype(np.uint8))
        lit = cv2.filter2D(near, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
        light = drops * cv2.blur(lit, (3, 3)).astype(np.float64)
        wanted = image + (light / light.max() * strength)[..., None] * np.array([175, 238, 238]) / 255
    assert_near(corrupted("spatter", severity, images, **drawn), wanted[None])


def test_between_sizes_and_severities_constants_lie_between() -> None:
    assert constants("gaussian_noise", 1.5, 32) == pytest.approx((0.05,))
    assert constants("gaussian_noise", 3, 64) == (0.12,)
    assert constants("gaussian_noise", 3, 8) == (0.08,)
    assert constants("gaussian_noise", 3, 500) == (0.18,)
    half = round(math.sqrt(64 * 224))
    assert constants("gaussian_noise", 3, half) == pytest.approx((0.15,), abs=1e-3)


@pytest.mark.parametrize("severity", [-1, 0.5, 5.5, 6, "three", None, float("nan"), True])
def test_a_severity_that_is_none_is_refused(severity: object) -> None:
    with pytest.raises(ValueError, match="`severity` must be"):
        Contrast(severity=severity)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_any_size_down_to_a_pixel_is_corrupted(name: str) -> None:
    for shape in ((1, 3, 1, 1), (2, 1, 2, 7), (1, 3, 3, 1), (2, 4, 5, 6), (0, 3, 8, 8)):
        images = torch.rand(shape)
        for severity in (0, 1, 2.5, 5):
            found = CORRUPTIONS[name](severity=severity)(images, seed=1)
            assert found.shape == images.shape
            assert found.isfinite().all()
            assert severity or torch.equal(found, images)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_gradients_go_through(name: str) -> None:
    images = photos(32).clamp(0.2, 0.8).requires_grad_()
    perturbation = CORRUPTIONS[name](severity=3)
    drawn = perturbation.sample(ImageRandom(0, torch.arange(1)), (3, 32, 32))
    perturbation.apply_transform(images, **drawn).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0
