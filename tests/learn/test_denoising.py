"""`task=denoise`, and `restore=denoiser`, which makes such a run first."""

from collections.abc import Callable

import pytest
import torch

import robust
from robust.data import to_float
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.perturb import ImageRandom, key
from robust.restore import Denoiser, Restored
from robust.runs import State, collect
from robust.sweep.sweeper import finish

HOT = ["perturb=hot", "perturb.level=10", "perturb.fresh=true"]


def test_it_learns_to_take_away_what_its_run_names(make_run: Callable[..., Experiment]) -> None:
    run = make_run("model=denoiser", *HOT, "trainer.max_epochs=4")
    assert execute(run).state is State.DONE
    curve = run.files.read_metrics()
    assert curve is not None
    assert curve["train_mse"].iloc[-1] < 0.5 * curve["train_mse_before"].iloc[-1]
    model = robust.load(run.folder)
    assert isinstance(model, Denoiser)
    natural = to_float(run.splits.test.images[:100])
    spoilt = run.perturbation.perturb(natural, ImageRandom(key("test"), torch.arange(100)))
    assert (model(spoilt) - natural).square().mean() < 0.5 * (spoilt - natural).square().mean()


def test_it_compares_what_is_shown_with_natural_images_augmented_alike(make_run: Callable[..., Experiment]) -> None:
    run = make_run("model=denoiser", *HOT, "augment=crop_flip")
    data = run.build_data()
    data.start_epoch(0, 1.0)
    batch = data.on_after_batch_transfer(next(data.batches(drop_last=False)), 0)
    differs = (batch.images - batch.natural).abs() > 1e-6
    assert 0 < differs.float().mean() < 0.05, "ten pixels, and nothing moved"
    again = data.augmentation(
        to_float(run.splits.train.images[batch.indices]), ImageRandom(key("augment", 0, 0), batch.indices)
    )
    assert torch.equal(batch.natural, again)
    assert run.reference is None
    assert not run.conditions, "it gives no classes"
    plain = make_run("technique=natural").build_data()
    assert plain.on_after_batch_transfer(next(plain.batches(drop_last=False)), 0).natural is None


def test_a_denoiser_is_trained_before_it_stands_before_a_network(
    make_run: Callable[..., Experiment], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["technique=natural", "recipe.denoise.max_epochs=2", "evaluation.families=[pixel]", "seed=3"]
    settings = ["restore=denoiser", "restore.perturb=hot", "restore.level=10", "restore.width=4"]
    run = make_run(*words, "label_smoothing=0.1", "data.labels=0.5", "optimizer.lr=0.02", *settings)
    learnt, plain = run.parents["restore"], run.parents[""]
    assert plain.identity == make_run(*words, "label_smoothing=0.1", "data.labels=0.5", "optimizer.lr=0.02").identity
    alone = [
        "model=denoiser",
        "technique.share.value=0.8",
        "model.width=4",
        *HOT,
        "seed=3",
        "recipe.denoise.max_epochs=2",
    ]
    own = make_run(*alone, "trainer.max_epochs=2")
    assert learnt.identity == own.identity, "the run that its own command makes, of all images, labelled or not"
    assert run.identity.technique == "natural +denoiser"
    assert execute(run).state is State.DONE
    model, denoiser = robust.load(run.folder), robust.load(learnt.folder)
    assert isinstance(model, Restored)
    images = to_float(run.splits.test.images[:9])
    assert torch.equal(model.restore(images), denoiser(images))
    assert not torch.equal(model.restore(images), images)
    finish([own])
    assert "restore=denoiser tests networks behind such a one" in capsys.readouterr().out
    exposure = collect([run.folder]).set_index("test_perturbation")["exposure"]
    assert set(exposure["hot"]) == {"seen"}, "in the training of its denoiser"
    others = ["restore.width=5", "restore.level=9", "recipe.denoise.max_epochs=3"]  # which make other denoisers
    kinds = [make_run(*words, *settings, *one).identity.kind for one in ([], *([other] for other in others))]
    assert len({*kinds}) == 4


def test_what_is_not_random_is_taken_away_too(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=natural", "restore=denoiser", "restore.perturb=blur")
    assert not run.parents["restore"].config.perturb.fresh
    adapting = make_run("technique=incremental", "perturb=hot", "restore=denoiser", "adapt=bn")
    assert adapting.parents["restore"].config.perturb.fresh
    assert adapting.parents["restore"].perturbation.name == "grid"
    assert adapting.parents[""].perturbation.name == "hot"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["model=denoiser", "technique=natural"], "`perturb` must be what is taken away with `task=denoise`; got none"),
        (["model=denoiser", "perturb=none"], "needs a perturbation"),
        (["model=denoiser", "task=classify"], "`task=classify` trains Module; got `model=denoiser`"),
        (["task=denoise", "perturb=noise", "model=convnet_mnist"], "`task=denoise` trains Restoration"),
        (["model=denoiser", "perturb=noise", "technique=transfer"], "is learnt from the start"),
        (["model=denoiser", "perturb=noise", "data.labels=0.5"], "`data.labels` must be left out"),
        (["model=denoiser", "perturb=noise", "augment=mixup"], "mixes no labels with `task=denoise`"),
        (["model=denoiser", "perturb=noise", "task.module.loss=l3"], "task.module.loss"),
        (["technique=natural", "restore=denoiser", "restore.width=0"], "`restore.width` must be a whole number from 1"),
        (["technique=natural", "restore=denoiser", "restore.perturb=nose"], "nose"),
        (["technique=natural", "restore=denoiser", "restore.perturb=none"], "perturb"),
        (["technique=natural", "restore=denoiser", "restore.level=-1"], "`restore.level` must be a number >= 0"),
    ],
)
def test_what_cannot_be_learnt_is_refused(make_run: Callable[..., Experiment], wrong: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_run(*wrong)
