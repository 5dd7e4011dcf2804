"""A camera in physical units: exposure, optics, sensor."""

from robust.perturb.camera.camera import Camera, Defocus, Iso, Light, RowNoise, Shutter
from robust.perturb.camera.equivalent import f_number_of_blur, iso_of_noise
from robust.perturb.camera.exposure import Exposure, lit, metered, seconds, written
from robust.perturb.camera.profile import Lens, Sensor, sensor_of
from robust.perturb.camera.tone import encoded, linear
from robust.perturb.camera.triangle import Triangle, shutter_of

__all__ = [
    "Camera",
    "Defocus",
    "Exposure",
    "Iso",
    "Lens",
    "Light",
    "RowNoise",
    "Sensor",
    "Shutter",
    "Triangle",
    "encoded",
    "f_number_of_blur",
    "iso_of_noise",
    "linear",
    "lit",
    "metered",
    "seconds",
    "sensor_of",
    "shutter_of",
    "written",
]
