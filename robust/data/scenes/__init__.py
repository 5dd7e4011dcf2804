"""Rendered objects over photographs."""

from robust.data.scenes.rendering import RANGES, Camera, Renderer
from robust.data.scenes.sets import NONE, over, scenes
from robust.data.scenes.shapes import SHAPES, read_shape

__all__ = ["NONE", "RANGES", "SHAPES", "Camera", "Renderer", "over", "read_shape", "scenes"]
