"""What a report says of tests that the training contained."""

import re
from collections.abc import Callable

import pandas as pd

from robust.measure import SUITES, only_exposed
from robust.report.scores import score_table, shown_scores
from robust.report.sections import sections
from robust.report.tables import summary_table

Make = Callable[..., pd.DataFrame]


def runs(rows_of: Make, suites_of: Make) -> pd.DataFrame:
    natural = rows_of("natural", suites_of("camera", accuracy=0.4))
    noise = rows_of("noise", suites_of("camera", accuracy=0.8), technique="constant", trained=("noise", 0.05))
    rows = pd.concat([natural.assign(exposure="far"), noise.assign(exposure="far")], ignore_index=True)
    seen = (rows["run"] == "noise") & (rows["test_perturbation"] == "noise")
    rows["exposure"] = rows["exposure"].mask(seen, "seen").mask(rows["test_perturbation"] == "natural", "")
    return rows


def test_a_mean_says_how_many_of_its_conditions_were_seen(rows_of: Make, suites_of: Make) -> None:
    rows = runs(rows_of, suites_of)
    scores = score_table(summary_table(rows), rows)
    assert shown_scores(scores)["camera, %"].tolist() == ["40.0", "40.0 → 80.0 (3 of 9 seen)"]
    assert "*, seen: the training contained this perturbation" in scores.note
    assert "°" not in scores.note


def test_a_mean_over_what_was_seen_whole_has_the_mark_alone(rows_of: Make, suites_of: Make) -> None:
    rows = runs(rows_of, suites_of)
    rows = rows[~rows["test_perturbation"].isin(["blur"])]  # so that noise has a column of its own
    assert shown_scores(score_table(summary_table(rows), rows))["noise, %"].tolist() == ["40.0", "40.0 → 80.0*"]


def test_marks_are_explained_where_there_are_some(rows_of: Make, suites_of: Make) -> None:
    rows = runs(rows_of, suites_of).query("run == 'natural'")
    note = score_table(summary_table(rows), rows).note
    assert "Mean accuracy" in note
    assert not {"*", "°", "mark"} & {*re.findall(r"[*°]|mark", note)}


def test_of_rows_that_do_not_say_what_was_seen_nothing_is_marked(rows_of: Make, suites_of: Make) -> None:
    rows = runs(rows_of, suites_of).drop(columns="exposure")
    scores = score_table(summary_table(rows), rows)
    assert shown_scores(scores)["camera, %"].tolist() == ["40.0", "40.0 → 80.0"]
    assert "*" not in scores.note
    assert not [name for name in scores.lines if "exposure" in name]


def test_a_report_of_far_tests_alone_has_one_mean_beside_the_natural_model_in_the_same(rows_of, suites_of) -> None:
    rows = only_exposed(runs(rows_of, suites_of), "far")
    models, conditions = sections([], rows, exposure="far")
    shown = models.tables["models"].shown
    assert shown["all far, %"].tolist() == ["40.0 (9 conditions)", "40.0 → 80.0 (6 conditions)"]
    assert not {f"{suite}, %" for suite in SUITES} & {*shown}
    assert models.text == "Tests of exposure far alone, and the natural model in the same ones."
    of_noise = conditions.tables["conditions"].numbers.set_index("title").loc["constant noise 0.05"]
    assert "noise" not in set(of_noise["test_perturbation"])


def test_a_report_of_seen_tests_is_held_against_the_natural_model_that_has_not(rows_of, suites_of) -> None:
    rows = only_exposed(runs(rows_of, suites_of), "seen")
    shown = sections([], rows, exposure="seen")[0].tables["models"].shown
    assert shown["all seen, %"].tolist() == ["", "40.0 → 80.0 (3 conditions)"]


def test_a_model_that_was_tested_on_natural_images_alone_stands_beside_others(rows_of: Make) -> None:
    natural = rows_of("natural", {("natural", 0.0): 0.9}, exposure="")
    own = rows_of("mine", {("natural", 0.0): 0.9, ("mine", 1.0): 0.5}, technique="constant", trained=("mine", 1.0))
    own["exposure"] = own["test_perturbation"].map({"natural": "", "mine": "seen"})
    rows = pd.concat([natural, own], ignore_index=True)
    shown = shown_scores(score_table(summary_table(rows), rows))
    assert shown["mine 1, %"].tolist() == ["", "50.0*"]
    assert shown["worst condition"].tolist()[1] == "mine 1*"
