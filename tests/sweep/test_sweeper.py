import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from robust.errors import FailedError, Notice, ValidationError
from robust.experiment.compose import compose
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.experiment.search_path import SWEEPS
from robust.runs import State, claimed, write_status
from robust.sweep.jobs import list_jobs
from robust.sweep.local import launch, run_job
from robust.sweep.plan import plan, print_plan
from robust.sweep.sweeper import sweep


def jobs(*arguments: str, products: Sequence[dict[str, str]] = ({},)) -> list[list[str]]:
    return list_jobs(products, arguments, OverridesParser.create().parse_overrides)


def test_lists_on_the_command_line_are_multiplied() -> None:
    assert jobs("perturb=noise,blur", "seed=range(0,2)", "data=mnist") == [
        ["perturb=noise", "seed=0", "data=mnist"],
        ["perturb=noise", "seed=1", "data=mnist"],
        ["perturb=blur", "seed=0", "data=mnist"],
        ["perturb=blur", "seed=1", "data=mnist"],
    ]


@pytest.mark.parametrize("argument", ["~model.head", "+optimizer.weight_decay=0.1", "evaluation.conditions.hot=[1,2]"])
def test_what_is_no_list_of_values_stays_as_it_is(argument: str) -> None:
    assert jobs(argument) == [[argument]]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("seed=range(0,0)", r"`seed=range\(0,0\)` must list at least one value; got none"),
        ("seed=range(0,1000000000)", "A sweep must be of at most 100,000 runs"),
        ("optimizer.lr=interval(0,1)", r"`optimizer.lr=interval\(0,1\)` must list values, .* sweep=search"),
    ],
)
def test_what_lists_no_runs_or_too_many_is_refused(argument: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jobs(argument)


def test_zero_is_one_run_whatever_its_sign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = plan([[f"runs_dir={tmp_path}", f"perturb.level={level}"] for level in ("0", "0.0", "-0.0")])
    assert [run.identity.technique for run in found] == ["natural", "constant"]
    assert capsys.readouterr().err.startswith("checking 3 runs\n"), "what takes long is said, where no terminal is too"


def test_a_data_set_that_is_not_there_is_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def mnist(root: Path, **_: object) -> None:
        looked.append(root)
        raise RuntimeError("the download took minutes and failed")

    monkeypatch.setattr("torchvision.datasets.MNIST", mnist)
    runs = [["data=mnist", f"data.dir={tmp_path}", f"seed={seed}"] for seed in range(3)]
    with pytest.raises(ValidationError, match=r"MNIST is not in .* and 2 more"):
        plan(runs)
    assert len(looked) == 1


PRODUCTS = [{"perturb": "hot,dead", "perturb.level": "range(1,3)"}, {"perturb": "blur", "perturb.level": "0.5,1.0"}, {}]


def test_of_a_key_that_the_sweep_names_the_command_line_selects() -> None:
    assert jobs("perturb=dead,blur", "perturb.level=1", "seed=0,1", products=PRODUCTS) == [
        ["perturb=dead", "perturb.level=1", "seed=0"],
        ["perturb=dead", "perturb.level=1", "seed=1"],
        ["perturb=blur", "perturb.level=1.0", "seed=0"],
        ["perturb=blur", "perturb.level=1.0", "seed=1"],
    ]
    assert len(jobs("seed=0,1", products=PRODUCTS)) == 2 * (4 + 2 + 1)


def test_selecting_nothing_is_an_error_that_names_what_there_is() -> None:
    with pytest.raises(ValueError, match="`perturb=noise` selects no run of this sweep; it has perturb=hot,dead,blur"):
        jobs("perturb=noise", products=PRODUCTS)
    with pytest.raises(ValueError, match=r"`perturb\.level=3` selects no run of this sweep; it has perturb\.level="):
        jobs("perturb.level=1,3", products=PRODUCTS)


def titles(*arguments: str, runs_dir: Path) -> list[str]:
    planned = plan([[*job, f"runs_dir={runs_dir}"] for job in jobs(*arguments)])
    return [f"{run.identity.title} {run.identity.seed}" for run in planned]


def test_each_data_set_model_and_seed_gets_its_natural_run_once_and_first(tmp_path: Path) -> None:
    found = titles("perturb=noise,blur", "seed=0,1", "technique=constant", runs_dir=tmp_path)
    trained = ["constant noise 0.05 0", "constant noise 0.05 1", "constant blur 1 0", "constant blur 1 1"]
    assert found == ["natural 0", "natural 1", *trained]


def test_a_key_of_some_choices_goes_to_the_runs_that_have_it(tmp_path: Path) -> None:
    asked = jobs("restore=none,median,denoiser", "restore.size=3", "restore.width=4,8", "technique=natural", "seed=0")
    with pytest.warns(Notice, match=r"whose choices have such a key take restore\.size, restore\.width\.$"):
        planned = plan([[*job, f"runs_dir={tmp_path}"] for job in asked])
    assert [" ".join(run.overrides[:-1]) for run in planned if run.parents] == [
        "restore=median restore.size=3 technique=natural seed=0",
        "restore=denoiser restore.width=4 technique=natural seed=0",
        "restore=denoiser restore.width=8 technique=natural seed=0",
    ]
    with pytest.raises(ValidationError, match=r"`restore\.width` is a key of some choices, .* and 1 more\]$"):
        plan([[*job, f"runs_dir={tmp_path}"] for job in jobs("restore=none,median", "restore.width=4")])


def test_a_plan_leaves_nothing_behind(tmp_path: Path) -> None:
    plan([["technique=natural", f"runs_dir={tmp_path / 'new' / 'runs'}"]])
    assert not [*tmp_path.iterdir()]


def test_a_natural_run_that_was_asked_for_is_there_once(tmp_path: Path) -> None:
    assert titles("technique=natural", runs_dir=tmp_path) == ["natural 0"]


def test_a_plan_says_which_natural_run_each_is_compared_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, lines in (("technique=constant,transfer", 2), ("technique=constant,incremental", 0)):
        planned = plan([[*job, f"runs_dir={tmp_path}"] for job in jobs(arguments, "trainer.max_epochs=2")])
        capsys.readouterr()
        print_plan({run: run.status() for run in planned})
        said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("compared with ")]
        assert len(said) == lines
        if said:
            assert said[0].startswith("compared with natural max_epochs=2 [digits-")
            assert said[0].endswith(": constant noise")


