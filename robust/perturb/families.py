"""What is done to a picture, by name: which names are the same operation, and which operations are of one family.

Published corruptions that are not ours have their names here too, so that results on them say what a network has seen.
"""

from collections.abc import Mapping

#: the operations of each family: what does nearly the same to a picture
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "noise": (
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "speckle_noise",
        "iso_noise",
        "blue_noise_sample",
        "row_noise",
    ),
    "pixels": ("stuck", "hot", "dead", "pixel_dropout"),
    "blur": (
        *("gaussian_blur", "blur_channels", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
        *("circular_motion_blur", "sharpness", "random_filter"),
    ),
    "weather": ("snow", "frost", "fog", "spatter"),
    "colour": (
        *("brightness", "contrast", "saturation", "hue", "colour_curve"),
        *("posterize", "solarize", "equalize", "autocontrast"),
    ),
    "geometry": (
        *("shift", "zoom", "shear", "rotate", "perspective", "flip", "elastic_transform", "diffeomorphism"),
        *("pinch_and_twirl", "ripple", "caustic_refraction"),
    ),
    "occlusion": (
        *("erase", "cutout", "cutmix", "mesh", "texture", "mixup", "pixmix"),
        *("checkerboard_cutout", "lines", "stripe", "dotted_line", "zigzag"),
    ),
    "compression": ("jpeg_compression", "pixelate"),
}
_FAMILY_OF = {operation: family for family, operations in FAMILIES.items() for operation in operations}
_FAULTS = ("stuck", "hot", "dead")
#: other names of operations, and what some names are made of
_MADE_OF: Mapping[str, tuple[str, ...]] = {
    "noise": ("gaussian_noise",),
    "blur": ("gaussian_blur",),
    "iso": ("shot_noise", "gaussian_noise"),
    "defocus": ("defocus_blur",),
    "shutter": ("motion_blur",),
    **{f"{fault}_persistent": (fault,) for fault in _FAULTS},
    **dict.fromkeys(("pixel", "pixel_persistent"), _FAULTS),
    "frost_drawn": ("frost",),
    "keep": ("pixel_dropout",),
    **dict.fromkeys(("saturate", "colour"), ("saturation",)),
    **dict.fromkeys(("shift_x", "shift_y", "translate"), ("shift",)),
    **dict.fromkeys(("shear_x", "shear_y"), ("shear",)),
    "scale": ("zoom",),
    "identity": (),
}


def operations(*names: str, family: str = "") -> dict[str, str]:
    """The operations that go by these names, each with its family; of a name that is not known here, the name itself,
    of this `family`, or of one of its own."""
    found = dict.fromkeys(operation for name in names for operation in _MADE_OF.get(name, (name,)))
    return {operation: family or _FAMILY_OF.get(operation, operation) for operation in found}


def made_of(part: object) -> dict[str, str]:
    """The operations that a perturbation, an augmentation or another change of images is made of, each with its family:
    what its `made_of` says, or else its own name; none for None."""
    said = getattr(part, "made_of", None)
    if isinstance(said, Mapping):
        return {str(name): str(family) for name, family in said.items()}
    return {} if part is None else operations(getattr(part, "__name__", type(part).__name__))
