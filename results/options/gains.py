"""What each option adds to the accuracy of training without any: python results/options/gains.py RUNS."""

import sys
from pathlib import Path

import pandas as pd

from robust.measure.intervals import student
from robust.report.tables import summary_table
from robust.runs import collect, find_runs

BASE = "natural augment=none"  # all other options are as usual there
OUT = Path(__file__).parent / "tables" / "gains.csv"

folders = find_runs(sys.argv[1:])
summary = summary_table(collect(folders), folders)
accuracy = summary.pivot_table(index="seed", columns="title", values="mean")
won = 100 * accuracy.sub(accuracy[BASE], axis=0).drop(columns=BASE)
lines = [(title.removeprefix("natural "), *student(won[title]), len(won)) for title in won]
table = pd.DataFrame(lines, columns=["option", "points", "low", "high", "seeds"]).sort_values("points", ascending=False)
OUT.parent.mkdir(exist_ok=True)
table.round(2).to_csv(OUT, index=False)
for option, points, low, high, _ in table.itertuples(index=False):
    print(f"| {option} | {points:+.1f} [{low:+.1f}, {high:+.1f}] |")  # noqa: T201
