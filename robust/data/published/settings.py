"""Photographs of a screen at known settings of a camera, in the layout of ImageNet-ES (arXiv 2404.15882)."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from robust.data.listing import list_classes
from robust.data.picture import read_picture
from robust.data.published.image_folders import WNID, Reading, of_classes
from robust.data.published.one_test import KEY, PublishedTest
from robust.perturb.camera import Exposure

_LIGHTS = {"l1": "light on", "l5": "light off"}
_LIGHT, _SETTING = re.compile(r"l\d+"), re.compile(r"param_([1-9]\d*)")
_EXPECTED = "Expected <light>/<setting>/<class>/<image>"
_DEPTH = 2  # folders between the set and its lights
_TEST = (5, 9, 16), (1 / 4, 1 / 60, 1 / 1000), (250, 2000, 16_000)
_VALIDATION = (5, 8, 13, 20), (0.4, 1 / 20, 1 / 160, 1 / 1250), (200, 800, 3200, 12_800)
#: what the numbered settings are, by how many there are: f-numbers, of each shutter speeds, of each ISOs
_GRIDS = {
    5: [f"automatic {number}" for number in range(1, 6)],
    **{
        len(f_numbers) * len(shutters) * len(isos): [
            Exposure(iso, f_number, shutter).title for f_number, shutter, iso in product(f_numbers, shutters, isos)
        ]
        for f_numbers, shutters, isos in (_TEST, _VALIDATION)
    },
}


def places_of_settings(folder: Path) -> list[Path]:
    """The folders there, or up to two deeper, that hold those of lights, which hold numbered settings."""
    found, places = [], [folder]
    for _ in range(_DEPTH + 1):
        found += [one for one in places if _lights(one)]
        places = [inner for one in places if one not in found for inner in _folders(one) if not WNID.match(inner.name)]
    return found


def of_camera(name: str, folder: Path, reading: Reading) -> Iterator[PublishedTest]:
    """The tests of a folder such as ImageNet-ES: <light>/param_<number>/<wnid>/<image>, or up to two folders deeper,
    each a set; and, where they lie beside, of the pictures that were photographed. Of a test the corruption is the
    settings, such as "ISO 250, f/5, 1/60 s, light on".

    Raises ValueError for settings of another number than published ones, where one lacks a class or a picture that
    others have, or has it in another class, for a class without pictures, and where the first picture is none.
    """
    places = places_of_settings(folder)
    for place in places:
        title = " ".join([name, *place.relative_to(folder).parts])
        whole: set[str] = set()
        for setting, light, inner in _settings(place):
            pictures = _pictures(inner)
            whole = whole or pictures
            _check_alike(inner, pictures, whole)
            read_picture(str(inner / min(pictures)), reading.style(cropped=False))
            yield from of_classes(title, inner, reading, corruption=f"{setting}, {light}")
    for place in sorted({one.parent for one in places if one != folder}):
        for inner in _folders(place):
            if any(WNID.fullmatch(one.name) for one in _folders(inner)):
                yield from of_classes(" ".join([name, *inner.relative_to(folder).parts]), inner, reading)


def _settings(place: Path) -> Iterator[tuple[str, str, Path]]:
    """Each setting, light and folder. Raises ValueError where they are not those of a published grid."""
    lights = _lights(place)
    if unknown := [one.name for one in lights if one.name not in _LIGHTS]:
        raise ValueError(
            f"`{KEY}`: the lights in {place} must be {', '.join(f'{one} ({word})' for one, word in _LIGHTS.items())}; "
            f"got {unknown[0]}."
        )
    for light in lights:
        numbered = {int(found[1]): one for one in _folders(light) if (found := _SETTING.fullmatch(one.name))}
        absent = sorted({*range(1, max(numbered) + 1)} - {*numbered})
        if absent or len(numbered) not in _GRIDS:
            said = f"{len(numbered)}, and no param_{absent[0]}" if absent else str(len(numbered))
            raise ValueError(
                f"`{KEY}`: {light} must hold a published grid of settings, {', '.join(map(str, _GRIDS))} folders from "
                f"param_1; got {said}. Unpack the set again."
            )
        for number, inner in sorted(numbered.items()):
            yield _GRIDS[len(numbered)][number - 1], _LIGHTS[light.name], inner


def _pictures(place: Path) -> set[str]:
    """The pictures there, as <class>/<name>."""
    groups = list_classes(place, expected=_EXPECTED).classes.values()
    return {str(Path(file.path).relative_to(place)) for group in groups for file in group}


def _check_alike(place: Path, pictures: set[str], whole: set[str]) -> None:
    if pictures == whole:
        return
    classes, others = ({one.split("/")[0] for one in some} for some in (pictures, whole))
    if differing := sorted(classes ^ others):
        raise ValueError(
            f"`{KEY}`: every setting must be of the same classes; only one of {place} and the first has {differing[0]}"
            f"{f' and {len(differing) - 1} more' if len(differing) > 1 else ''}. Unpack the set again."
        )
    one = min(pictures ^ whole)
    raise ValueError(
        f"`{KEY}`: every setting must be of the same pictures in the same classes; only one of {place} and the first "
        f"has {one}. Unpack the set again."
    )


def _lights(place: Path) -> list[Path]:
    named = [one for one in _folders(place) if _LIGHT.fullmatch(one.name)]
    return [one for one in named if any(_SETTING.fullmatch(inner.name) for inner in _folders(one))]


def _folders(place: Path) -> list[Path]:
    return sorted(one for one in place.iterdir() if one.is_dir() and not one.name.startswith("."))
