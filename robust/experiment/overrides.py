"""Overrides, the words `key=value` of a command line: read, written, and said how to write where Hydra cannot read."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from robust.errors import check, shown
from robust.experiment.search_path import at_home, groups
from robust.runs.config import leaves

_HOME = re.compile(r"(\+{0,2}[\w.@/]+)=(~(?:/.*)?)")
_NAMED = ("task.name", "technique.name")
_RENAMED = {  # what was called otherwise: keys, and choices of a group
    "data.none": "data.background_class",
    "task.none": "task.background_class",
    "evaluation.levels": "evaluation.conditions",
    "evaluation.natural_adversarial": "evaluation.published",
    "rate": "lr_scheduler",
    "recipe.pretext": "recipe.pretrain",
    "task.recipe": "task.stage",
    "technique.recipe": "technique.stage",
    "evaluation=camera_and_world": "evaluation=all",
    "lr_scheduler=none": "lr_scheduler=constant",
    "evaluation=world": "evaluation=environment",
    "perturb=all": "perturb=grid",
    "perturb=world": "perturb=environment",
}
_LONGEST = 100_000  # characters
_LONGEST_NAME = 200  # bytes of a key or a choice, which may be a file's name


def readable(word: str) -> str:
    """A word of the command line as it is handed to Hydra: an override that Hydra can read, or an option. Raises
    ValueError as `parse` does."""
    if word.startswith("-") or not re.match(r"[+~]*[^=\s]+=|~", word) or "=glob(" in word:
        check_readable(word)
        return word
    parsed = parse(word)
    if not parsed.is_sweep_override():  # else it is one of many that are checked then
        check_override(parsed)
    return str(parsed.input_line)


def spread(words: Sequence[str]) -> list[str]:
    """The words of a command line as they are handed to Hydra: of a choice that differs between the runs of a multirun
    those on its keys list their one value, since Hydra sets any other in its default configuration, which lacks it."""
    given = [word.partition("=")[::2] for word in words]
    listed = {key for key, value in given if key in groups() and re.search("[,(]", value)}
    if {"-m", "--multirun"}.isdisjoint(words) and not any(key == "sweep" for key, _ in given):
        return [*words]
    return [
        f"{key}=choice({value})"
        if value and "." in key and key.partition(".")[0] in listed and not parse(word).is_sweep_override()
        else word
        for word, (key, value) in zip(words, given, strict=True)
    ]


def tidy(word: str) -> str:
    """A word of the command line as Hydra reads it: what is said of a parent, and a condition to test under, may be
    added, and `~/` is home."""
    if word.startswith(("parent.", "evaluation.conditions.")):
        word = f"++{word}"
    if found := _HOME.fullmatch(word):
        return f"{found[1]}={_text(at_home(found[2]))}"
    return word


@functools.cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


@functools.lru_cache(maxsize=4096)
def parse(override: str) -> Override:
    """An override as Hydra reads it. Raises ValueError, with how to write it, where Hydra cannot."""
    check_readable(override)
    try:
        parsed = _parser().parse_override(tidy(override))
    except (HydraException, ValueError, RecursionError) as error:
        raise ValueError(explain_unreadable(override)) from error
    if not parsed.key_or_group:
        raise ValueError(f"`{shown(override)}` sets no key: write KEY=VALUE.")
    if len(parsed.key_or_group) > _LONGEST_NAME:
        raise ValueError(f"`{shown(override)}` is not a key, which has at most {_LONGEST_NAME} characters.")
    return parsed


def check_readable(override: str) -> None:
    """Raises ValueError for a word that cannot be kept in a file, or shown in a line."""
    if unfit := [one for one in override if not one.isprintable()]:
        rule = "UTF-8, without line breaks and other control characters"
        raise ValueError(f"`{shown(override)}` must be {rule}; got {ascii(unfit[0])[1:-1]} in it.")
    if len(override) > _LONGEST:
        raise ValueError(f"`{shown(override)}` must be of at most {_LONGEST} characters; got {len(override)}.")


def check_override(override: Override) -> None:
    """Raises ValueError for an override that a run cannot have: several values, something else than a word for a group
    of choices, a choice's own name, or a key that has another name now."""
    key, place = override.key_or_group, override.package
    if key in _RENAMED:
        raise ValueError(f"`{key}` is not a key any more. It is `{_RENAMED[key]}`.")
    if override.is_delete():
        return
    if override.is_sweep_override():
        raise ValueError(f"`{override.input_line}` lists several values: give -m too. A list is written [1,2].")
    value = override.value()
    if (choice := f"{key}={value}") in _RENAMED:
        raise ValueError(f"`{choice}` is not a choice any more. It is `{_RENAMED[choice]}`.")
    if place is not None or key in groups():
        check(key, value, "the name of a choice", isinstance(value, str) and len(value.encode()) <= _LONGEST_NAME)
        if str(value).startswith("_"):
            raise ValueError(f"`{key}={value}` is not a choice, but what others have in common.")
    if key == "schedule" and not str(place).endswith("share"):
        raise ValueError(
            f"`{override.input_line}` must set technique.share, the perturbed share of a batch "
            f"(schedule@technique.share={value}). Of the learning rate there is lr_scheduler={value}."
        )
    if key in _NAMED:
        choose = f"{key.partition('.')[0]}=NAME"
        raise ValueError(f"`{key}` is what its file says; got {shown(value)}. Choose another: {choose}.")


def explain_unreadable(override: str) -> str:
    """What to say of an override that Hydra cannot read: how it is quoted, where that would help."""
    key, equals, value = override.partition("=")
    if not equals:
        return f"`{shown(override)}` must be written KEY=VALUE; got no value."
    if not re.fullmatch(r"(\+{1,2}|~)?[\w.@/:$-]+", key):
        return f"`{shown(key)}` is not a key, which has letters, digits, `_` and dots; got `{shown(override)}`."
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    quoted = re.sub(r'([\\"$`])', r"\\\1", _text(value))
    return (
        f"`{key}` cannot be read; got {shown(value)}. Where that is a name or a path, quote it: "
        f'"{key}={shown(quoted)}".'
    )


def as_overrides(node: Mapping[str, Any]) -> list[str]:
    """Nested settings as overrides of the command line."""
    return [f"{name}={_text(value)}" for name, value in leaves(node) if not isinstance(value, Mapping)]


def _text(value: Any) -> str:
    """A value in the command line's grammar."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}: {_text(inner)}' for name, inner in value.items())}}}"
    return repr(value) if isinstance(value, int | float) else f"'{_escaped(value)}'"


def _escaped(text: str) -> str:
    return re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), str(text))


def cleaned(value: Any) -> Any:
    """A value as it is meant, nested or not: paths that begin with `~` or `$NAME` filled in, and -0.0 as 0.0."""
    if isinstance(value, Mapping):
        return type(value)({name: cleaned(inner) for name, inner in value.items()})  # type: ignore[call-arg]
    if isinstance(value, list):
        return [cleaned(one) for one in value]
    if isinstance(value, str):
        return at_home(value)
    return 0.0 if isinstance(value, float) and value == 0 else value
