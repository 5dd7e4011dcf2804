"""What went into the training of runs, and what their rows say of it."""

import pytest
from torch import Tensor, nn

from robust.data.store import store
from robust.experiment.build import build_splits
from robust.experiment.compose import compose
from robust.experiment.execute import execute
from robust.experiment.prepare import reopen
from robust.perturb import Perturbation, Shift
from robust.runs import RunFolder, State
from robust.runs.distances import read_distances

FEW = ["evaluation=corruptions", "+evaluation.conditions.noise=[0.05]", "evaluation.families=[noise,corruptions]"]
KEPT = ["noise", "gaussian_noise", "shot_noise", "fog"]
FEW += [
    f"~evaluation.conditions.{name}"
    for name in compose(["evaluation=corruptions"]).evaluation.conditions
    if name not in KEPT
]


class Dimmer(Perturbation):
    """Somebody's own: darkens images, shape (batch, channels, height, width)."""

    name, random, family = "dimmer", False, "colour"

    def __init__(self, *, level: float):
        super().__init__()
        self.level = level

    def apply_transform(self, images: Tensor) -> Tensor:
        return images * (1 - self.level)


def flat() -> nn.Module:
    """A network whose weights were not trained here."""
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))


GIVEN = ["model=own", f"model.path={__name__}:flat"]


def exposures(run) -> dict[str, str]:
    rows = RunFolder(run.folder).read_rows()
    return dict(zip(rows["test_perturbation"], rows["exposure"], strict=True))


def finished(run):
    status = execute(run)
    assert status.state is State.DONE, status.reason
    return run


def test_rows_say_what_the_training_contained_and_a_run_that_starts_from_another_has_seen_what_that_has(make_run):
    noisy = finished(make_run("perturb=noise", *FEW))
    known = {"natural": "", "noise": "seen", "gaussian_noise": "seen", "shot_noise": "family", "fog": "far"}
    assert exposures(noisy) == known
    tuned = make_run("technique=finetune", f"technique.start={noisy.folder}", "augment=cutout")
    assert tuned.trained_on == {"gaussian_noise": "noise", "cutout": "occlusion"}
    assert reopen(noisy.folder).trained_on == {"gaussian_noise": "noise"}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["technique=natural"], set()),
        (["technique=natural", "augment=crop_flip"], {"flip", "shift"}),
        (["technique=transfer", "perturb=grid"], {"stuck", "hot", "dead", "gaussian_noise", "gaussian_blur"}),
        (["technique=harden", "perturb=rotate", "model=resnet18"], {"rotate"}),
        (["technique=prime"], {"diffeomorphism", "colour_curve", "random_filter"}),
        (["technique=finetune"], {"rotate"}),
        (["technique=pretrained", *GIVEN], {"unknown"}),
        (["technique=retrain", "technique.start=pretrained", "augment=mixup", *GIVEN], {"mixup", "unknown"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_went_into_a_training_is_known_from_its_settings(make_run, overrides, expected):
    assert {*make_run("evaluation=natural", *overrides).trained_on} == expected


def test_stored_images_say_by_their_manifest_what_was_done_to_them(make_run, tmp_path):
    digits = build_splits(compose(["data=digits", "technique=natural"]).data)
    small = type(digits)(
        *(type(one)(one.images[:40], one.labels[:40], one.classes) for one in (digits.train, digits.test))
    )
    store(tmp_path / "moved", small, [Shift(level=0.4)], share=0.5)
    settings = ["data=folder", f"data.path={tmp_path / 'moved'}", "data.size=28", "data.channels=1"]
    run = make_run("technique=natural", "model=convnet_mnist", "evaluation=natural", *settings)
    assert run.trained_on == {"shift": "geometry"}


def test_a_perturbation_of_ones_own_is_of_the_family_that_it_says(make_run):
    own = [f"perturb.transform._target_={__name__}.Dimmer", "~perturb.transform.std", "+perturb.transform.level=0.2"]
    run = make_run("perturb=noise", "evaluation=natural", "perturb.level=0.2", *own)
    assert run.trained_on == {"dimmer": "colour"}


def test_distances_are_measured_where_that_is_asked_for_and_once(make_run):
    run = make_run("perturb=noise", *FEW, "evaluation.distance=true")
    finished(run)
    found = read_distances(run.files).set_index(["test_perturbation", "test_level"])["distance"]
    assert len(found) == 16
    assert found["noise", 0.05] < found["fog", 3.0]
    assert not run.is_incomplete()
    assert make_run(
        "perturb=noise",
        *FEW,
        "evaluation.distance=true",
        "+evaluation.conditions.blur=[1]",
        "evaluation.families=[noise,blur,corruptions]",
    ).is_incomplete()


def test_of_weights_of_others_no_distance_is_measured_and_that_is_said(make_run):
    run = make_run("technique=pretrained", *GIVEN, *FEW, "evaluation.distance=true")
    assert any("no distance" in text for text in finished(run).files.read_record()["warnings"])
    assert read_distances(run.files)["distance"].isna().all()
    assert set(exposures(run).values()) == {"", "unknown"}


def test_rows_of_before_have_no_exposure_and_stay_readable(make_run):
    run = finished(
        make_run(
            "perturb=noise", "evaluation=natural", "evaluation.families=[noise]", "+evaluation.conditions.noise=[0.05]"
        )
    )
    rows = run.files.read_rows().drop(columns="exposure")
    (run.folder / "sums.json").unlink(missing_ok=True)
    run.files.rows.write_text(rows.to_csv(index=False))
    assert (run.files.read_rows()["exposure"] == "").all()
