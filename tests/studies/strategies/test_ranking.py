import pandas as pd
import pytest

from robust.report.figures import draw
from robust.studies.strategies.ranking import one_for_all, ranking, ranking_figure
from robust.studies.strategies.report import one_for_all_section

PIXELS_AND_NOISE = [("natural", 0.0), ("stuck", 2.0), ("hot", 2.0), ("dead", 2.0)]
PIXELS_AND_NOISE += [("noise", 0.0255), ("noise", 0.03775), ("noise", 0.05)]


def blurs(name="blur"):
    return [(name, 0.5), (name, 0.75), (name, 1.0)]


TEN = PIXELS_AND_NOISE + blurs()


def make_rows(technique, perturbation="none", level=0.0, *, seed=0, data="mnist", natural=0.97, tests=TEN, **others):
    """Rows of one run: `natural` everywhere but where `others` (hot=0.5) says else; two trials, a point apart."""
    run = f"{data}-{technique}-{perturbation}-{level:g}-seed{seed}"
    trained = {"data": data, "model": "convnet", "technique": technique, "train_perturbation": perturbation}
    trained |= {"run": run, "train_level": level, "seed": seed, "n": 1000, "evaluation_seed": 0}
    trained |= {"kind": f"{technique}{perturbation}{level}{data}", "reference": f"{data}-natural-none-0-seed{seed}"}
    return pd.DataFrame(
        trained
        | {"test_perturbation": name, "test_level": at, "trial": trial}
        | {"expected_calibration_error": 0.1, "rms_calibration_error": 0.1, "brier_score": 0.2, "nll": 0.3, "aurc": 0.1}
        | {"accuracy": others.get(name, natural) + (0.005, -0.005)[trial]}
        for name, at in tests
        for trial in (range(2))
    )


def test_models_are_ranked_by_their_worst_case_over_all_ten_conditions():
    rows = pd.concat(
        [
            make_rows("natural", natural=0.97, noise=0.2),
            make_rows("constant", "hot", 5.0, natural=0.98, blur=0.90),
            make_rows("transfer", "grid", 1.0, natural=0.96, dead=0.95),
        ]
    )
    table = ranking(rows)
    assert list(table["title"]) == ["transfer grid 1", "constant hot 5", "natural"]
    second = table.iloc[1]
    assert (second["natural"], second["worst"], second["mean"]) == pytest.approx((0.98, 0.90, 0.956))
    assert (second["hardest"], second["spread"]) == ("blur 0.5", pytest.approx(0.08))
    assert list(table["shortfall"]) == pytest.approx([0.02, 0.07, 0.77])


def test_seeds_are_averaged_before_the_worst_condition_is_looked_for():
    rows = pd.concat(
        [
            make_rows("constant", "hot", 5.0, seed=0, hot=0.80),
            make_rows("constant", "hot", 5.0, seed=1, dead=0.85),
        ]
    )
    (line,) = ranking(rows).itertuples()
    assert (line.seeds, line.hardest, line.worst) == (2, "hot 2", pytest.approx((0.80 + 0.97) / 2))
    assert pd.isna(line.shortfall)


def test_a_run_without_all_ten_conditions_is_not_ranked():
    rows = pd.concat(
        [
            make_rows("constant", "hot", 5.0, seed=0),
            make_rows("constant", "hot", 5.0, seed=1, tests=TEN[:-1]),
            make_rows("constant", "hot", 6.0, tests=TEN[:4]),
        ]
    )
    table = ranking(rows)
    assert list(table[["title", "seeds"]].itertuples(index=False, name=None)) == [("constant hot 5", 1)]


def test_runs_tested_on_nothing_of_the_grid_leave_an_empty_ranking():
    rows = make_rows("constant", "hot", 5.0, tests=[("fog", 2.0)])
    assert ranking(rows).empty
    assert one_for_all_section(rows).title == ""


