"""Table I of arXiv 2004.03452: what batch norm, dropout and ReLU contribute."""

from collections.abc import Mapping

import pandas as pd

from robust.measure import NATURAL
from robust.runs.titles import changes
from robust.studies.strategies.choice import comparable, select_kind
from robust.studies.strategies.paper import in_order

_PARTS = ["batch norm", "dropout", "activation"]
_PUBLISHED = pd.DataFrame(
    [
        ("yes", "yes", "ReLU", 0.99124, 0.86920),
        ("yes", "no", "ReLU", 0.98110, 0.84520),
        ("no", "yes", "ReLU", 0.98230, 0.82080),
        ("yes", "yes", "tanh", 0.98278, 0.81570),
        ("no", "no", "ReLU", 0.97882, 0.80010),
        ("no", "no", "tanh", 0.96658, 0.77060),
    ],
    columns=[*_PARTS, "published_train", "published_test"],
)  # on CIFAR-10


def ablation_table(rows: pd.DataFrame, curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Accuracy on natural images of the network less batch norm, dropout, ReLU: the paper's six, in its order.

    Columns: data, batch norm, dropout, activation, train and test (fractions, means over the seeds; train as of the
    last epoch, while learning, NaN for runs without a curve), seeds, and for CIFAR-10 published_train and
    published_test. `curves`: the epochs' metrics of each run. Empty unless a data set has two of the six.
    """
    rows = comparable(rows)
    rows = rows[(rows["technique"] == NATURAL) & (rows["test_perturbation"] == NATURAL)]
    tables = [_table(rows[rows["data"] == data], curves) for data in in_order(rows["data"])]
    tables = [table for table in tables if len(table) > 1]
    columns = ["data", *_PARTS, "train", "test", "seeds", "published_train", "published_test"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _table(rows: pd.DataFrame, curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The combinations that one data set has, all of the network that has most of them."""
    lines: list[dict[str, object]] = []
    for model in rows["model"].unique():
        runs = select_kind(rows[rows["model"] == model]).drop_duplicates("run")
        if len(runs) and (parts := _parts(model)):
            trained = [
                curves[run]["train_accuracy"].iloc[-1] for run in runs["run"] if "train_accuracy" in curves.get(run, ())
            ]
            line = {
                "data": runs["data"].iloc[0],
                "network": model.partition(" ")[0],
                **dict(zip(_PARTS, parts, strict=True)),
            }
            line |= {"train": pd.Series(trained, dtype=float).mean(), "test": runs["accuracy"].mean()}
            lines.append({**line, "seeds": len(runs)})
    if not lines:
        return pd.DataFrame()
    table = _PUBLISHED.merge(pd.DataFrame(lines), on=_PARTS)
    table = table[table["network"] == table["network"].mode().min()]
    if (table["data"] != "cifar10").any():
        table[["published_train", "published_test"]] = float("nan")
    return table


def _parts(model: str) -> tuple[str, str, str] | None:
    """Whether a network, by its name, has batch norm and dropout, and its activation; None if more was changed."""
    values = {"batch_norm": "True", "dropout": "0.2", "activation": "relu"}
    changed = changes(model)
    if not changed.keys() <= values.keys():
        return None
    values |= changed
    batch_norm = {"True": "yes", "False": "no"}.get(values["batch_norm"])
    dropout = {"0.2": "yes", "0.0": "no", "0": "no"}.get(values["dropout"])
    activation = {"relu": "ReLU", "tanh": "tanh"}.get(values["activation"])
    return (batch_norm, dropout, activation) if batch_norm and dropout and activation else None
