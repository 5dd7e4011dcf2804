"""A search finds a good recipe for less than a grid costs, is killed and continued, and is shared out."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as pl
from hydra.core.override_parser.overrides_parser import OverridesParser

from robust.errors import FailedError
from robust.experiment.compose import compose
from robust.learn import Validation
from robust.runs import State, read_status
from robust.runs.searches import ACCURACIES, SearchFolder, Stage, Trial, front
from robust.sweep.jobs import Interval, Space, list_spaces
from robust.sweep.local import launch
from robust.sweep.search import search
from robust.sweep.suggest import Search

pytest.importorskip("optuna")

ROOT = Path(__file__).parent.parent.parent
TABLE = ROOT / "results" / "search" / "digits.csv"


def spaces(*arguments: str) -> list[Space]:
    products = compose(["sweep=search"]).sweep.products
    return list_spaces(products, arguments, OverridesParser.create().parse_overrides)


class Grid:
    """24 recipes on digits, all trained before: what each came to, epoch by epoch, and what that cost."""

    def __init__(self) -> None:
        table = pd.read_csv(TABLE)
        self.runs = {str(recipe): run for recipe, run in table.groupby("recipe")}
        self.seconds = float(table.groupby("recipe")["seconds"].max().sum())
        ends = table[table["epoch"] == table["of"]].set_index("recipe")
        self.best = {name: set(ends.index[ends[name] == ends[name].max()]) for name in ACCURACIES}

    def search(self, looked_for: Search) -> list[Trial]:
        """What a search tries until its budget is used, where each training is looked up."""
        trials: list[Trial] = []
        while trial := looked_for.next_trial(trials, trials):
            if trial.number == len(trials):
                trials.append(trial)
            trial.stage, begun = Stage.UNDER_WAY, len(trial.measured)
            for epoch, seconds, *found in self.runs[trial.recipe].drop(columns=["recipe", "of"]).to_numpy()[begun:]:
                trial.epochs, trial.seconds = 16, seconds
                if looked_for.is_used(trials):
                    return trials  # it ended under way there
                trial.measured.append((int(epoch), seconds, found))
                if not looked_for.stands(trial, trials):
                    trial.stage = Stage.STOPPED
                    break
            else:
                trial.stage = Stage.DONE
        return trials


def test_of_24_recipes_the_best_is_found_in_two_fifths_of_the_cost_in_18_of_20_seeds() -> None:
    grid, found = Grid(), []
    assert len(grid.best["mean"]) == 1
    for seed in range(20):
        trials = grid.search(Search(spaces(), ["mean"], seconds=0.4 * grid.seconds, seed=seed))
        found.append({one.recipe for one in front(trials, ["mean"])} <= grid.best["mean"])
    assert sum(found) >= 18


def test_without_a_race_and_a_limit_every_recipe_is_trained_once_to_its_end() -> None:
    trials = Grid().search(Search(spaces(), ["natural"], race=False))
    assert len({one.recipe for one in trials}) == len(trials) == 24
    assert {one.stage for one in trials} == {Stage.DONE}


def test_of_two_objectives_the_front_is_found() -> None:
    grid = Grid()
    trials = grid.search(Search(spaces(), ["natural", "worst"], seconds=0.5 * grid.seconds))
    best = front(trials, ["natural", "worst"])
    values = {one.recipe: one.values(["natural", "worst"]) for one in best}
    assert len(values) > 1
    assert not any(a < c and b < d for a, b in values.values() for c, d in values.values())
    assert any(one.stage is Stage.STOPPED for one in trials)


def test_what_was_stopped_goes_on_when_it_is_among_the_better_half_of_those_that_came() -> None:
    looked_for = Search([[["a=1", "a=2", "a=3", "a=4"]]], ["mean"], runs=4)
    values = (0.9, 0.8, 0.5, 0.4)
    trials = [
        Trial(place, 0, [f"a={place + 1}"], "", 8, [(1, 1.0, [0, value, 0])], 1.0, Stage.STOPPED)
        for place, value in enumerate(values)
    ]
    assert [looked_for.stands(one, trials) for one in trials] == [True, True, False, False]
    assert not looked_for.stands(trials[1], trials[:2])
    trials[0].stage = Stage.DONE
    assert looked_for.next_trial(trials, trials) is trials[1]
    assert looked_for.next_trial(trials, []) is None, "another process is at work on it"


@pytest.mark.parametrize("objective", [["mean"], ["natural", "mean"]])
def test_intervals_are_searched_within_their_ends(objective: Sequence[str]) -> None:
    space, *_ = spaces("optimizer.lr=tag(log,interval(0.001,0.1))", "a=int(interval(2,9))")
    lr, whole = (one for one in space if isinstance(one, Interval))
    assert (lr.low, lr.high, lr.log, whole.low, whole.high, whole.log) == (0.001, 0.1, True, 2, 9, False)
    trials: list[Trial] = []
    looked_for = Search([space], objective, runs=12)
    while trial := looked_for.next_trial(trials, trials):
        given = dict(one.split("=") for one in trial.job)
        assert 0.001 <= float(given["optimizer.lr"]) <= 0.1
        assert int(given["a"]) in range(2, 10)
        found = 1 - float(given["optimizer.lr"])
        trial.stage, trial.measured, trial.epochs = Stage.DONE, [(1, 1.0, [found] * 3)], 1
        trials.append(trial)
    assert len({tuple(one.job) for one in trials}) == 12
    rates = [float(dict(one.split("=") for one in trial.job)["optimizer.lr"]) for trial in trials]
    assert min(rates) < 0.003


@pytest.fixture
def asked(quick: list[str], tmp_path: Path) -> list[Space]:
    """Three recipes, one of them hopeless, of a second each."""
    settings = [*quick, "trainer.max_epochs=4", "trainer.checkpoint_every_s=1000", f"runs_dir={tmp_path / 'runs'}"]
    fixed = ["sweep=search", "technique=natural", "evaluation=natural", "sweep.search.runs=3", *settings]
    return [[["optimizer.lr=0.01", "optimizer.lr=0.02", "optimizer.lr=1e-09"], *([one] for one in fixed)]]


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robust.report.sections", lambda *_: [])


def here(jobs: list[list[str]]) -> list[str]:
    return launch(jobs, pack=1)


def searched(tmp_path: Path) -> SearchFolder:
    (found,) = SearchFolder.within(tmp_path / "runs")
    return found


@pytest.mark.usefixtures("no_drawing")
def test_a_search_that_was_killed_goes_on_with_the_same_recipe_and_the_best_alone_is_tested(
    asked: list[Space], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, epochs = Validation.on_train_epoch_end, []

    def dies(self: Validation, trainer: pl.Trainer, module: object) -> None:
        epochs.append(trainer.current_epoch)
        if len(epochs) == 2:
            raise GeneratorExit  # nothing that is caught
        whole(self, trainer, module)

    monkeypatch.setattr(Validation, "on_train_epoch_end", dies)
    with pytest.raises(GeneratorExit):
        search(asked, here)
    (before,) = searched(tmp_path).trials()
    assert before.stage is Stage.UNDER_WAY
    search(asked, here)
    trials = searched(tmp_path).trials()
    assert (trials[0].job, len(trials)) == (before.job, 3)
    assert trials[0].seconds > before.seconds
    hopeless = next(one for one in trials if "1e-09" in one.recipe)
    assert hopeless.stage is (Stage.DONE if hopeless.number == 0 else Stage.STOPPED)
    (best,) = front(trials, ["mean"])
    for one in trials:
        folder = tmp_path / "runs" / one.run
        assert (read_status(folder).state is State.DONE) == (one.stage is Stage.DONE)
        assert (folder / "rows.csv").is_file() == (one is best)
    trained = len(epochs)
    search(asked, here)
    assert len(epochs) == trained, "all was tried"
    assert f"Best: {best.recipe} (natural " in capsys.readouterr().out


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("budget", ["minutes=1e-5", "joules=1e-3"])
def test_a_budget_that_ends_is_kept_and_a_larger_one_goes_on_where_that_was(
    budget: str, asked: list[Space], tmp_path: Path
) -> None:
    with pytest.raises(FailedError, match="No recipe was trained to its end"):
        search([[*asked[0], [f"sweep.search.{budget}"]]], here)
    (before,) = searched(tmp_path).trials()
    assert 0 < before.joules < 1000
    assert (before.stage, [epoch for epoch, *_ in before.measured]) == (Stage.UNDER_WAY, [1])
    assert read_status(tmp_path / "runs" / before.run).state is State.INTERRUPTED
    larger = [*asked[0], ["sweep.search.minutes=10"], ["sweep.search.runs=9"], ["pack=stacked"]]
    search([larger], here)
    trials = searched(tmp_path).trials()
    assert (trials[0].job, len(trials)) == (before.job, 3), "there are three in all"
    assert trials[0].joules > before.joules
    log = (tmp_path / "runs" / before.run / "log.txt").read_text()
    assert "resuming training" in log


@pytest.mark.usefixtures("no_drawing")
def test_two_processes_share_a_search_and_no_recipe_is_trained_twice(asked: list[Space], tmp_path: Path) -> None:
    races = [[*asked[0], ["sweep.search.race=false"], ["sweep.search.workers=2"]]]
    search(races, lambda jobs: launch(jobs, pack=2))
    trials = searched(tmp_path).trials()
    assert {one.stage for one in trials} == {Stage.DONE}
    assert len({one.run for one in trials}) == 3
    for one in trials:
        assert (tmp_path / "runs" / one.run / "log.txt").read_text().count("starting training") == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["sweep.search.runs=null"], r"`sweep.search.minutes` must be given, or sweep.search.joules or .*; got None"),
        (["sweep.search.joules=-1"], r"`sweep.search.joules` must be a number > 0, or null; got -1"),
        (["sweep.search.minutes=0"], r"`sweep.search.minutes` must be a number > 0, or null; got 0"),
        (["sweep.search.runs=1"], r"`sweep.search.runs` must be a whole number >= 2, or null; got 1"),
        (["sweep.search.objective=best"], r"`sweep.search.objective` must be one of natural, mean, worst .*; got best"),
        (["sweep.search.objective=[mean,mean]"], r"`sweep.search.objective` must be one of natural, mean, worst"),
        (["sweep.search.minute=3"], r"`sweep.search.minute` is not a key"),
        (["sweep.search.under=null"], r"`sweep.search.under` must be levels of at least one perturbation"),
        (["data.validation=null"], r"`data.validation` must be given in a search; got None. .*data.validation=0.2"),
        (["seed=0", "seed=1"], r"`seed` must have one value in a search"),
        (["trainer.threads=1", "trainer.threads=2"], r"`trainer.threads` must have one value in a search"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_starts(
    asked: list[Space], tmp_path: Path, more: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        search([[*asked[0], more]], here)
    assert not list(tmp_path.rglob("trial*"))


def test_one_recipe_is_no_search(asked: list[Space]) -> None:
    with pytest.raises(ValueError, match="A search must have recipes to choose from; got one"):
        search([[one[:1] for one in asked[0] if isinstance(one, list)]], here)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("a=interval(1,1)", "to a greater number"),
        ("a=tag(lag,interval(1,2))", "no tag but log; got lag"),
        ("a=tag(log,interval(0,1))", "from above 0 to a greater number"),
    ],
)
def test_an_interval_that_holds_nothing_is_refused(argument: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spaces(argument)


def test_the_command_searches_and_its_page_says_what_was_found(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, quick: list[str]
) -> None:
    words = ["sweep=search", "technique=constant", "perturb=noise", "perturb.level=0.05,0.2", "sweep.search.runs=3"]
    words += ["sweep.search.objective=[natural,worst]", "evaluation=natural", f"runs_dir={tmp_path}", *quick]
    assert (told := command("train.py", *words, "plan=true")).returncode == 0, told.stderr
    assert "accuracy on validation images, within 3 tries.\nChosen from: perturb.level=0.05,0.2 " in told.stdout
    assert "Tried" not in told.stdout
    done = command("train.py", *words)
    assert done.returncode == 0, done.stderr
    (files,) = SearchFolder.within(tmp_path)
    (page,) = tmp_path.glob("report-*/index.html")
    text = page.read_text()
    assert all(one.recipe in text for one in files.trials())
    assert "Search of 4 recipes for natural and worst accuracy on validation images" in text
    assert "<strong>Search:</strong> 3 recipes tried (" in text