def test_the_natural_model_is_the_measure_even_if_it_was_tested_on_natural_images_alone():
    rows = pd.concat([make_rows("natural", natural=0.99, tests=TEN[:1]), make_rows("constant", "hot", 5.0)])
    table = ranking(rows)
    assert list(table["title"]) == ["constant hot 5"]
    assert table["shortfall"][0] == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("tests", "hardest"),
    [(PIXELS_AND_NOISE + blurs("blur_channels") + blurs(), "blur_channels 0.5"), (TEN, "blur 0.5")],
    ids=["both", "one"],
)
def test_a_data_set_is_ranked_by_one_kind_of_blur(tests, hardest):
    found = {"tests": tests, "blur": 0.5, "blur_channels": 0.6}
    rows = pd.concat([make_rows("natural", **found), make_rows("constant", "hot", 5.0, **found)])
    assert list(ranking(rows)["hardest"]) == [hardest, hardest]


def test_the_blur_that_leaves_more_models_is_taken():
    both = PIXELS_AND_NOISE + blurs() + blurs("blur_channels")
    rows = pd.concat([make_rows("natural", tests=both, blur=0.5), make_rows("constant", "hot", 5.0, blur=0.6)])
    assert list(ranking(rows)["hardest"]) == ["blur 0.5", "blur 0.5"]


def test_one_for_all_counts_the_models_within_three_points_and_names_the_best():
    rows = [
        make_rows("natural", natural=0.97, noise=0.2),
        make_rows("constant", "all", 1.0, natural=0.965, noise=0.94),
        make_rows("transfer", "grid", 1.0, natural=0.96, noise=0.95),
        make_rows("natural", data="cifar10", natural=0.87, noise=0.3),
        make_rows("constant", "all", 1.0, data="cifar10", natural=0.86, hot=0.8),
    ]
    answer = one_for_all(ranking(pd.concat(rows)))
    assert "mnist: 2 of 3 models stayed within 3 points of natural accuracy (97.0 %)" in answer
    assert "The best is transfer grid 1: 96.0 % on natural images, 95.7 % on average, 95.0 % at worst" in answer
    assert "cifar10: none of 2 models stayed within 3 points" in answer
    assert (
        "The nearest is constant all 1: 86.0 % on natural images, 85.4 % on average, 80.0 % at worst of the ten (hot 2)"
        in answer
    )


def test_without_a_natural_model_there_is_nothing_to_compare_with():
    assert "the natural model was not measured" in one_for_all(ranking(make_rows("constant", "all", 1.0)))


def test_the_figure_has_a_panel_for_each_data_set_and_names_the_best_the_natural_and_what_was_trained_on_all():
    rows = [
        part
        for data in ("mnist", "cifar10")
        for part in (
            make_rows("natural", data=data, noise=0.2),
            make_rows("transfer", "grid", 1.0, data=data, noise=0.93),
            *(
                make_rows("constant", "hot", float(level), data=data, noise=0.95 - level / 100)
                for level in range(1, 11)
            ),
        )
    ]
    drawing = ranking_figure(ranking(pd.concat(rows)))
    texts = [text.get_text() for axis in drawing.figure.axes for text in axis.texts]
    assert [axis.get_title() for axis in drawing.figure.axes] == ["mnist", "cifar10"]
    assert sorted(texts) == sorted(["constant hot 1: 94.0", "transfer grid 1: 93.0", "natural: 20.0"] * 2)
    points = [len(found.get_offsets()) for found in drawing.figure.axes[0].collections]
    assert sum(points) == 12
    assert len(drawing.numbers) == 24
    assert draw(drawing.figure, "svg").startswith(b"<?xml")


def test_natural_models_alone_have_no_section():
    assert one_for_all_section(make_rows("natural")).title == ""


def test_nothing_to_draw_is_said():
    table = ranking(make_rows("constant", "hot", 5.0, tests=TEN[:4]))
    assert one_for_all(table) == ""
    with pytest.raises(ValueError, match="none was tested under all ten conditions"):
        ranking_figure(table)


def test_networks_that_are_only_measured_are_not_ranked_nor_is_one_alone():
    trained = make_rows("constant", "hot", 5.0)
    given = [make_rows(f"pretrained {name}").assign(reference=lambda rows: rows["run"]) for name in ("a", "b")]
    assert one_for_all_section(pd.concat([*given, trained])).title == ""
    section = one_for_all_section(pd.concat([*given, trained, make_rows("natural")]))
    assert len(section.tables["ranking"].numbers) == 2
