import json
from collections.abc import Callable

import pytest

from robust.experiment.experiment import Experiment
from robust.runs import VERSION, Identity
from robust.runs.identity import counts

NOT_THE_RUN = [
    "runs_dir=elsewhere",
    "data.dir=elsewhere",
    "data.cache_dir=elsewhere",
    "trainer.threads=2",
    "trainer.progress=false",
    "trainer.checkpoint_every_s=5",
    "evaluation=camera",
    "evaluation.trials=7",
    "plan=true",
]
THE_RUN = [
    "seed=1",
    "perturb=blur",
    "perturb.level=0.04",
    "perturb.fresh=true",
    "technique=natural",
    "technique.share.value=0.5",
    "data.batch_size=50",
    "data.shuffle=true",
    "data.source.size=20",
    "model.dropout=0.1",
    "optimizer.lr=0.02",
    "trainer.max_epochs=3",
    "trainer.precision=bf16-mixed",
    "+optimizer.weight_decay=0.1",
]


@pytest.mark.parametrize("override", NOT_THE_RUN)
def test_what_does_not_change_the_weights_does_not_change_the_folder(
    make_run: Callable[..., Experiment], override: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert make_run(override).identity == make_run().identity


def test_whatever_changes_the_weights_changes_the_folder(make_run: Callable[..., Experiment]) -> None:
    folders = {make_run(override).identity.folder for override in THE_RUN}
    assert len(folders | {make_run().identity.folder}) == len(THE_RUN) + 1


@pytest.mark.parametrize(
    ("one", "same"),
    [("perturb=blur", "perturb.level=1"), ("optimizer.lr=1", "optimizer.lr=1.0")],
)
def test_equal_numbers_are_the_same_run(make_run: Callable[..., Experiment], one: str, same: str) -> None:
    other = [one, same] if one.startswith("perturb") else [same]
    assert make_run(one).identity == make_run(*other).identity


def test_runs_of_one_kind_differ_by_their_seed_alone(make_run: Callable[..., Experiment]) -> None:
    first, second, other = make_run(), make_run("seed=1"), make_run("seed=1", "perturb.fresh=true")
    assert first.identity.kind == second.identity.kind != other.identity.kind
    assert first.reference_name == make_run("technique=natural").identity.folder


def test_a_folder_says_what_it_holds(make_run: Callable[..., Experiment]) -> None:
    name = make_run("perturb=hot", "perturb.level=7", "seed=3").identity.folder
    assert name.startswith("digits-convnet_mnist-constant-hot-7-seed3-")
    assert make_run("technique=natural").identity.folder.startswith("digits-convnet_mnist-natural-seed0-")
    assert make_run("model.dropout=0").identity.folder.startswith("digits-convnet_mnist_dropout_0-constant-noise-0.05-")


def test_an_identity_comes_back_from_its_record(make_run: Callable[..., Experiment]) -> None:
    identity = make_run().identity
    record = json.loads(json.dumps(identity.as_dict()))
    assert record["version"] == VERSION
    assert Identity.from_dict(record) == identity
    assert Identity.from_dict({**record, "version": VERSION - 1}) is None
    assert Identity.from_dict(None) is None


def test_what_the_digest_of_the_images_tells_apart_does_not_count() -> None:
    config = {"data": {"in_digest": ["mesh"]}}
    assert not counts("data.mesh", config)
    assert not counts("data.source.mesh.size", config)
    assert counts("data.mesh", {"data": {}})
