"""A camera that a command describes: what is trained on it, and tested under it."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from robust.errors import ValidationError
from robust.experiment.build import build_perturbation
from robust.experiment.compose import compose
from robust.experiment.conditions import build_conditions, choice_of
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.ship import _tests
from robust.perturb.camera import Camera, Iso
from robust.runs import State
from robust.sweep.plan import plan

ISO = ["technique=natural", "evaluation.families=[capture]", "evaluation.conditions.iso=[800,12800]"]


@pytest.mark.parametrize("name", ["full_frame", "phone", "machine_vision", "emva"])
def test_each_camera_takes_pictures_at_every_condition_of_capture(name: str) -> None:
    config = compose(["evaluation=capture", f"camera={name}", "camera.native_pixels=9"])
    conditions = build_conditions(config, (3, 16, 16))
    assert {one.name for one in conditions[1:]} == {
        f"{part}@{name}_9" for part in ("iso", "defocus", "shutter", "row_noise", "light")
    }
    assert {choice_of(one.name) for one in conditions[1:]} == {*config.evaluation.conditions} & {
        *("iso", "defocus", "shutter", "row_noise", "light")
    }


def test_names_of_other_perturbations_are_their_own_choices() -> None:
    assert [choice_of(name) for name in ("defocus_blur", "natural", "hot")] == ["defocus_blur", "natural", "hot"]


def test_what_is_set_of_the_camera_reaches_training_and_tests() -> None:
    config = compose(["perturb=iso", "camera=phone", "camera.native_pixels=16", "camera.sensor.read_noise=9", *ISO[1:]])
    trained, (_, tested, _) = build_perturbation(config.perturb), build_conditions(config, (1, 8, 8))
    for one in (trained, tested.perturbation):
        assert isinstance(one, Iso)
        assert (one.native_pixels, one.sensor.read_noise, one.sensor.pitch) == (16, 9, 1.4)
    assert (trained.level, tested.level) == (3200, 800)
    taken = build_perturbation(
        compose(["perturb=camera", "camera=phone", "camera.lux=2", "camera.shutter=1/8"]).perturb
    )
    assert isinstance(taken, Camera)
    assert (taken.exposure.iso, taken.exposure.shutter) == (3200, 1 / 8)
    assert taken.brightness == pytest.approx(0.65 * 2 * 0.18 / 3.14159265 / 8 / 1.8**2 * 3200 / 10)


def test_another_camera_makes_other_tests_and_no_other_natural_run(make_run: Callable[..., Experiment]) -> None:
    run = make_run(*ISO)
    assert execute(run).state is State.DONE
    assert not make_run(*ISO).is_incomplete()
    further, other = make_run(*ISO, "camera.sensor.read_noise=30"), make_run(*ISO, "camera=phone")
    assert run.identity == further.identity == other.identity
    assert {test[:2] for _, test in further.missing_tests()} == {("iso@full_frame_4", 800), ("iso@full_frame_4", 12800)}
    assert {test[:2] for _, test in other.missing_tests()} == {("iso@phone_4", 800), ("iso@phone_4", 12800)}
    assert {one.name for one, *_ in _tests(run, run.splits.test)} == {"natural", "iso@full_frame_4"}


def test_training_with_another_camera_is_another_run(make_run: Callable[..., Experiment]) -> None:
    full, phone = (make_run("perturb=iso", f"camera={name}").identity for name in ("full_frame", "phone"))
    assert full.digest != phone.digest
    assert (full.title, phone.title) == ("constant iso@full_frame_4 3200", "constant iso@phone_4 3200")


def test_one_run_is_tested_with_one_camera_at_a_time(tmp_path: Path) -> None:
    jobs = [[*ISO, f"camera={name}", f"runs_dir={tmp_path}"] for name in ("phone", "emva")]
    with pytest.raises(ValidationError, match="One run cannot be tested in two ways at once"):
        plan(jobs)


TRIANGLE = ["technique=natural", "evaluation.families=[capture]", "camera=phone", "camera.lux=100"]


def test_iso_and_f_number_are_tested_together_at_one_brightness() -> None:
    config = compose([*TRIANGLE, "evaluation.conditions.triangle={1.8: [100, 800], 8: [800]}"])
    _, *found = build_conditions(config, (3, 16, 16))
    light = 0.65 * 100 * 0.18 / math.pi
    assert [(one.name, one.level) for one in found] == [
        ("triangle@phone_4 100 lux f/1.8", 100),
        ("triangle@phone_4 100 lux f/1.8", 800),
        ("triangle@phone_4 100 lux f/8", 800),
    ]
    for one, f_number in zip(found, (1.8, 1.8, 8), strict=True):
        taken = one.perturbation
        assert isinstance(taken, Camera)
        assert taken.exposure.shutter * one.level * light / f_number**2 == pytest.approx(10)
        assert taken.brightness == 1
        assert choice_of(one.name) == "triangle"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["camera.shutter=1/8"], "`camera.shutter` must be left out"),
        (
            ["evaluation.conditions.triangle=[20]"],
            "`evaluation.conditions.triangle` must be at least .* ISO, 50; got 20",
        ),
    ],
)
def test_a_triangle_of_all_three_or_below_the_least_iso_is_refused(settings: list[str], message: str) -> None:
    config = compose([*TRIANGLE, "evaluation.conditions.triangle=[100]", *settings])
    with pytest.raises(ValueError, match=message):
        build_conditions(config, (3, 16, 16))


@pytest.mark.parametrize("levels", ["iso={2.8: [100]}", "triangle={wide: [100]}", "triangle={2.8: 100}"])
def test_only_a_triangle_is_tested_by_f_number(levels: str) -> None:
    with pytest.raises(ValueError, match=r"`evaluation\.conditions\.\w+` must be a list"):
        build_conditions(compose([*TRIANGLE, f"evaluation.conditions.{levels}"]), (3, 16, 16))


@pytest.mark.parametrize(
    ("perturb", "setting", "level"),
    [
        ("camera", "camera.iso=6400", 6400),
        ("iso", "camera.iso=6400", 6400),
        ("defocus", "camera.f_number=2", 2),
        ("shutter", "camera.shutter=1/30", 1 / 30),
        ("light", "camera.lux=3", 3),
    ],
)
def test_what_is_set_of_the_camera_is_the_level_where_no_other_is_given(
    perturb: str, setting: str, level: float
) -> None:
    def of(*overrides: str) -> float:
        built = build_perturbation(compose([f"perturb={perturb}", "camera=phone", *overrides]).perturb)
        return built.level

    assert of(setting) == pytest.approx(level)
    assert of(setting, "perturb.level=0.5" if perturb == "shutter" else "perturb.level=800") != pytest.approx(level)
    assert of() == pytest.approx({"defocus": 1.4, "shutter": 0.03, "light": 10}.get(perturb, 3200))
    key = setting.partition("=")[0]
    with pytest.raises(ValueError, match=f"`{key}` must be"):
        of(f"{key}=0")


def test_an_iso_below_the_sensors_is_refused_wherever_it_is_given() -> None:
    for overrides in (["camera.iso=20"], ["perturb.level=20"]):
        with pytest.raises(ValueError, match="at least the sensor's base ISO, 50"):
            build_perturbation(compose(["perturb=camera", "camera=phone", *overrides]).perturb)
