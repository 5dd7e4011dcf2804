"""Objects as a camera sees them: ray casting by Embree, which needs no display."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from scipy.spatial.transform import Rotation
from trimesh import Trimesh

from robust.studies.minds_eye.scenes.composition import RANGES
from robust.studies.minds_eye.scenes.shapes import Shape

_STRETCH = (15, 85)  # percentiles of the object's grey values that become black and white


@dataclass(frozen=True)
class Camera:
    """A camera `distance` in front of the origin and `height` above it that looks along -z.

    `field_of_view` is the horizontal angle in rad, `size` the image's side in pixels, each the mean of `samples` times
    `samples` rays. The defaults are those of Berntsen et al. 2016.
    """

    distance: float = 3.0
    height: float = 0.0
    field_of_view: float = 0.8576
    size: int = 64
    samples: int = 2

    def rays(self) -> np.ndarray:
        """Directions of unit length, float64 of shape (rays, 3), row by row from the image's upper left corner."""
        steps = self.size * self.samples
        across = np.tan(self.field_of_view / 2) * ((np.arange(steps) + 0.5) / steps * 2 - 1)
        x, y = np.meshgrid(across, -across)
        directions = np.stack([x, y, np.full_like(x, -1)], axis=-1).reshape(-1, 3)
        return directions / np.linalg.norm(directions, axis=1, keepdims=True)


class Renderer:
    """Draws an object as the camera sees it: white, under a sun that shines along the camera's view."""

    def __init__(self, shape: Shape, camera: Camera):
        self.camera = camera
        self.joint = shape.joint
        self._rays = camera.rays()
        self._body = _Surface(shape.body)
        self._part = _Surface(shape.joint.part) if shape.joint else None

    def draw(self, parameters: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """The object on black, its contrast stretched, and its alpha: uint8 of shape (size, size) each.

        `parameters` are values in [0, 1], each from one end of its range (RANGES) to the other.
        """
        value = {name: low + parameters.get(name, 0.5) * (high - low) for name, (low, high) in RANGES.items()}
        angles = [value[name] for name in ("pitch", "yaw", "roll")]
        turn = Rotation.from_euler("xyz", angles).as_matrix()
        scale = value["scale"] if "scale" in parameters else 1.0
        place = np.array([value["pan_x"], value["pan_y"], 0.0])
        eye = (np.array([0.0, self.camera.height, self.camera.distance]) - place) @ turn / scale
        rays, light = self._rays @ turn, turn[2]
        distance, grey = self._body.shade(eye, rays, light)
        if self.joint and self._part:
            bend = Rotation.from_rotvec(self.joint.axis * value["joint"]).as_matrix()
            nearer, other = self._part.shade(
                (eye - self.joint.point) @ bend + self.joint.point, rays @ bend, light @ bend
            )
            grey = np.where(nearer < distance, other, grey)
            distance = np.minimum(nearer, distance)
        alpha = self._average(np.isfinite(distance))
        return _stretched(self._average(grey), alpha), np.rint(alpha * 255).astype(np.uint8)

    def _average(self, rays: np.ndarray) -> np.ndarray:
        """The pixels that rays make up, in the range of these."""
        size, samples = self.camera.size, self.camera.samples
        return rays.reshape(size, samples, size, samples).mean(axis=(1, 3), dtype=np.float64)


class _Surface:
    """A mesh that rays can hit."""

    def __init__(self, mesh: Trimesh):
        self.normals = np.asarray(mesh.vertex_normals)[mesh.faces].astype(np.float32)
        self.scene = EmbreeScene()
        TriangleMesh(self.scene, np.ascontiguousarray(mesh.triangles, dtype=np.float32))

    def shade(self, eye: np.ndarray, rays: np.ndarray, light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far each ray flies, infinitely if it hits nothing, and the cosine between the surface there and the
        light; from either side, since not every mesh is closed."""
        eyes = np.broadcast_to(eye.astype(np.float32), rays.shape).copy()
        hits = self.scene.run(eyes, np.ascontiguousarray(rays, dtype=np.float32), output=True)
        hit = hits["primID"] >= 0
        corners, u, v = self.normals[hits["primID"][hit]], hits["u"][hit, None], hits["v"][hit, None]
        normals = corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v
        normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
        grey, distance = np.zeros(len(rays), np.float32), np.full(len(rays), np.inf, np.float32)
        grey[hit] = np.abs(normals @ light.astype(np.float32))
        distance[hit] = hits["tfar"][hit]
        return distance, grey


def _stretched(grey: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The object's contrast stretched as published, on black; both in [0, 1], the result uint8."""
    inside = alpha > 0
    if not inside.any():
        return np.zeros(grey.shape, np.uint8)
    own = grey[inside] / alpha[inside]
    low, high = np.percentile(own, _STRETCH)
    result = np.zeros(grey.shape)
    result[inside] = ((own - low) / max(high - low, 1e-6)).clip(0, 1) * alpha[inside]
    return np.rint(result * 255).astype(np.uint8)


def draw_all(shape: Shape, camera: Camera, names: Sequence[str], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drawings and their alpha, uint8 of shape (n, size, size), of `values` of shape (n, parameters), one by one."""
    renderer = Renderer(shape, camera)
    pairs = [renderer.draw(dict(zip(names, row, strict=True))) for row in values.tolist()]
    drawings, alphas = zip(*pairs, strict=True)
    return np.stack(drawings), np.stack(alphas)
