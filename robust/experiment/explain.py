"""What Hydra refuses, said with the nearest choice or key there is. Nothing heavy is imported before it is needed."""

import contextlib
from collections.abc import Iterator

from hydra.errors import HydraException

from robust.errors import explain_override


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raises ValueError where Hydra refuses a configuration inside."""
    try:
        yield
    except HydraException as error:
        raise ValueError(explain_override(str(error), known_keys)) from error


def known_keys() -> list[str]:
    """Every key and group of the default configuration."""
    from robust.experiment.compose import compose
    from robust.runs.config import leaves

    return [name for name, _ in leaves(compose())]
