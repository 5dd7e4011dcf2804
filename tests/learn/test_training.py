import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from bare import bare_steps, trained

from robust.data import Batch, Splits, digits, to_float
from robust.experiment.compose import compose
from robust.experiment.execute import execute, train
from robust.experiment.experiment import Experiment
from robust.learn import Classifier, Constant, DivergedError, Guess, PausedError, Pausing, as_trained, doubts
from robust.runs import State, load


def weights(run: Experiment) -> dict[str, torch.Tensor]:
    return load(run.folder).state_dict()


@pytest.mark.parametrize("technique", [["technique=natural"], ["technique=constant", "perturb=hot"]])
def test_training_is_the_arithmetic_of_a_bare_loop(make_run: Callable[..., Experiment], technique: list[str]) -> None:
    run = make_run(*technique, "trainer.max_epochs=3")
    found = trained(run)

    *_, model = bare_steps(run, epochs=3)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


def test_a_seed_determines_the_weights(make_run: Callable[..., Experiment], tmp_path: Path) -> None:
    first = trained(make_run())
    torch.rand(3)
    second = trained(make_run(f"runs_dir={tmp_path / 'again'}"))
    other = trained(make_run("seed=1"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])


def test_the_curve_has_a_row_for_each_epoch(make_run: Callable[..., Experiment]) -> None:
    run = make_run("trainer.max_epochs=4")
    trained(run)
    curve = pd.read_csv(run.folder / "metrics.csv")
    assert curve["epoch"].to_list() == [0, 1, 2, 3]
    assert (curve["perturbed_share"] == 1).all()
    assert curve["train_loss"].is_monotonic_decreasing
    assert curve["train_accuracy"].between(0, 1).all()


def test_standardisation_is_fitted_to_what_the_model_is_trained_on(make_run: Callable[..., Experiment]) -> None:
    natural, noisy = trained(make_run("technique=natural")), trained(make_run())
    images = to_float(make_run().splits.train.images)
    torch.testing.assert_close(natural["standardize.mean"], images.mean(0))
    assert (natural["standardize.scale"] == 0).any(), "some border pixels are always black"
    assert (noisy["standardize.scale"] > 0).all(), "noise makes every pixel vary"


def test_a_training_that_diverges_says_so(make_run: Callable[..., Experiment]) -> None:
    run = make_run("optimizer.lr=1e30")
    run.folder.mkdir(parents=True)
    with pytest.raises(
        DivergedError,
        match=r"Training diverged: the loss is nan in epoch 0, step 1 of its 13, .*Try a smaller learning rate",
    ):
        train(run)


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"The `value` of a schedule must be from 0 to 1; got 1.5"):
        Constant(value=1.5)


BEST_OF_AVERAGES = (
    *("data.validation=0.2", "trainer.keep=best", "trainer.ema=0.9", "augment=mixup", "label_smoothing=0.1"),
    *("optimizer=sgd", "lr_scheduler=one_cycle", "trainer.accumulate_grad_batches=3", "trainer.gradient_clip_val=1"),
)
BEST_OF_CUTMIX = (
    *("data.validation=0.2", "trainer.keep=best", "trainer.patience=4", "augment=cutmix", "optimizer=adamw"),
    *("lr_scheduler=cosine", "lr_scheduler.warmup_epochs=1", "perturb.fresh=true", "data.shuffle=true"),
)


@pytest.mark.parametrize(
    ("interrupted_after", "more"),
    [(1, ()), (3, ()), (3, ("lr_scheduler=cosine",)), (2, BEST_OF_AVERAGES), (3, BEST_OF_CUTMIX)],
)
def test_a_resumed_training_ends_bit_for_bit_where_an_undisturbed_one_does(
    make_run: Callable[..., Experiment],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupted_after: int,
    more: tuple[str, ...],
) -> None:
    settings = ("trainer.max_epochs=5", "trainer.checkpoint_every_s=0", *more)
    undisturbed = trained(make_run(*settings))
    run = make_run(*settings, f"runs_dir={tmp_path / 'again'}")
    run.folder.mkdir(parents=True)

    class Stop(Exception):
        pass

    def stop(self: object, progress: float) -> float:
        if progress * 5 >= interrupted_after:
            raise Stop
        return 1.0

    with monkeypatch.context() as patch:
        patch.setattr(Constant, "__call__", stop)
        with pytest.raises(Stop):
            train(run)
    assert (run.folder / "last.ckpt").is_file()
    assert not (run.folder / "model.ckpt").exists()
    resumed = trained(run)
    assert all(torch.equal(value, resumed[name]) for name, value in undisturbed.items())
    assert pd.read_csv(run.folder / "metrics.csv")["epoch"].to_list() == [0, 1, 2, 3, 4]


