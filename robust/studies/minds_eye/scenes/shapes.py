"""What is drawn: three objects of our own, and anybody's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation
from trimesh import Trimesh, creation

_SUFFIXES = (".obj", ".ply", ".stl")
_SMOOTH_BELOW = np.radians(40)  # edges that are sharper stay edges
_EXTENT = 2.0  # of our own objects' largest side: what the published cameras show whole


@dataclass(frozen=True)
class Joint:
    """A part of an object that turns about the line through `point` along `axis` (a unit vector)."""

    part: Trimesh
    point: np.ndarray
    axis: np.ndarray


@dataclass(frozen=True)
class Shape:
    """An object about the origin, y upwards, that looks along z; `joint`, where it has one, is not in `body`."""

    body: Trimesh
    joint: Joint | None = None


def _joined(parts: list[Trimesh]) -> Trimesh:
    mesh = trimesh.util.concatenate(parts)
    assert isinstance(mesh, Trimesh)
    return mesh


def _ball(radii: tuple[float, float, float], at: tuple[float, float, float]) -> Trimesh:
    mesh = creation.icosphere(subdivisions=3)
    return mesh.apply_scale(radii).apply_translation(at)


def _between(start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> Trimesh:
    return creation.cylinder(radius=radius, segment=np.array([start, end]), sections=24)


def _cone(radius: float, height: float, at: tuple[float, float, float], towards: tuple[float, float, float]) -> Trimesh:
    mesh = creation.cone(radius=radius, height=height, sections=32)
    return mesh.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], towards)).apply_translation(at)


def _plate(outline: list[tuple[float, float, float]], thickness: float) -> Trimesh:
    """A wing: the convex hull of an outline that is moved by half the thickness to both sides of its plane."""
    points = np.array(outline)
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    normal *= thickness / 2 / np.linalg.norm(normal)
    return trimesh.convex.convex_hull(np.concatenate([points + normal, points - normal]))


def monkey() -> Shape:
    """A monkey's head with a tuft that falls to one side, and one ear that hangs; its jaw is the joint."""
    ears = []
    for side, droop in ((-1, 0.0), (1, 0.28)):
        rim = creation.torus(major_radius=0.27, minor_radius=0.085, major_sections=32, minor_sections=16)
        ears += [
            rim.apply_translation((side * 0.98, 0.12 - droop, -0.1)),
            _ball((0.24, 0.24, 0.05), (side * 0.98, 0.12 - droop, -0.14)),
        ]
    eyes = [
        part
        for side in (-1, 1)
        for part in (
            creation.torus(major_radius=0.2, minor_radius=0.06).apply_translation((side * 0.29, 0.2, 0.6)),
            _ball((0.12, 0.12, 0.12), (side * 0.29, 0.2, 0.6)),
        )
    ]
    head = [
        _ball((0.78, 0.78, 0.72), (0, 0.18, -0.12)),
        _ball((0.62, 0.16, 0.3), (0, 0.45, 0.4)),  # the brows
        _ball((0.46, 0.34, 0.42), (0, -0.3, 0.42)),  # the muzzle
        _ball((0.15, 0.11, 0.12), (0, -0.1, 0.84)),  # the nose
        _cone(0.2, 0.62, (0.1, 0.82, 0.1), (0.75, 0.55, 0.2)),
        _cone(0.16, 0.45, (-0.05, 0.88, 0.15), (0.35, 0.8, 0.3)),
    ]
    jaw = _joined([_ball((0.36, 0.26, 0.38), (0, -0.56, 0.32)), _ball((0.1, 0.1, 0.1), (0.14, -0.74, 0.58))])
    return _about_the_origin(head + ears + eyes, jaw, (0, -0.4, 0.0), (1, 0, 0))


def penguin() -> Shape:
    """A penguin that looks over one shoulder and lifts that flipper, which is the joint."""
    look = (0.3, -0.08, 1)
    eyes = [_ball((0.075, 0.075, 0.06), at) for at in ((-0.03, 0.86, 0.36), (0.27, 0.86, 0.3))]
    body = [
        _ball((0.6, 0.85, 0.52), (0, -0.1, 0)),
        _ball((0.46, 0.62, 0.2), (0, -0.25, 0.4)),  # the belly
        _ball((0.38, 0.36, 0.36), (0.02, 0.76, 0.06)),
        _cone(0.15, 0.5, (0.1, 0.7, 0.36), look),
        _ball((0.13, 0.6, 0.3), (-0.63, -0.12, 0.02)),
        _ball((0.27, 0.09, 0.38), (-0.28, -0.98, 0.25)),
        _ball((0.27, 0.09, 0.38), (0.3, -0.98, 0.32)),
        _cone(0.22, 0.5, (0, -0.75, -0.3), (0, -0.35, -1)),
    ]
    flipper = _ball((0.13, 0.55, 0.3), (0, -0.5, 0))
    flipper.apply_transform(trimesh.transformations.rotation_matrix(np.radians(75), (0, 0, 1)))
    flipper.apply_translation((0.5, 0.32, 0.04))
    return _about_the_origin(body + eyes, flipper, (0.5, 0.32, 0.04), (0, 0, 1))


