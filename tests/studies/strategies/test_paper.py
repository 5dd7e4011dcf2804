from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust.measure import Samples
from robust.report.figures import Drawing, draw
from robust.studies.strategies.curves import curve_figures
from robust.studies.strategies.examples import example_figures
from robust.studies.strategies.report import figures_section

NOISE = [("noise", 0.0255), ("noise", 0.03775), ("noise", 0.05)]
PIXELS = [("stuck", 2), ("hot", 2), ("dead", 2)]
BLUR = [("blur", 0.5), ("blur", 0.75), ("blur", 1.0)]


def run(
    technique: str = "natural",
    perturbation: str = "none",
    level: float = 0,
    *,
    data: str = "mnist",
    tests: list[tuple[str, float]],
    accuracy: float = 0.9,
    spread: float = 0.01,
    trials: int = 3,
    seed: int = 0,
    model: str = "",
    setting: str = "",
) -> pd.DataFrame:
    """The rows of a run: natural images at `accuracy`, the tests below it, each by 0.1 more."""
    model = model or f"convnet_{data}"
    kind = f"{data} {model} {technique} {perturbation} {level} {setting}"
    lines: list[dict[str, Any]] = [
        {"test_perturbation": "natural", "test_level": 0.0, "trial": 0, "accuracy": accuracy}
    ]
    for place, (name, strength) in enumerate(tests):
        for trial in range(1 if name.startswith("blur") else trials):
            found = accuracy - 0.1 * (place + 1) + spread * trial
            lines.append({"test_perturbation": name, "test_level": strength, "trial": trial, "accuracy": found})
    known = {"run": f"{kind} {seed}", "data": data, "model": model, "technique": technique, "seed": seed, "kind": kind}
    trained = {"train_perturbation": perturbation, "train_level": level, "n": 1000, "evaluation_seed": 0}
    calibration = {
        "expected_calibration_error": 0.1,
        "rms_calibration_error": 0.1,
        "brier_score": 0.2,
        "nll": 0.3,
        "aurc": 0.1,
    }
    return pd.DataFrame(lines).assign(
        **known, **trained, **calibration, reference=f"{data} {model} natural none 0 {setting} {seed}"
    )


def study(data: str, blur: str = "blur") -> pd.DataFrame:
    """A natural run under all tests and a run of each technique, perturbation and two levels."""
    family = {"noise": NOISE, blur: [(blur, level) for _, level in BLUR]} | dict.fromkeys(
        ("stuck", "hot", "dead"), PIXELS
    )
    every = [*PIXELS, *NOISE, *family[blur]]
    trained = [
        run(technique, name, level, data=data, tests=tests)
        for technique in ("constant", "incremental", "transfer")
        for name, tests in family.items()
        for level in (1, 2)
    ]
    return pd.concat([run(data=data, tests=every), *trained], ignore_index=True)


def panels(figure: Figure) -> dict[str, Axes]:
    return {axis.get_title(): axis for axis in figure.axes if axis.get_visible()}


