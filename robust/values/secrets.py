"""Secrets, kept out of whatever is written or shown: keys that look like one, and what such variables hold."""

import os
import re
from collections.abc import Mapping
from typing import Any

#: what is written in a secret's place
MASK = "(masked)"
_SECRET = re.compile(r"(?:^|[^a-z])(?:api_?key|key|token|passw(?:or)?d|pwd|secrets?|credentials?)$", re.IGNORECASE)
_NO_SECRETS = ("PWD", "OLDPWD")  # of the environment: where the shell is, and was
_SHORTEST = 6  # characters of a variable's value that is looked for


def is_secret(name: str) -> bool:
    """Whether a key, dotted or not, or a variable of the environment, looks like that of a secret: `api_key`, `token`,
    `password`, `secret`."""
    return bool(_SECRET.search(name.rpartition(".")[2]))


def masked(value: Any, name: str = "") -> Any:
    """A value, nested or not, without secrets: of keys that look like one, and of what variables hold that do."""
    if isinstance(value, Mapping):
        return type(value)({key: masked(inner, f"{name}.{key}") for key, inner in value.items()})  # type: ignore[call-arg]
    if is_secret(name) and value not in (None, "") and not isinstance(value, bool):
        return MASK
    if isinstance(value, list | tuple):
        return [masked(one) for one in value]
    return _without_variables(value) if isinstance(value, str) else value


def masked_word(word: str) -> str:
    """A word of a command line without the secret in it: data.token=... and --token=..."""
    key, equals, value = word.partition("=")
    if equals and value and is_secret(key):
        return f"{key}={MASK}"
    return _without_variables(word)


def _without_variables(text: str) -> str:
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and is_secret(name) and name not in _NO_SECRETS and value in text:
            text = text.replace(value, MASK)
    return text
