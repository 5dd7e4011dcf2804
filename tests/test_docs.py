"""What README and the guide show is run, and what they link to is there."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from PIL import Image

from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.keys import KEYS
from robust.experiment.prepare import prepare
from robust.runs import leaves

ROOT = Path(__file__).parent.parent
EXTENDING = ROOT / "docs" / "extending.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_STUDIES = {"data.none", "data.parameters", "task.none"}  # keys of studies that still lie in the core
Command = Callable[..., subprocess.CompletedProcess[str]]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> Iterator[str]:
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            if line.startswith("robust ") and "..." not in line:
                yield line


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target and target != "gallery_built/index":
            assert (page.parent / target).exists(), target


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run."""
    place = tmp_path_factory.mktemp("trained")
    quick = ["trainer.max_epochs=1", "evaluation=natural", "technique=natural", "trainer.progress=false"]
    assert execute(prepare([f"runs_dir={place / 'runs'}", *quick])).state == "done"
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(trained, tmp_path, dirs_exist_ok=True)


@pytest.mark.parametrize(
    ("page", "line"),
    [
        pytest.param(page, line, id=f"{named(page)}: {line}")
        for page in PAGES
        if page != EXTENDING
        for line in commands(page)
    ],
)
def test_commands_do_what_they_say(
    page: Path, line: str, place: Path, command: Command, request: pytest.FixtureRequest
) -> None:
    lies = request.getfixturevalue("mnist_dir") if "data=mnist" in line else place
    words = shlex.split(line, comments=True)[1:]
    for name, text in files(page):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    if words[0] in ("train", "evaluate") and not any(word.startswith("trainer.max_epochs") for word in words):
        words.append("plan=true")  # all but the training, which may take hours
    done = command("-m", "robust", *words, cwd=place, PYTHONPATH=str(ROOT), ROBUST_DATA=str(lies))
    assert done.returncode == 0, done.stderr


def files(page: Path) -> list[tuple[str, str]]:
    """The files that a page has the reader write, by name, and what goes into them."""
    return re.findall(r"In `([\w/.]+)`[^`\n]*:\n\n```\w+\n(.*?)^```", page.read_text(), re.S | re.M)


def test_the_project_of_the_guide_is_trained_attacked_tracked_and_reported(place: Path, command: Command) -> None:
    for name, text in files(EXTENDING):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        with (place / name).open("a") as file:
            file.write(f"{text}\n\n")
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]  # as if it had been installed
    installed = place / f"{project['name']}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    for group, entries in project["entry-points"].items():
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (installed / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    for line in commands(EXTENDING):
        done = command("-m", "robust", *shlex.split(line)[1:], cwd=place, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, done.stderr
    (run,) = (place / "runs").glob("mine-*half*")
    assert (run / "attacks.parquet").is_file()
    assert json.loads((place / "runs" / "scores.jsonl").read_text())["run"].startswith("half brighter 0.2")
    *_, page = sorted((place / "runs").glob("report-*/index.html"), key=lambda one: one.stat().st_mtime)
    assert "Brighter images" in page.read_text()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=named)
def test_python_blocks_run(page: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next((trained / "runs").glob("digits-*"))
    monkeypatch.chdir(trained)
    given = "import torch\nfrom torch import Tensor\nfrom robust.perturb import Perturbation\n"
    given += "images, indices = torch.rand(4, 1, 28, 28), torch.arange(4)\n"
    Image.new("L", (28, 28)).save(trained / "digit.png")
    namespace: dict[str, object] = {"__name__": "page"}
    for block in [given, *blocks(page, "python")]:
        exec(block.replace("runs/digits-convnet_mnist-natural-seed0-...", str(run)), namespace)


def test_the_guide_says_what_each_key_takes() -> None:
    rows = dict(
        re.findall(r"^\| `([\w.*]+)` \| (.*?) \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    )
    takes = {name: key.rule.words for name, key in KEYS.items() if name not in OF_STUDIES}
    assert {name: words for name, words in takes.items() if rows.get(name) != words} == {}
    choices = [[], ["data=folder", "data.path=images"], ["data=imagenet"], ["attack=table"]]
    known = {name for choice in choices for name, _ in leaves(compose(choice))}
    assert set(rows) - set(takes) - known - {"augment", "recipe", "sweep", "evaluation"} == set()


@pytest.mark.parametrize("group", ["attack", "logger"])
def test_the_guide_names_each_key_of_attacks_and_trackers(group: str) -> None:
    page = (ROOT / "docs" / {"attack": "attacks.md", "logger": "tracking.md"}[group]).read_text()
    given = {"defaults", "name", "search", "_target_", "several"}
    keys = {str(key) for path in (ROOT / "conf" / group).glob("*.yaml") for key in OmegaConf.load(path)} - given
    assert {key for key in keys if f"`{key}`" not in page and f"`{group}.{key}`" not in page} == set()
