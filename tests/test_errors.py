"""Wrong input, as a user gives it: one line that says what to do, a status that is not 0, nothing left behind."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from robust import cli
from robust.errors import FailedError, ParameterError, ValidationError, check, one_line, run_command, started, suggest


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`python train.py ARGUMENTS` in this process; what it said on standard error, after it failed."""

    def call(*arguments: str) -> str:
        GlobalHydra.instance().clear()
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        monkeypatch.setenv("ROBUST_DEBUG", "")  # so that what --debug leaves there is taken away again
        monkeypatch.delenv("ROBUST_DEBUG")
        monkeypatch.setattr(sys, "argv", ["train.py", f"runs_dir={tmp_path / 'runs'}", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.train()
        assert stop.value.code == 2
        return capsys.readouterr().err.strip()

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["perturb=nosie"], "error: `perturb=nosie` is not a choice. Did you mean `noise`?"),
        (["model=alexnets"], "error: `model=alexnets` is not a choice. Did you mean `alexnet`?"),
        (["evaluation.conditions.nose=[0.1]"], "error: `evaluation.conditions` names what is no perturbation: "),
        (["perturb.levl=3"], "error: `perturb.levl` is not a key. Did you mean `perturb.level`? "),
        (["trainr.max_epochs=3"], "error: `trainr.max_epochs` is not a key. Did you mean `trainer.max_epochs`? "),
        (["perturb=hot", "perturb.level=-1"], "error: `perturb.level` must be a number >= 0; got -1."),
        (["perturb=hot", "perturb.level=2.5"], "error: `perturb.level` must be a whole number; got 2.5."),
        (["perturb=hot", "perturb.level=785"], "error: `perturb.level` must be at most 784, the pixels of a 28 x 28 "),
        (
            ["perturb=blur", "perturb.level=1e308"],
            "error: `perturb.level` must be at most 28000, 1000 times the longer",
        ),
        (["perturb.level=nan"], "error: `perturb.level` must be a number >= 0; got nan."),
        (["perturb=blur", "perturb.level=abc"], "error: `perturb.level` must be a number >= 0; got abc."),
        (
            ["technique=natural", "perturb.level=1"],
            "error: `perturb.level` must be left out with `perturb=none`; got 1",
        ),
        (
            ["technique=natural", "perturb=blur"],
            "error: `technique=natural` trains on unperturbed images; got `perturb=",
        ),
        (["perturb=none"], "error: `technique=constant` needs a perturbation; got `perturb=none`. "),
        (["data.batch_size=0"], "error: `data.batch_size` must be a whole number >= 1; got 0."),
        (["trainer.max_epochs=0"], "error: `trainer.max_epochs` must be a whole number >= 1; got 0."),
        (["trainer.devices=0"], "error: `trainer.devices` must be a whole number >= 1, or auto (all GPUs); got 0."),
        (
            ["trainer.devices=3"],
            "error: `data.batch_size` must be a multiple of the 3 processes that share each batch;",
        ),
        (["trainer=ddp", "trainer.num_nodes=2"], "error: `trainer` cannot be made of these settings: `trainer.num_nod"),
        (["hydra/launcher=slurm"], "error: `hydra/launcher=slurm` launches multiruns: give -m too, also for a single "),
        (["logger=wandb", "logger.mode=dry"], "error: `logger.mode` must be online, offline, disabled, run, dryrun or"),
        (["sweep=digit"], "error: `sweep=digit` is not a choice. Did you mean `digits`? There are ablation, "),
        (["+data.none=false"], "error: `data.none` is not a key any more. It is `data.background_class`."),
        (["+rate=0.1"], "error: `rate` is not a key any more. It is `lr_scheduler`."),
        (["perturb=world"], "error: `perturb=world` is not a choice any more. It is `perturb=environment`."),
        (["+optimizer.mometum=0.9"], "error: `optimizer.mometum` is not a key: nothing reads it. Did you mean `opt"),
        (["+model.num_classes=3"], "error: `model.num_classes` is not a key: nothing reads it. "),
        (["+schedule@rate=cosine"], "error: `+schedule@rate=cosine` must set technique.share, the perturbed "),
        (["+schedule@lr_scheduler=cosine"], "error: `+schedule@lr_scheduler=cosine` must set technique.share, "),
        (["lr_scheduler=null"], "error: `lr_scheduler` must be the name of a choice; got None."),
        (["technique.name=natural"], "error: `technique.name` is what its file says; got natural. Choose another: tec"),
        (["trainer.max_epochs=2.7"], "error: `trainer.max_epochs` must be a whole number >= 1; got 2.7."),
        (["seed=true"], "error: `seed` must be a whole number >= 0; got True."),
        (["seed='3'"], "error: `seed` must be a whole number >= 0; got '3'."),
        (["recipe.scratch.lr=abc"], "error: `recipe.scratch.lr` must be a number > 0; got abc."),
        (["data=[1,2]"], "error: `data` must be the name of a choice; got [1, 2]."),
        (["~technique.share"], "error: `technique.share` must be given: a mapping that names by `_target_` "),
        (["optimizer=adamx"], "error: `optimizer=adamx` is not a choice. Did you mean `adam"),
        (["attack=autoattack"], "error: `attack=autoattack` needs the package torchattacks "),
        (["parent.optimizer.lr=x"], "error: `parent.optimizer.lr` must be a number > 0; got x. That is of the run "),
        (["seed=${nope}"], "error: `seed` refers to `nope`, and there is no such key."),
        (["data.dir=/a (2024)"], "error: `data.dir` cannot be read; got /a (2024). Where that is a name or a path"),
        (["data.dir=/mü"], "error: `data.dir` cannot be read; got /mü. Where that is a name or a path, quote it: "),
        (["data.dir=\ud800"], "error: `data.dir=\\ud800` must be UTF-8, without line breaks and other "),
        (["logger=mlflow"], "error: `logger=mlflow` is not a choice. There are none, tensorboard, wandb."),
        (["trainer.threads=0"], "error: `trainer.threads` must be a whole number >= 1, or auto (one "),
        (["seed=-1"], "error: `seed` must be a whole number >= 0; got -1."),
        (["optimizer.lr=0"], "error: `optimizer.lr` must be a number > 0; got 0."),
        (["evaluation.trials=0"], "error: `evaluation.trials` must be a whole number >= 1; got 0."),
        (["evaluation.families=[noise,fog]"], "error: `evaluation.families` must be among blur, "),
        (
            ["evaluation.conditions.hot=[785]", "perturb=hot"],
            "error: `evaluation.conditions.hot` must be at most 784, ",
        ),
        (
            ["technique=natural", "evaluation=natural", "evaluation.conditions.noise=[0.05]"],
            "error: `evaluation.conditions.noise` must be of a family that is tested; got one of noise, and "
            "`evaluation.families` are []. Set evaluation.families=[noise].",
        ),
        (
            ["camera.iso=3200"],
            "error: `camera.iso` must be left out where no camera takes pictures. Train on one (perturb=iso, or ",
        ),
        (["perturb=iso", "camera.f_number=0"], "error: `camera.f_number` must be a number > 0, or null; got 0."),
        (["perturb=iso", "perturb.level=20"], "error: `perturb.level` must be at least the sensor's base ISO, 100; "),
        (["perturb=iso", "camera.native_pixels=0.5"], "error: `camera.native_pixels` must be a number >= 1; got 0.5."),
        (["perturb=shutter", "camera.shutter=1/0"], "error: `camera.shutter` must be seconds above 0, such as 0.01 "),
        (
            ["perturb=iso", "camera=emva", "camera.sensor.gain=0"],
            "error: `camera.sensor.gain` must be a number above 0",
        ),
        (
            ["perturb=defocus", "camera.distance=0.01"],
            "error: `camera.distance` must be metres, above the focal length",
        ),
        (
            ["evaluation=capture", "evaluation.conditions.light=[0]"],
            "error: `evaluation.conditions.light` must be a number above 0; got 0.",
        ),
        (
            ["evaluation=none", "evaluation.distance=true"],
            "error: `evaluation.distance` must be false with `evaluation=n",
        ),
        (
            ["evaluation.conditions.noise=0.05"],
            "error: `evaluation.conditions.noise` must be a list such as [0.05], of triangle one for ",
        ),
        (
            ["evaluation.conditions.hot=[1.5]"],
            "error: `evaluation.conditions.hot` must be a whole number >= 0; got 1.5. ",
        ),
        (
            ["evaluation.families=noise"],
            "error: `evaluation.families` must be a list such as [noise, blur]; got noise.",
        ),
        (["model.dropout=abc"], "error: `model.dropout` must be a number; got abc."),
        (["model.pool_every=0"], "error: `model.pool_every` must be a whole number >= 1; got 0."),
        (["runs_dir=null"], "error: `runs_dir` must be a folder; got None."),
        (["data.shuffle=no"], "error: `data.shuffle` must be true or false; got no."),
        (
            ["perturb=blur", "perturb.fresh=true"],
            "error: `perturb.fresh` must be false with `perturb=blur`: nothing in",
        ),
        (["technique.share.value=2"], "error: The `value` of a schedule must be from 0 to 1; got 2. "),
        (["trainer.accelerator=banana"], "error: `trainer` cannot be made of these settings: "),
        (["optimizer._target_=torch.optim.Foo"], "error: `optimizer._target_` must be the dotted name of"),
        (
            ["technique=transfer", "technique.trainable=[layer4.*]"],
            "error: `technique.trainable` must match parameters",
        ),
        (["model.standardize=pixel"], "error: `model.standardize` must be one of feature, channel, none; got pixel."),
        (["model.activation=gelu"], "error: `model.activation` must be one of relu, tanh; got gelu."),
        (["data=folder"], "error: `data.path` must be given: data.path=VALUE."),
        (
            ["data=folder", "data.path=/not/there"],
            "error: `data.path` must be a folder of images; /not/there is not th",
        ),
        (["data=mnist", "data.dir=/not/there", "data.download=false"], "error: MNIST is not in /not/there/MNIST/raw. "),
        (["task=draw"], "error: `task=draw` is not a choice. There are "),
        (
            ["attack=gradient_sign", "attack.thresholds=[0.2,1]"],
            "error: `attack.thresholds` must be above 0 and below 1; got [0.2, 1].",
        ),
        (
            ["attack=gradient_sign", "attack.max_steps=0"],
            "error: `attack.max_steps` must be a whole number >= 1; got 0",
        ),
        (["attack=pgd", "attack.eps=8"], "error: `attack.eps` must be from 0 to 1, since images are in [0, 1]; got 8."),
        (
            ["attack=fgsm", "+attack.steps=3"],
            "error: `attack.steps` is not known to `attack=fgsm`; it takes eps, loss.",
        ),
        (
            ["technique=adversarial_pgd", "technique.objective.eps=8"],
            "error: `technique.objective.eps` must be above 0 and at most 1; got 8.",
        ),
        (
            ["technique=adversarial", "technique.objective.steps=0"],
            "error: `technique.objective.steps` must be at least",
        ),
        (["data.source.size=6"], "error: `model=convnet_mnist` does not suit `data=digits`: Images of 6 x 6 "),
    ],
)
def test_wrong_input_is_explained_in_one_line(
    call: Callable[..., str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    said = call(*arguments)
    assert said.startswith(message), said
    assert len(said.splitlines()) == 1
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True


def test_a_choice_that_lies_in_the_working_folder_is_pointed_out(
    call: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "perturb").mkdir(parents=True)
    (tmp_path / "conf" / "perturb" / "mine.yaml").touch()
    for words in (["perturb=mine"], ["perturb=mine,noise", "--multirun"]):
        said = call(*words)
        assert "`perturb=mine` is not a choice. It lies in conf: add --config-dir conf." in said


def test_every_fault_of_a_sweep_is_named_before_it_starts(call: Callable[..., str], tmp_path: Path) -> None:
    said = call("perturb=hot,noise", "perturb.level=0.5,-1", "--multirun")
    assert len([line for line in said.splitlines() if line.startswith("error: ")]) == 2
    assert "perturb=hot perturb.level=0.5]" in said
    assert "perturb=hot perturb.level=-1 and 1 more]" in said
    assert not (tmp_path / "runs").exists()


def test_a_key_of_some_choices_of_a_multirun_is_taken(call: Callable[..., str]) -> None:
    words = ("technique=natural", "restore=none,denoiser", "restore.perturb=hot", "plan=true")
    said = call(*words, "restore.level=-1", "--multirun")
    assert said.splitlines()[-1].startswith("error: `restore.level` must be a number >= 0, or null; got -1. [")
    assert "restore=none" not in said
    assert "error: `restore.widht` is" in call(*words, "restore.widht=3", "--multirun")
    assert "`restore=none,denoiser`" in call(*words[2:], words[1]), "without --multirun as it was typed"


def test_a_place_that_cannot_be_written_to_is_named(call: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    assert call().startswith(f"error: `runs_dir` must be a folder that can be written to; got {tmp_path / 'runs'} (")


def test_debug_shows_where_it_happened(call: Callable[..., str]) -> None:
    assert "Traceback" in call("perturb.level=-1", "--debug")


def test_what_was_not_foreseen_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.delenv("ROBUST_DEBUG", raising=False)
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: {}["key"])
    assert stop.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: KeyError: 'key'",
        "Unexpected error. Run again with --debug for the traceback.",
    ]


def test_an_interrupt_is_not_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as stop:
        run_command(interrupt)
    assert stop.value.code == 130
    assert "The same command continues" in capsys.readouterr().err


def test_suggestions_are_near_or_absent() -> None:
    assert suggest("blurr", ["blur", "noise"]) == " Did you mean `blur`?"
    assert suggest("zebra", ["blur", "noise"]) == ""


def test_a_message_of_several_lines_becomes_one() -> None:
    assert one_line(ValueError("first\n  second")) == "first second"


@started()
def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValidationError("one", "two"), 2, ["error: one", "error: two"]),
        (FileNotFoundError("not there"), 2, ["error: not there"]),
        (OSError(28, "No space left on device"), 1, ["error: [Errno 28] No space left on device"]),
        (FailedError("one", "two"), 1, ["error: one", "error: two"]),
    ],
)
def test_the_status_tells_a_wrong_command_from_a_failure(
    error: Exception,
    status: int,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["robust"])
    monkeypatch.delenv("ROBUST_DEBUG", raising=False)
    with pytest.raises(SystemExit) as stop:
        run_command(command)
    assert stop.value.code == status
    assert capsys.readouterr().err.splitlines() == said
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: fail(error))
    assert stop.value.code == 1, "once the work has started, no error is the command's"


def test_errors_of_several_lines_come_back_from_a_worker_process() -> None:
    for error in (ValidationError("one", "two"), FailedError("one", "two"), ParameterError("a", "small", 3, "Less.")):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_parameter_that_breaks_a_rule_is_named_with_its_value() -> None:
    check("share", 0.5, "from 0 to 1", True)
    with pytest.raises(ParameterError, match=r"^`share` must be from 0 to 1; got 2\. Give less\.$"):
        check("share", 2, "from 0 to 1", False, "Give less.")