def test_a_training_that_is_paused_is_saved_there_and_goes_on_bit_for_bit(
    make_run: Callable[..., Experiment], tmp_path: Path
) -> None:
    settings = ("trainer.max_epochs=3", "trainer.checkpoint_every_s=1000", *BEST_OF_AVERAGES)
    undisturbed = trained(make_run(*settings))
    run = make_run(*settings, f"runs_dir={tmp_path / 'again'}")
    status = execute(run, callbacks=[Pausing(run.files.checkpoint, lambda *_: True)])
    assert all(torch.equal(value, run.load().state_dict()[name]) for name, value in undisturbed.items())
    assert status.state is State.DONE
    run = make_run(*settings, f"runs_dir={tmp_path / 'paused'}")
    with pytest.raises(PausedError):
        execute(run, callbacks=[Pausing(run.files.checkpoint, lambda epoch, _: epoch < 2)])
    assert run.status().state is State.INTERRUPTED
    resumed = trained(run)
    assert all(torch.equal(value, resumed[name]) for name, value in undisturbed.items())
    assert pd.read_csv(run.folder / "metrics.csv")["epoch"].to_list() == [0, 1, 2]


def test_a_network_is_compiled_where_that_is_asked_for(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, *, mode: modes.append(mode))
    settings = ["technique=natural", "trainer.max_epochs=1"]
    compiled = make_run(*settings, "trainer.compile=reduce-overhead")
    trained(compiled)
    assert modes == ["reduce-overhead"]
    assert make_run(*settings).identity == compiled.identity
    with pytest.raises(ValueError, match=r"`trainer.compile` must be null or one of default, .*got fast"):
        make_run("trainer.compile=fast")


def diverging(run: Experiment, monkeypatch: pytest.MonkeyPatch, step: int) -> str:
    """What is said of a training whose loss is infinite in one step alone, counted from the first."""
    steps = 0

    def compute_loss(self: Classifier, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        nonlocal steps
        loss, shown = self.classification_loss(self.model(batch.images), batch)
        steps += 1
        return (loss / 0 if steps == step + 1 else loss), dict(shown)

    monkeypatch.setattr(Classifier, "compute_loss", compute_loss)
    run.folder.mkdir(parents=True)
    with pytest.raises(DivergedError) as error:
        train(run)
    assert not run.files.model.exists()
    return str(error.value)


@pytest.mark.parametrize(("step", "epoch", "within"), [(0, 0, 0), (17, 1, 4), (25, 1, 12)])
def test_what_diverges_is_named_by_its_epoch_and_step_up_to_the_last(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch, step: int, epoch: int, within: int
) -> None:
    told = diverging(make_run("technique=natural"), monkeypatch, step)
    assert told.startswith(
        f"Training diverged: the loss is inf in epoch {epoch}, step {within} of its 13, both counted"
    )


def test_weights_that_the_last_step_spoils_are_no_model(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = torch.optim.Adam.step

    def spoil(self: torch.optim.Adam, closure: Callable[[], float] | None = None) -> object:
        result = step(self, closure)
        weight = self.param_groups[0]["params"][0]
        if self.state[weight]["step"] == 26:
            weight.data[0] = float("nan")
        return result

    monkeypatch.setattr(torch.optim.Adam, "step", spoil)
    run = make_run("technique=natural")
    run.folder.mkdir(parents=True)
    with pytest.raises(DivergedError, match=r"Training diverged: after epoch 1 features\.0\.weight holds NaN"):
        train(run)
    assert not run.files.model.exists()
    assert not run.files.checkpoint.exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["optimizer.lr=100"], r"It has learnt (nothing|little): at the end .*optimizer\.lr"),
        (["technique=constant", "perturb=dead", "perturb.level=784"], "It has learnt nothing: .*perturbation"),
        ([], None),
    ],
)
def test_a_network_that_learnt_nothing_is_warned_of_in_the_log_and_recorded(
    make_run: Callable[..., Experiment], settings: list[str], said: str | None
) -> None:
    run = make_run("technique=natural", "evaluation=none", *settings)
    assert execute(run).state is State.DONE
    record = run.files.read_record()
    assert record is not None
    log = run.files.log.read_text()
    if said is None:
        assert record["warnings"] == []
        assert "WARNING robust" not in log
    else:
        (warning,) = record["warnings"]
        assert re.match(said, warning)
        assert warning in log


