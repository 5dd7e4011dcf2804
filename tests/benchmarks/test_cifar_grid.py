"""Parts of a grid from several occasions add up, each run once."""

import time
from pathlib import Path

import pandas as pd

from benchmarks.cifar_grid import add_parts, names_in, train, write_part


def test_each_run_of_two_parts_is_there_once(tmp_path: Path, quick: list[str]) -> None:
    results, parts, names = tmp_path / "results", [tmp_path / "1.tar.xz", tmp_path / "2.tar.xz"], []
    jobs = [["technique=transfer", *quick], ["technique=natural", *quick]]
    for trials, chosen, part in ((2, jobs[1:], parts[0]), (3, jobs, parts[1])):
        runs_dir = part.with_suffix(".runs")
        runs_dir.mkdir()
        asked = [[*job, f"evaluation.trials={trials}"] for job in chosen]
        train(asked, runs_dir, known=names_in(results), pack=1, seconds=600)
        names.append({folder.name for folder in runs_dir.iterdir()})
        assert write_part(runs_dir, part) == len(chosen)
        assert add_parts(parts[: len(chosen)], results) == len(chosen)
    assert names[0] < names[1] == names_in(results), "what others start from is trained again"
    rows = pd.read_parquet(results / "rows.parquet")
    assert rows.groupby("technique")["trial"].max().to_dict() == {"natural": 1, "transfer": 2}, "the first's stay"
    assert "2 models" in (results / "README.md").read_text()


def test_what_does_not_fit_is_left_out(tmp_path: Path, quick: list[str]) -> None:
    runs_dir, begun = tmp_path / "runs", time.monotonic()
    runs_dir.mkdir()
    train([["technique=natural", "trainer.max_epochs=100000"]], runs_dir, known=set(), pack=1, seconds=3)
    assert time.monotonic() - begun < 60
    assert write_part(runs_dir, tmp_path / "part.tar.xz") == 0
    train([["technique=natural", *quick]], runs_dir, known=set(), pack=1, seconds=600)
    assert write_part(runs_dir, tmp_path / "part.tar.xz") == 1
    assert write_part(runs_dir, tmp_path / "part.tar.xz", most_bytes=1000) == 0