def test_a_plan_says_how_many_attacks_there_are_to_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("technique=natural", "attack=fgsm", "attack.images=3", "seed=0,1")
    planned = plan([[*job, f"runs_dir={tmp_path}"] for job in jobs(*arguments)])
    print_plan({run: run.status() for run in planned})
    said = capsys.readouterr().out
    assert "attacks to make" in said
    assert said.split()[-1] == "60"
    print_plan({run: run.status() for run in plan([["technique=natural", f"runs_dir={tmp_path}"]])})
    assert "attacks" not in capsys.readouterr().out


def test_a_plan_tells_runs_apart_that_differ_in_their_settings_or_networks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("technique=natural", "model=convnet_mnist,resnet18", "augment=mixup,cutmix", "label_smoothing=0.1")
    print_plan({run: run.status() for run in plan([[*job, f"runs_dir={tmp_path}"] for job in jobs(*arguments)])})
    said = capsys.readouterr().out
    for model in ("convnet_mnist", "resnet18"):
        for augment in ("mixup", "cutmix"):
            assert f"natural {model} augment={augment}" in said
    assert "label_smoothing" not in said  # which all have


def test_a_plan_names_the_runs_that_others_start_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("technique=probe,finetune", "technique.start=rotation,simclr", "seed=0,1")
    planned = plan([[*job, f"runs_dir={tmp_path}"] for job in jobs(*arguments)])
    print_plan({run: run.status() for run in planned})
    assert "and 4 that these start from, of which 4 are left to do" in capsys.readouterr().out


def test_a_schedule_of_a_technique_can_be_swept(tmp_path: Path) -> None:
    found = titles("technique=incremental", "schedule@technique.share=cosine,linear", runs_dir=tmp_path)
    assert found == ["natural 0", "incremental noise 0.05 0", "incremental noise 0.05 0"]


@pytest.mark.parametrize("variant", ["blur_channels", "hot_persistent"])
def test_the_natural_run_is_tested_under_what_the_others_are(tmp_path: Path, variant: str) -> None:
    natural, trained = plan([[f"perturb={variant}", f"runs_dir={tmp_path}"]])
    assert natural.identity.folder == trained.reference_name
    tested = {condition.title for condition in natural.conditions}
    assert {condition.title for condition in trained.conditions} <= tested
    assert "noise 0.05" in tested


def test_the_natural_run_that_a_sweep_lists_is_tested_as_it_says_and_as_the_others_are(tmp_path: Path) -> None:
    natural, _ = plan(
        [[f"runs_dir={tmp_path}", *job] for job in (["perturb=noise"], ["technique=natural", "evaluation=impact"])]
    )
    tested = {condition.title for condition in natural.conditions}
    assert {"noise 0.001", "noise 0.05", "blur 0.4"} <= tested


def test_every_sweep_composes_and_has_the_models_it_says() -> None:
    counts = {}
    for path in sorted(SWEEPS.glob("*.yaml")):
        products = compose([f"sweep={path.stem}"]).sweep.products
        counts[path.stem] = sum("technique=natural" not in job for job in jobs(products=products))
    assert counts == {
        "ablation": 6,
        "attacks": 21,
        "camera": 15,
        "cifar10_on_cpu": 3,
        "digits": 120,
        "fast": 3,
        "impact": 0,
        "layers": 24,
        "natural": 27,
        "one_for_all": 9,
        "options": 51,
        "pretext": 36,
        "recipes": 27,
        "search": 22,
        "strategies": 240,
        "strategies_cifar10": 120,
        "strategies_mnist": 120,
        "without_retraining": 9,
    }


