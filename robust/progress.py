"""How far something is: a bar in a terminal, elsewhere a line now and then."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Self, TypeVar

from tqdm.auto import tqdm

_Item = TypeVar("_Item")


class Progress:
    """Shows on standard error how many of `total` are done, `done` of them before, under a `title`; without one,
    nothing. A bar goes when all is done; where there is no terminal, a line comes every `every_s` seconds."""

    def __init__(self, title: str | None, total: int, unit: str, *, done: int = 0, every_s: float = 20):
        hidden = None if title else True  # None: where there is no terminal
        self._bar = tqdm(
            desc=title, total=total, initial=done, unit=unit, delay=1, leave=False, disable=hidden, unit_scale=True
        )
        self._title, self._total, self._unit, self._every_s = title, total, unit, every_s
        self._says = bool(title) and self._bar.disable
        self._before, self._done, self._begun = done, done, time.monotonic()
        self._said = self._begun

    def add(self, count: int) -> None:
        """So many more are done."""
        self._bar.update(count)
        self._done += count
        now = time.monotonic()
        if self._says and now - self._said > self._every_s and self._before < self._done < self._total:
            left = (now - self._begun) / (self._done - self._before) * (self._total - self._done)
            done = f"{self._done:,} of {self._total:,} {self._unit}s"
            sys.stderr.write(f"{self._title}: {done}, {duration(left)} left\n")
            sys.stderr.flush()
            self._said = now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def progressing(items: Iterable[_Item], title: str | None, unit: str, total: int) -> Iterator[_Item]:
    """These items, `total` in all, and the progress of going through them."""
    with Progress(title, total, unit) as progress:
        for item in items:
            yield item
            progress.add(1)


def duration(seconds: float) -> str:
    """A duration in words."""
    if seconds < 100:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} minutes" if seconds < 6000 else f"about {seconds / 3600:.1f} hours"
