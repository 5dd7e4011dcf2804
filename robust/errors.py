"""Errors as a user reads them: one line with what to do, and the exit status of a command."""

import contextlib
import difflib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from robust.text import plain

_DEBUG = "ROBUST_DEBUG"
_PATHS = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class ParameterError(ValueError):
    """A parameter that breaks a rule: its name, the rule ("must be ..."), the value that came, what to do."""

    def __init__(self, name: str, rule: str, value: object, advice: str = ""):
        super().__init__(name, rule, value, advice)

    def __str__(self) -> str:
        name, rule, value, advice = self.args
        return f"`{name}` must be {rule}; got {value}. {advice}".strip()


class ValidationError(ValueError):
    """All that is wrong with a command, found before anything starts; each a line of its own."""

    def __str__(self) -> str:
        return "\n".join(self.args)


class FailedError(RuntimeError):
    """What failed of that which a command started, such as runs; each a line of its own."""

    def __str__(self) -> str:
        return "\n".join(self.args)


def check(name: str, value: object, rule: str, holds: bool, advice: str = "") -> None:
    """Raises ParameterError unless the rule holds for the value of this parameter."""
    if not holds:
        raise ParameterError(name, rule, value, advice)


def suggest(word: str, known: Iterable[str]) -> str:
    """' Did you mean `x`?' with the nearest of the known words, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


def one_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    text = str(error).strip() or type(error).__name__
    line = " ".join(" ".join(line.split()) for line in text.splitlines() if "HYDRA_FULL_ERROR" not in line)
    return line if _is_explained(error) else f"{type(error).__name__}: {line}"


def explain_override(text: str, known_keys: Callable[[], Iterable[str]]) -> str:
    """What Hydra says of an override that it refuses, in one line, with the nearest choice or key there is."""
    if found := re.search(r"Could not find '([^']+)'\s+Available options in '[^']+':\n((?:\t.*\n?)+)", text):
        group, _, choice = found[1].rpartition("/")
        options = [one for one in found[2].split() if not one.startswith("_")]  # bases are no choices
        return f"`{group}={choice}` is not a choice.{suggest(choice, options)} There are {', '.join(options)}."
    if found := re.search(r"Could not override '([^']+)'", text):
        name = found[1].split("@")[0]
        return f"`{name}` is not a key.{suggest(name, known_keys())} `python train.py --cfg job` lists all."
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


@contextlib.contextmanager
def started() -> Iterator[None]:
    """Inside, the command has been accepted and its work is under way: what would else be the command's fault is raised
    as FailedError. As a decorator, of a whole function."""
    try:
        yield
    except Exception as error:
        if _is_refusal(error):
            raise FailedError(one_line(error)) from error
        raise


def run_command(command: Callable[[], object]) -> None:
    """Runs a command; an error becomes one line, with `--debug` a traceback too, and an exit status.

    2: the command was wrong, and nothing was started. 1: something failed that was started, or an unexpected error.
    130: stopped with Ctrl-C, 143: terminated.
    """
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ[_DEBUG] = "1"  # for what runs inside this call too, in whichever process
    try:
        command()
    except (KeyboardInterrupt, SystemExit) as stop:
        if type(stop).__name__ == "SIGTERMException":  # Lightning's, whose exit status would be 0
            sys.exit(143)
        if isinstance(stop, SystemExit) and not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        print("\nStopped. The same command continues where this one was.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001, whatever it was, the user reads one line
        print_error(error)
        sys.exit(2 if _is_refusal(error) else 1)


def require(module: str, *, what: str, extra: str | None = None) -> Any:
    """A module of a package that not everybody has, imported. Raises ValueError, which says that `what` needs it and
    the command that installs it: of our `extra`, or of the package alone."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        install = f"robust[{extra}]" if extra else package
        raise ValueError(f"{what} needs the package {package} ({error}): pip install {install}") from None


def print_error(error: Exception) -> None:
    """Says what went wrong: a line, or one for each of several faults, and with `--debug` where."""
    debug = _DEBUG in os.environ
    if debug:
        traceback.print_exception(error)
    for line in error.args if isinstance(error, ValidationError | FailedError) else [one_line(error)]:
        print(f"error: {plain(line)}", file=sys.stderr)
    if not debug and not _is_explained(error):
        print("Unexpected error. Run again with --debug for the traceback.", file=sys.stderr)


def _is_refusal(error: Exception) -> bool:
    """Whether it speaks of what a user gave, rather than of what happened since (a full disk, a bug)."""
    return isinstance(error, (ValueError, *_PATHS)) or _package(error) in ("hydra", "omegaconf")


def _is_explained(error: BaseException) -> bool:
    """Whether it is the user's doing or the world's, so that its message says all."""
    return isinstance(error, ValueError | OSError) or _package(error) in ("hydra", "omegaconf", "robust")


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
