"""What Hydra and OmegaConf refuse, said with the key, and with the nearest choice or key there is."""

import contextlib
import io
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from robust.errors import WITHIN_LIST, AbsentKeyError, explain_override, explain_within_list, one_line
from robust.experiment.overrides import explain_unreadable

_STAGE = re.compile(r"'recipe\.(\w+)\.")
_ABSENT = re.compile(r"Could not override '([^'@]+)")
_REFERS = re.compile(r"Interpolation key '([^']+)' not found")


@contextlib.contextmanager
def explained(known_keys: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Raises ValueError where Hydra refuses a configuration inside, AbsentKeyError where it refuses a key; `known_keys`
    is asked then."""
    try:
        yield
    except OverrideParseException as error:
        raise ValueError(explain_unreadable(error.override)) from error
    except (HydraException, OmegaConfBaseException) as error:
        text = f"{error}\n{error.__cause__ or ''}"
        said, absent = explain_override(text, known_keys), _ABSENT.search(text)
        raise (AbsentKeyError(said, absent[1]) if absent else ValueError(said)) from error
    except (ValueError, TypeError) as error:  # which Hydra lets through where a key is within a list
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        given = [one for frame in frames if isinstance(one := frame.f_locals.get("override"), Override)]
        if not (given and WITHIN_LIST.search(str(error))):
            raise
        raise ValueError(explain_within_list(given[0].key_or_group)) from error


@contextlib.contextmanager
def explained_interpolations(composed: Any) -> Iterator[None]:
    """Raises ValueError where a value refers to what is not there, to itself, or to what cannot be worked out."""
    try:
        yield
    except (OmegaConfBaseException, RecursionError) as error:
        key = getattr(error, "full_key", None) or "a value"
        if found := _STAGE.search(str(error)):
            task, data = composed.task.name, composed.data.name
            raise ValueError(
                f"`recipe` must say how `task={task}` is trained; that of `data={data}` has no `{found[1]}`. Add "
                "it to the recipe, or choose other data."
            ) from error
        if found := _REFERS.search(str(error)):
            raise ValueError(f"`{key}` refers to `{found[1]}`, and there is no such key.") from error
        if isinstance(error, RecursionError) or "RecursionError" in str(error):
            raise ValueError(f"`{key}` refers to itself.") from error
        said = one_line(error).partition(" full_key:")[0]
        raise ValueError(f"`{key}` refers to what cannot be worked out: {said}") from error


@contextlib.contextmanager
def without_bases(words: Sequence[str]) -> Iterator[None]:
    """Leaves out of what these `words` of a command line print inside, where they ask for the choices, what others have
    in common (`_base`): it is none."""
    if {"--help", "-h", "-sc"}.isdisjoint(words):
        yield
        return
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    finally:
        text = re.sub(r"(?m)(?<=[:,] )_[a-z]+(?:, |$)", "", said.getvalue())
        sys.stdout.write(re.sub(r"\S+=_[a-z]*(?:\s|$)", "", text))
