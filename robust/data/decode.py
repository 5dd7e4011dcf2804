"""Image files, decoded: in workers where there are many, into memory or into a file."""

import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from torch import Tensor

from robust.data.mapping import map_images
from robust.data.memory import GB
from robust.data.picture import LONG, Style, fitted, read_picture, shown
from robust.errors import ParameterError
from robust.files import atomic_write
from robust.files.claiming import claimed_in_turn
from robust.progress import Progress

_IMAGES_A_JOB = 256
_WORTH_WORKERS = 5_000  # images; to start the workers takes some seconds

#: something to be said of a file, and its path
Note = tuple[str, str]
#: which images of all, what came of them, and what is to be said of their files
Part = tuple[slice, Any, list[Note]]


def decode(paths: Sequence[str], style: Style, title: str, *, least: int = 1) -> tuple[Tensor, list[str]]:
    """Images as uint8 of shape (n, channels, size, size), in workers where there are many, with a bar; and what is to
    be said of their files. Raises ValueError for one that cannot be read, or has fewer than `least` pixels on a
    side."""
    images = np.empty(_shape(paths, style), dtype=np.uint8)
    notes = []
    for rows, some, told in _in_parts(partial(_decode_some, style=style, least=least), paths, _starts(paths), title):
        images[rows] = some
        notes += told
    return torch.from_numpy(images), counted(notes)


def decode_to_file(
    file: Path, paths: Sequence[str], style: Style, listing: str, title: str
) -> tuple[Tensor, list[str]]:
    """The same images, decoded into `file` and mapped from there: the system reads what is asked for, and lets go of it
    where memory is short. They are not to be written to.

    Which are done stands beside it, so that decoding that was stopped goes on there; it starts anew for another
    `listing` of all that the images depend on. One process decodes, others wait for it. Raises ValueError for an image
    that cannot be read, and where the disk has no room.
    """
    log, shape, about = file.with_suffix(".done"), _shape(paths, style), [listing, _IMAGES_A_JOB]
    done = _read_log(file, log, shape, about)
    if len(done) < len(_starts(paths)):
        _check_room(file, shape)
        with claimed_in_turn(file.with_suffix(".claim"), f"the images in {file}"):
            done = _read_log(file, log, shape, about) or _begin(file, log, shape)
            atomic_write(log, "".join(f"{json.dumps(line)}\n" for line in [about, *done.items()]))
            left = [start for start in _starts(paths) if start not in done]
            with log.open("a") as marks:
                for rows, _, told in _in_parts(partial(_decode_into, file=str(file), style=style), paths, left, title):
                    done[rows.start] = told
                    marks.write(f"{json.dumps([rows.start, told])}\n")
                    marks.flush()
    return map_images(file, shape), counted(note for told in done.values() for note in told)


def counted(notes: Iterable[Sequence[str]]) -> list[str]:
    """Each thing to be said once, with the first file, by name, and the number of others."""
    ordered = sorted(((note, path) for note, path in notes), key=lambda one: one[1])
    counts, first = Counter(note for note, _ in ordered), dict(reversed(ordered))
    others = {note: f" and {count - 1} more: it" if count > 1 else "" for note, count in counts.items()}
    return [f"The image {shown(first[note])}{others[note]} {note}." for note in counts]


def _shape(paths: Sequence[str], style: Style) -> tuple[int, int, int, int]:
    return len(paths), style.channels, style.size, style.size


def _starts(paths: Sequence[str]) -> range:
    return range(0, len(paths), _IMAGES_A_JOB)


def _in_parts(work: Callable[..., Part], paths: Sequence[str], starts: Sequence[int], title: str) -> Iterator[Part]:
    """What `work` makes of the parts of `paths` that begin at `starts`, in the order in which they are done."""
    jobs = (joblib.delayed(work)(paths[start : start + _IMAGES_A_JOB], start=start) for start in starts)
    count = sum(min(_IMAGES_A_JOB, len(paths) - start) for start in starts)
    workers = -1 if count >= _WORTH_WORKERS else 1  # PIL holds Python's lock: threads would be slower than none
    with Progress(title, len(paths), "image", done=len(paths) - count) as progress:
        for part in joblib.Parallel(workers, return_as="generator_unordered")(jobs):
            yield part
            progress.add(part[0].stop - part[0].start)


def _decode_some(paths: Sequence[str], *, start: int, style: Style, least: int = 1) -> Part:
    pictures = [_decode_one(path, style, least) for path in paths]
    notes = [(note, path) for path, (_, told) in zip(paths, pictures, strict=True) for note in told]
    pixels = np.stack([pixels for pixels, _ in pictures]).transpose(0, 3, 1, 2)
    return slice(start, start + len(paths)), pixels, notes


def _decode_into(paths: Sequence[str], *, start: int, file: str, style: Style) -> Part:
    """The same, written into their place in a file, and no longer held."""
    rows, pixels, notes = _decode_some(paths, start=start, style=style)
    try:
        with open(file, "r+b") as place:
            place.seek(start * pixels[0].size)
            place.write(np.ascontiguousarray(pixels).data)
            place.flush()
            os.fsync(place.fileno())  # before it is said to be done
    except OSError as error:
        raise OSError(error.errno, error.strerror, file) from error
    return rows, None, notes


def _decode_one(path: str, style: Style, least: int) -> tuple[np.ndarray, list[str]]:
    """A picture, its shorter side resized and its middle cut out, of shape (size, size, channels); and its notes."""
    picture, notes = read_picture(path, style)
    width, height = picture.size
    if min(width, height) < least:
        raise ValueError(
            f"The image {shown(path)} is too small: {width}x{height} pixels, at least {least}x{least} are needed."
        )
    if max(width, height) > LONG * min(width, height):
        notes.append("is so long that little of it is in its middle")
    return np.asarray(fitted(picture, style)).reshape(style.size, style.size, style.channels), notes


def _read_log(file: Path, log: Path, shape: tuple[int, ...], about: list[Any]) -> dict[int, list[Note]]:
    """What is to be said of each part of the images that is done; nothing where the file is of others."""
    try:
        first, *lines = log.read_text().splitlines()
        if json.loads(first) != about or file.stat().st_size != math.prod(shape):
            return {}
    except (OSError, ValueError):
        return {}
    done = {}
    for line in lines:
        try:
            start, notes = json.loads(line)
        except ValueError:  # the last one, of a process that was killed
            continue
        done[int(start)] = notes
    return done


def _begin(file: Path, log: Path, shape: tuple[int, ...]) -> dict[int, list[Note]]:
    """Makes an empty file, another one than that which others may still read."""
    log.unlink(missing_ok=True)  # first: it speaks of the other
    file.unlink(missing_ok=True)
    with file.open("xb") as made:
        made.truncate(math.prod(shape))
    return {}


def _check_room(file: Path, shape: tuple[int, ...]) -> None:
    """Raises ParameterError where the disk does not hold the images."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(file.parent).free + (file.stat().st_blocks * 512 if file.exists() else 0)
    except OSError as error:
        rule = "a folder that can be written to, for images that do not fit into memory"
        raise ParameterError("data.cache_dir", rule, str(file.parent), f"{error.strerror}: name another.") from error
    if free < (size := math.prod(shape)):
        rule = f"a folder with room for {size / GB:.1f} GB of decoded images, which do not fit into memory"
        advice = f"{free / GB:.1f} GB are free there: name another, or take fewer or smaller images."
        raise ParameterError("data.cache_dir", rule, str(file.parent), advice)
