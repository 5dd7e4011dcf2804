"""Errors as a user reads them: one line with what to do, and the exit status of a command."""

import atexit
import contextlib
import difflib
import gc
import importlib
import multiprocessing
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from robust.values.secrets import masked
from robust.values.text import plain

_DEBUG = "ROBUST_DEBUG"
_usual_format = warnings.formatwarning
_LONGEST = 200  # characters of a value that an error shows
_LONGEST_LINE = 2000  # characters of what an error says
_MOST_OPTIONS = 20  # that are listed beside the nearest
#: how Hydra and OmegaConf speak of a key within a list
WITHIN_LIST = re.compile(r"is not an int|list (?:assignment )?ind(?:ex|ices)|invalid literal for int\(\)")
_PATHS = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class ParameterError(ValueError):
    """A parameter that breaks a rule: its name, the rule ("must be ..."), the value that came, what to do."""

    def __init__(self, name: str, rule: str, value: object, advice: str = ""):
        super().__init__(name, rule, value, advice)

    def __str__(self) -> str:
        name, rule, value, advice = self.args
        return f"`{name}` must be {rule}; got {shown(masked(value, name))}. {advice}".strip()


class AbsentKeyError(ValueError):
    """A `key` that what was chosen does not have."""

    def __init__(self, text: str, key: str):
        super().__init__(text)
        self.key = key


class Notice(UserWarning):
    """What a user should know of what was given, and that nothing fails for."""


class ValidationError(ValueError):
    """All that is wrong with a command, found before anything starts; each a line of its own."""

    def __str__(self) -> str:
        return "\n".join(self.args)


class FailedError(RuntimeError):
    """What failed of that which a command started, such as runs; each a line of its own."""

    def __str__(self) -> str:
        return "\n".join(self.args)


def notify(text: str) -> None:
    """Gives a Notice: the command shows it in the terminal. Nothing in a process that one of ours started, which would
    say it again."""
    if multiprocessing.parent_process() is None:
        warnings.warn(text, Notice, stacklevel=3)


def check(name: str, value: object, rule: str, holds: bool, advice: str = "") -> None:
    """Raises ParameterError unless the rule holds for the value of this parameter."""
    if not holds:
        raise ParameterError(name, rule, value, advice)


def suggest(word: str, known: Iterable[str]) -> str:
    """' Did you mean `x`?' with the nearest of the known words, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


def shown(value: object) -> str:
    """A value as an error shows it: in one line, without control characters, and not endless."""
    text = _printable(str(value))
    if isinstance(value, str) and re.fullmatch(r"\s*|[-+]?[\d._]+(e[-+]?\d+)?|null|true|false", text, re.IGNORECASE):
        return repr(text)  # a word, though it looks like something else
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}..."


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def one_line(error: BaseException) -> str:
    """What an exception says, in one line, not endless."""
    text = str(error).strip() or type(error).__name__
    line = " ".join(" ".join(line.split()) for line in text.splitlines() if "HYDRA_FULL_ERROR" not in line)
    line = _printable(line)
    line = line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE // 2]} ... {line[-_LONGEST_LINE // 2 :]}"
    return line if _is_explained(error) else f"{type(error).__name__}: {line}"


def explain_override(text: str, known_keys: Callable[[], Iterable[str]]) -> str:
    """What Hydra says of an override that it refuses, in one line, with the nearest choice or key there is."""
    if found := re.search(r"Could not find '([^']+)'\s+Available options in '[^']+':\n((?:\t.*\n?)+)", text):
        group, _, choice = found[1].rpartition("/")
        options = [one for one in found[2].split() if not one.startswith("_")]  # bases are no choices
        near = _beside(group, choice) or suggest(choice, options)
        every = "" if near and len(options) > _MOST_OPTIONS else f" There are {', '.join(options)}."
        return f"`{group}={choice}` is not a choice.{near}{every}"
    if found := re.search(r"Could not override '([^']+)'", text):
        within = re.search(r"is not in struct\s+full_key: (\S+)", text)
        name = found[1].split("@")[0]
        if within and within[1].startswith(f"{name}."):  # what was given was a mapping
            name = within[1]
        if name in (known := [*known_keys()]):
            return f"`{name}` is not a key of what was chosen, though of other choices. `--cfg job` lists its keys."
        beside = name.rpartition(".")[0]
        if beside in known and not any(one.startswith(f"{beside}.") for one in known):
            choose = f"{beside.rpartition('.')[2]}=NAME"
            return f"`{name}` is a key of some choices, and none of those was made: choose one first: {choose}."
        return f"`{name}` is not a key.{suggest(name, known)} `robust train --cfg job` lists all."
    if (found := re.search(r"Error merging override [+~]*([\w.]+)", text)) and WITHIN_LIST.search(text):
        return explain_within_list(found[1])
    if found := re.search(r"Error merging override (.+?)=(.*)", text):
        return f"`{found[1].lstrip('+')}` must be a mapping such as {{name: value}}; got {found[2]}."
    return re.sub(r"'([^']+)'", r"`\1`", " ".join(line.strip() for line in text.splitlines() if line.strip()))


def _beside(group: str, choice: str) -> str:
    """' It lies in conf: ...', where a folder of choices in the working folder, which was not given, has this one."""
    with contextlib.suppress(OSError):
        for folder in sorted(Path().iterdir()):
            if (folder / group / f"{choice}.yaml").is_file():
                return f" It lies in {shown(folder)}: add --config-dir {shown(folder)}."
    return ""


def explain_within_list(key: str) -> str:
    """What to say of a key that is within a list."""
    return f"`{key}` cannot be set: it is within a list, which is given as a whole."


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
    warnings.formatwarning = _format_warning
    _wait_passively()
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


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Says what the next seconds go to, before torch is imported inside; nothing is garbage there to be collected, then
    or later: looking for it would take a second more here, and one for every hundred runs that are checked."""
    first, collects = tell_of_loading(), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
            atexit.register(gc.unfreeze)  # else what is left says at the end that it was left
        if collects:
            gc.enable()


def tell_of_loading() -> bool:
    """Says what the next seconds go to, unless torch is there already; returns whether it did."""
    if first := "torch" not in sys.modules:
        print("loading torch and reading the configuration ...", file=sys.stderr, flush=True)
    return first


def require(module: str, *, what: str, extra: str | None = None) -> Any:
    """A module of a package that not everybody has, imported. Raises ValueError, which says that `what` needs it and
    the command that installs it: of our `extra`, or of the package alone."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        install = f"'robust[{extra}]'" if extra else package  # quoted, for zsh
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


def _wait_passively() -> None:
    """Has threads that wait for one another sleep, not spin, which beside other work takes many times as long; before
    torch is imported, which reads it then. For the processes that this one starts too."""
    for name, value in {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}.items():
        os.environ.setdefault(name, value)


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return f"warning: {message}\n" if category is Notice else _usual_format(message, category, filename, lineno, line)


def _is_refusal(error: Exception) -> bool:
    """Whether it speaks of what a user gave, rather than of what happened since (a full disk, a bug)."""
    return isinstance(error, (ValueError, *_PATHS)) or _package(error) in ("hydra", "omegaconf")


def _is_explained(error: BaseException) -> bool:
    """Whether it is the user's doing or the world's, so that its message says all."""
    return isinstance(error, ValueError | OSError) or _package(error) in ("hydra", "omegaconf", "robust")


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
