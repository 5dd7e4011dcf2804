"""The first table: means that can be compared, a line for each kind of run."""

from collections.abc import Callable

import pandas as pd
import pytest

from robust.report import print_results
from robust.report.scores import Scores, score_table
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
    assert "Other empty cells: not tested." in found.note


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
    shown = capsys.readouterr().out
    assert "No mean" in shown
    assert "55.0" not in shown


def test_won_back_is_over_the_same_trials(rows_of: Make, suites_of: Make) -> None:
    noise = {"technique": "constant", "trained": ("noise", 0.05)}
    found = scores(
        rows_of("natural", suites_of("noise"), trials=25), rows_of("noise", suites_of("noise"), trials=2, **noise)
    )
    assert pd.isna(found.lines.set_index("title").loc["constant noise 0.05", "won"])
