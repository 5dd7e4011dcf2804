"""Which ISO and which f-number do to a picture what Gaussian noise and Gaussian blur of a level do."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq

from robust.perturb.camera.camera import Camera
from robust.perturb.camera.optics import aperture, disk
from robust.perturb.camera.profile import GREY
from robust.perturb.camera.tone import encoded

_MOST_ISO = 1e12
_NARROWEST = 64.0  # f-number
_STOPS = 200  # f-numbers that are looked at, before the one between two of them is found
_HALF = math.sqrt(math.log(2) / 2) / math.pi  # cycles, times sigma, of which a Gaussian leaves half
_NYQUIST = 0.5  # cycles a pixel


class Equivalent(NamedTuple):
    """A setting of a camera; `exact` where it does what was asked, else the end of the settings that comes nearest."""

    setting: float
    exact: bool


def grey_noise(camera: Camera) -> float:
    """The standard deviation of sRGB values that this camera's noise has at a grey of 18 % (to first order: as where
    nothing is cut off)."""
    grey = torch.tensor(GREY, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(encoded(grey), grey)
    return camera.spread(GREY) * float(slope)


def iso_of_noise(std: float, **camera: Any) -> Equivalent:
    """The ISO at which a camera, of which these are the settings (see `Camera`), has noise of this standard deviation
    in sRGB at a grey of 18 %; the least there is, where even that has more."""

    def excess(log_iso: float) -> float:
        return grey_noise(Camera(**{**camera, "iso": math.exp(log_iso)})) - std

    base = Camera(**{**camera, "iso": None}).sensor.base_iso
    least = math.log(base * (1 + 1e-12))  # the logarithm must not fall below it
    if excess(least) > 0:
        return Equivalent(base, exact=False)
    return Equivalent(math.exp(brentq(excess, least, math.log(_MOST_ISO))), exact=True)


def f_number_of_blur(sigma: float, *, widest: float, **camera: Any) -> Equivalent:
    """The f-number at which a scene at the camera's `distance` becomes as blurred as by a Gaussian of this standard
    deviation, in pixels of the image: both leave as much of the frequency of which the Gaussian leaves half (of half a
    cycle a pixel, where that is beyond what pixels show). The aperture's diffraction counts, and closing it further
    than where the picture is sharpest is no answer. The `widest`, where the scene is sharper even there; infinity,
    where none makes it so sharp."""
    frequency = min(_HALF / sigma, _NYQUIST)
    wanted = math.exp(-2 * (math.pi * sigma * frequency) ** 2)

    def excess(f_number: float) -> float:
        return passed(Camera(**{**camera, "f_number": f_number}), frequency) - wanted

    stops = np.geomspace(widest, _NARROWEST, _STOPS)
    found = np.array([excess(stop) for stop in stops])
    sharpest = int(found.argmax())
    if found[0] > 0:
        return Equivalent(widest, exact=False)
    if found[sharpest] < 0:
        return Equivalent(math.inf, exact=False)
    last = int(np.flatnonzero(found[:sharpest] <= 0)[-1])
    return Equivalent(brentq(excess, stops[last], stops[last + 1]), exact=True)


def passed(camera: Camera, frequency: float) -> float:
    """What focus and aperture leave of a frequency, cycles a pixel of the image; 1: all."""
    one = torch.tensor(frequency, dtype=torch.float64)
    return float(disk(one, camera.radius) * aperture(one, camera.cutoff))
