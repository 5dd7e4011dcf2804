from collections.abc import Callable

import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.learn import Constant, Cosine, Linear, Schedule, Steps

PROGRESS = [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        (Constant(value=0.3), [0.3, 0.3, 0.3, 0.3]),
        (Linear(), [0, 0.25, 0.5, 0.75]),
        (Linear(start=0.8, end=0.4), [0.8, 0.7, 0.6, 0.5]),
        (Cosine(), [0, 0.1464466, 0.5, 0.8535534]),
        (Cosine(start=1, end=0.5), [1, 0.9267767, 0.75, 0.5732233]),
        (Steps(values=[0, 1]), [0, 0, 1, 1]),
        (Steps(values=[0.1, 0.5, 0.9]), [0.1, 0.1, 0.5, 0.9]),
    ],
)
def test_schedules_give_the_share_by_progress(schedule: Schedule, shares: list[float]) -> None:
    assert [schedule(progress) for progress in PROGRESS] == pytest.approx(shares)


def test_incremental_learning_perturbs_more_in_every_epoch(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=incremental", "trainer.max_epochs=4")
    execute(run)
    assert pd.read_csv(run.folder / "metrics.csv")["perturbed_share"].to_list() == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("override", "shares"),
    [
        ("schedule@technique.share=cosine", [0, 0.5]),
        ("schedule@technique.share=steps", [0, 0.5]),
        ("technique.share.start=0.5", [0.5, 0.75]),
    ],
)
def test_another_schedule_is_one_line_of_configuration(
    make_run: Callable[..., Experiment], override: str, shares: list[float]
) -> None:
    run = make_run("technique=incremental", override, "evaluation=none")
    assert execute(run).reason == ""
    assert pd.read_csv(run.folder / "metrics.csv")["perturbed_share"].to_list() == pytest.approx(shares)


@pytest.mark.parametrize("make", [lambda: Linear(start=-1), lambda: Linear(end=1.5), lambda: Steps(values=[0, 2])])
def test_shares_out_of_range_are_refused(make: Callable[[], Schedule]) -> None:
    with pytest.raises(ValueError, match=r"The `\w+` of a schedule must be from 0 to 1; got "):
        make()