@pytest.mark.parametrize("name", ["digits", "one_for_all", "ablation"])
def test_a_sweep_can_be_planned_on_the_bundled_digits(name: str, tmp_path: Path) -> None:
    products = compose([f"sweep={name}"]).sweep.products
    parsed = jobs(products=[{**one, "data": "digits"} for one in products])
    planned = plan([[f"sweep={name}", f"runs_dir={tmp_path}", *job] for job in parsed])
    assert {"natural" in run.identity.title for run in planned} >= {True}
    assert len(planned) == len({run.folder for run in planned})


def test_perturbations_that_nothing_is_tested_under_can_be_swept(tmp_path: Path) -> None:
    natural, trained = plan([["perturb=grid", f"runs_dir={tmp_path}"]])
    assert {one.title for one in trained.conditions} == {one.title for one in natural.conditions}


@pytest.mark.parametrize("other", ["evaluation=impact", "attack=fgsm"])
def test_a_run_that_is_to_be_tested_in_two_ways_is_a_fault(other: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=f"One run cannot be tested in two ways at once: perturb=noise .*{other}"):
        plan([["perturb=noise", f"runs_dir={tmp_path}"], ["perturb=noise", other, f"runs_dir={tmp_path}"]])


def test_each_natural_run_is_tested_under_what_its_own_runs_are(tmp_path: Path) -> None:
    runs = plan([["perturb=blur_channels", "seed=0", f"runs_dir={tmp_path}"], ["seed=1", f"runs_dir={tmp_path}"]])
    tested = {run.identity.seed: {one.name for one in run.conditions} for run in runs if run.perturbation is None}
    assert "blur_channels" in tested[0]
    assert "blur_channels" not in tested[1]


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep ends with an empty page: to draw one takes longer than the runs."""
    monkeypatch.setattr("robust.report.sections", lambda *_: [])


@pytest.mark.usefixtures("no_drawing")
def test_a_run_that_another_process_left_is_taken_over(
    make_run: Callable[..., Experiment], quick: list[str], tmp_path: Path
) -> None:
    run = make_run()
    code = (
        "import json, time; from robust.files.process import this_process\n"
        "print(json.dumps(this_process()), flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    launched = []

    def passed_over(left: list[list[str]]) -> list[str]:
        launched.append(left)
        if len(launched) == 1:  # somebody else has it, and dies before we are through
            run.folder.mkdir(parents=True)
            (run.folder / "claim.json").write_bytes(other.stdout.read1())
            assert run.status().state is State.RUNNING
            other.kill()
            other.communicate()
            return [""] * len(left)
        return launch(left, pack=1)

    sweep(
        [[*quick, f"runs_dir={tmp_path / 'runs'}"], ["technique=natural", *quick, f"runs_dir={tmp_path / 'runs'}"]],
        passed_over,
    )
    assert run.status().state is State.DONE
    assert len(launched) == 2


@pytest.mark.usefixtures("no_drawing")
def test_a_run_whose_start_is_under_way_elsewhere_lets_others_go_first(quick: list[str], tmp_path: Path) -> None:
    settings = [*quick, f"runs_dir={tmp_path / 'runs'}"]
    child = ["technique=transfer", *settings]
    natural, transferred = (prepare(one) for one in (["technique=natural", *settings], child))
    transferred.folder.mkdir(parents=True)
    write_status(transferred.folder, State.FAILED, reason="the disk was full", durations_s={})
    trains = threading.Event()
    launched = []

    def elsewhere() -> None:
        with claimed(natural.folder):
            trains.set()
            time.sleep(3)

    def recorded(left: list[list[str]]) -> list[str]:
        launched.append([prepare(job).identity.technique for job in left])
        return launch(left, pack=1)

    other = threading.Thread(target=elsewhere)
    other.start()
    trains.wait()
    assert run_job(child, since=time.time()) == "", "what it starts from is another process's"
    sweep([child, ["perturb=blur", *settings]], recorded)
    other.join()
    assert launched == [["constant"], ["natural", "transfer"]]
    assert transferred.status().state is State.DONE


@pytest.mark.usefixtures("no_drawing")
def test_what_had_failed_is_tried_again_after_what_it_starts_from(quick: list[str], tmp_path: Path) -> None:
    child = ["technique=transfer", *quick, f"runs_dir={tmp_path / 'runs'}"]
    run = prepare(child)
    run.folder.mkdir(parents=True)
    write_status(run.folder, State.FAILED, reason="the disk was full", durations_s={})
    sizes = []

    def put_off(left: list[list[str]]) -> list[str]:
        """Two at a time: while one process does the natural run, the other comes upon what starts from it."""
        sizes.append(len(left))
        if len(sizes) == 1:
            natural = [job for job in left if prepare(job).identity.technique == "natural"]
            launch(natural, pack=1)
            return [""] * len(left)
        return launch(left, pack=1)

    sweep([child], put_off)
    assert sizes == [2, 1]
    assert run.status().state is State.DONE


def test_a_launcher_that_does_nothing_ends_with_what_is_to_do(quick: list[str], tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="to do: no reason known"):
        sweep([[*quick, f"runs_dir={tmp_path}"]], lambda jobs: [""] * len(jobs))
