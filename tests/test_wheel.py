"""What a wheel holds is enough: installed beside nothing of the checkout, it works from an empty folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from warm import Warm

ROOT = Path(__file__).parent.parent
SHIPPED = ["LICENSE", "README.md", "conf", "hydra_plugins", "pyproject.toml", "robust", "setup.py", "sweeps"]
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the package as a wheel installs it, and nothing else."""
    place = tmp_path_factory.mktemp("wheel")
    (place / "source").mkdir()
    for name in SHIPPED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, place / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, place / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", place / "dist"]
    subprocess.run([*build, place / "source"], check=True, capture_output=True)
    shutil.rmtree(place / "source")
    (wheel,) = (place / "dist").glob("robust-*.whl")
    install = [*pip, "install", "--no-deps", "--no-index", "--target", place / "site", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return place / "site"


@pytest.fixture(scope="module")
def environment(installed: Path) -> dict[str, str]:
    """The installed package before what it depends on, and no checkout."""
    others = [path for path in sys.path if path and Path(path).is_dir() and Path(path) != ROOT]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *others])}


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty folder to work in."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.fixture
def call(environment: dict[str, str], empty: Path) -> Call:
    """Runs a new Python there."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", *map(str, arguments)]  # -S: no link to a checkout
        return subprocess.run(command, cwd=empty, env=environment, text=True, capture_output=True, check=False)

    return call


@pytest.fixture(scope="module")
def warm_wheel(environment: dict[str, str]) -> Iterator[Warm]:
    made = Warm("-S", env=environment)
    yield made
    made.close()


@pytest.fixture
def warm_call(warm_wheel: Warm, environment: dict[str, str], empty: Path) -> Call:
    """The same, in copies of one that has imported the installed package."""
    return lambda *arguments: warm_wheel.run(*arguments, cwd=empty, env=environment)


EVALUATE = """
import robust, torch
print(robust.__file__)
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(10))
rows = robust.evaluate(model, data="digits", evaluation="natural")
print(len(rows), 0 <= rows["accuracy"].min() <= rows["accuracy"].max() <= 1)
"""


def test_it_is_imported_from_where_it_was_installed_and_needs_no_torch_for_that(call: Call, installed: Path) -> None:
    done = call("-c", "import robust, sys; print(robust.__file__, 'torch' in sys.modules)")
    assert done.stdout.split() == [str(installed / "robust" / "__init__.py"), "False"], done.stderr


def test_it_holds_every_choice_the_licence_and_the_mark_of_its_types(installed: Path) -> None:
    """And no tests, benchmarks or scripts."""
    choices = {path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml")}
    choices |= {Path("sweep") / path.name for path in (ROOT / "sweeps").glob("*.yaml")}
    conf = installed / "robust" / "conf"
    assert {path.relative_to(conf) for path in conf.rglob("*.yaml")} == choices
    studies = {path.relative_to(ROOT) for path in (ROOT / "robust" / "studies").rglob("*.yaml")}
    assert {path.relative_to(installed) for path in (installed / "robust" / "studies").rglob("*.yaml")} == studies
    assert (installed / "robust" / "py.typed").is_file()
    assert list(installed.glob("robust-*.dist-info/licenses/LICENSE"))
    tops = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"bin", "hydra_plugins", "robust"}


def test_any_network_is_evaluated(warm_call: Call, installed: Path) -> None:
    done = warm_call("-c", EVALUATE)
    assert done.stdout.splitlines() == [str(installed / "robust" / "__init__.py"), "1 True"], done.stderr


def test_a_sweep_is_planned(warm_call: Call, tmp_path: Path) -> None:
    done = warm_call("-m", "robust", "train", "-m", "perturb=noise,blur", "plan=true")
    assert done.returncode == 0, done.stderr
    assert "noise" in done.stdout
    assert "blur" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_sweep_is_found_by_its_name(warm_call: Call) -> None:
    done = warm_call("-m", "robust", "train", "sweep=digits", "perturb=noise", "plan=true")
    assert done.returncode == 0, done.stderr


def test_the_choices_of_studies_are_found_in_it(call: Call, installed: Path) -> None:
    done = call("-c", "from robust.files.choices import installed_choices; print(*installed_choices(), sep='\\n')")
    found = [Path(line) for line in done.stdout.splitlines()]
    assert found, done.stderr
    assert all(folder.is_relative_to(installed / "robust" / "studies") for folder in found)


def test_the_console_script_shows_help(call: Call, installed: Path) -> None:
    done = call(installed / "bin" / "robust", "report", "--help")
    assert done.returncode == 0, done.stderr
    assert "runs" in done.stdout
