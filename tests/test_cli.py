"""`robust COMMAND ...`: help at once, wrong commands refused before anything starts, `train` as `train.py`."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from robust import cli

Command = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = ["train", "attack", "report", "collect", "store", "export", "sheet", "certify"]
COMMANDS += ["evaluate", "check", "monitor", "compare", "evidence", "dashboard", "tolerance"]
HEAVY = {"torch", "pandas", "numpy", "matplotlib", "hydra", "omegaconf", "wandb"}
ROOT = Path(__file__).parent.parent


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str]]:
    """`robust ARGUMENTS` in this process; its exit status, and what it said on standard error."""

    def call(*arguments: str) -> tuple[object, str]:
        GlobalHydra.instance().clear()
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        monkeypatch.setenv("ROBUST_DEBUG", "")  # so that what --debug leaves there is taken away again
        monkeypatch.delenv("ROBUST_DEBUG")
        monkeypatch.setattr(sys, "argv", ["/somewhere/robust", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, capsys.readouterr().err.strip()

    return call


@pytest.mark.parametrize("arguments", [[], ["--help"], *([name, "--help"] for name in COMMANDS[1:])])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    check = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('imported', *({HEAVY!r} & set(sys.modules))))\n"
        f"sys.argv = ['robust', *{arguments!r}]\n"
        "from robust.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", check], text=True, capture_output=True, check=True)
    assert done.stdout.startswith("usage: robust")
    assert done.stdout.endswith("imported\n")


def test_help_lists_the_commands_and_the_exit_statuses(command: Command) -> None:
    done = command("-m", "robust")
    assert done.returncode == 0
    assert [name for name in COMMANDS if f"\n  {name} " in done.stdout] == COMMANDS
    assert "2 the command was wrong" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_shows_two_examples_that_stand_in_the_guide(name: str, command: Command) -> None:
    done = command("-m", "robust", name, "--help")
    assert done.returncode == 0, done.stderr
    pages = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    examples = re.findall(rf"^\$ (robust {name} .*)", done.stdout, re.MULTILINE)
    assert len(examples) >= 2, done.stdout
    assert [one for one in examples if one not in pages] == []


def test_the_version_is_that_of_the_package(command: Command) -> None:
    done = command("-m", "robust", "--version")
    assert done.returncode == 0
    assert done.stdout.count(".") == 2


def test_robust_train_is_train_py(command: Command, tmp_path: Path) -> None:
    for arguments in (["-m", "perturb=hot,blur", "plan=true", f"runs_dir={tmp_path}"], ["--help"]):
        said = [command(*start, *arguments).stdout for start in (["train.py"], ["-m", "robust", "train"])]
        assert said[0] == said[1]
        assert len(said[0].splitlines()) > 3, said


def test_a_run_records_the_command_that_it_was(command: Command, quick: list[str], tmp_path: Path) -> None:
    arguments = ["train", "technique=natural", "evaluation=none", *quick, f"runs_dir={tmp_path}"]
    done = command("-m", "robust", *arguments)
    assert done.returncode == 0, done.stderr
    (status,) = tmp_path.glob("*/status.json")
    assert f'"command": "robust {" ".join(arguments)}"' in status.read_text()


def test_the_shell_completes_commands_and_what_follows_train(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def complete(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        return command("-m", "robust", "-sc", "query=bash").stdout.split()

    assert complete("robust re") == COMMANDS
    assert {"perturb=noise", "perturb=blur"} <= set(complete("robust train perturb="))
    assert (
        "complete -o nospace -o default -F hydra_bash_completion robust"
        in command("-m", "robust", "-sc", "install=bash").stdout
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reprot"], "`reprot` is not a command. Did you mean `report`?"),
        (["--verbose"], "`--verbose` is not a command"),
        (["report"], "required: RUNS"),
        (["report", "MISSING"], "MISSING must be a run's folder, or a folder that holds some; it is not there"),
        (["report", "FILE"], "FILE must be a run's folder, or a folder that holds some; it is a file"),
        (["report", "EMPTY"], "There are no finished runs in EMPTY"),
        (["report", "EMPTY", "--ot", "x"], "--ot x. Did you mean `--out`?"),
        (["report", "EMPTY", "--out", "FILE"], "--out: must be a folder; FILE is a file"),
        (["report", "EMPTY", "--out", "FILE/below"], "--out: must be a folder; FILE is a file"),
        (
            ["layers", "EMPTY"],
            "`layers` is not a command: what it showed stands on the page of the runs, robust report",
        ),
        (["pretext", "EMPTY"], "`pretext` is not a command: what it showed stands on the page of the runs"),
        (["collect", "EMPTY"], "There are no finished runs in EMPTY"),
        (["collect", "EMPTY", "--out", "EMPTY"], "--out: must name a table, not a folder; for one in it: EMPTY/rows"),
        (["export", "EMPTY"], "There are no finished runs in EMPTY"),
        (["attack"], "required: KEY=VALUE"),
        (["attack", "attack=fgsm"], "`run` must be runs' folders, or folders that hold some; got none"),
        (["attack", "run=EMPTY", "attack=fgsm"], "There are no finished runs in EMPTY"),
        (["sheet", "perturb=noise"], "FILE: must be a file that ends in .png, .svg, .pdf; got perturb=noise"),
        (["sheet", "NEW.png", "perturb=nosie"], "`perturb=nosie` is not a choice. Did you mean `noise`?"),
        (["sheet", "NEW.png", "perturb=none"], "`perturb` must name perturbations; got none"),
        (["sheet", "NEW.png", "--images", "11"], "`images` must be from 1 to 10, the number of classes; got 11"),
        (["store"], "required: FOLDER"),
        (["store", "FILE"], "FOLDER: must be a folder; FILE is a file"),
        (["store", "NEW", "--share", "1.5"], "`--share` must be from 0 to 1; got 1.5"),
        (["store", "NEW", "perturb.levl=2"], "`perturb.levl` is not a key. Did you mean `perturb.level`?"),
        (["store", "NEW", "perturb=none"], "`perturb` must name perturbations; got none"),
        (["store", "NEW", "perturb=shift", "perturb.level=3"], "`perturb.level` must be at most 1 for shift; got 3"),
        (["dashboard"], "required: --entity"),
        (["evaluate", "FILE"], "required: DATA"),
        (["evaluate", "resnet81", "digits"], "MODEL must be timm:NAME, "),
        (["evaluate", "EMPTY", "digits"], "is a folder with neither a config.json nor a run"),
        (["evaluate", "resnet18", "MISSING"], "`data` must be a choice of data, a folder of images or an .npz file"),
        (["evaluate", "resnet18", "digits"], "would have a new head"),
        (["evaluate", "resnet18", "digits", "technique=harden"], "`technique` must be left out of robust evaluate"),
        (["evaluate", "torchvision:resnet81", "digits"], "got resnet81. Did you mean `resnet18`?"),
        (["evaluate", "robust.models:ConvNett", "digits"], "robust.models has no ConvNett. Did you mean `ConvNet`?"),
        (["evaluate", "nowhere:make", "digits"], "There is no module nowhere, neither in "),
        (["evaluate", "torch.nn:Identity", "EMPTY"], "error: EMPTY holds no images. Expected train/<class>/<image>"),
        (["compare", "EMPTY"], "required: SECOND"),
        (["compare", "EMPTY", "MISSING"], "EMPTY must be a run's folder, a folder that holds some, a report's folder"),
        (["evidence", "MISSING"], "MISSING must be a run's folder, or a folder that holds some; it is not there"),
        (["evidence", "EMPTY", "--range", "noise"], "--range: must be NAME=LEVEL such as noise=0.02; got noise"),
        (["evidence", "EMPTY", "--range", "blur=1", "--range", "blur=2"], "given once for each; got blur, blur"),
        (["check", "MISSING.onnx"], "EXPORTED must be a file that robust export wrote; there is no MISSING.onnx"),
        (["check", "FILE"], "EXPORTED must be a file that ends in .onnx or .safetensors; got FILE"),
        (["train", "perturb=nosie"], "`perturb=nosie` is not a choice. Did you mean `noise`?"),
        (
            ["train", "--config-dir", "MISSING"],
            "`--config-dir` must be a folder of choices, such as conf with conf/perturb/mine.yaml in it; got MISSING, "
            "which is not there.",
        ),
    ],
)
def test_a_wrong_command_is_refused_in_one_line(
    call: Callable[..., tuple[object, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").touch()
    status, said = call(*arguments)
    assert status == 2
    assert message in said.replace(f"{tmp_path}{os.sep}", "")
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["EMPTY", "FILE"], "something was started"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_is_understood_anywhere(call: Callable[..., tuple[object, str]], tmp_path: Path, place: int) -> None:
    arguments = ["report", str(tmp_path)]
    arguments.insert(place, "--debug")
    status, said = call(*arguments)
    assert status == 2
    assert said.startswith("Traceback")
    assert "There are no finished runs" in said.splitlines()[-1]


def test_settings_may_follow_options(command: Command, tmp_path: Path) -> None:
    done = command("-m", "robust", "sheet", str(tmp_path / "a.svg"), "--images", "1", "data=digits", "perturb=hot")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.svg").is_file()


def test_an_export_that_goes_wrong_half_way_is_no_wrong_command(tmp_path: Path) -> None:
    from robust.errors import FailedError
    from robust.runs import export as room

    def export(folder: Path, out: Path, **options: object) -> dict[Path, float]:
        if folder.name == "b":
            raise FileNotFoundError("b is gone")
        return {out / folder.name: 0.0}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "export", export)
        with pytest.raises(FileNotFoundError):
            list(room.export_all([Path("b")], tmp_path, formats=["onnx"]))
        with pytest.raises(FailedError, match="b is gone"):
            list(room.export_all([Path("a"), Path("b")], tmp_path, formats=["onnx"]))
