"""What trainings win under the common corruptions, and the claims about it."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.measure.suites import SUITES
from robust.report import numbers, sections
from robust.runs import State
from robust.studies.corruptions.claims import corruptions_claims
from robust.studies.corruptions.gains import gains_of_runs

NATURAL = (0.70, 0.71, 0.69)  # of each seed
#: by technique and kind: what is won on natural images, under noise and under all other corruptions
WON = {
    ("natural", "plain"): (0.0, 0.0, 0.0),
    ("natural", "cutout"): (0.01, -0.03, -0.03),
    ("augmix", "augmix"): (-0.02, 0.16, 0.16),
    ("transfer", "transfer"): (-0.01, 0.20, 0.02),
}


def rows(won: dict[tuple[str, str], tuple[float, float, float]] = WON, *, jitter: float = 0.001) -> pd.DataFrame:
    lines = []
    for (technique, kind), (natural, noise, others) in won.items():
        for seed, accuracy in enumerate(NATURAL):
            about = {
                "run": f"{kind}-{seed}",
                "data": "cifar10",
                "model": "fast",
                "technique": technique,
                "train_perturbation": "noise" if technique == "transfer" else "none",
                "train_level": 0.05 if technique == "transfer" else 0.0,
                "seed": seed,
                "kind": kind,
                "reference": f"{kind if technique == 'natural' else 'plain'}-{seed}",
                "trial": 0,
                "evaluation_seed": 0,
                "n": 1000,
                "expected_calibration_error": 0.1,
                "rms_calibration_error": 0.1,
                "brier_score": 0.2,
                "nll": 0.3,
                "aurc": 0.1,
            }
            varied = seed * jitter if kind != "plain" else 0
            lines.append({**about, **condition("natural", 0, accuracy + natural, "")})
            for name, level in SUITES["corruptions"]:
                noisy = name.endswith("_noise")
                exposure = "family" if technique == "transfer" and noisy else "far"
                change = (noise if noisy else others) + varied
                lines.append({**about, **condition(name, level, accuracy - 0.1 * level + change, exposure)})
    return pd.DataFrame(lines)


def condition(name: str, level: float, accuracy: float, exposure: str) -> dict[str, object]:
    return {"test_perturbation": name, "test_level": float(level), "accuracy": accuracy, "exposure": exposure}


def test_gains_are_over_the_natural_run_that_others_of_the_seed_are_compared_with() -> None:
    won = gains_of_runs(rows())
    assert not {f"plain-{seed}" for seed in range(3)} & {*won.index}
    of_cutout = won.loc["cutout-1", ["natural_won", "corruptions_won", "noise_won", "far_won"]]
    assert of_cutout.tolist() == pytest.approx([0.01, -0.029, -0.029, -0.029])
    of_transfer = won.loc["transfer-0", ["natural_won", "corruptions_won", "noise_won", "far_won"]]
    assert of_transfer.tolist() == pytest.approx([-0.01, (3 * 0.2 + 12 * 0.02) / 15, 0.2, 0.02])


def test_the_page_has_them_the_most_won_first_with_student_intervals() -> None:
    table = pd.read_csv(io.StringIO(numbers(sections([], rows()))["tables/corruptions-gains.csv"]))
    assert [title.split()[0] for title in table["title"]] == ["augmix", "transfer", "natural"]
    assert table["corruptions_won"].iloc[0] == pytest.approx(0.161)
    half = 4.302653 * 0.001 / 3**0.5
    assert table["corruptions_won_high"].iloc[0] - table["corruptions_won"].iloc[0] == pytest.approx(half, rel=1e-5)


def test_claims_are_decided_by_the_gains() -> None:
    met = corruptions_claims([], rows()).set_index("id")
    assert met["met"].to_dict() == {
        "augmix-won-least": "yes",
        "augmix-won": "yes",
        "transfer-unseen": "yes",
    }
    worse = {**WON, ("augmix", "augmix"): (0, 0.04, 0.04), ("transfer", "transfer"): (0, 0.3, 0.0)}
    met = corruptions_claims([], rows(worse)).set_index("id")
    assert met["met"].to_dict() == {"augmix-won-least": "no", "augmix-won": "no", "transfer-unseen": "no"}


def test_nothing_is_claimed_of_too_few_seeds_of_several_settings_or_without_a_natural_run() -> None:
    all_rows = rows()
    assert corruptions_claims([], all_rows[all_rows["seed"] < 2]).empty
    several = all_rows.assign(kind=all_rows["kind"].where(all_rows["seed"] > 0, all_rows["kind"] + " lr=0.1"))
    assert corruptions_claims([], several).empty
    assert corruptions_claims([], all_rows[all_rows["kind"] != "plain"]).empty
    assert corruptions_claims([Path("nowhere")], all_rows[all_rows["kind"] == "plain"]).empty


def test_a_natural_training_goes_by_its_augmentation(make_run: Callable[..., Experiment], tmp_path: Path) -> None:
    made = make_run("technique=natural", "perturb=none", "augment=cutout", "evaluation=natural")
    assert execute(made).state is State.DONE
    folders = [shutil.copytree(made.folder, tmp_path / f"cutout-{seed}") for seed in range(3)]
    assert "cutout-no-help" not in {*corruptions_claims([], rows())["id"]}
    met = corruptions_claims(folders, rows()).set_index("id")["met"]
    assert met["cutout-no-help"] == "yes"
    helped = {**WON, ("natural", "cutout"): (0.0, 0.03, 0.03)}
    assert corruptions_claims(folders, rows(helped)).set_index("id")["met"]["cutout-no-help"] == "no"


def test_a_technique_with_another_augmentation_than_most_is_another_recipe(tmp_path: Path) -> None:
    won = {**WON, ("augmix", "both"): (-0.02, 0.0, 0.0)}
    folders = []
    for kind, name in (("augmix", "CropFlip"), ("transfer", "CropFlip"), ("both", "RandAugment")):
        for seed in range(3):
            folder = tmp_path / f"{kind}-{seed}"
            folder.mkdir()
            (folder / "config.yaml").write_text(f"data: {{augment: {{_target_: robust.data.{name}}}}}\n")
            folders.append(folder)
    assert "augmix-won" not in {*corruptions_claims([], rows(won))["id"]}, "two kinds of AugMix, for all that is known"
    met = corruptions_claims(folders, rows(won)).set_index("id")["met"]
    assert met[["augmix-won", "augmix-won-least", "transfer-unseen"]].tolist() == ["yes"] * 3
