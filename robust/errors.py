"""Errors as a user reads them: one line, with what to do."""

import difflib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any

_DEBUG = "ROBUST_DEBUG"


def one_line(error: BaseException) -> str:
    """What an exception says, in one line; Hydra's with the nearest name there is."""
    text = str(error).strip() or type(error).__name__
    if _package(error) in ("hydra", "omegaconf"):
        return _hydra_line(text)
    line = " ".join(text.split())
    return line if _is_explained(error) else f"{type(error).__name__}: {line}"


def _hydra_line(text: str) -> str:
    if found := re.search(r"Could not find '([^']+)'\s+Available options in '[^']+':\n((?:\t.*\n?)+)", text):
        group, _, choice = found[1].rpartition("/")
        options = found[2].split()
        return f"`{group}={choice}` is not a choice.{did_you_mean(choice, options)} There are {', '.join(options)}."
    if found := re.search(r"Could not override '([^']+)'", text):
        name = found[1].split("@")[0]
        return f"`{name}` is not a key.{did_you_mean(name, known_keys())} `python train.py --cfg job` lists all."
    return " ".join(line.strip() for line in text.splitlines() if line.strip() and "HYDRA_FULL_ERROR" not in line)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """' Did you mean `x`?' with the nearest of the known words, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


def known_keys() -> list[str]:
    """Every key and group of the default configuration."""
    from omegaconf import OmegaConf

    from robust.experiment.compose import compose, leaves

    raw = OmegaConf.to_container(compose())
    assert isinstance(raw, dict)
    return [name for name, _ in leaves(raw)]


def reported(main: Callable[[], object]) -> None:
    """Runs a command; an error becomes one line and an exit status of 1, with `--debug` a traceback too."""
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ[_DEBUG] = "1"  # for what runs inside this call too, in whichever process
    try:
        main()
    except (KeyboardInterrupt, SystemExit) as stop:
        if type(stop).__name__ == "SIGTERMException":  # Lightning's, whose exit status would be 0
            sys.exit(143)
        if isinstance(stop, SystemExit) and not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        print("\nStopped. The same command continues where this one was.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001, whatever it was, the user reads one line
        print_error(error)
        sys.exit(1)


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
    for line in str(error).splitlines() if isinstance(error, FaultsError) else [one_line(error)]:
        print(f"error: {line}", file=sys.stderr)
    if not debug and not _is_explained(error):
        print("This was not foreseen; --debug shows where it happened.", file=sys.stderr)


def _is_explained(error: BaseException) -> bool:
    """Whether it is the user's doing or the world's, so that its message says all."""
    return isinstance(error, ValueError | OSError) or _package(error) in ("hydra", "omegaconf", "robust")


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


class FaultsError(ValueError):
    """Several faults, each a line of its own."""

    def __init__(self, faults: Iterable[str]):
        super().__init__("\n".join(faults))
