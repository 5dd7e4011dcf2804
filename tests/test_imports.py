"""What importing does, and does not do."""

import ast
import subprocess
import sys
from pathlib import Path

import grimp
import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent

# Imports all that our modules take from others at their heads; then, after CHANGE, each of our modules.
IMPORTS = """
import ast, importlib, logging, os, pathlib, pkgutil, signal, sys, warnings

ONLY_LINUX = {"fcntl", "grp", "pwd", "resource", "termios"}
theirs = set()
for file in [path for room in ("robust", "hydra_plugins") for path in pathlib.Path(room).rglob("*.py")]:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            theirs |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            theirs |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
for name in sorted(theirs):
    if name.partition(".")[0] not in ONLY_LINUX | {"robust", "hydra_plugins"}:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # a function of a module, or a package that is not there

CHANGE

import hydra_plugins, robust
ours = [
    one.name
    for package in (robust, hydra_plugins)
    for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if one.name.startswith(("robust.", "hydra_plugins.robust_")) and not one.name.endswith("__main__")
]
assert len(ours) > 100, ours
for name in ours:
    importlib.import_module(name)
"""
NOT_LINUX = """
for name in ONLY_LINUX:
    sys.modules[name] = None
for module, names in {
    os: ("fork", "getuid", "killpg", "sched_getaffinity", "setsid", "uname"),
    signal: ("SIGALRM", "SIGKILL", "SIGUSR1", "SIGUSR2"),
}.items():
    for name in names:
        delattr(module, name)
"""
STATE = """
def state():
    loggers = [logging.root, *(one for one in logging.root.manager.loggerDict.values() if hasattr(one, "level"))]
    return {
        "levels": {one.name: (one.level, one.propagate, list(one.handlers)) for one in loggers if one.level},
        "filters": list(warnings.filters),
        "environment": dict(os.environ),
    }

before = state()
"""
SAME = """
after = state()
for name, value in before.items():
    assert after[name] == value, (name, value, after[name])
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_rooms_import_one_way() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command, "--no-logo", "--no-cache"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("module", ["robust", "robust.errors", "robust.files", "hydra_plugins.robust_sweeper"])
def test_what_every_command_imports_does_not_import_torch(module: str) -> None:
    run(f"import sys, {module}; sys.exit('torch' in sys.modules)")


def test_importing_needs_nothing_that_only_linux_has_and_changes_nothing_around_it() -> None:
    """Neither log levels, nor warnings, nor the environment. In one process, since it imports everything."""
    run(IMPORTS.replace("CHANGE", NOT_LINUX + STATE) + SAME)


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = nx.DiGraph()
    imports = grimp.build_graph("robust", "hydra_plugins", exclude_type_checking_imports=True, cache_dir=None)
    for module in imports.modules:
        graph.add_edges_from((module, one) for one in imports.find_modules_directly_imported_by(module))
    assert [sorted(one) for one in nx.strongly_connected_components(graph) if len(one) > 1] == []


def test_few_modules_lie_beside_the_rooms() -> None:
    loose = {path.stem for path in (ROOT / "robust").glob("*.py")}
    assert loose == {"__init__", "__main__", "errors", "progress"}


def test_files_and_functions_fit_a_sitting_and_a_screen() -> None:
    paths = [path for room in ("robust", "hydra_plugins", "benchmarks") for path in (ROOT / room).rglob("*.py")]
    long = [(path.name, count) for path in paths if (count := len(path.read_text().splitlines())) > 300]
    functions = [
        (path.name, node.name)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > 60
    ]
    assert (long, functions) == ([], [])