def aeroplane() -> Shape:
    """An aeroplane, nose down, with swept wings, an engine under each and a tank at the tip of one; its tail is the
    joint."""
    body = [
        _between((0, 0, -1.2), (0, 0, 0.7), 0.24),
        _ball((0.24, 0.24, 0.5), (0, 0, 0.7)),
        _ball((0.17, 0.16, 0.36), (0, 0.18, 0.55)),  # the cockpit
        _cone(0.24, 0.5, (0, 0, -1.2), (0, 0.1, -1)),
        _ball((0.11, 0.11, 0.4), (1.45, 0.16, -0.25)),
    ]
    for side in (-1, 1):
        body += [
            _plate([(0, -0.08, 0.45), (0, -0.08, -0.25), (side * 1.45, 0.16, -0.45), (side * 1.45, 0.16, -0.1)], 0.09),
            _between((side * 0.62, -0.26, -0.15), (side * 0.62, -0.26, 0.4), 0.16),
            creation.torus(major_radius=0.16, minor_radius=0.035).apply_translation((side * 0.62, -0.26, 0.4)),
        ]
    tail = _joined(
        [
            _plate([(0, 0.1, -0.85), (0, 0.1, -1.35), (0, 0.95, -1.5), (0, 0.95, -1.25)], 0.09),
            _plate([(-0.6, 0.62, -1.4), (0, 0.62, -1.1), (0.6, 0.62, -1.4), (0, 0.62, -1.45)], 0.07),
        ]
    )
    seen_from_above = trimesh.transformations.rotation_matrix(0.7, (1, 0, 0))
    point, axis = (seen_from_above[:3, :3] @ at for at in ((0, 0, -1.1), (0, 1, 0)))
    for mesh in [*body, tail]:
        mesh.apply_transform(seen_from_above)
    return _about_the_origin(body, tail, point, axis)


#: objects that need no file
SHAPES: dict[str, Callable[[], Shape]] = {"aeroplane": aeroplane, "monkey": monkey, "penguin": penguin}


def _about_the_origin(parts: list[Trimesh], part: Trimesh, point: ArrayLike, axis: ArrayLike) -> Shape:
    """The object of these solids, centred and scaled; which overlap does not matter to a ray."""
    body = _joined(parts)
    low, high = _joined([body, part]).bounds
    centre, scale = (low + high) / 2, _EXTENT / (high - low).max()
    for mesh in (body, part):
        mesh.apply_translation(-centre).apply_scale(scale)
    return Shape(_shaded(body), Joint(_shaded(part), (np.array(point) - centre) * scale, np.array(axis, float)))


def read_shape(mesh: str, *, size: float | None = None, turn: Sequence[float] = (0, 0, 0)) -> Shape:
    """The object called `mesh`: one of SHAPES, or a file (.obj, .ply, .stl).

    `turn` (rad, about x, then y, then z) makes a file's object look along z with y upwards; `size`, where it is given,
    centres it and makes its largest side that long. Raises FileNotFoundError for a file that is missing, ValueError for
    one that cannot be read or has no faces.
    """
    if mesh in SHAPES:
        return SHAPES[mesh]()
    path = Path(mesh)
    known = f"one of {', '.join(SHAPES)}, or a file ({', '.join(_SUFFIXES)})"
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"A mesh must be {known}; got {mesh}.")
    if not path.is_file():
        raise FileNotFoundError(f"The mesh {mesh} is not there. A mesh is {known}.")
    try:
        body = trimesh.load_mesh(path)
        faces = len(body.faces)
    except Exception as error:  # whatever a damaged file makes of its reader
        raise ValueError(f"The mesh {mesh} cannot be read ({type(error).__name__}: {error}).") from error
    if not faces:
        raise ValueError(f"The mesh {mesh} has no faces, only points: nothing of it can be seen. Export it with faces.")
    if not np.isfinite(body.vertices).all():
        raise ValueError(f"The mesh {mesh} has points that are NaN or infinite. Repair it.")
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("xyz", turn).as_matrix()
    body.apply_transform(turned)
    if size is not None:
        body.apply_translation(-body.bounds.mean(0)).apply_scale(size / body.extents.max())
    return Shape(_shaded(body))


def _shaded(mesh: Trimesh) -> Trimesh:
    """The mesh with points of their own on both sides of a sharp edge, so that it is not shaded round."""
    return trimesh.graph.smooth_shade(mesh, angle=_SMOOTH_BELOW)
