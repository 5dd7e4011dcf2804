"""`robust certify`: what was stopped goes on, nothing is made twice, attacks break no certificate, wrong words are
refused."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

import robust
from robust.certify import Counts
from robust.experiment import certify
from robust.experiment.certify import certify_runs
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.report.certificates import certificates_section, certified_accuracy
from robust.runs import RunFolder, State, find_runs
from robust.runs.certificates import ATTACKED, CERTIFICATES, read_certificates

SETTINGS = ["evaluation=natural", "trainer.threads=1", "trainer.accelerator=cpu", "trainer.progress=false"]
FEW = Counts(n0=20, n=200)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks for digits that learnt noise and ablated images, beside the natural one."""
    root = tmp_path_factory.mktemp("runs")
    for technique in (["technique=natural"], ["technique=smoothing"], ["technique=ablation", "perturb.level=80"]):
        status = execute(prepare([f"runs_dir={root}", *SETTINGS, "trainer.max_epochs=6", *technique]))
        assert status.state is State.DONE, status.reason
    return root


def run_of(runs: Path, technique: str) -> RunFolder:
    return next(RunFolder(one) for one in find_runs([runs]) if f"-{technique}-" in one.name)


def test_training_shows_noise_that_is_not_clipped_and_a_network_of_ablation_takes_ordinary_images(runs: Path) -> None:
    data = prepare([f"runs_dir={runs}", *SETTINGS, "trainer.max_epochs=6", "technique=smoothing"]).build_data()
    data.start_epoch(0, 1.0)
    shown = torch.cat([*data.training_images()])
    assert shown.min() < -0.5
    assert shown.max() > 1.5
    with pytest.raises(ValueError, match=r"`data.augment` must be null with `technique=smoothing`: it would clip"):
        prepare([f"runs_dir={runs}", "technique=smoothing", "augment=crop_flip"])
    network = robust.load(run_of(runs, "ablation").path)
    assert network(torch.rand(3, 1, 28, 28)).shape == (3, 10)
    assert RunFolder(run_of(runs, "ablation").path).read_rows()["accuracy"].max() > 0.5


@pytest.mark.parametrize(("technique", "sizes"), [("smoothing", (0.3, 3.0)), ("ablation", (1.0, 12.0))])
def test_no_attack_breaks_a_certificate(runs: Path, technique: str, sizes: tuple[float, ...]) -> None:
    folder = run_of(runs, technique)
    certify_runs([str(folder.path)], FEW, every=20, attacks=sizes)
    certified, attacked = read_certificates(folder), read_certificates(folder, ATTACKED)
    right = certified["radius"].where(certified["predicted"] == certified["label"])
    for size, after in attacked.groupby("size"):
        stands = after.set_index("image")["stands"]
        far = certified.loc[right >= size, "image"]
        assert len(far) or size != sizes[0]
        assert stands[far].all()
    lines = certified_accuracy([folder.path])
    looked = lines[lines["attacked"].notna()]
    assert sorted(looked["size"]) == list(sizes)
    assert looked["certified"].notna().tolist() == [True, False], "the larger is beyond what 200 copies certify"
    assert (looked["certified"].fillna(0) <= looked["attacked"]).all()
    assert looked["broken"].sum() == 0
    assert lines.sort_values("size")["certified"].dropna().is_monotonic_decreasing
    assert not stands.all(), "the largest attack misleads some"


def test_what_was_stopped_goes_on_as_if_nothing_had_been(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_of(runs, "ablation")
    counts = Counts(n0=5, n=20, seed=3)

    class StoppedError(Exception):
        pass

    def stop(*given: object) -> None:
        add(*given)
        raise StoppedError

    add = certify.add_certificates
    monkeypatch.setattr(certify, "_MOST", 100)
    monkeypatch.setattr(certify, "_LONGEST_S", 1e9)
    with monkeypatch.context() as patched:
        patched.setattr(certify, "add_certificates", stop)
        with pytest.raises(StoppedError):
            certify_runs([str(folder.path)], counts)
    part = read_certificates(folder)
    assert 0 < (part["seed"] == 3).sum() < 400
    certify_runs([str(folder.path)], counts)
    once = read_certificates(folder).query("seed == 3").sort_values("image", ignore_index=True)
    assert once["image"].is_unique
    (folder.path / CERTIFICATES).unlink()
    (folder.path / "sums.json").unlink()
    monkeypatch.setattr(certify, "_MOST", 37)
    certify_runs([str(folder.path)], counts)
    again = read_certificates(folder).sort_values("image", ignore_index=True)
    pd.testing.assert_frame_equal(once, again)


def test_the_command_certifies_what_was_trained_for_it_and_says_what_it_costs(
    runs: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = command("-m", "robust", "certify", str(runs), "--n", "50", "--n0", "10", "--every", "100")
    assert done.returncode == 0, done.stderr
    assert "images x 60 passes, about" in done.stderr
    assert "certified accuracy, %, by Euclidean distance" in done.stdout
    assert "certified accuracy, %, by number of faulty pixels" in done.stdout
    assert "Certificates" in Path(done.stdout.rpartition("page: ")[2].strip()).read_text()
    assert not (run_of(runs, "natural").path / CERTIFICATES).exists()
    section = certificates_section(find_runs([runs]))
    assert set(section.drawings) == set(section.tables) == {"certified-gaussian", "certified-ablation"}


def test_a_renamed_run_of_which_so_few_copies_certify_nothing_has_a_table_that_says_so(
    runs: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(run_of(runs, "smoothing").path, tmp_path / "mine")
    (folder,) = certify_runs([str(other)], Counts(n0=9, n=9), sigma=0.9, every=100)
    (table,) = certificates_section([folder]).tables.values()
    last = table.shown.iloc[-1]
    assert last[["abstained, %", "largest size", "0"]].tolist() == ["100.0", "", "beyond n"]


@pytest.mark.parametrize(
    ("which", "words", "said"),
    [
        ("natural", [], "`RUNS` must be runs of technique=smoothing or ablation; got 1 of technique=natural. "),
        ("natural", ["--keep", "5"], "`keep` must be left out with a network that was not trained with"),
        ("ablation", ["--keep", "785"], "`keep` must be at most 784, the pixels of an image of 28 x 28; got 785"),
        ("ablation", ["--keep", "5", "--sigma", "1"], "`keep` must be left out where there is a sigma"),
        ("ablation", ["--attack", "0.5"], "So it is for {run}; certify one technique at a time"),
        ("smoothing", ["--n", "50"], "`n` must be a whole number >= n0 (100); got 50"),
        ("smoothing", ["--alpha", "1.5"], "`alpha` must be a number above 0 and below 1; got 1.5"),
        ("smoothing", ["--sigma", "0"], "`sigma` must be a number above 0; got 0.0"),
        ("smoothing", ["--every", "0"], "`every` must be a whole number >= 1; got 0"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_certified(runs: Path, which: str, words: list[str], said: str):
    given = dict(zip(words[::2], map(float, words[1::2]), strict=True))
    counts = {"n": int(given.get("--n", 10_000)), "alpha": given.get("--alpha", 0.001)}
    others = {"sigma": given.get("--sigma"), "every": int(given.get("--every", 1))}
    others["keep"] = int(given["--keep"]) if "--keep" in given else None
    others["attacks"] = (given["--attack"],) if "--attack" in given else ()
    with pytest.raises(ValueError) as raised:
        certify_runs([str(run_of(runs, which).path)], Counts(**counts), **others)
    assert said.format(run=run_of(runs, which).path) in str(raised.value)
