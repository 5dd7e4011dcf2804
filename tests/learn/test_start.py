from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from robust.experiment import execute as run_module
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.train import train
from robust.files import claiming
from robust.learn import copy_weights, freeze
from robust.runs import State, claimed, load, write_status

FROZEN = ["technique=transfer", "technique.trainable=[head.*]"]


def test_transfer_trains_the_natural_run_first_and_once(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("technique=transfer")
    assert execute(run).state is State.DONE
    parent = make_run("technique=natural")
    assert parent.status().state is State.DONE
    trained = []
    monkeypatch.setattr(run_module, "train", lambda run, logger, _: trained.append(run.identity.title))
    execute(make_run("technique=transfer", "perturb=blur"))
    assert trained == ["transfer blur 1"]


def test_transfer_starts_from_the_natural_weights_with_a_new_head(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=transfer", "optimizer.lr=1e-12")
    execute(run)
    natural, moved = (load(one.folder).state_dict() for one in (make_run("technique=natural"), run))
    torch.testing.assert_close(moved["features.0.weight"], natural["features.0.weight"])
    assert moved["head.0.weight"].shape == (256, 160)
    assert not torch.equal(moved["standardize.mean"], natural["standardize.mean"]), "fitted to the perturbed images"


def test_frozen_layers_keep_weights_and_statistics_and_the_head_learns(make_run: Callable[..., Experiment]) -> None:
    run = make_run(*FROZEN)
    execute(run)
    before, after = load(make_run("technique=natural").folder).state_dict(), load(run.folder).state_dict()
    same = [name for name in before if name.startswith("features.")]
    assert {"features.1.running_mean", "features.1.num_batches_tracked"} <= set(same)
    assert all(torch.equal(before[name], after[name]) for name in same)
    assert not torch.equal(after["head.0.weight"], run.build_network().state_dict()["head.0.weight"])


@pytest.mark.parametrize(
    ("technique", "learns"),
    [("harden", ("layer4", "head")), ("harden_early_late", ("stem", "layer1", "layer4", "head"))],
)
def test_hardening_goes_on_with_some_layers_and_leaves_the_rest_with_its_statistics(
    make_run: Callable[..., Experiment], technique: str, learns: tuple[str, ...]
) -> None:
    settings = (
        "model=resnet18",
        "model.stem_stride=2",
        "data.batch_size=650",
        "trainer.max_epochs=1",
        "parent.trainer.max_epochs=1",
        "parent.data.batch_size=650",
    )
    settings += ("evaluation=none", "data.source.size=8")  # small images, for speed
    run = make_run(f"technique={technique}", "perturb=environment", *settings)
    assert execute(run).state is State.DONE
    before, after = load(run.parents[""].folder).state_dict(), load(run.folder).state_dict()
    assert before.keys() == after.keys()
    changed = {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == set(learns)
    data = run.build_data()
    data.start_epoch(0, 0.5)
    assert next(iter(data.train_dataloader()))["split"] == 325, "half of each batch is natural"


def test_freezing_survives_a_resume(
    make_run: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*FROZEN, "trainer.max_epochs=4", "trainer.checkpoint_every_s=0")
    undisturbed = make_run(*settings)
    execute(undisturbed)
    run = make_run(*settings, f"runs_dir={tmp_path / 'again'}")
    execute(run.parents[""])
    run.folder.mkdir(parents=True)

    class Stop(Exception):
        pass

    def stop(self: object, progress: float) -> float:
        if progress >= 0.5:
            raise Stop
        return 1.0

    with monkeypatch.context() as patch:
        patch.setattr("robust.learn.Constant.__call__", stop)
        with pytest.raises(Stop):
            train(run)
    assert execute(run).state is State.DONE
    expected, found = (load(one.folder).state_dict() for one in (undisturbed, run))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_a_run_waits_for_the_process_that_does_its_natural_run(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("technique=transfer")
    natural, texts = run.parents[""], []
    claim = claimed(natural.folder)
    claim.__enter__()

    def let_go(text: str) -> None:
        texts.append(text)
        claim.__exit__(None, None, None)

    monkeypatch.setattr(claiming, "say", let_go)
    assert execute(run).state is State.DONE
    assert [text.partition(": ")[0] for text in texts] == [f"waiting for {natural.folder.name}"]
    assert "waited: " in natural.files.log.read_text()


def test_a_run_whose_natural_run_failed_says_so(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("technique=transfer")

    def fail(parent: Experiment, *, since: float, patient: bool) -> None:
        parent.folder.mkdir(parents=True)
        write_status(parent.folder, State.FAILED, reason="out of memory", durations_s={})

    monkeypatch.setattr(run_module, "_finish_parent", fail)
    status = execute(run)
    assert status.state is State.FAILED
    assert "The run it starts from is failed: out of memory" in status.reason


def test_another_natural_recipe_makes_another_transfer_run(make_run: Callable[..., Experiment]) -> None:
    usual, other = make_run("technique=transfer"), make_run("technique=transfer", "recipe.scratch.lr=0.02")
    assert usual.identity.folder != other.identity.folder


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def test_a_pattern_that_matches_nothing_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"'layer4.\*' matches none. There are 0.\*, 1.\*, 2.\*"):
        freeze(small(), ["2.*", "layer4.*"])


def test_weights_of_another_network_are_refused() -> None:
    weights = {**small().state_dict(), "3.weight": torch.zeros(1)}
    del weights["0.bias"]
    with pytest.raises(ValueError, match=r"of another network: 0.bias, 3.weight differ"):
        copy_weights(small(), weights)
