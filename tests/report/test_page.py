import html
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from robust.prepare import Run
from robust.report import write_report
from robust.report.tables import over_seeds, percent, score_table, summary_table
from robust.run import execute
from robust.runs import collect, find_runs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def folders(make_run: Callable[..., Run]) -> list[Path]:
    runs = [make_run("technique=natural"), make_run("perturb=blur"), make_run("perturb=hot")]
    for run in runs:
        execute(run)
    return [run.folder for run in runs]


def test_won_back_is_the_difference_to_the_natural_model_where_that_fails_most(folders: list[Path]) -> None:
    rows = collect(folders)
    scores = score_table(summary_table(rows)).set_index("title")
    blur = scores.loc["constant blur 1"]
    means = rows.groupby(["technique", "train_perturbation", "test_perturbation", "test_level"])["accuracy"].mean()
    natural = means["natural"]["none"]
    assert blur["hardest"] == "blur 1"
    assert blur["before"] == pytest.approx(natural["blur"][1.0])
    assert blur["won"] == pytest.approx(means["constant"]["blur"]["blur"][1.0] - natural["blur"][1.0])
    assert pd.isna(scores.loc["natural"]["won"])


def test_a_run_without_its_natural_model_has_no_reference(folders: list[Path]) -> None:
    assert summary_table(collect(folders[1:]))["before"].isna().all()


def test_the_page_holds_every_figure_and_needs_no_network(folders: list[Path], tmp_path: Path) -> None:
    page = write_report(folders, tmp_path / "out")
    text = page.read_text()
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert text.count("data:image/svg+xml;base64,") == 1 + 3
    for title in ("natural", "constant blur 1", "constant hot 5"):
        assert f"<td>{title}</td>" in text
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "out" / "rows.csv", keep_default_na=False), collect(folders), check_dtype=False
    )
    assert len(list((tmp_path / "out" / "figures").glob("*.svg"))) == 4


def test_the_page_of_the_same_runs_is_the_same(folders: list[Path], tmp_path: Path) -> None:
    first, second = (write_report(folders, tmp_path / name) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_shows_the_page(folders: list[Path], tmp_path: Path) -> None:
    assert CHROMIUM
    page = write_report(folders, tmp_path / "out")
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    script = (
        "<script>onload=()=>{document.title=[...document.images].map(i=>i.naturalWidth>0).join()"
        "+' '+document.querySelectorAll('#conditions tr').length}</script></body>"
    )
    page.write_text(page.read_text().replace("</body>", script))
    shown = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", *quiet, "--dump-dom", "--virtual-time-budget=5000", page.as_uri()],
        text=True, capture_output=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    title = html.unescape(re.search("<title>(.*?)</title>", shown)[1])
    images, lines = title.split()
    assert images == "true,true,true,true"
    assert int(lines) == 1 + 10 + 4 + 4


def test_runs_that_differ_by_more_than_their_seed_are_not_taken_together(make_run: Callable[..., Run]) -> None:
    settings = [["trainer.max_epochs=1"], ["trainer.max_epochs=2"], ["trainer.max_epochs=2", "seed=1"]]
    runs = [make_run(*one, *what) for what in (["technique=natural"], ["perturb=blur"]) for one in settings]
    for run in runs:
        execute(run)
    summary = summary_table(collect([run.folder for run in runs]))
    lines = over_seeds(summary)
    assert sorted(lines["seeds"].unique()) == [1, 2]
    assert lines["title"].nunique() == 4
    natural = summary[summary["technique"] == "natural"].set_index(["run", "test_perturbation", "test_level"])["mean"]
    for line in summary.itertuples():
        assert line.before == natural[(line.reference, line.test_perturbation, line.test_level)]


def test_a_run_given_twice_counts_once(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders[0].parent)
    assert len(find_runs([folders[0], Path(folders[0].name), "."])) == 3


def test_several_seeds_are_averaged_with_students_interval(
    make_run: Callable[..., Run],
) -> None:
    runs = [make_run("technique=natural", f"seed={seed}", "evaluation.trials=1") for seed in range(3)]
    for run in runs:
        execute(run)
    rows = collect([run.folder for run in runs])
    line = over_seeds(summary_table(rows)).set_index(["test_perturbation", "test_level"]).loc[("noise", 0.05)]
    found = rows.query("test_perturbation == 'noise' and test_level == 0.05")["accuracy"]
    half = 4.302653 * found.std() / 3**0.5
    assert (line["seeds"], line["mean"]) == (3, pytest.approx(found.mean()))
    assert (line["low"], line["high"]) == (
        pytest.approx(max(0, found.mean() - half)),
        pytest.approx(min(1, found.mean() + half)),
    )


def test_the_readme_names_command_commit_and_every_figure(folders: list[Path], tmp_path: Path) -> None:
    text = (write_report(folders, tmp_path / "out").parent / "README.md").read_text()
    assert "# digits: 3 models" in text
    assert "Commit " in text
    assert "| natural | digits | hot 2 | 1 | " in text
    assert "(figures/accuracy.svg)" in text


@pytest.mark.parametrize(("value", "shown"), [(0.12345, "12.3"), (float("nan"), ""), (1, "100.0")])
def test_fractions_are_shown_in_percent(value: float, shown: str) -> None:
    assert percent(value) == shown


def test_differences_carry_their_sign() -> None:
    assert [percent(value, sign=True) for value in (0.1, -0.1)] == ["+10.0", "-10.0"]
