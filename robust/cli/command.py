"""What a command of `robust` is: a function, its name, and its arguments as they are read."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from robust.errors import suggest

PICTURES = (".png", ".svg", ".pdf")
Argument = tuple[str, dict[str, Any]]  # as `add_argument` takes it
#: by name: the function and its arguments
COMMANDS: dict[str, tuple[Callable[..., None], Sequence[Argument]]] = {}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are raised, to be shown as all others are."""

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (\S+)", message)
        near = suggest(unknown[1], self._option_string_actions) if unknown else ""
        raise ValueError(f"{message[0].upper()}{message[1:]}.{near} `{self.prog} --help` lists the arguments.")


def command(*arguments: Argument) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a function a command: its name, its docstring as the help, and its parameters from these arguments."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        COMMANDS[function.__name__.strip("_")] = function, arguments
        return function

    return register


def to_folder(text: str) -> Path:
    """A folder to write to, there or to be made."""
    nearest = next(one for one in (Path(text), *Path(text).absolute().parents) if one.exists())
    if not nearest.is_dir():
        raise argparse.ArgumentTypeError(f"must be a folder; {nearest} is a file")
    return Path(text)


def to_picture(text: str) -> Path:
    """A picture to write."""
    if Path(text).suffix not in PICTURES or Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"must be a file that ends in {', '.join(PICTURES)}; got {text}")
    return to_folder(str(Path(text).parent)) / Path(text).name


def to_numbers(text: str) -> tuple[float, ...]:
    """Numbers, with commas between them."""
    try:
        return tuple(float(one) for one in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers such as 1,2,3; got {text}") from None


def to_table(text: str) -> Path:
    """A table to write, without the suffix."""
    path = Path(text).with_suffix("") if Path(text).suffix in (".parquet", ".csv") else Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"must name a table, not a folder; for one in it: {path / 'rows'}")
    return to_folder(str(path.parent)) / path.name


def argument(name: str, **options: Any) -> Argument:
    """An argument, as `add_argument` takes it."""
    return name, options


def key_values(nargs: str, such: str) -> Argument:
    """The argument that takes overrides."""
    return argument("settings", nargs=nargs, default=[], metavar="KEY=VALUE", help=f"such as {such}")
