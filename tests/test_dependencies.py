"""The core needs few packages; what else there is to have is an extra, and says so where it is missing."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TOOLS = {"all", "dev", "docs"}
#: modules of ours that are imported only where `require` found their packages
LATE = {"robust/sweep/slurm.py"} | {f"robust/studies/minds_eye/scenes/{name}.py" for name in ("rendering", "shapes")}
WITHOUT_EXTRA = {"torchattacks"}  # its pins fit nobody else's


def named(requirements: list[str]) -> set[str]:
    """The packages of these requirements that everybody gets."""
    names = [re.match(r"[\w.-]+", one) for one in requirements if "extra ==" not in one]
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name}


CORE = named(PROJECT["dependencies"])
EXTRAS = {name: named(packages) for name, packages in PROJECT["optional-dependencies"].items() if name not in TOOLS}


INSTALLED = packages_distributions()
BROUGHT = CORE.union(*(named(requires(package) or []) for package in CORE))


def distributions(module: str) -> set[str]:
    """The packages that a module may come from; its namesake, where it is not installed."""
    top = module.partition(".")[0]
    return named(INSTALLED.get(top, [top]))


def files() -> list[Path]:
    return [ROOT / "train.py", *(ROOT / "hydra_plugins").glob("*.py"), *sorted((ROOT / "robust").rglob("*.py"))]


def imports(tree: ast.AST, *, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Modules of others that are imported, and whether only inside a function, or for the type checker."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((one.name, inside) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, inside
        else:
            late = isinstance(node, ast.FunctionDef) or (
                isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            )
            yield from imports(node, inside=inside or late)


def demanded(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """The modules that `require` is called for by name, and their extras."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "require":
            words = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg == "extra"}
            if isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, words.get("extra")


def test_the_core_has_few_dependencies_and_extras_do_not_repeat_them() -> None:
    assert len(CORE) <= 14
    assert "kornia" in CORE
    for name, packages in EXTRAS.items():
        assert packages, name
        assert not packages & CORE, name
    everything = PROJECT["optional-dependencies"]["all"][0]
    assert set(re.findall(r"\w+", everything)) == {"robust", *EXTRAS}


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_imported_is_a_dependency_or_brought_by_one_or_an_extra(file: Path) -> None:
    optional = set().union(*EXTRAS.values())
    tree = ast.parse(file.read_text())
    for module, late in imports(tree):
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top in ("robust", "hydra_plugins"):
            continue
        allowed = BROUGHT | optional if late or str(file.relative_to(ROOT)) in LATE else BROUGHT
        assert distributions(top) & allowed, f"{module}: neither a dependency nor brought by one"
    for module, extra in demanded(tree):
        if module in WITHOUT_EXTRA:
            assert extra is None
        else:
            assert distributions(module) & EXTRAS[str(extra)], f"{module} is not in the extra {extra}"
