"""The stages of the mind's eye learn what they are for."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.runs import State, load
from robust.studies.minds_eye.tasks import assume, balanced, cut

SCENES = ["data=scenes", "technique=natural", "evaluation=natural", "data.train=32", "data.test=8"]
SCENES += ["recipe.estimate.max_epochs=2", "recipe.project.max_epochs=2"]  # of stages that others start from


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"data.cache_dir={tmp_path_factory.mktemp('scenes')}"


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, quick: list[str], cache: str) -> Callable[..., Experiment]:
    """Does a run; what several start from is done once."""
    runs_dir = f"runs_dir={tmp_path_factory.mktemp('stages')}"

    def done(*overrides: str) -> Experiment:
        run = prepare([runs_dir, *quick, *SCENES, cache, *overrides])
        status = execute(run)
        assert status.state is State.DONE, status.reason
        return run

    return done


@pytest.mark.parametrize(
    ("model", "figure"),
    [
        ("alexnet_with_parameters", "train_loss"),
        ("estimator", "train_pose_error"),
        ("projector", "train_drawing_error"),
    ],
)
def test_a_stage_gets_better_at_what_it_is_for(done: Callable[..., Experiment], model: str, figure: str) -> None:
    run = done(f"model={model}", "trainer.max_epochs=4", "data.batch_size=16")
    curve = pd.read_csv(run.folder / "metrics.csv")[figure]
    assert curve.iloc[-1] < curve.iloc[0]


def test_one_command_trains_all_stages_and_joins_them(done: Callable[..., Experiment]) -> None:
    run = done("model=triple_staged", "data.batch_size=32")
    eye, parts = load(run.folder), {part: load(parent.folder) for part, parent in run.parents.items()}
    assert sorted(parts) == ["estimator", "projector"]
    for part, stage in parts.items():
        for name, value in stage.state_dict().items():
            assert torch.equal(eye.get_submodule(part).state_dict()[name], value), (part, name)
    stages = pd.read_parquet(run.folder / "stages.parquet")
    images = run.splits.test.images.float() / 255
    with torch.inference_mode():
        scores = eye.look(images).score
    assert stages["label"].tolist() == run.splits.test.labels.tolist()
    for place, name in enumerate(("monkey", "penguin", "aeroplane")):
        torch.testing.assert_close(
            torch.tensor(stages[f"score_{name}"].to_numpy()), scores[:, place], rtol=1e-4, atol=1e-5
        )
    row = pd.read_csv(run.folder / "rows.csv").iloc[0]
    assert row["n"] == 32
    predictions = eye.predictions_at(torch.nn.functional.pad(scores, (0, 1)), [eye.threshold])[:, 0]
    assert row["accuracy"] == pytest.approx((predictions == run.splits.test.labels).float().mean().item())


@pytest.mark.parametrize("model", ["alexnet", "triple_staged"])
def test_adversarial_training_goes_on_from_the_natural_run(done: Callable[..., Experiment], model: str) -> None:
    settings = [f"model={model}", "technique=adversarial", "technique.objective.steps=2", "data.batch_size=32"]
    run = done(*settings, "trainer.max_epochs=1", "data.train=8")
    natural, hardened = (load(folder).state_dict() for folder in (run.parents[""].folder, run.folder))
    changed = {name for name, value in hardened.items() if not torch.equal(value, natural[name])}
    assert changed
    if model == "triple_staged":  # the stages that its task does not train stay as they were
        assert all(name.startswith("comparator.") for name in changed)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model=triple_staged", "task.start.estimator=projector"],
            "`task.start.estimator` must name a network that fits",
        ),
        (["model=triple_staged", "task.start.estimator=estimator.head"], "whose layers are others"),
        (["model=triple_staged", "data.background_class=false"], "`data.background_class` must be true with Patch"),
        (["model=estimator", "data.background_class=true"], "`data.background_class` must be false with Pose"),
        (
            ["model=estimator", "model.parameters=[yaw]"],
            "`model.parameters` must be as many as the images have, 3; got yaw",
        ),
        (["model=projector", "technique=adversarial"], "`technique=adversarial` must be left out with `task=project`"),
        (["model=triple_staged", "task.module.patches=1"], "`task.module.patches` must be a whole number >= 2; got 1."),
    ],
)
def test_stages_that_do_not_fit_are_refused_before_they_start(
    make_run: Callable[..., Experiment], cache: str, overrides: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_run(*SCENES, cache, *overrides, "data.batch_size=32")


def test_half_of_what_is_assumed_is_right() -> None:
    torch.manual_seed(0)
    labels = torch.arange(4).repeat(5000)
    assumed, right = assume(labels, 3)
    assert right.float().mean() == pytest.approx(0.5, abs=0.01)
    assert torch.equal(right, assumed == labels)
    assert set(assumed.tolist()) == {0, 1, 2}
    wrong = assumed[(labels == 1) & ~right]
    assert (wrong == 0).float().mean() == pytest.approx(0.5, abs=0.05)
    alone, right = assume(torch.tensor([0, 1]), 1)  # one object, and none
    assert alone.tolist() == [0, 0]
    assert right.tolist() == [True, False]


def test_patches_are_cut_where_there_is_alpha() -> None:
    seen = torch.zeros(2, 3, 64, 64)
    seen[0, 0] = torch.arange(64 * 64).view(64, 64)
    seen[0, 2, 12:22, 6:16] = 0.5  # exactly one patch, and parts of others
    patches, alike = cut(seen, torch.tensor([True, False]))
    assert patches.shape[1:] == (3, 10, 10)
    assert alike.tolist() == [1.0] * len(patches)
    corners = {int(patch[0, 0, 0]) for patch in patches}
    assert 12 * 64 + 6 in corners
    assert corners == {64 * top + left for top in (6, 12, 18) for left in (0, 6, 12)}


def test_a_batch_of_patches_is_half_alike() -> None:
    patches, alike = torch.rand(100, 3, 10, 10), (torch.arange(100) < 30).float()
    chosen, sides = balanced(patches, alike, 40)
    assert sides.tolist() == [1.0] * 20 + [0.0] * 20
    assert len(torch.unique(chosen.flatten(1), dim=0)) == 40
    assert len(balanced(patches, alike, 1000)[0]) == 60
    assert len(balanced(patches, torch.ones(100), 1000)[0]) == 0
