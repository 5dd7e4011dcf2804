"""Rendered objects over photographs: where things appear, what belongs to what, and what cannot be drawn."""

import importlib
import math

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from robust.perturb import ImageRandom
from robust.studies.minds_eye.scenes import NONE, over, scenes
from robust.studies.minds_eye.scenes.backgrounds import open_backgrounds
from robust.studies.minds_eye.scenes.rendering import Camera, Renderer
from robust.studies.minds_eye.scenes.shapes import read_shape

OWN = {name: {"mesh": name} for name in ("monkey", "penguin", "aeroplane")}


@pytest.fixture
def ball(tmp_path):
    """Writes a ball and returns a function that draws it: (grey, alpha), as floats in [0, 1]."""

    def draw(radius=0.2, at=(0, 0, 0), camera=None, **parameters):
        path = tmp_path / "ball.ply"
        trimesh.creation.icosphere(subdivisions=4, radius=radius).apply_translation(at).export(path)
        drawn = Renderer(read_shape(str(path)), camera or Camera(size=128)).draw(parameters)
        return tuple(image.astype(float) / 255 for image in drawn)

    return draw


def centre(alpha):
    """The middle of what is seen, in the tangent of the angle to the right of and above the camera's axis."""
    size = len(alpha)
    steps = ((np.arange(size) + 0.5) / size * 2 - 1) * math.tan(0.8576 / 2)
    return (alpha.sum(0) * steps).sum() / alpha.sum(), -(alpha.sum(1) * steps).sum() / alpha.sum()


@pytest.mark.parametrize(("radius", "distance"), [(0.5, 3.0), (0.8, 3.0), (0.5, 2.0)])
def test_a_ball_covers_the_solid_angle_that_geometry_says(ball, radius, distance):
    _, alpha = ball(radius, camera=Camera(distance, size=128))
    tangent = math.tan(math.asin(radius / distance)) / math.tan(0.8576 / 2) * 64  # in pixels
    assert alpha.sum() == pytest.approx(math.pi * tangent**2, rel=0.01)


@pytest.mark.parametrize(
    ("parameters", "at", "seen"),
    [
        ({}, (0.4, 0.2, 0), (0.4, 0.2, 0)),
        ({"yaw": 1.0}, (0, 0, 1), (math.sin(0.5), 0, math.cos(0.5))),  # about y: what looks at us turns to our right
        ({"yaw": 0.0}, (0, 0, 1), (-math.sin(0.5), 0, math.cos(0.5))),
        ({"pitch": 1.0}, (0, 0, 1), (0, -math.sin(0.5), math.cos(0.5))),
        ({"roll": 1.0}, (0.5, 0, 0), (0.5 * math.cos(0.5), 0.5 * math.sin(0.5), 0)),
        ({"pan_x": 1.0}, (0, 0, 0), (0.25, 0, 0)),
        ({"pan_y": 0.0}, (0, 0, 0), (0, -0.25, 0)),
        ({"scale": 1.0}, (0.5, 0.5, 0), (0.55, 0.55, 0)),
        ({"pitch": 0.5, "yaw": 0.5, "roll": 0.5}, (0.3, 0, 0), (0.3, 0, 0)),
    ],
)
def test_an_object_appears_where_its_pose_puts_it(ball, parameters, at, seen):
    right, up = centre(ball(0.05, at, **parameters)[1])
    x, y, z = seen
    assert right == pytest.approx(x / (3 - z), abs=0.004)
    assert up == pytest.approx(y / (3 - z), abs=0.004)


def test_a_lower_camera_sees_an_object_higher(ball):
    assert centre(ball(camera=Camera(3.0, -0.2, size=128))[1])[1] == pytest.approx(0.2 / 3, abs=0.004)


def test_light_comes_from_the_camera_and_contrast_is_stretched(ball):
    grey, alpha = ball(0.8)
    assert grey[64, 64] == 1
    inside = grey[alpha == 1]
    assert 0.1 < (inside == 0).mean() < 0.2
    assert 0.1 < (inside == 1).mean() < 0.2
    assert (grey <= alpha + 1 / 255).all()  # on black