def lines(axis: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """The points of every line by its label: x and percent."""
    drawn = {bar.get_label(): bar.lines[0].get_data() for bar in axis.containers}
    return {label: (list(map(float, x)), [round(float(one), 6) for one in y]) for label, (x, y) in drawn.items()}


@pytest.fixture(scope="module")
def both() -> pd.DataFrame:
    return pd.concat([study("cifar10", "blur_channels"), study("mnist")], ignore_index=True)


@pytest.fixture(scope="module")
def drawn(both: pd.DataFrame) -> dict[str, Drawing]:
    return curve_figures(both)


def test_the_figures_are_the_papers_in_its_order(drawn: dict[str, Drawing]) -> None:
    trained = [f"figure-{letter}{number}" for letter in "ABC" for number in (1, 2, 3)]
    assert list(drawn) == ["figure-4", "figure-6", "figure-8", *trained]


def test_there_are_only_figures_of_what_was_measured() -> None:
    rows = pd.concat([run(tests=PIXELS), run("transfer", "noise", 0.05, tests=NOISE)])
    assert list(curve_figures(rows)) == ["figure-4", "figure-C2"]
    assert curve_figures(rows[:0]) == {}


@pytest.mark.parametrize(("levels", "drawn"), [(3, []), (4, ["figure-4"])])
def test_a_few_levels_are_no_figure_on_the_page(levels: int, drawn: list[str]) -> None:
    drawings = figures_section([], run(tests=[("hot", level) for level in range(1, levels + 1)])).drawings
    assert list(drawings) == drawn
    assert all(one.caption.startswith("Figure 4. ") for one in drawings.values())


def test_the_impact_study_begins_at_natural_images() -> None:
    tests = [("hot", 1), ("hot", 2), ("stuck", 1), ("hot_persistent", 1), ("noise", 0.05)]
    drawing = curve_figures(pd.concat([run(tests=tests), run("constant", "hot", 1, tests=PIXELS)]))["figure-4"]
    found = lines(panels(drawing.figure)["MNIST"])
    assert found == {"hot": ([0, 1, 2], [90, 81, 71]), "stuck": ([0, 1], [90, 61])}
    assert set(drawing.numbers["test_perturbation"]) == {"natural", "hot", "stuck"}
    assert set(drawing.numbers["technique"]) == {"natural"}


def test_both_kinds_of_blur_are_told_apart(drawn: dict[str, Drawing]) -> None:
    impact = curve_figures(run(data="cifar10", tests=[*BLUR, ("blur_channels", 0.5)]))["figure-8"]
    assert set(lines(panels(impact.figure)["CIFAR-10"])) == {"blur", "blur_channels"}
    assert list(panels(drawn["figure-B3"].figure))[1] == "(b) CIFAR-10, trained on blur_channels"
    assert all("across the colour channels" in one.caption for one in (impact, drawn["figure-B3"]))


def test_panels_go_down_the_data_sets_columns(drawn: dict[str, Drawing]) -> None:
    figure = drawn["figure-A1"].figure
    figure.draw_without_rendering()
    names = [(data, kind) for data in ("MNIST", "CIFAR-10") for kind in ("stuck", "dead", "hot")]
    titles = [f"({'abcdef'[place]}) {data}, trained on {kind} pixels" for place, (data, kind) in enumerate(names)]
    boxes = [panels(figure)[title].get_position() for title in titles]
    assert len({round(box.x0, 2) for box in boxes[:3]}) == len({round(box.x0, 2) for box in boxes[3:]}) == 1
    assert boxes[0].x0 < boxes[3].x0
    assert boxes[0].y0 > boxes[1].y0 > boxes[2].y0
    assert boxes[1].y0 == pytest.approx(boxes[4].y0, abs=0.01)


def test_a_kind_of_pixels_is_in_one_row_also_where_a_data_set_has_fewer() -> None:
    rows = [run("constant", *one, tests=PIXELS) for one in (("stuck", 1), ("hot", 1))]
    figure = curve_figures(pd.concat([*rows, run("constant", "hot", 1, data="digits", tests=PIXELS)]))[
        "figure-A1"
    ].figure
    figure.draw_without_rendering()
    mnist, digits = (axis.get_position().y0 for title, axis in panels(figure).items() if "hot" in title)
    assert mnist == pytest.approx(digits, abs=0.01)


def test_retrained_models_are_shown_in_the_papers_tests_alone() -> None:
    other = [("noise", 0.01), ("hot", 2), ("blur", 1.0)]
    levels = [(0.05, 0.9), (0.001, 0.8)]
    trained = [run("constant", "noise", level, tests=[*NOISE, *other], accuracy=found) for level, found in levels]
    trained += [run("constant", name, 1, tests=NOISE) for name in ("all", "noise_persistent")]
    figure = curve_figures(pd.concat(trained))["figure-A2"].figure
    assert lines(panels(figure)["MNIST, trained on noise"]) == {
        "natural images": ([0.001, 0.05], [80, 90]),
        "noise 0.0255": ([0.001, 0.05], [71, 81]),
        "noise 0.03775": ([0.001, 0.05], [61, 71]),
        "noise 0.05": ([0.001, 0.05], [51, 61]),
    }


def test_a_level_that_was_rounded_on_its_way_is_the_same_level() -> None:
    rows = run("constant", "noise", 0.05, tests=[("noise", np.nextafter(0.03775, 1))])
    assert len(curve_figures(rows)["figure-A2"].numbers) == 2


def test_points_are_means_over_seeds_and_bars_are_over_all_trials() -> None:
    rows = [run(tests=[("hot", 1)], accuracy=found, trials=n, seed=n) for found, n in ((0.9, 2), (0.8, 4))]
    drawing = curve_figures(pd.concat(rows))["figure-4"]
    hot = drawing.numbers.set_index("test_perturbation").loc["hot"]
    accuracies = [0.80, 0.81, 0.70, 0.71, 0.72, 0.73]
    assert (hot["seeds"], hot["trials"]) == (2, 4)
    assert hot["mean"] == pytest.approx((0.805 + 0.715) / 2)
    assert hot["std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert "standard deviations over 4 trials of 2 seeds" in drawing.caption


def test_blur_has_no_bars_for_one_seed_and_has_for_two() -> None:
    seeds = [run("incremental", "blur", 1, tests=BLUR, seed=seed, accuracy=0.9 + 0.02 * seed) for seed in (0, 1)]
    one, two = (curve_figures(pd.concat(seeds[:count]))["figure-B3"] for count in (1, 2))
    assert one.numbers["std"].isna().all()
    assert "No error bars: 1 trial of 1 seed" in one.caption
    assert two.numbers["std"].to_list() == pytest.approx([0.02 / 2**0.5] * 4)
    assert "1 trial of 2 seeds" in two.caption


def test_runs_of_another_network_or_setting_are_not_mixed_in() -> None:
    changed = run(tests=PIXELS, accuracy=0.5, model="convnet_mnist dropout=0.0 units=[8, 8]")
    once = run(tests=PIXELS, accuracy=0.6, setting="longer")
    seeds = [run(tests=PIXELS, accuracy=0.9, seed=seed) for seed in (0, 1)]
    drawing = curve_figures(pd.concat([changed, once, *seeds]))["figure-4"]
    assert lines(panels(drawing.figure)["MNIST"])["stuck"] == ([0, 2], [90, 81])
    assert "Left out: 2 runs" in drawing.caption


def test_a_changed_network_is_shown_where_there_is_no_other() -> None:
    changed = run(tests=PIXELS, accuracy=0.5, model="convnet_mnist dropout=0.0")
    drawing = curve_figures(pd.concat([run(tests=NOISE), changed]))["figure-4"]
    assert lines(panels(drawing.figure)["MNIST"])["stuck"] == ([0, 2], [50, 41])


def test_of_two_settings_the_one_of_most_runs_is_followed_through() -> None:
    """Longer trainings at one level, better by chance, do not stand in the line of the others."""
    usual = [run("constant", "hot", level, tests=PIXELS, accuracy=0.8) for level in (1, 2, 3)]
    longer = run("constant", "hot", 2, tests=PIXELS, accuracy=0.95, setting="longer")
    natural = [run(tests=[], accuracy=0.7), run(tests=[], accuracy=0.75, setting="longer")]
    drawing = curve_figures(pd.concat([longer, *natural, *usual]))["figure-A1"]
    axis = panels(drawing.figure)["MNIST, trained on hot pixels"]
    assert lines(axis)["natural images"] == ([1, 2, 3], [80, 80, 80])
    before = next(line for line in axis.lines if line.get_label() == "natural model")
    assert before.get_ydata()[0] == pytest.approx(70)


def test_a_level_that_only_another_setting_has_is_no_point_of_the_line() -> None:
    usual = [run("constant", "hot", level, tests=PIXELS, accuracy=0.8) for level in (1, 2, 3)]
    once = run("constant", "hot", 12, tests=PIXELS, accuracy=0.95, setting="short")
    natural = [run(tests=[], accuracy=0.7), run(tests=[], accuracy=0.75, setting="short")]
    drawing = curve_figures(pd.concat([once, *natural, *usual]))["figure-A1"]
    assert lines(panels(drawing.figure)["MNIST, trained on hot pixels"])["natural images"][0] == [1, 2, 3]
    assert "Left out: 1 run of" in drawing.caption


def test_of_kinds_that_only_their_accuracy_tells_apart_none_is_drawn() -> None:
    names = ["x", "y", "x", "y"]
    full = [run("transfer", "hot", n, tests=PIXELS, accuracy=0.9, setting=names[n]) for n in range(4)]
    other = [run("transfer", "hot", n, tests=PIXELS, accuracy=0.8, setting=names[n - 1]) for n in range(4)]
    together = pd.concat([*other, *full]).assign(reference="the natural run")
    assert "figure-C1" not in curve_figures(together)


def test_every_point_that_is_drawn_is_in_the_numbers(drawn: dict[str, Drawing]) -> None:
    for name, drawing in drawn.items():
        x = "train_level" if name[-2] in "ABC" else "test_level"
        numbers = set(zip(drawing.numbers[x], (100 * drawing.numbers["mean"]).round(6), strict=True))
        found = [lines(axis) for axis in panels(drawing.figure).values()]
        shown = {point for one in found for line in one.values() for point in zip(*line, strict=True)}
        before = {(0.0, 90.0)}  # a horizontal line in the figures of the techniques
        assert shown | before == numbers, name


def test_no_bar_is_cut_off_and_a_data_set_has_one_range(both: pd.DataFrame) -> None:
    weak = run("constant", "hot", 9, tests=PIXELS, accuracy=0.35, spread=0.05)
    rows = both[both["train_perturbation"].isin(["hot", "stuck"]) & (both["technique"] == "constant")]
    drawing = curve_figures(pd.concat([rows, weak]))["figure-A1"]
    ranges = {title: axis.get_ylim() for title, axis in panels(drawing.figure).items()}
    for data, shown in (("mnist", "MNIST"), ("cifar10", "CIFAR-10")):
        [(low, high)] = {limits for title, limits in ranges.items() if shown in title}
        numbers = drawing.numbers[drawing.numbers["data"] == data].fillna({"std": 0})
        assert low < 100 * (numbers["mean"] - numbers["std"]).min()
        assert high > 100 * (numbers["mean"] + numbers["std"]).max()
    assert len(set(ranges.values())) == 2


@pytest.mark.parametrize("data", [["mnist"], ["mnist", "cifar10"]], ids=len)
def test_the_legend_is_not_cut_off(both: pd.DataFrame, data: list[str]) -> None:
    rows = both[both["data"].isin(data) & both["technique"].isin(["natural", "constant"])]
    figure = curve_figures(rows)["figure-A2"].figure
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.width


def test_lines_differ_in_colour_and_marker_and_the_legend_covers_none(drawn: dict[str, Drawing]) -> None:
    figure = drawn["figure-C1"].figure
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    for axis in panels(figure).values():
        assert not legend.overlaps(axis.get_tightbbox())
        styles = [(bar.lines[0].get_color(), bar.lines[0].get_marker()) for bar in axis.containers]
        assert len({colour for colour, _ in styles}) == len({marker for _, marker in styles}) == 4


def test_the_order_of_the_rows_does_not_matter(both: pd.DataFrame) -> None:
    rows = both[(both["train_perturbation"] == "noise") & (both["technique"] == "constant")]
    first, second = (curve_figures(one)["figure-A2"] for one in (rows, rows.sample(frac=1, random_state=0)))
    assert draw(first.figure, "svg") == draw(second.figure, "svg")
    pd.testing.assert_frame_equal(first.numbers, second.numbers)


def samples(names: list[tuple[str, float]], predicted: list[list[int]]) -> Samples:
    return Samples(
        names=np.array([name for name, _ in names]),
        levels=np.array([float(level) for _, level in names]),
        images=np.zeros((len(names), 2, 1, 4, 4), np.uint8),
        labels=np.array([0, 1]),
        predicted=np.array(predicted),
        classes=np.array(["cat", "dog"]),
    )


def test_examples_show_an_image_that_the_model_knows_under_the_highest_level_of_each_kind_of_pixels() -> None:
    kept = samples([("natural", 0), ("hot", 5), ("hot", 1), ("dead", 2)], [[1, 1], [1, 0], [1, 1], [0, 1]])
    drawing = example_figures({"mnist": kept})["figure-3"]
    found = drawing.numbers[["test_perturbation", "test_level", "label", "predicted"]].to_numpy().tolist()
    assert found == [["natural", 0, "dog", "dog"], ["dead", 2, "dog", "dog"], ["hot", 5, "dog", "cat"]]
    said = {text.get_text(): text.get_weight() for axis in drawing.figure.axes for text in axis.texts}
    assert said == {"MNIST": "normal", "dog": "normal", "cat": "bold"}


def test_examples_have_a_row_for_each_data_set_and_blur_in_the_order_of_its_levels() -> None:
    blurred = samples([("natural", 0), ("blur", 1), ("blur", 0.5), ("blur_channels", 1)], [[0, 1]] * 4)
    drawings = example_figures({"digits": samples([("natural", 0), ("blur", 1)], [[0, 1]] * 2), "cifar10": blurred})
    assert list(drawings) == ["figure-7"]
    found = drawings["figure-7"].numbers[["data", "test_perturbation", "test_level"]].to_numpy().tolist()
    cifar = [["natural", 0], ["blur", 0.5], ["blur", 1], ["natural", 0], ["blur_channels", 1]]
    assert found == [["cifar10", *one] for one in cifar] + [["digits", "natural", 0], ["digits", "blur", 1]]
