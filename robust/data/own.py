"""Data sets of one's own, of a user's function or file."""

from collections.abc import Sequence
from dataclasses import replace

from robust.data.cache import digest_of_images
from robust.data.images import Splits, doubled
from robust.errors import notify

_FEW = 3  # names that are told


def looked_at(splits: object, source: str) -> Splits:
    """What the function `source` returned, with notes on what looks like a mistake, of which a Notice is given too.
    Raises ValueError for anything but Splits."""
    if not isinstance(splits, Splits):
        raise ValueError(f"`data.source` ({source}) must return robust.data.Splits; got {type(splits).__name__}.")
    return told(splits, f"`data.source` ({source})")


def told(splits: Splits, title: str, notes: Sequence[str] = ()) -> Splits:
    """The same, with these notes and those on what looks like a mistake, of which a Notice is given too, under a title;
    and with a digest of all images and labels, where it has none."""
    notes = [f"{title}: {note}" for note in (*notes, *_mistakes(splits))]
    for note in notes:
        notify(note)
    return replace(splits, digest=splits.digest or digest_of(splits), notes=(*splits.notes, *notes))


def _mistakes(splits: Splits) -> list[str]:
    notes = []
    for part, images in (("train", splits.train), ("test", splits.test)):
        if not len(images):
            continue
        counts = images.labels.bincount(minlength=len(images.classes)).tolist()
        if absent := [name for name, count in zip(images.classes, counts, strict=True) if not count]:
            more = ", ..." if len(absent) > _FEW else ""
            notes.append(f"There is no image to {part} of {len(absent)} classes: {', '.join(absent[:_FEW])}{more}.")
        if int(images.images.max()) <= 1:
            notes.append(f"All images to {part} are black: none is brighter than 1, of 255. Floats may be from 0 to 1.")
    if both := doubled(splits.train.images, splits.test.images):
        notes.append(
            f"{len(both)} of the {len(splits.test)} test images are training images too, such as number {both[0]}."
        )
    return notes


def digest_of(splits: Splits) -> str:
    """A hash of all images, labels and classes."""
    parts = (splits.train, splits.test)
    return digest_of_images(splits.train.classes, [one for part in parts for one in (part.images, part.labels)])