def test_more_samples_change_only_edges(ball):
    rough, fine = (ball(0.5, camera=Camera(size=64, samples=samples))[1] for samples in (1, 4))
    assert set(np.unique(rough)) == {0, 1}
    assert len(np.unique(fine)) > 2
    assert abs(rough - fine).max() <= 0.75
    assert (rough[fine == 1] == 1).all()


@pytest.mark.parametrize("name", OWN)
def test_our_objects_look_different_from_every_side_and_when_their_joint_turns(name):
    renderer = Renderer(read_shape(name), Camera())
    drawn = [
        renderer.draw(pose)[0].astype(float)
        for pose in ({}, *({angle: end} for angle in ("pitch", "yaw", "roll", "joint") for end in (0.0, 1.0)))
    ]
    for place, one in enumerate(drawn):
        assert one.max() == 255
        assert (one[[0, -1]] == 0).all()  # nothing is cut off above or below
        for other in drawn[:place]:
            assert abs(one - other).mean() > 1
            assert abs(one - other[:, ::-1]).mean() > 1  # no mirror image of another pose


def test_an_image_is_its_drawing_over_its_background():
    splits = scenes(objects=OWN, train=6, test=4)
    for part, count in ((splits.train, 6), (splits.test, 4)):
        assert part.classes == (*OWN, NONE)
        assert part.images.shape == (4 * count, 1, 64, 64)
        assert torch.bincount(part.labels).tolist() == [count] * 4
        drawing, alpha, is_object = (part.extras[name] for name in ("drawing", "alpha", "is_object"))
        assert torch.equal(is_object, part.labels < 3)
        assert torch.equal(part.images[alpha == 255], drawing[alpha == 255])
        assert not drawing[~is_object].any()
        assert not part.extras["parameters"][~is_object].any()
        assert 0 <= part.extras["parameters"].min() <= part.extras["parameters"].max() <= 1
    assert len(set(splits.train.labels[:8].tolist())) > 1  # a batch holds several classes


def test_alpha_blends():
    grey = torch.full((1, 1, 2, 2), 200, dtype=torch.uint8)
    drawing, alpha = torch.full_like(grey, 60), torch.full_like(grey, 102)
    assert over(grey, drawing, alpha).unique().tolist() == [60 + round(200 * 0.6)]


def test_an_image_belongs_to_its_seed_class_and_number():
    few, more, none, other = (
        scenes(objects=OWN, train=1, test=test, background_class=with_none, seed=seed).test
        for test, with_none, seed in ((3, True, 0), (5, True, 0), (3, False, 0), (3, True, 1))
    )
    for label in range(4):
        assert torch.equal(few.images[few.labels == label], more.images[more.labels == label][:3])
    assert none.classes == tuple(OWN)
    assert torch.equal(none.images, few.images[few.extras["is_object"]])
    assert not torch.equal(few.images, other.images)
    assert not torch.equal(few.extras["parameters"], other.extras["parameters"])


def test_scenes_are_drawn_once_and_kept(tmp_path, monkeypatch):
    first = scenes(objects=OWN, train=3, test=2, cache_dir=str(tmp_path))
    monkeypatch.setattr(importlib.import_module("robust.studies.minds_eye.scenes.drawing"), "draw_all", None)
    second = scenes(objects=OWN, train=3, test=2, cache_dir=str(tmp_path))
    assert first.digest == second.digest
    assert torch.equal(first.train.images, second.train.images)
    with pytest.raises(TypeError):
        scenes(objects=OWN, train=3, test=2, cache_dir=str(tmp_path), parameters=["yaw"])


def test_a_changed_mesh_is_another_data_set(tmp_path):
    digests = []
    for radius in (0.5, 0.6):
        path = tmp_path / "object.stl"
        trimesh.creation.icosphere(radius=radius).export(path)
        digests.append(scenes(objects={"it": {"mesh": str(path)}}, train=2, test=2, cache_dir=str(tmp_path)).digest)
    assert digests[0] != digests[1]


