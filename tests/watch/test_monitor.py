"""A monitor: what it says of pictures is what was done to them, and what it does not know it says."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.utils import save_image

from robust.data import to_float
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.monitor import ERRORS, MONITOR, monitor, read_monitor, said
from robust.perturb import GaussianNoise, ImageRandom, key
from robust.runs import State
from robust.watch import FEATURES_OF_NETWORK, UNKNOWN, Monitor, Sample, features, fit_monitor, measured_on

LEVELS = {"left": (1.0, 2.0, 4.0, 8.0), "right": (1.0, 2.0, 4.0, 8.0)}


def sample(name: str, level: float, *, count: int = 1500, seed: int = 0) -> Sample:
    """Pictures of eight features, of which the fifth or sixth rises with the level, bent, and being right falls."""
    random = np.random.default_rng([seed, len(name), round(100 * level)])
    found, sure = random.standard_normal((count, 8)), random.random(count)
    found[:, 0] = sure - 0.1 * level
    if name != "natural":
        found[:, 5 if name == "left" else 6] += 2 * np.log1p(level)
        found[:, 7] += 0.3 * level
    return Sample(name, level, found, random.random(count) < accuracy(level) + 0.2 * (sure - 0.5))


def accuracy(level: float) -> float:
    return 0.8 * np.exp(-level / 6) + 0.1


@pytest.fixture(scope="module")
def known() -> tuple[Monitor, pd.DataFrame]:
    made = fit_monitor(
        [sample("natural", 0), *(sample(name, one) for name, some in LEVELS.items() for one in some)], window=200
    )
    others = [("natural", 0.0), *((name, level) for name in LEVELS for level in (1.4, 2.8, 5.6))]
    return measured_on(made, [sample(*one, seed=1) for one in others])


def test_between_its_levels_it_names_the_condition_and_the_accuracy(known: tuple[Monitor, pd.DataFrame]) -> None:
    _, errors = known
    assert errors["named"].min() > 0.95
    assert (errors["estimated"] - errors["level"].map(accuracy)).abs().max() < 0.03
    perturbed = errors[errors["perturbation"] != "natural"]
    np.testing.assert_allclose(perturbed["level_named"], perturbed["level"], rtol=0.15)
    wide = pd.DataFrame(
        {"perturbation": ["a", "b"], "accuracy": [0.5, 0.5], "estimated": [0.52, 0.46], "named": [1, 0.5]}
    )
    assert "off by 3.0 points in the mean (b: 4.0), and 75% of windows" in said(wide)


def test_its_intervals_hold_new_windows_and_what_lies_near_no_curve_is_unknown(
    known: tuple[Monitor, pd.DataFrame],
) -> None:
    made, _ = known
    fresh = [window for one in (1.4, 5.6) for window in sample("left", one, seed=2).windows(200, 100)]
    looks = [(made.look(mean), right) for mean, right in fresh]
    held = np.mean([look.low <= right <= look.high for look, right in looks])
    assert held > 0.85, "of the windows that it was measured on: 95 %"
    assert np.mean([look.high - look.low for look, _ in looks]) < 0.2
    far = sample("natural", 0).features.mean(axis=0) + np.eye(8)[4] * 5
    look = made.look(far)
    assert look.condition == UNKNOWN
    assert np.isnan([look.level, look.accuracy, look.low, look.high]).all()


def test_surer_pictures_under_one_condition_are_taken_to_be_recognised_more_often(
    known: tuple[Monitor, pd.DataFrame],
) -> None:
    made = replace(known[0], far=np.full(2, np.inf))
    one = sample("left", 2.8, seed=3)
    low, high = np.quantile(one.features[:, 0], [0.25, 0.75])  # means of confidence differ by a quarter
    sure, unsure = (one.features[which] for which in (one.features[:, 0] > low, one.features[:, 0] < high))
    by_place = replace(made, slopes=np.zeros_like(made.slopes))
    gaps = [one.look(sure.mean(axis=0)).accuracy - one.look(unsure.mean(axis=0)).accuracy for one in (made, by_place)]
    assert gaps[0] > gaps[1] + 0.02 > 0.02


def test_features_are_finite_and_move_with_what_is_done() -> None:
    images = torch.rand(40, 3, 12, 16, generator=torch.Generator().manual_seed(0)) * 0.2
    images[:, :, 4:8, 4:8] += 0.6
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
    before = features(logits, images)
    assert before.isfinite().all()
    assert features(logits, torch.zeros_like(images)).isfinite().all()
    torch.testing.assert_close(before[:, 0], logits.softmax(1).amax(1))
    noisy = GaussianNoise(std=0.3).perturb(images, ImageRandom(key("test"), torch.arange(40)))
    for changed in (noisy, images.roll(3, 3), 0.5 * images):
        after = features(logits, changed)
        assert torch.equal(after[:, :FEATURES_OF_NETWORK], before[:, :FEATURES_OF_NETWORK])
        moved = (after - before).mean(0).abs() / (before.std(0) + 1e-3)
        assert moved.max() > 2
    with pytest.raises(ValueError, match="at least 8 pixels"):
        features(logits, images[:, :, :7])


@pytest.fixture
def run(make_run: Callable[..., Experiment]) -> Experiment:
    run = make_run("technique=natural", "evaluation=natural", "trainer.max_epochs=8")
    assert execute(run).state is State.DONE
    return run


def pictures(folder: Path, run: Experiment, std: float, *, count: int = 120) -> Path:
    images = run.splits.train[slice(0, count)]
    shown = to_float(images.images)
    shown = GaussianNoise(std=std).perturb(shown, ImageRandom(key("stream"), images.places)) if std else shown
    folder.mkdir()
    for place, one in enumerate(shown):
        save_image(one, folder / f"{place:03}.png")
    return folder


def test_the_command_names_what_pictures_show_and_keeps_the_monitor(
    run: Experiment, tmp_path: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    noisy = pictures(tmp_path / "noisy", run, 0.1)
    words = ["-m", "robust", "monitor", str(run.folder), str(noisy), "perturb=noise,blur", "--window", "60"]
    done = command(*words, "--out", str(tmp_path / "seen"))
    assert done.returncode == 0, done.stderr
    assert "000.png to 059.png" in done.stdout
    assert "of windows are named right" in " ".join(done.stdout.split())
    seen = pd.read_csv(tmp_path / "seen.csv")
    assert seen["condition"].tolist() == ["noise", "noise"]
    assert seen["level"].between(0.07, 0.14).all()
    assert ((seen["low"] <= seen["accuracy"]) & (seen["accuracy"] <= seen["high"])).all()
    kept = (run.folder / MONITOR).stat().st_mtime_ns
    natural = monitor(run.folder, pictures(tmp_path / "natural", run, 0), window=60, settings=["perturb=noise,blur"])
    assert natural["condition"].tolist() == ["natural", "natural"]
    assert (run.folder / MONITOR).stat().st_mtime_ns == kept
    known = read_monitor(run.files)
    assert known is not None
    (run.folder / MONITOR).unlink()
    assert run.status().state is State.DONE, "its command makes no monitor"
    errors = pd.read_parquet(run.folder / ERRORS)
    fitted = {*zip(known.names, known.levels, strict=True)}
    assert not fitted & {*errors.loc[errors["level"] > 0, ["perturbation", "level"]].itertuples(index=False, name=None)}


def test_what_cannot_be_looked_at_is_refused_before_a_monitor_is_made(run: Experiment, tmp_path: Path) -> None:
    few = pictures(tmp_path / "few", run, 0, count=30)
    (few / "notes.txt").touch()
    said = (
        r"at least 100 pictures, half of a window of 200; got 30 in .*\. 1 file .*notes.txt has no suffix of an image"
    )
    with pytest.raises(ValueError, match=said):
        monitor(run.folder, few)
    with pytest.raises(ValueError, match="`window` must be at least 20 pictures"):
        monitor(run.folder, few, window=3)
    with pytest.raises(ValueError, match="`run` must be the path of a finished run's folder; got Linear"):
        monitor(torch.nn.Linear(2, 2), few)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        monitor(run.folder, tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"got fog\. Severities of .* cannot be used here\.$"):
        monitor(run.folder, few, settings=["perturb=fog"])
    with pytest.raises(FileNotFoundError, match="no finished runs"):
        monitor(few, few)
    assert not (run.folder / MONITOR).exists()
