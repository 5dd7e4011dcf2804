"""Published archives: fetched by one process, and explained where they are absent, damaged or not whole."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from robust.data.images import Splits
from robust.data.own import digest_of
from robust.errors import notify
from robust.files.claiming import claimed_in_turn


def counted_as(name: str, splits: Splits, *, train: int, test: int) -> Splits:
    """The same; where not as many images are there as were published with a note, of which a Notice is given, and a
    digest, for then the name does not say which they are."""
    notes = [
        f"{name} was published with {published:,} images to {part}; {len(images):,} are there."
        for part, images, published in (("train", splits.train, train), ("test", splits.test, test))
        if len(images) != published
    ]
    for note in notes:
        notify(note)
    digest = digest_of(splits) if notes and splits.digest is None else splits.digest
    return replace(splits, digest=digest, notes=(*splits.notes, *notes))


@contextlib.contextmanager
def explained(name: str, place: Path, download: bool) -> Iterator[None]:
    """Turns what torchvision raises of what is called `name`, which lies at `place`, into what the user should know."""
    there = place.is_file() or (place.is_dir() and any(place.iterdir()))
    try:
        with (
            _alone(place.parent, name) if download else contextlib.nullcontext(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            yield
    except (OSError, RuntimeError, ValueError, AssertionError, EOFError, KeyError) as error:
        if there:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{name} in {place} is damaged ({reason}). Delete it and fetch it again.") from error
        tried, other = (" and could not be downloaded", "") if download else ("", ", or `data.download=true`")
        raise FileNotFoundError(
            f"{name} is not in {place}{tried}. Set `data.dir` (or ROBUST_DATA) to the folder that holds it{other}."
        ) from error


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """One process at a time downloads; the others find what it downloaded. None does where it cannot write."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(claimed_in_turn(folder / ".download.claim", f"{name} in {folder}"))
        yield
