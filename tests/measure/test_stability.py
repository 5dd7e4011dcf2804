"""How often predictions flip from frame to frame: counted, made once, kept, held against the natural run, shown."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import robust
from robust.data import ImageSet
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.experiment.sequences import sequences_missing
from robust.measure import measure_stability, planned_sequences, stability
from robust.measure.intervals import mean_share, wilson
from robust.measure.stability import MOST_DISTANCE, top5_distance
from robust.measure.stability_scores import DISTANCES, FLIPS, stability_scores
from robust.perturb import ImageRandom, key
from robust.perturb.sequences import SEQUENCES
from robust.report.terminal import print_results
from robust.runs import RunFolder, State
from robust.studies.corruptions import findings

ASKED = ["technique=natural", "evaluation=natural", "evaluation.sequences=true", "data.source.size=4"]
NETWORK = ["model.units=[8]", "model.kernel_size=3", "model.padding=1", "model.stride=1"]


@pytest.fixture
def images() -> ImageSet:
    random = torch.Generator().manual_seed(1)
    pictures = torch.randint(0, 256, (5, 1, 6, 6), generator=random).byte()
    return ImageSet(pictures, torch.zeros(5, dtype=torch.int64), ("a", "b"))


class ByBrightness(torch.nn.Module):
    """One class for pictures that are brighter in the middle than a half, the other for the rest."""

    def forward(self, batch: Tensor) -> Tensor:
        bright = batch[:, 0, 1:5, 1:5].mean((1, 2)) - 0.5
        return torch.stack([-bright, bright], dim=1)


class Alternating(torch.nn.Module):
    """Another class whenever it is asked: never the one of the first frame again, where it has a third."""

    def __init__(self, classes: int):
        super().__init__()
        self.asked, self.classes = -1, classes

    def forward(self, batch: Tensor) -> Tensor:
        self.asked += 1
        best = 0 if self.asked % 31 == 0 else 1 + self.asked % (self.classes - 1)
        return torch.eye(self.classes)[[best] * len(batch)]


def test_flips_are_those_that_a_loop_counts(images: ImageSet) -> None:
    table = pd.concat(measure_stability(ByBrightness(), images, planned_sequences(seed=7), batch_size=2))
    assert [*table["sequence"]] == [*SEQUENCES]
    for _, row in table.iterrows():
        name = row["sequence"]
        random = ImageRandom(key("sequence", name, row["evaluation_seed"]), torch.arange(5))
        frames = [*SEQUENCES[name].frames(images.images / 255, random)]
        answers = np.stack([ByBrightness()(frame).argmax(1) for frame in frames])
        wanted = [
            sum(
                answers[place, image] != answers[0 if name.endswith("noise") else place - 1, image]
                for place in range(1, len(frames))
            )
            for image in range(5)
        ]
        assert row["flips"].tolist() == wanted
        assert row["distances"].tolist() == [2 * one for one in wanted], "of two classes both move by one rank"
        assert (row["frames"], row["n"]) == (len(frames), 5)
        assert row["flip_probability"] == pytest.approx(np.mean(wanted) / (len(frames) - 1))
        assert row["low"] <= row["flip_probability"] <= row["high"]
        assert row["evaluation_seed"] == (7 if SEQUENCES[name].random else 0)
    assert table["flip_probability"].max() > 0


def test_who_never_changes_its_mind_has_0_and_who_always_does_has_1(images: ImageSet) -> None:
    still = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 2))
    torch.nn.init.zeros_(still[1].weight)
    table = pd.concat(measure_stability(still, images, planned_sequences()))
    assert set(table["flip_probability"]) == {0}
    assert set(table["high"]) == {wilson(0, 5)[1]}
    three = ImageSet(images.images, images.labels, ("a", "b", "c"))
    for name in ("gaussian_noise", "snow"):
        (table,) = measure_stability(Alternating(3), three, [(name, 0)])
        assert table["flip_probability"].tolist() == [1]


def test_frames_of_one_image_are_not_so_many_images() -> None:
    random = np.random.default_rng(0)
    truth, covered = 0.2, 0
    for _ in range(300):
        own = random.beta(0.5, 2, size=200)
        middle, low, high = mean_share(random.binomial(30, own) / 30)
        assert low <= middle <= high
        covered += low <= truth <= high
    assert covered / 300 == pytest.approx(0.95, abs=0.03)
    assert mean_share(np.array([0.0, 1.0, 0.0, 0.0])) == (0.25, *wilson(0.25, 4))


@pytest.mark.parametrize(
    ("before", "now", "distance"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0, 1, 2, 3, 4, 10, 9, 8, 7, 6, 5], 0),  # the five are as they were
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10], 2),  # two of them change places
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0, 1, 2, 3, 9, 5, 6, 7, 8, 10, 4], 1),  # the last is no longer among them
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [5, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10], 5),  # another comes first
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [5, 6, 7, 8, 9, 10, 4, 3, 2, 1, 0], 5 + 4 + 3 + 2 + 1),  # none is
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2], MOST_DISTANCE),
        ([3, 1, 0, 2, 4, 5, 6], [1, 3, 2, 6, 5, 4, 0], 1 + 1 + 3 + 1 + 1),
        ([0, 1, 2], [2, 1, 0], 4),
    ],
)
def test_the_top_5_distance_counts_ranks_by_which_the_first_five_moved(
    before: list[int], now: list[int], distance: int
) -> None:
    assert top5_distance(torch.tensor([before, before]), torch.tensor([before, now])).tolist() == [0, distance]


def rows_of(
    run: str, flips: dict[str, list[int]], distances: dict[str, list[int]] | None = None, **other: object
) -> pd.DataFrame:
    tests = [(name, 0, 31, len(one), np.array(one), (distances or flips)[name]) for name, one in flips.items()]
    rows = pd.DataFrame(tests, columns=["sequence", "evaluation_seed", "frames", "n", "flips", "distances"])
    return rows.assign(**{"run": run, "reference": "natural-run", "technique": "constant", **other})


def test_flip_rates_stand_beside_the_natural_run() -> None:
    natural = rows_of("natural-run", {name: [6, 0, 3, 3] for name in SEQUENCES}, technique="natural")
    flips = {name: [3, 0, 3, place] for place, name in enumerate(SEQUENCES)}
    scores = stability_scores(pd.concat([natural, rows_of("mine", flips)]))
    rates = [(6 + place) / 12 for place in range(len(SEQUENCES))]
    assert scores.loc["mine", [*FLIPS.rates.values()]].tolist() == pytest.approx(rates)
    assert scores.loc["mine", "mfr"] == pytest.approx(np.mean(rates))
    assert scores.loc["mine", "mfr_low"] < np.mean(rates) < scores.loc["mine", "mfr_high"]
    assert scores.loc["mine", "mean"] == pytest.approx(np.mean(rates) * 3 / 30)
    assert scores.loc["natural-run", ["mfr", "mfr_low", "mfr_high"]].tolist() == [1, 1, 1]


def test_top_5_distances_stand_beside_the_natural_run_too() -> None:
    flips = {name: [3, 1] for name in SEQUENCES}
    natural = rows_of("natural-run", flips, {name: [90, 30] for name in SEQUENCES}, technique="natural")
    distances = {name: [60, 6 * place] for place, name in enumerate(SEQUENCES)}
    mine = stability_scores(pd.concat([natural, rows_of("mine", flips, distances)])).loc["mine"]
    assert mine[[*DISTANCES.each.values()]].tolist() == pytest.approx([1 + place / 10 for place in range(10)])
    assert mine["mean_distance"] == pytest.approx(1.45)
    assert mine["mean_distance_low"] < 1.45 < mine["mean_distance_high"] < MOST_DISTANCE
    assert mine[[*DISTANCES.rates.values()]].tolist() == pytest.approx([(10 + place) / 20 for place in range(10)])
    assert mine["mt5d"] == pytest.approx(1.45 / 2)
    assert mine["mfr"] == 1


def test_there_is_no_flip_rate_without_the_same_frames_of_a_natural_run_that_flips() -> None:
    flips = {name: [3, 1] for name in SEQUENCES}
    natural = rows_of("natural-run", {**flips, "snow": [0, 0]}, technique="natural")
    natural.loc[natural["sequence"] == "tilt", "evaluation_seed"] = 1
    given = rows_of("given", flips, technique="pretrained", reference="given")
    scores = stability_scores(pd.concat([natural, rows_of("mine", flips), given]))
    missing = scores.loc["mine", [*FLIPS.rates.values(), "mfr"]].isna()
    assert [*missing[missing].index] == ["fr_snow", "fr_tilt", "mfr"]
    assert scores.loc["given", [*FLIPS.rates.values()]].isna().all(), "it is no baseline"
    few = stability_scores(rows_of("few", {"snow": [1, 2]}))
    assert few.loc["few", "snow"] == 0.05
    assert np.isnan(few.loc["few", "mean"])


def count_tests(monkeypatch: pytest.MonkeyPatch, *, stop_after: int = 99) -> list[str]:
    """The sequences that are tested, as they come."""
    made: list[str] = []
    changes: Callable[..., object] = stability._changes

    def counted(model: torch.nn.Module, images: ImageSet, test: tuple[str, int]) -> object:
        if len(made) == stop_after:
            raise KeyboardInterrupt
        made.append(test[0])
        return changes(model, images, test)

    monkeypatch.setattr(stability, "_changes", counted)
    return made


def figures(run: Experiment) -> list[tuple[object, ...]]:
    table = run.files.read_stability()
    assert table is not None
    table = table.assign(flips=table["flips"].map(tuple), distances=table["distances"].map(tuple)).sort_values(
        "sequence"
    )
    return [*table.itertuples(index=False, name=None)]


def test_a_run_that_is_killed_goes_on_and_comes_to_the_same(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*ASKED, *NETWORK, "trainer.checkpoint_every_s=0", "evaluation.seed=3"]
    with monkeypatch.context() as patch:
        made = count_tests(patch, stop_after=4)
        with pytest.raises(KeyboardInterrupt):
            execute(make_run(*asked))
    assert made == [*SEQUENCES][:4]
    rest = count_tests(monkeypatch)
    run = make_run(*asked)
    assert execute(run).state is State.DONE
    assert rest == [*SEQUENCES][4:]
    before = figures(run)
    rest.clear()
    assert make_run(*asked).status().state is State.DONE
    run.files.stability.write_bytes(run.files.stability.read_bytes()[:-1] + b"\0")
    assert execute(make_run(*asked)).state is State.DONE
    assert (rest, figures(run)) == ([*SEQUENCES], before)
    rest.clear()
    assert execute(make_run(*asked[:-1], "evaluation.seed=4")).state is State.DONE
    assert rest == ["gaussian_noise", "shot_noise", "snow"], "in the others nothing is random"
    assert len(figures(run)) == len(SEQUENCES)


def test_the_page_and_the_terminal_show_it(
    make_run: Callable[..., Experiment], capsys: pytest.CaptureFixture[str]
) -> None:
    hardened = ["technique=constant", "perturb=noise", *ASKED[1:], *NETWORK]
    runs = [make_run(*ASKED, *NETWORK), make_run(*hardened)]
    for run in runs:
        assert execute(run).state is State.DONE
    folders = [run.folder for run in reversed(runs)]
    rows = pd.concat([RunFolder(folder).read_rows() for folder in folders])
    (_, section), _ = findings(folders, rows)
    overview, each = section.tables["stability"], section.tables["stability-each"]
    assert overview.shown["trained"].tolist() == ["natural", "constant noise 0.05"]
    assert [*each.shown["sequence"]] == [name for name in SEQUENCES for _ in runs]
    wanted = [one.split()[0] for one in each.shown["flip probability, %"]]
    tables = [one.files.read_stability() for one in runs]
    assert all(one is not None for one in tables)
    found = [one["flip_probability"] for one in tables if one is not None]
    assert wanted == [f"{100 * one:.1f}" for pair in zip(*found, strict=True) for one in pair]
    print_results(rows, folders)
    shown = capsys.readouterr().out
    assert "mFR, %" in shown
    assert "mT5D, %" in shown
    assert each.shown["T5D, %"][0] == "100.0"


def test_what_does_not_fit_is_refused_before_training() -> None:
    with pytest.raises(ValueError, match=r"`evaluation\.sequences` must be true or false; got maybe"):
        prepare(["data=digits", "evaluation.sequences=maybe"])
    for task in ("simclr", "rotation"):
        with pytest.raises(ValueError, match=rf"`evaluation\.sequences` must be false with `task={task}`; got"):
            prepare(["data=digits", f"task={task}", "model=resnet18", "evaluation.sequences=true"])
    with pytest.raises(ValueError, match=r"`evaluation\.sequences` must be false with `evaluation=none`"):
        prepare(["data=digits", "evaluation=none", "evaluation.sequences=true"])
    with pytest.raises(ValueError, match=r"must be left out here; .* or call robust\.measure\.measure_stability"):
        robust.evaluate(ByBrightness(), data="digits", overrides=["evaluation.sequences=true"])


def test_runs_that_a_run_starts_from_are_not_asked_for_more_than_they_can_answer() -> None:
    run = prepare(["data=digits", "technique=finetune", "technique.start=rotation", "evaluation.sequences=true"])
    (parent,) = run.parents.values()
    assert len(sequences_missing(run)) == len(SEQUENCES)
    assert sequences_missing(parent) == []
