"""One test of a published test set."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from robust.data.images import ImageSet

#: the setting that names published test sets, as errors call it
KEY = "evaluation.published"
#: what a set that was made again holds, beside its images
RECREATED = "recreated.json"


@dataclass(frozen=True)
class PublishedTest:
    """One corruption at one severity of the set `name`; of a set without corruptions, "" at 0, and without severities
    0.

    `shared` are the classes that its images may be of, int64, where those are not all of the data's; `own` says whether
    they are the data's test images, in their order, so that predictions of the two may be compared image by image;
    `recreated` whether the set was made again rather than published. `read` reads the images, labelled as the data's.
    """

    name: str
    corruption: str
    severity: int
    read: Callable[[], ImageSet]
    identify: Callable[[], str]
    shared: Tensor | None = None
    own: bool = False
    recreated: bool = False

    @functools.cached_property
    def digest(self) -> str:
        """A hash of its images and labels: of the values of arrays, of the names and sizes of files."""
        return self.identify()

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What tells it from other tests: set, corruption, severity, and the digest of its images."""
        return self.name, self.corruption, self.severity, self.digest

    @property
    def title(self) -> str:
        """What to call it."""
        severity = f" {self.severity}" if self.severity else ""
        return f"{self.name} {self.corruption}{severity}".strip()
