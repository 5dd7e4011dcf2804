import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from robust.sweep.sweeper import expand, with_references


def jobs(*arguments: str) -> list[list[str]]:
    return expand(OverridesParser.create().parse_overrides(list(arguments)))


def test_lists_on_the_command_line_are_multiplied() -> None:
    assert jobs("perturb=noise,blur", "seed=range(0,2)", "data=mnist") == [
        ["perturb=noise", "seed=0", "data=mnist"],
        ["perturb=noise", "seed=1", "data=mnist"],
        ["perturb=blur", "seed=0", "data=mnist"],
        ["perturb=blur", "seed=1", "data=mnist"],
    ]


@pytest.mark.parametrize("argument", ["~model.head", "+optimizer.weight_decay=0.1", "evaluation.levels.hot=[1,2]"])
def test_what_is_no_list_of_values_stays_as_it_is(argument: str) -> None:
    assert jobs(argument) == [[argument]]


def test_each_data_set_model_and_seed_gets_its_natural_run_once() -> None:
    found = with_references(jobs("perturb=noise,blur", "perturb.level=0.1", "seed=0,1", "technique=constant"))
    assert found[:2] == [["technique=natural", "seed=0"], ["technique=natural", "seed=1"]]
    assert len(found) == 2 + 4
