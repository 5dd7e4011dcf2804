"""The source of what is the user's own: code that has changed makes another run, and other tests."""

import ast
import hashlib
import importlib.util
import site
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import nn

from robust.files.digest import digest_of
from robust.perturb import Perturbation
from robust.runs.config import CALLED, Config, everything

_LIBRARIES = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_INSTALLED = [Path(place).resolve() for place in (*_LIBRARIES, *site.getsitepackages(), site.getusersitepackages())]


def named_sources(config: Config) -> dict[str, str]:
    """A digest of the source of each module that is the user's own and that a configuration names, or that such a
    module imports, by the module's name. What reads images is left out: they have a digest themselves."""
    nodes = {name: node for name, node in config.items() if name != "data"}
    nodes["augment"] = config.data.get("augment")
    named = [value for name, value in everything(nodes) if name.rpartition(".")[2] in CALLED and isinstance(value, str)]
    return own_sources(module for name in named for module in _modules_in(name))


def source_of(part: nn.Module) -> str:
    """A digest of what makes a perturbation beside its name and level: the source that is the user's own, pictures that
    it read, what else is `settled`; "" where nothing does."""
    found = own_sources({type(one).__module__ for one in part.modules()})
    parts = [one for one in part.modules() if isinstance(one, Perturbation)]
    files = [file for one in parts for file, _ in one.read_from]
    found |= {f"part {place}": one.settled for place, one in enumerate(parts) if one.settled}
    found |= {f"picture {place}": digest_of(file) for place, file in enumerate(files)}
    return hashlib.sha256(str(sorted(found.items())).encode()).hexdigest() if found else ""


def own_sources(modules: Iterable[str]) -> dict[str, str]:
    """A digest of the source of each of these modules that is the user's own, and of those that it imports."""
    left, found = list(modules), {}
    while left:
        name = left.pop()
        if name not in found and (path := _own_file(name)):
            source = path.read_text(encoding="utf-8", errors="replace")
            found[name] = hashlib.sha256("\n".join(_lines(source)).encode()).hexdigest()
            left += _imported(source, name, is_package=path.name == "__init__.py")
    return found


def _lines(source: str) -> Iterator[str]:
    """The lines that say something: comments that stand alone, and blank ones, are not among them."""
    lines = (line.rstrip() for line in source.splitlines())
    return (line for line in lines if line and not line.lstrip().startswith("#"))


def _modules_in(path: str) -> list[str]:
    """The modules that a dotted path may begin with."""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _imported(source: str, module: str, *, is_package: bool) -> Iterator[str]:
    """The modules that a source may import, by their full names."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # who imports it reads of that
        return
    package = module if is_package else module.rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name for one in node.names for name in (*_modules_in(one.name), one.name))
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            yield from (base, *(f"{base}.{one.name}" for one in node.names))


def _own_file(module: str) -> Path | None:
    """The file of a module, if it is neither ours nor installed."""
    if module.partition(".")[0] in ("robust", "torch"):
        return None
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin).resolve()
    return None if any(path.is_relative_to(place) for place in _INSTALLED) else path