HALF = Guess(0.5, math.log(2))


@pytest.mark.parametrize(
    ("losses", "accuracies", "guess", "count", "constant", "doubtful"),
    [
        ([0.7, 0.6, 0.3], [0.5, 0.7, 0.9], HALF, 1000, True, False),
        ([0.7, 0.69], [0.5, 0.51], HALF, 1000, True, True),
        ([0.7, 0.69], [0.5, 0.56], HALF, 1000, True, False),
        ([0.7, 0.6], [0.5, 0.7], HALF, 20, True, True),  # 14 of 20 may be luck
        ([0.7, 0.1], [0.5, 1.0], HALF, 2, True, False),  # all of them
        ([9.0, 8.0], [0.6, 0.7], HALF, 1000, True, True),
        ([9.0, 8.0], [0.6, 0.7], HALF._replace(loss=None), 1000, True, False),
        ([0.0, 0.0], [1.0, 1.0], Guess(1.0, 0.0), 1000, True, True),  # of one class
        ([5.0, 5.0, 6.0], None, None, 1000, True, True),
        ([5.0, 5.0, 4.9], None, None, 1000, True, False),
        ([5.0, 6.0], None, None, 1000, False, False),  # ever more is perturbed
        ([5.0], None, None, 1000, True, False),
    ],
)
def test_doubts_are_of_chance_and_of_losses_that_never_fell(
    losses: list[float],
    accuracies: list[float] | None,
    guess: Guess | None,
    count: int,
    constant: bool,
    doubtful: bool,
) -> None:
    curve = [{"train_loss": one} for one in losses]
    for row, accuracy in zip(curve, accuracies or [], strict=False):
        row["train_accuracy"] = accuracy
    assert bool(doubts(curve, guess, count=count, constant=constant)) is doubtful


def test_a_short_training_is_judged_by_the_network_that_came_of_it(make_run: Callable[..., Experiment]) -> None:
    """One step from chance: what it recognised on the way is what the untrained network did."""
    data, module = make_run("technique=natural").build_data(), torch.nn.Sequential(torch.nn.Flatten(), Brightest())
    labels = data._train.labels
    data._train = replace(data._train, images=torch.zeros(len(labels), 1, 1, 10, dtype=torch.uint8))
    data._train.images[torch.arange(len(labels)), 0, 0, labels] = 255
    last, count = as_trained(Classifier(module, optimizer=torch.optim.SGD), data)
    assert last["train_accuracy"] == 1
    assert 1000 <= count <= 1100
    curve = [{"train_loss": 2.3, "train_accuracy": 0.1}]
    assert doubts(curve, Guess(0.1), count=count, constant=True)
    assert not doubts([{**curve[0], **last}], Guess(0.1), count=count, constant=True)


class Brightest(torch.nn.Module):
    """Names the brightest of ten pixels."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


def test_data_in_the_order_of_its_classes_are_learnt_where_they_are_shuffled(
    make_run: Callable[..., Experiment],
) -> None:
    source = [f"data.source._target_={__name__}.by_class", "~data.source.size"]
    ordered = make_run("technique=natural", "evaluation=natural", *source, "data.name=mine", "data.shuffle=true")
    assert ordered.build_data().shuffle
    assert execute(ordered).state is State.DONE
    assert ordered.files.read_rows()["accuracy"].item() > 0.6


def by_class() -> Splits:
    """The digits, sorted by class."""
    splits = digits()
    return replace(splits, train=splits.train[splits.train.labels.argsort(stable=True)])


def test_which_data_keep_their_order() -> None:
    """Those of published recipes, exact as published; all others are shuffled."""
    fixed = [name for name in ("mnist", "cifar10", "digits") if not compose([f"data={name}"]).data.shuffle]
    assert fixed == ["mnist", "cifar10", "digits"]
    assert all(compose(one).data.shuffle for one in (["data=tiny_imagenet"], ["data=folder", "data.path=x"]))
    whole = [compose(["data=mnist", *more]).data.drop_last for more in ([], ["technique=adversarial_pgd"])]
    assert whole == [True, True], "33 steps of 1,500, as published"
    assert not compose(["data=mnist", "technique=transfer"]).data.drop_last
    assert not compose().data.drop_last
