"""Rules for values: what a value must be, in words, and whether it is; also of what a signature says."""

import functools
import importlib.util
import inspect
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from hydra._internal.utils import _locate

from robust.errors import ParameterError, one_line, shown, suggest
from robust.experiment.search_path import import_from_here

_MOST = 2**31 - 1  # what a whole number may be: as large as every library takes
_FEW = 5  # names that are told
_LONGEST = 10_000  # characters of a word, values in a list


class Rule(NamedTuple):
    """What a value must be, in words, and whether it is; what to do where it is not."""

    words: str
    holds: Callable[[Any], bool]
    advice: str = ""

    def check(self, name: str, value: object) -> None:
        """Raises ParameterError unless it holds."""
        if not self.holds(value):
            raise ParameterError(name, self.words, value, self.advice)

    def or_null(self) -> "Rule":
        """The same, but null will do too."""
        return Rule(f"{self.words}, or null", lambda value: value is None or self.holds(value), self.advice)

    def or_word(self, word: str, meaning: str) -> "Rule":
        """The same, but this word will do too."""
        words = f"{self.words}, or {word} ({meaning})"
        return Rule(words, lambda value: (isinstance(value, str) and value == word) or self.holds(value), self.advice)


def is_whole(value: object, least: int = -_MOST, most: int = _MOST) -> bool:
    """Whether it is an integer, no truth value, from `least` to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_number(value: object) -> bool:
    """Whether it is a finite number, no truth value, that a float can hold."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**1023


def is_fraction(value: object) -> bool:
    """Whether it is a number, or a fraction of two such as 8/255, written as a word."""
    return is_number(value) or (isinstance(value, str) and "/" in value)


def is_word(value: object) -> bool:
    """Whether it is text, in one line and not endless."""
    return isinstance(value, str) and len(value) <= _LONGEST and value.isprintable()


def whole(least: int, most: int = _MOST) -> Rule:
    """A rule for integers."""
    words = f"a whole number >= {least}" if most == _MOST else f"a whole number from {least} to {most}"
    return Rule(words, lambda value: is_whole(value, least, most))


def list_of(one: Rule, words: str) -> Rule:
    """A rule for lists whose every value fulfils another."""
    return Rule(words, lambda value: isinstance(value, list) and len(value) <= _LONGEST and all(map(one.holds, value)))


SWITCH = Rule("true or false", lambda value: isinstance(value, bool))
NUMBER = Rule("a number", is_number)
FRACTION = Rule("a number or a fraction such as 8/255", is_fraction)
WORD = Rule("a word", is_word)
MAPPING = Rule("a mapping such as {name: value}", lambda value: isinstance(value, Mapping))
ANYTHING = Rule("a value", lambda _: True)


def rule_of(annotation: Any, *, fractions: bool = False) -> Rule | None:
    """The rule that a parameter's annotation makes; None where it says nothing about plain values. With `fractions` a
    number may be written as one."""
    number = FRACTION if fractions else NUMBER
    plain = {bool: SWITCH, int: Rule("a whole number", is_whole), float: number, str: WORD}
    if annotation in (None, types.NoneType):
        return Rule("null", lambda value: value is None)
    if isinstance(annotation, type) and annotation in plain:
        return plain[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return Rule(f"one of {', '.join(map(str, inner))}", lambda value: _is_among(value, inner))
    if origin in (Union, types.UnionType):
        return _any_of([rule_of(one, fractions=fractions) for one in inner if not (fractions and one is str)])
    if origin in (Sequence, list, tuple):
        return _sequence(origin, inner, fractions=fractions)
    return MAPPING if origin in (Mapping, dict) or annotation in (Mapping, dict) else None


def _is_among(value: object, words: Sequence[object]) -> bool:
    return any(value == one and type(value) is type(one) for one in words)


def _any_of(rules: Sequence[Rule | None]) -> Rule | None:
    found = [one for one in rules if one]
    if len(found) < len(rules):
        return None
    return Rule(" or ".join(one.words for one in found), lambda value: any(one.holds(value) for one in found))


def _sequence(origin: Any, inner: tuple[Any, ...], *, fractions: bool) -> Rule | None:
    fixed = origin is tuple and Ellipsis not in inner
    one = rule_of(inner[0], fractions=fractions) if inner else ANYTHING
    if one is None:
        return None
    many = one.words.removeprefix("a ").replace(" number", " numbers").replace("word", "words")
    if "number" in many and "numbers" not in many:
        many = many.replace("number", "numbers")
    rule = list_of(one, f"a list of {f'{len(inner)} ' if fixed else ''}{many}")
    return Rule(rule.words, lambda value: rule.holds(value) and len(value) == len(inner)) if fixed else rule


@functools.lru_cache(maxsize=512)
def locate(name: str) -> Any:
    """What a dotted name, or package.module:name, stands for; a module may lie in the working folder. Raises what its
    import raises, and TypeError for what cannot be called."""
    import_from_here(name)
    found = _locate(name.replace(":", "."))
    if not callable(found):
        raise TypeError(f"it is {type(found).__name__}")
    return found


def why_not(name: str, error: Exception) -> str:
    """Why what a dotted name stands for cannot be called, in a sentence: `locate` raised this error."""
    name = name.replace(":", ".")
    module, _, wanted = name.rpartition(".")
    there, root = sys.modules.get(module), name.partition(".")[0]
    if there is not None and not hasattr(there, wanted):
        known = [one for one, value in vars(there).items() if callable(value) and not one.startswith("_")]
        own = [one for one in known if getattr(there, one).__module__ == module]
        has = f"; it has {', '.join(own[:_FEW])}{', ...' if len(own) > _FEW else ''}" if own else ""
        return f"{module} has no {wanted}{has}.{suggest(wanted, known) if len(own) != 1 else ''}"
    if root.isidentifier() and root not in sys.modules and importlib.util.find_spec(root) is None:
        return f"There is no module {root}, neither in {Path.cwd()} nor installed."
    return f"It says: {shown(one_line(error))}."


def parameters_of(called: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], bool]:
    """What a class or function may be given by name, with what a class hands on to its base, and whether that is all:
    not where it takes any name."""
    found: dict[str, inspect.Parameter] = {}
    if not isinstance(called, type):
        makers: list[Any] = [called]
    else:
        makers = [vars(one)["__init__"] for one in called.__mro__ if "__init__" in vars(one) and one is not object]
    for maker in makers:
        parameters = _signature_of(maker)
        for one in parameters:
            if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) and one.name != "self":
                found.setdefault(one.name, one)
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            return found, True
    return found, not makers


def _signature_of(maker: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(maker, eval_str=True).parameters.values())
    except (NameError, TypeError):  # an annotation that only a type checker reads
        return list(inspect.signature(maker).parameters.values())
    except ValueError:  # of what is not written in Python
        return [inspect.Parameter("any", inspect.Parameter.VAR_KEYWORD)]