def test_a_files_object_is_turned_and_sized(tmp_path):
    path = tmp_path / "rod.obj"
    trimesh.creation.box(extents=(10, 1, 1)).apply_translation((50, 0, 0)).export(path)
    body = read_shape(str(path), size=2.0, turn=(0, 0, math.pi / 2)).body
    assert body.extents == pytest.approx([0.2, 2.0, 0.2])
    assert body.bounds.mean(0) == pytest.approx([0, 0, 0], abs=1e-9)


@pytest.fixture
def photographs(tmp_path):
    def write(name, count, size=64):
        folder = tmp_path / "photographs" / name
        folder.mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.full((size, size, 3), number, np.uint8)).save(folder / f"{number}.png")
        return tmp_path / "photographs"

    return write


def test_backgrounds_are_other_ones_for_testing(photographs):
    photographs("train/deep/inside", 20)
    root = photographs("val", 25)
    draws = ImageRandom(0, torch.arange(200))
    train, test = (
        open_backgrounds(str(root), part, size=64, cache_dir=None).draw(draws)[:, 0, 0] for part in ("train", "test")
    )
    assert set(train.tolist()) == set(range(20))
    assert set(test.tolist()) == set(range(25))
    ours = [open_backgrounds("photographs", part, size=64, cache_dir=None).draw(draws) for part in ("train", "test")]
    assert ours[0].shape == (200, 64, 64)
    assert len(torch.unique(ours[0].flatten(1), dim=0)) == 200
    assert not torch.equal(*ours)


def test_backgrounds_that_cannot_serve_are_named(photographs, tmp_path):
    def read(root, part="train"):
        return open_backgrounds(str(root), part, size=64, cache_dir=None)

    with pytest.raises(FileNotFoundError, match=r"`data.backgrounds` must be photographs, or a folder that holds"):
        read(tmp_path / "absent")
    root = photographs("train", 3)
    with pytest.raises(ValueError, match=r"at least 20 images for each part; .*train holds 3\."):
        read(root)
    (root / "test").mkdir()
    with pytest.raises(ValueError, match=r"holds 0\."):
        read(root, "test")
    photographs("val", 20, size=32)
    (root / "test").rmdir()
    with pytest.raises(ValueError, match=r"0.png is too small: 32x32 pixels, at least 64x64 are needed"):
        read(root, "test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objects": {}}, "`data.objects` must name at least one object"),
        ({"objects": {"none": {"mesh": "monkey"}}}, "none of them 'none'"),
        ({"objects": {"it": {"size": 2}}}, "`data.objects.it` must have a mesh"),
        ({"objects": {"it": {"mesh": "monkey", "colour": 2}}}, "`data.objects.it` must have a mesh, and may have "),
        ({"objects": {"it": {"mesh": "teapot"}}}, "A mesh must be one of aeroplane, monkey, penguin, or a file"),
        ({"parameters": ["tilt"]}, "`data.parameters` must be among pitch, yaw, "),
        ({"parameters": []}, "`data.parameters` must name at least one"),
        ({"parameters": ["yaw", "yaw"]}, "none twice; got yaw, yaw"),
        ({"train": 0}, "`data.train` must be a whole number >= 1; got 0"),
    ],
)
def test_what_cannot_be_drawn_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        scenes(**{"objects": OWN, "train": 2, "test": 2, **options})


def test_meshes_that_cannot_be_drawn_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"The mesh .*absent.ply is not there"):
        read_shape(str(tmp_path / "absent.ply"))
    (tmp_path / "broken.ply").write_text("no mesh at all")
    with pytest.raises(ValueError, match=r"The mesh .*broken.ply cannot be read"):
        read_shape(str(tmp_path / "broken.ply"))
    trimesh.PointCloud(np.eye(3)).export(tmp_path / "points.ply")
    with pytest.raises(ValueError, match=r"The mesh .*points.ply has no faces"):
        read_shape(str(tmp_path / "points.ply"))
    trimesh.creation.icosphere().export(tmp_path / "ball.ply")
    with pytest.raises(ValueError, match=r"`data.parameters` must not name joint with the mesh .*ball.ply"):
        scenes(objects={"it": {"mesh": str(tmp_path / "ball.ply")}}, parameters=["joint"], train=1, test=1)
