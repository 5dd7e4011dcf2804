"""A parent is the run that its own command line would make."""

from collections.abc import Callable
from pathlib import Path

import pytest

from robust.experiment.experiment import Experiment
from robust.experiment.prepare import Preparation, prepare

STARTS = ["technique=transfer", "technique=retrain", "technique=adversarial"]
FROM_SCRATCH = ["technique=constant", "technique=incremental", "technique=augmix", "technique=gaussian_half"]
OWN = ["optimizer.lr=0.123", "trainer.max_epochs=3", "data.batch_size=50"]


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Experiment]:
    """Prepares a run with the recipes of the digits."""

    def make(*overrides: str) -> Experiment:
        return prepare([f"runs_dir={tmp_path / 'runs'}", "trainer.threads=1", *overrides])

    return make


def trained(run: Experiment) -> tuple[float, int, int]:
    return run.config.optimizer.lr, run.config.trainer.max_epochs, run.config.data.batch_size


@pytest.mark.parametrize("technique", STARTS)
def test_what_a_run_starts_from_is_trained_by_its_own_recipe(
    technique: str, make_run: Callable[..., Experiment]
) -> None:
    child = make_run(technique, "seed=3", *([] if technique == "technique=transfer" else ["perturb=none"]), *OWN)
    assert trained(child) == (0.123, 3, 50)
    assert trained(child.parents[""]) == (0.01, 40, 100)
    assert child.parents[""].identity == make_run("technique=natural", "seed=3").identity


def test_a_parent_is_the_natural_run_of_the_same_command(make_run: Callable[..., Experiment]) -> None:
    shared = ["data.labels=0.5", "model.dropout=0.1", "seed=2", "trainer.precision=bf16-mixed"]
    child = make_run("technique=transfer", "perturb=blur", "perturb.level=0.5", *OWN, *shared)
    alone = make_run("technique=natural", *shared)
    assert child.parents[""].config == alone.config
    assert child.parents[""].identity == child.reference.identity == alone.identity


@pytest.mark.parametrize("technique", FROM_SCRATCH)
def test_what_is_compared_is_trained_alike(technique: str, make_run: Callable[..., Experiment]) -> None:
    run = make_run(technique, *OWN)
    assert not run.parents
    assert trained(run.reference) == trained(run) == (0.123, 3, 50)


def test_against_an_attacker_from_the_start_is_another_stage(make_run: Callable[..., Experiment]) -> None:
    assert trained(make_run("technique=adversarial_pgd", *OWN).reference) == (0.01, 40, 100)


def test_what_starts_from_pretraining_leaves_it_its_own_recipe(make_run: Callable[..., Experiment]) -> None:
    small = ["model.kernel_size=3", "model.stride=1"]
    for technique in ("finetune", "probe"):
        run = make_run(f"technique={technique}", *small, *OWN, "data.labels=0.5")
        parent = run.parents[""]
        assert (parent.config.task.name, parent.config.data.labels) == ("rotation", None)
        assert trained(parent) == (0.01, 20, 100)
        assert trained(run.reference) == (0.01, 40, 100)
        assert run.reference.config.data.labels == 0.5


def test_a_parents_settings_can_be_given(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=transfer", "parent.optimizer.lr=0.02", "parent.trainer.max_epochs=5")
    assert trained(run.parents[""])[:2] == (0.02, 5)
    assert trained(run)[0] == 0.001
    other = make_run("technique=transfer")
    assert run.identity.digest != other.identity.digest, "it starts from other weights"
    assert run.identity.folder != other.identity.folder


def test_a_parents_choices_can_be_given(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=constant", "parent.model=convnet_tiny_imagenet")
    assert (run.reference.config.model.name, run.config.model.name) == ("convnet_tiny_imagenet", "convnet_mnist")


def test_a_natural_run_is_compared_with_itself(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=natural", *OWN)
    assert run.reference is None
    assert run.reference_name == run.folder.name
    assert make_run(*OWN).reference.identity == run.identity


def test_the_last_of_two_values_holds_whatever_was_prepared_before(tmp_path: Path) -> None:
    preparation = Preparation()
    for own, given in ((0.1, 0.2), (0.2, 0.1)):
        settings = [f"runs_dir={tmp_path}", f"optimizer.lr={own}", f"parent.optimizer.lr={given}"]
        assert trained(preparation.prepare(settings).reference)[0] == given


def test_what_does_not_fit_is_refused_every_time(tmp_path: Path) -> None:
    preparation = Preparation()
    for seed in range(3):
        with pytest.raises(ValueError, match=r"`model\.pool_every` must be a whole number >= 1; got 0"):
            preparation.prepare([f"runs_dir={tmp_path}", "technique=natural", "model.pool_every=0", f"seed={seed}"])
        with pytest.raises(ValueError, match="`trainer` cannot be made"):
            preparation.prepare([f"runs_dir={tmp_path}", "technique=natural", "trainer.precision=odd", f"seed={seed}"])
