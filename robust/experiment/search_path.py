"""Where configurations are found: in this package, in installed ones, in a project of one's own.

A project is a folder of choices, such as `conf/perturb/mine.yaml`, and the modules beside it that they name. It is
given by `--config-dir conf`, or by ROBUST_CONF, which every process that a command starts inherits. An installed
package adds its folder of choices by an entry point (see `robust.files.choices`).
"""

import functools
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from robust.errors import suggest
from robust.files.choices import called_by, installed_choices

VARIABLE = "ROBUST_CONF"
_PACKAGE = Path(__file__).parent.parent
#: our own choices and sweeps: in the package, or in a checkout beside it
CONF = next(folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if (folder / "train.yaml").is_file())
SWEEPS = next(folder for folder in (CONF / "sweep", CONF.parent / "sweeps") if folder.is_dir())


def at_home(path: str) -> str:
    """A path that may begin with `~` or `$NAME`, these filled in."""
    if path[:1] not in ("~", "$"):
        return path
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111, where there is no such user it stays


def use_project(folder: str | Path) -> None:
    """Adds a folder of choices to those that this process, and what it starts, composes from. Raises ValueError where
    there is none."""
    path = Path(at_home(str(folder))).absolute()
    if not path.is_dir():
        others = [one.name for one in path.parent.iterdir() if one.is_dir()] if path.parent.is_dir() else []
        is_what = "a file" if path.exists() else "not there"
        raise ValueError(
            f"`--config-dir` must be a folder of choices, such as conf with conf/perturb/mine.yaml in it; got "
            f"{folder}, which is {is_what}.{suggest(path.name, others)}"
        )
    given = [str(path), *(str(one) for one in project_folders() if one != path)]
    os.environ[VARIABLE] = os.pathsep.join(given)
    import_from_projects()


def import_from_here(name: str) -> None:
    """Lets a module be imported from the working folder, if that is where the one of a dotted name lies: the command
    `robust` is no script that lies there."""
    module, here = re.split("[.:]", name)[0], str(Path.cwd())
    there = os.path.isfile(f"{module}.py") or os.path.isdir(module)  # noqa: PTH112, PTH113, of any name
    if there and here not in sys.path and importlib.util.find_spec(module) is None:
        sys.path.append(here)


def take_project(words: Sequence[str]) -> list[str]:
    """The words of a command without `--config-dir FOLDER`, which is used. Raises ValueError where it names none."""
    others, left = [], iter(words)
    for word in left:
        option, equals, folder = word.partition("=")
        if option not in ("--config-dir", "-cd"):
            others.append(word)
        elif folder := folder if equals else next(left, ""):
            use_project(folder)
        else:
            raise ValueError("`--config-dir` must be a folder of choices; got none.")
    return others


def project_folders() -> list[Path]:
    """The folders of choices of the user's own."""
    return [Path(at_home(one)) for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]


def choice_folders() -> tuple[Path, ...]:
    """Every folder of choices: ours, the user's own, and those of installed packages."""
    return (CONF, *project_folders(), *installed_choices())


def groups() -> frozenset[str]:
    """The groups of choices that there are."""
    return _groups(choice_folders())


@functools.cache
def _groups(folders: tuple[Path, ...]) -> frozenset[str]:
    return frozenset(["sweep", *(one.name for folder in folders for one in folder.iterdir() if one.is_dir())])


def import_from_projects() -> None:
    """Lets Python find the modules that lie beside the folders of choices."""
    for folder in project_folders():
        if (beside := str(folder.parent)) not in sys.path:
            sys.path.insert(0, beside)


def search_path() -> list[str]:
    """Where Hydra looks beside CONF, as it writes places. Raises ValueError for a folder in ROBUST_CONF that is not
    there."""
    folders = project_folders()
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise ValueError(f"`{VARIABLE}` must name folders of choices; got {missing[0]}, which is none.")
    import_from_projects()
    return ["sweeps://robust", *(f"file://{folder}" for folder in (*folders, *installed_choices()))]


def trust_projects() -> None:
    """Lets what the user's own choices name be loaded: networks, and functions that read data."""
    if folders := project_folders():
        from robust.models.registry import allow  # imports torch: where there is a project

        import_from_projects()
        allow(called_by(folders))
