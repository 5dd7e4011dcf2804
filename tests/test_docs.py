"""What README and the guide show is run, and what they link to is there."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from robust.experiment.execute import execute
from robust.experiment.prepare import prepare

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
Command = Callable[..., subprocess.CompletedProcess[str]]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.splitlines():
                if line.startswith("robust ") and "..." not in line:
                    yield page, line


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
    """A copy of it, beside the project that the guide to extending makes."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    page = ROOT / "docs" / "extending.md"
    (tmp_path / "mine.py").write_text("\n\n".join(blocks(page, "python")))
    for name, text in re.findall(r"In `(conf/[\w/.]+)`.*?```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(("page", "line"), [pytest.param(*one, id=f"{named(one[0])}: {one[1]}") for one in commands()])
def test_commands_do_what_they_say(
    page: Path, line: str, place: Path, command: Command, request: pytest.FixtureRequest
) -> None:
    lies = request.getfixturevalue("mnist_dir") if "data=mnist" in line else place
    words = shlex.split(line, comments=True)[1:]
    if words[0] == "train" and not any(word.startswith("trainer.max_epochs") for word in words):
        words.append("plan=true")  # all but the training, which may take hours
    done = command("-m", "robust", *words, cwd=place, PYTHONPATH=str(ROOT), ROBUST_DATA=str(lies))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=named)
def test_python_blocks_run(page: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next((trained / "runs").glob("digits-*"))
    monkeypatch.chdir(trained)
    given = "import torch\nfrom torch import Tensor\nfrom robust.perturb import Perturbation\n"
    given += "images, indices = torch.rand(4, 1, 28, 28), torch.arange(4)\n"
    namespace: dict[str, object] = {"__name__": "page"}
    for block in [given, *blocks(page, "python")]:
        exec(block.replace("runs/digits-convnet_mnist-natural-seed0-...", str(run)), namespace)
