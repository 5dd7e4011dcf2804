from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.nn import functional

from robust.data import to_float
from robust.experiment.execute import train
from robust.experiment.experiment import Experiment
from robust.learn import Constant, DivergedError
from robust.perturb import ImageRandom, key
from robust.runs import load


def weights(run: Experiment) -> dict[str, torch.Tensor]:
    return load(run.folder).state_dict()


def trained(run: Experiment) -> dict[str, torch.Tensor]:
    run.folder.mkdir(parents=True, exist_ok=True)
    train(run)
    return weights(run)


@pytest.mark.parametrize("technique", [["technique=natural"], ["technique=constant", "perturb=hot"]])
def test_training_is_the_arithmetic_of_a_bare_loop(make_run: Callable[..., Experiment], technique: list[str]) -> None:
    run = make_run(*technique, "trainer.max_epochs=3")
    found = trained(run)

    model = run.build_network()
    images, labels = to_float(run.splits.train.images), run.splits.train.labels
    if run.perturbation:
        images = run.perturbation.perturb(images, ImageRandom(key("train", 0), torch.arange(len(images))))
    model.standardize.fit([images])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(3):
        torch.manual_seed(key("epoch", 0, epoch))
        for start in range(0, 1300, 100):
            loss = functional.cross_entropy(model(images[start : start + 100]), labels[start : start + 100])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
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
        DivergedError, match=r"Training diverged: the loss of epoch 0 is nan. Try a smaller learning rate"
    ):
        train(run)


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"The `value` of a schedule must be from 0 to 1; got 1.5"):
        Constant(value=1.5)


@pytest.mark.parametrize(
    ("interrupted_after", "more"),
    [(1, ()), (3, ()), (3, ("lr_scheduler=cosine",))],
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
