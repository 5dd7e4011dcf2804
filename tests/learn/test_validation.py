"""Validation: what is measured after each epoch, which epoch is kept, and when it is enough."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from robust.data import to_float
from robust.experiment.execute import train
from robust.experiment.experiment import Experiment
from robust.learn import Validation
from robust.perturb import ImageRandom, key
from robust.runs import load

VALIDATED = ("data.validation=0.2", "trainer.keep=best", "trainer.checkpoint_every_s=0")


def trained(run: Experiment) -> dict[str, torch.Tensor]:
    run.folder.mkdir(parents=True, exist_ok=True)
    train(run)
    return load(run.folder).state_dict()


def curve(run: Experiment) -> pd.DataFrame:
    return pd.read_csv(run.folder / "metrics.csv")


def test_the_accuracies_are_those_of_images_natural_and_perturbed_as_the_run_perturbs(
    make_run: Callable[..., Experiment],
) -> None:
    run = make_run("data.validation=0.2", "perturb=noise", "perturb.level=0.3")
    trained(run)
    model, images = load(run.folder), run.splits.validation
    assert images is not None
    assert run.perturbation is not None
    random = ImageRandom(key("test", key("validation", 0), 0), images.places)
    natural = to_float(images.images)
    last = curve(run).iloc[-1]
    for name, seen in {
        "val_accuracy": natural,
        "val_perturbed_accuracy": run.perturbation.perturb(natural, random),
    }.items():
        right = (model(seen).argmax(1) == images.labels).double().mean().item()
        assert last[name] == pytest.approx(right, abs=1e-3)


def planted(monkeypatch: pytest.MonkeyPatch, accuracies: list[float]) -> list[dict[str, torch.Tensor]]:
    """Has epochs have these accuracies; the list returned gets the weights of each."""
    weights: list[dict[str, torch.Tensor]] = []

    def measure(self: Validation, model: nn.Module) -> dict[str, float]:
        weights.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"val_accuracy": accuracies[len(weights) - 1]}

    monkeypatch.setattr(Validation, "measure", measure)
    return weights


def test_the_best_epoch_is_kept_and_after_enough_worse_ones_it_stops_also_where_it_was_killed_there(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = planted(monkeypatch, [0.3, 0.8, 0.5, 0.8, 0.9])
    run = make_run("technique=natural", *VALIDATED, "trainer.max_epochs=5", "trainer.patience=2")
    saved = trained(run)
    assert curve(run)["epoch"].to_list() == [0, 1, 2, 3]
    assert all(torch.equal(value, weights[1][name]) for name, value in saved.items())
    run.files.model.unlink()  # as if it had been killed before it was saved
    again = trained(run)
    assert len(weights) == 4
    assert all(torch.equal(value, again[name]) for name, value in saved.items())


def test_without_keep_the_last_epoch_is_saved(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = planted(monkeypatch, [0.9, 0.1])
    saved = trained(make_run("technique=natural", "data.validation=0.2"))
    assert all(torch.equal(value, weights[1][name]) for name, value in saved.items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["trainer.keep=best"], r"`trainer.keep` must be null without validation; got best. Set data.validation=0.1"),
        (["trainer.patience=3"], r"`trainer.patience` must be null without validation; got 3"),
        (["trainer.keep=worst"], r"`trainer.keep` must be best .*, or null .*; got worst"),
        (["data.validation=1"], r"`data.validation` must be a number above 0 and below 1, or null; got 1"),
        (["data.validation=0.1", "task=rotation"], r"`data.validation` must be null with `task=rotation`; got 0.1"),
        (["label_smoothing=0.1", "task=simclr"], r"`label_smoothing` must be null with `task=simclr`; got 0.1"),
        (["augment=mixup", "task=rotation"], r"`data.augment` must be one that mixes no labels with `task=rotation`"),
        (["trainer.ema=1"], r"`trainer.ema` must be a number above 0 and below 1, or null; got 1"),
        (
            ["lr_scheduler=cosine", "lr_scheduler.warmup_epochs=2"],
            r"`lr_scheduler.warmup_epochs` must be below trainer.max_epochs, 2; got 2",
        ),
        (
            ["optimizer=sgd", "optimizer.momentum=0"],
            r"`optimizer.nesterov` must be false without momentum; got True. Set optimizer.momentum=0.9",
        ),
        (["augment=mixup", "data.augment.alpha=0"], r"`data.augment.alpha` must be a number above 0; got 0"),
        (
            ["augment=randaugment", "data.augment.magnitude=31"],
            r"`data.augment.magnitude` must be from 0 to 30; got 31",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_before_it_starts(
    make_run: Callable[..., Experiment], settings: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_run("technique=natural", *settings)


def test_a_pretrained_network_is_finetuned_with_validation_though_its_pretraining_has_none(
    make_run: Callable[..., Experiment], tmp_path: Path
) -> None:
    run = make_run("technique=finetune", "data.validation=0.2", "label_smoothing=0.1", "trainer.keep=best")
    assert run.parents[""].config.data.validation is None
    assert run.parents[""].config.label_smoothing is None
