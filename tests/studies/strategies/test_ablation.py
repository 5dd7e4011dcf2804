import numpy as np
import pandas as pd
import pytest

from robust.studies.strategies.ablation import ablation_table
from robust.studies.strategies.report import ablation_section

VARIANTS = ["", " activation=tanh", " batch_norm=False dropout=0.0", " dropout=0.0", " dropout=0.5", " activation=gelu"]


def ablated(data: str, *, seeds: int = 1, technique: str = "natural") -> pd.DataFrame:
    """Runs of each variant, each less accurate by 0.1, each seed better by 0.02; under hot pixels by 0.5 worse."""
    lines = []
    for place, variant in enumerate(VARIANTS):
        for seed in range(seeds):
            kind = f"{data}{variant} {technique}"
            known = {"run": f"{kind} {seed}", "kind": kind, "reference": f"{kind} {seed}", "seed": seed}
            for test, level, loss in (("natural", 0, 0), ("hot", 2, 0.5)):
                measured = {
                    "test_perturbation": test,
                    "test_level": level,
                    "accuracy": 0.9 - place / 10 + seed / 50 - loss,
                }
                lines.append({**known, "model": f"convnet_{data}{variant}", **measured})
    return pd.DataFrame(lines).assign(data=data, technique=technique, train_perturbation="none", train_level=0, trial=0)


def test_the_ablation_is_table_1() -> None:
    rows = pd.concat([ablated("cifar10", seeds=2), ablated("mnist"), ablated("cifar10", technique="constant")])
    curves = {
        name: pd.DataFrame({"epoch": [0, 1], "train_accuracy": [0.1, 0.99 if name.endswith("0") else 0.95]})
        for name in rows["run"].unique()
        if "tanh" not in name
    }
    table = ablation_table(rows, curves)
    assert table["data"].to_list() == ["mnist"] * 4 + ["cifar10"] * 4
    cifar = table[table["data"] == "cifar10"].drop(columns="data").to_numpy().tolist()
    assert cifar[0] == ["yes", "yes", "ReLU", pytest.approx(0.97), pytest.approx(0.91), 2, 0.99124, 0.8692]
    assert [line[:3] for line in cifar[1:]] == [["yes", "no", "ReLU"], ["yes", "yes", "tanh"], ["no", "no", "ReLU"]]
    assert [line[4] for line in cifar[1:]] == pytest.approx([0.61, 0.81, 0.71])
    assert np.isnan(cifar[2][3])
    assert table.loc[table["data"] == "mnist", ["published_train", "published_test"]].isna().all(axis=None)


@pytest.mark.parametrize("variants", [[], [0], [0, 4, 5]], ids=str)
def test_fewer_than_two_combinations_are_no_ablation(variants: list[int]) -> None:
    models = [f"convnet_cifar10{VARIANTS[one]}" for one in variants]
    rows = ablated("cifar10")
    table = ablation_table(rows[rows["model"].isin(models)], {})
    assert table.empty
    assert list(table.columns[:4]) == ["data", "batch norm", "dropout", "activation"]


def test_settings_that_nothing_tells_apart_leave_no_line() -> None:
    rows = ablated("mnist")
    twice = rows[rows["model"] == "convnet_mnist"]
    twice = twice.assign(**{name: twice[name] + " longer" for name in ("run", "kind", "reference")})
    table = ablation_table(pd.concat([rows, twice]), {})
    assert table[["batch norm", "dropout", "activation"]].to_numpy().tolist() == [
        ["yes", "no", "ReLU"],
        ["yes", "yes", "tanh"],
        ["no", "no", "ReLU"],
    ]


def test_the_page_shows_no_column_that_is_empty() -> None:
    shown = ablation_section([], ablated("mnist")).tables["ablation"].shown
    assert list(shown) == ["data", "batch norm", "dropout", "activation", "test, %", "seeds"]
