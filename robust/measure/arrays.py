"""Arrays that belong together, in one file."""

from pathlib import Path
from typing import Self

import numpy as np

from robust.files import atomic_write


class Arrays:
    """To be inherited by a dataclass whose fields are arrays."""

    def save(self, path: Path) -> None:
        atomic_write(path, lambda file: np.savez_compressed(file, **self.__dict__))

    @classmethod
    def read(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as kept:
            return cls(**kept)
