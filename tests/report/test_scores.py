"""The first table: means that can be compared, a line for each kind of run."""

from collections.abc import Callable

import pandas as pd
import pytest

from robust.report import print_results
from robust.report.scores import Scores, score_table, shown_scores
from robust.report.tables import summary_table

Make = Callable[..., pd.DataFrame]


def scores(*tables: pd.DataFrame) -> Scores:
    rows = pd.concat(tables, ignore_index=True)
    return score_table(summary_table(rows), rows)


def test_models_are_compared_by_the_mean_over_a_suite_that_both_went_through(rows_of: Make, suites_of: Make) -> None:
    """The usual sweep: each model is tested under its own family, the natural one under all."""
    natural = rows_of("natural", suites_of("camera", accuracy=0.4), trials=2)
    noise = rows_of("noise", suites_of("noise", accuracy=0.8), trials=2, technique="constant", trained=("noise", 0.05))
    found = scores(natural, noise)
    assert found.suites == ("pixel", "noise", "blur")
    lines = found.lines.set_index("title")
    assert lines.loc["natural", "noise"] == pytest.approx(0.405)
    assert lines.loc["constant noise 0.05", ["noise", "noise_before"]].tolist() == pytest.approx([0.805, 0.405])
    assert lines.loc["constant noise 0.05", ["pixel", "blur"]].isna().all()
    assert "Empty cells: not tested; evaluation=camera" in found.note


def test_camera_stands_for_its_families_where_all_went_through_it(rows_of: Make, suites_of: Make) -> None:
    found = scores(
        rows_of("natural", suites_of("camera", "environment")),
        rows_of("noise", suites_of("camera"), technique="constant", trained=("noise", 0.05)),
    )
    assert found.suites == ("camera", "environment")
    assert {"noise", "mean"}.isdisjoint(found.lines)


def test_a_mean_over_other_trials_than_most_have_is_empty_and_says_so(rows_of: Make, suites_of: Make) -> None:
    runs = [
        rows_of(f"run{seed}", suites_of("environment"), trials=2, seed=seed, kind=f"kind{seed}") for seed in range(2)
    ]
    found = scores(*runs, rows_of("more", suites_of("environment"), trials=25, technique="transfer"))
    assert found.lines.set_index("title")["environment"].notna().tolist() == [True, True, False]
    assert "Empty: transfer (25 trials, other than the 2 of most)." in found.note


def test_seeds_are_one_line_with_students_interval(rows_of: Make, suites_of: Make) -> None:
    runs = [
        rows_of(f"run{seed}", suites_of("noise", accuracy=accuracy), seed=seed)
        for seed, accuracy in enumerate((0.5, 0.6, 0.7))
    ]
    (line,) = scores(*runs).lines.itertuples()
    half = 4.302653 * 0.1 / 3**0.5
    assert (line.seeds, line.noise) == (3, pytest.approx(0.6))
    assert (line.noise_low, line.noise_high) == (pytest.approx(0.6 - half), pytest.approx(0.6 + half))
    lacking = scores(*runs[:2], rows_of("run2", suites_of("pixel"), seed=2))
    assert lacking.lines["noise"].isna().all() if "noise" in lacking.lines else True
    assert "noise" not in lacking.suites


def test_the_terminal_shows_no_mean_of_whatever_was_tested(
    rows_of: Make, suites_of: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    print_results(rows_of("natural", suites_of() | {("noise", 0.3): 0.2}))
    shown = " ".join(capsys.readouterr().out.split())
    assert "No mean" in shown
    assert "55.0" not in shown


def test_won_back_is_over_the_same_trials(rows_of: Make, suites_of: Make) -> None:
    noise = {"technique": "constant", "trained": ("noise", 0.05)}
    found = scores(
        rows_of("natural", suites_of("noise"), trials=25), rows_of("noise", suites_of("noise"), trials=2, **noise)
    )
    assert pd.isna(found.lines.set_index("title").loc["constant noise 0.05", "won"])


def test_a_perturbation_of_ones_own_has_a_column_where_a_run_was_trained_on_it(rows_of: Make, suites_of: Make) -> None:
    tests = suites_of() | {("brighter", 0.1): 0.7, ("brighter", 0.2): 0.4}
    own = rows_of("own", tests | {("brighter", 0.2): 0.8}, technique="constant", trained=("brighter", 0.2))
    found = scores(rows_of("natural", tests), own)
    assert (found.suites, found.conditions) == ((), ("brighter 0.2",))
    assert shown_scores(found)["brighter 0.2, %"].tolist() == ["40.0", "40.0 → 80.0"]
    assert "No mean" not in found.note


def test_conditions_that_are_equally_bad_are_said_to_be(rows_of: Make) -> None:
    tests = {("natural", 0.0): 0.9, ("noise", 0.05): 0.4, ("hot", 2.0): 0.4, ("blur", 1.0): 0.7}
    assert scores(rows_of("natural", tests)).lines["hardest"].tolist() == ["noise 0.05 (tie of 2)"]


def test_which_natural_run_each_is_compared_with_is_said_where_there_are_several(
    rows_of: Make, suites_of: Make
) -> None:
    trained = rows_of("own", suites_of(), technique="constant", trained=("noise", 0.05), reference="long")
    short, long = (rows_of(name, suites_of(), kind=name) for name in ("short", "long"))
    said = "Natural model (trained with the same settings, or what the model starts from): natural (long) for "
    assert f"{said}constant noise 0.05." in scores(short, long, trained).note
    assert "Natural model (" not in scores(long, trained).note


def test_an_interval_of_two_seeds_is_said_to_be_rough_and_of_equal_ones_left_out(
    rows_of: Make, suites_of: Make
) -> None:
    runs = [rows_of(f"run{seed}", suites_of("noise", accuracy=0.5 + 0.01 * seed), seed=seed) for seed in range(2)]
    found = scores(*runs)
    assert "From 2 seeds they are rough" in found.note
    (line,) = shown_scores(found, intervals=False).to_dict("records")
    assert (line["natural, %"], line["noise, %"]) == ("90.0", "50.5 ±6.4")


def test_a_network_that_is_only_measured_is_compared_with_nothing(rows_of: Make, suites_of: Make) -> None:
    found = scores(rows_of("net", suites_of("noise"), technique="pretrained", reference="net"))
    (line,) = shown_scores(found).to_dict("records")
    assert (line["natural, %"], line["noise, %"], line["worst accuracy, %"]) == ("90.0", "50.0", "50.0")
    assert "natural model" not in found.note
