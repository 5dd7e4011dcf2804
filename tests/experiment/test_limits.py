"""Runs of which tolerated levels are asked for: checked before, searched image by image, once."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from robust.experiment.compose import compose
from robust.experiment.conditions import choice_of
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.limits import build_searches
from robust.measure import Condition, predict
from robust.measure.limits import falls
from robust.runs import State
from robust.runs.limits import LIMITS, image_limits, read_limits

NOISE = ["technique=natural", "evaluation=tolerance", "evaluation.families=[noise]"]
FEW = [*NOISE, "data.test_per_class=9", "evaluation.tolerance.between=1"]
EVERY = ["evaluation.families=[pixel,noise,blur,environment,capture]", "evaluation.tolerance.between=1"]


@pytest.fixture
def done(make_run: Callable[..., Experiment]) -> Experiment:
    run = make_run(*FEW)
    assert execute(run).state is State.DONE
    return run


def test_of_a_trained_network_the_search_finds_what_all_images_at_all_levels_say(done: Experiment) -> None:
    images, model = done.splits.test, done.load()
    searches = build_searches(compose(["evaluation=tolerance", *EVERY]), images.shape)
    assert {choice_of(one.key[0]) for one in searches} == {*compose(["evaluation=tolerance"]).evaluation.conditions}
    for search in searches:
        conditions = (Condition(), *search.conditions)
        with torch.inference_mode():
            answers = [predict(model, images, one, 0, seed=search.seed, batch_size=40)[0] for one in conditions]
        wrong = np.stack([(one != images.labels).numpy() for one in answers])
        first = np.where(wrong.any(0), wrong.argmax(0), len(conditions))
        assert falls(model, images, search, batch_size=40)[0].tolist() == first.tolist(), search.key


def test_it_is_made_once_and_again_where_levels_are_others_or_it_is_damaged(
    done: Experiment, make_run: Callable[..., Experiment]
) -> None:
    found = read_limits(done.files)
    assert found is not None
    assert found["test_perturbation"].tolist() == ["noise"]
    assert len(found["levels"][0]) == 9
    rows = image_limits([done.folder])
    assert (len(rows), rows["run"].unique().tolist()) == (90, [done.folder.name])
    known = done.files.read_rows().set_index(["test_perturbation", "test_level", "trial"])["accuracy"]
    assert rows["natural"].mean() == pytest.approx(known["natural", 0, 0])
    standing = (rows["natural"] & ~(rows["level"] <= 0.08)).mean()
    assert standing <= known["noise", 0.08, 0], "an image that fell may be recognised again"
    assert not make_run(*FEW).is_incomplete()
    further = make_run(*FEW, "evaluation.tolerance.between=2")
    assert further.is_incomplete()
    assert execute(further).state is State.DONE
    assert [len(one) for one in read_limits(done.files)["levels"]] == [13]
    (done.folder / LIMITS).write_bytes(b"nothing")
    assert execute(make_run(*FEW)).state is State.DONE
    assert [len(one) for one in read_limits(done.files)["levels"]] == [9]


def test_of_less_that_is_worse_the_greatest_level_comes_first() -> None:
    config = compose(["evaluation=tolerance", "evaluation.families=[capture]"])
    few = {name: config.evaluation.conditions[name] for name in ("iso", "defocus")}
    config = config.changed({"evaluation.conditions": few, "evaluation.tolerance.between": 1})
    levels = {choice_of(name): levels for name, _, levels in (one.key for one in build_searches(config, (1, 28, 28)))}
    assert levels["defocus"][0] == 22
    assert levels["defocus"][-1] == 1.4
    assert levels["iso"][0] == 800


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("evaluation.conditions.noise=[0.1]", "`evaluation.conditions.noise` must be at least 4 different levels"),
        ("evaluation.conditions.noise=[0,0.1,0.2,0.3]", "levels above 0"),
        ("evaluation.conditions.noise=[0.1,0.2,0.3,3]", "`evaluation.conditions.noise` must be at most 1"),
        ("evaluation.tolerance.target=1.2", "`evaluation.tolerance.target` must be a number above 0 and below 1"),
        ("evaluation.tolerance.share=0", "`evaluation.tolerance.share` must be a number above 0 and at most 1"),
        ("evaluation.tolerance.between=-1", "`evaluation.tolerance.between` must be a whole number"),
        ("task=rotation", "`evaluation.tolerance` must be null with `task=rotation`"),
    ],
)
def test_what_has_no_tolerated_level_is_refused_before_anything_is_trained(
    make_run: Callable[..., Experiment], wrong: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        make_run(*NOISE, wrong)


def test_severities_of_published_corruptions_are_no_quantity(make_run: Callable[..., Experiment]) -> None:
    with pytest.raises(ValueError, match=r"`evaluation.conditions.fog` must be left out"):
        make_run(*NOISE, "evaluation.conditions.fog=[1,2,3,4]", "evaluation.families=[corruptions]")


def test_a_run_that_starts_from_another_asks_it_for_no_limits(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=finetune", "technique.start=rotation", *NOISE[1:])
    assert [one.config.evaluation.tolerance for one in run.parents.values()] == [None]
