"""What Hydra refuses, said with the nearest choice or key there is."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

from hydra.errors import HydraException

from robust.errors import explain_override


@contextlib.contextmanager
def explained(known_keys: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Raises ValueError where Hydra refuses a configuration inside; `known_keys` is asked where it refuses a key."""
    try:
        yield
    except HydraException as error:
        raise ValueError(explain_override(str(error), known_keys)) from error
