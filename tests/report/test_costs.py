"""What predictions cost, beside what models gain."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from robust.report.scores import score_table, shown_scores
from robust.report.tables import summary_table

RESTORED = "restore: {name: median, _target_: robust.restore.Median}\n"


def test_costs_have_columns_where_something_stands_around_a_network(
    rows_of: Callable[..., pd.DataFrame], write: Callable[..., Path], tmp_path: Path
) -> None:
    tests = {("natural", 0.0): 0.9, ("hot", 2.0): 0.5}
    costs = {"natural": (0.001, 2**20), "natural +median": (0.003, 2**21), "unknown": None}
    folders, tables = [], []
    for technique, cost in costs.items():
        rows = rows_of(technique, tests, technique=technique)
        folder = write(tmp_path / technique, rows, RESTORED if "+" in technique else "seed: 0\n")
        if cost:
            known = dict(zip(("seconds", "bytes"), cost, strict=True), images=200, threads=2, device="cpu")
            (folder / "status.json").write_text(json.dumps({"state": "done", "reason": "", "cost": known}))
        folders.append(folder)
        tables.append(rows)

    def table(*kept: int) -> tuple[pd.DataFrame, str]:
        rows = pd.concat([tables[one] for one in kept])
        places = [folders[one] for one in kept]
        scores = score_table(summary_table(rows, places), rows, places)
        return shown_scores(scores).set_index("trained"), scores.note

    shown, note = table(0, 1, 2)
    assert shown["ms an image"].to_dict() == {"natural": "1", "natural +median": "3", "unknown": ""}
    assert shown["MiB an image"].to_dict() == {"natural": "1", "natural +median": "2", "unknown": ""}
    assert "in batches of 200 on 2 threads of the cpu" in note
    plain, note = table(0, 2)
    assert "ms an image" not in plain
    assert "batches" not in note
