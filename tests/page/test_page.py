import base64
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.measure import Samples
from robust.page import write_report
from robust.report.figures import samples_figure
from robust.report.scores import score_table
from robust.report.tables import over_seeds, percent, summary_table
from robust.runs import collect, find_runs


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, quick: list[str]) -> list[Path]:
    runs_dir = tmp_path_factory.mktemp("page") / "runs"
    choices = ("technique=natural", "perturb=blur", "perturb=hot")
    runs = [prepare([f"runs_dir={runs_dir}", *quick, choice]) for choice in choices]
    for run in runs:
        execute(run)
    return [run.folder for run in runs]


@pytest.fixture(scope="module")
def page(folders: list[Path]) -> Path:
    return write_report(folders, folders[0].parent.parent / "out")


def test_won_back_is_the_difference_to_the_natural_model_where_that_fails_most(folders: list[Path]) -> None:
    rows = collect(folders)
    scores = score_table(summary_table(rows), rows).lines.set_index("title")
    blur = scores.loc["constant blur 1"]
    means = rows.groupby(["technique", "train_perturbation", "test_perturbation", "test_level"])["accuracy"].mean()
    natural = means["natural"]["none"]
    assert (blur["hardest"], blur["hardest_exposure"]) == ("blur 1", "seen")
    assert blur["before"] == pytest.approx(natural["blur"][1.0])
    assert blur["won"] == pytest.approx(means["constant"]["blur"]["blur"][1.0] - natural["blur"][1.0])
    assert pd.isna(scores.loc["natural"]["won"])


def test_a_run_without_its_natural_model_has_no_reference(folders: list[Path]) -> None:
    assert summary_table(collect(folders[1:]))["before"].isna().all()


def test_the_page_holds_every_figure_and_all_numbers_and_needs_nothing_else(folders: list[Path], page: Path) -> None:
    text = page.read_text()
    assert all(link.startswith(("#", "data:")) for link in re.findall(r'(?:href|src)="([^"]+)"', text))
    assert not re.search(r"url\((?!#)", text)
    assert text.count("<svg") - text.count('<svg viewBox="0 0') + text.count("data:image/webp;base64,") == 2 + 3 + 1
    for title in ("natural", "constant blur 1", "constant hot 5"):
        assert re.search(f"<td( class=word)?>(<a [^>]+>)?{title}(</a>)?</td>", text)
    pd.testing.assert_frame_equal(pd.read_parquet(page.parent / "rows.parquet"), collect(folders))
    lines = {"accuracy", "confidence"}
    pictures = {"confusion-digits", *(f"samples-{one}" for one in ("constant-blur-1", "constant-hot-5", "natural"))}
    names = {f"{one}.svg" for one in lines} | {f"{one}.webp" for one in pictures}
    assert {path.name for path in (page.parent / "figures").iterdir() if path.suffix != ".csv"} == names
    assert {path.stem for path in (page.parent / "figures").glob("*.csv")} == {"confidence", *pictures}
    carried = dict(re.findall(r'download="([^"]+)\.csv\.gz" href="data:application/gzip;base64,([^"]+)"', text))
    for file in page.parent.glob("*/*.csv"):
        name = f"{file.parent.name.removesuffix('s')}-{file.stem}"
        assert gzip.decompress(base64.b64decode(carried[name])) == file.read_bytes(), file


def test_no_two_things_in_the_page_have_the_same_id(page: Path) -> None:
    ids = re.findall(r'<[^>]+ id="([^"]+)"', page.read_text())
    assert len(ids) == len(set(ids)) > 20
    assert {"conditions--natural-natural", "conditions--constant-blur-1-blur-1"} <= set(ids)


def test_each_table_is_there_for_pandas(page: Path) -> None:
    tables = page.parent / "tables"
    names = ("conditions", "confidence", "confusion-digits", "models", "runs")
    assert sorted(path.name for path in tables.iterdir()) == [f"{name}.csv" for name in names]
    assert pd.read_csv(tables / "conditions.csv").iloc[0]["title"] == "natural"


def test_other_formats_are_written_where_they_are_asked_for(folders: list[Path], tmp_path: Path) -> None:
    write_report(folders[:1], tmp_path, formats=["pdf", "png", "svg", "tex", "md"])
    for name, usual in (("accuracy", ".svg"), ("samples-natural", ".webp")):
        files = {path.suffix: path for path in (tmp_path / "figures").glob(f"{name}.*") if path.suffix != ".csv"}
        assert files.keys() == {".svg", ".png", ".pdf", usual}
        assert f"(figures/{name}{usual})" in (tmp_path / "README.md").read_text()
        assert files[".pdf"].read_bytes().startswith(b"%PDF")
        assert files[".png"].read_bytes().startswith(b"\x89PNG")
    first = pd.read_csv(tmp_path / "tables" / "conditions.csv").iloc[0]
    accuracy = f"{100 * first['mean']:.1f}"
    assert f"| {first['title']} " in (tmp_path / "tables" / "conditions.md").read_text().splitlines()[2]
    latex = (tmp_path / "tables" / "conditions.tex").read_text()
    assert rf"natural & digits & natural &  & 1 & {accuracy} &" in latex
    assert r"accuracy, \%" in latex
    readme = (tmp_path / "README.md").read_text()
    for link in re.findall(r"\]\((\S+?)\)", readme):
        assert (tmp_path / link).is_file(), link
    assert "tables/conditions.tex" in readme

    write_report(folders[:1], tmp_path)
    assert not [*tmp_path.rglob("*.pdf"), *tmp_path.rglob("*.tex"), *tmp_path.rglob("conditions.md")]
    assert not (tmp_path / "figures" / "accuracy.png").exists()


def test_a_format_that_is_unknown_is_refused_before_anything_is_written(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`formats` must be among svg, png, pdf, tex, md; got eps\."):
        write_report(folders, tmp_path / "out", formats=["svg", "eps"])
    assert not (tmp_path / "out").exists()


def test_the_report_of_the_same_runs_is_the_same(folders: list[Path], page: Path, tmp_path: Path) -> None:
    again = write_report(folders, tmp_path / "again").parent
    for file in (one for one in page.parent.rglob("*") if one.is_file()):
        assert file.read_bytes() == (again / file.relative_to(page.parent)).read_bytes(), file


def test_runs_that_differ_by_more_than_their_seed_are_not_taken_together(make_run: Callable[..., Experiment]) -> None:
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


def test_titles_leave_out_what_all_networks_share(make_run: Callable[..., Experiment], tmp_path: Path) -> None:
    runs = [make_run("model.dropout=0.25", f"model.batch_norm={norm}") for norm in ("true", "false")]
    for run in runs:
        execute(run)
    page = write_report([run.folder for run in runs], tmp_path / "out")
    networks = ["convnet_mnist dropout=0.25", "convnet_mnist batch_norm=False dropout=0.25"]
    shown = "constant noise 0.05 (convnet_mnist batch_norm=False)"
    readme = (page.parent / "README.md").read_text()
    assert f"| {shown} " in readme
    svg = (page.parent / "figures" / "accuracy.svg").read_text()
    assert all(word in svg for word in shown.split())  # in two lines
    for text in (page.read_text(), readme.replace("\\_", "_")):
        assert all(network in text for network in networks)
    assert set(pd.read_csv(page.parent / "tables" / "models.csv")["model"]) == set(networks)


def test_a_run_given_twice_counts_once(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders[0].parent)
    assert len(find_runs([folders[0], Path(folders[0].name), "."])) == 3


def test_several_seeds_are_averaged_with_students_interval(
    make_run: Callable[..., Experiment],
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


def test_the_readme_names_command_commit_and_every_figure(page: Path) -> None:
    text = (page.parent / "README.md").read_text()
    assert "# digits: 3 models" in text
    assert "Commit " in text
    assert re.search(r"\| natural +\| digits +\| hot 2 +\| far +\| 1 +\| ", text)
    for name in re.findall(r"\]\((\S+?)\)", text):
        assert (page.parent / name).is_file(), name
    assert "(figures/accuracy.svg)" in text


@pytest.mark.parametrize(("value", "shown"), [(0.12345, "12.3"), (float("nan"), ""), (1, "100.0")])
def test_fractions_are_shown_in_percent(value: float, shown: str) -> None:
    assert percent(value) == shown


def test_differences_carry_their_sign() -> None:
    assert [percent(value, sign=True) for value in (0.1, -0.1)] == ["+10.0", "-10.0"]


def test_the_page_of_a_network_that_is_only_measured_says_so_and_warns(
    tmp_path: Path, rows_of: Callable[..., pd.DataFrame], suites_of: Callable[..., dict[tuple[str, float], float]]
) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    rows = rows_of("net", suites_of("noise"), technique="pretrained", reference="net", data="folder")
    rows.to_csv(folder / "rows.csv", index=False)
    parts = "".join(f"{name}: {{}}\n" for name in ("model", "perturb", "technique", "task", "optimizer", "trainer"))
    others = "evaluation: {}\nattack: {}\nlogger: {}\ndata: {name: folder, path: /images/pics}\n"
    (folder / "config.yaml").write_text(parts + others)
    record = {"state": "done", "warnings": ["Preflight: the network is right on 3. Set model.range=255."]}
    (folder / "status.json").write_text(json.dumps(record))
    page = write_report([folder], tmp_path / "out")
    text, readme = page.read_text(), (tmp_path / "out" / "README.md").read_text()
    assert "<h1>Robustness report: pics</h1>" in text
    assert "1 model, measured in" in text
    assert "Warning: Preflight: the network is right on 3. Set model.range=255. [net]</p>" in text
    assert readme.startswith("# pics: 1 model\n\n**Warning:** Preflight: ")
    assert "training" not in readme


def test_sheets_say_the_true_class() -> None:
    given = {"names": np.array(["natural"]), "levels": np.zeros(1), "images": np.zeros((1, 2, 1, 8, 8), np.uint8)}
    answers = {"labels": np.array([0, 1]), "predicted": np.array([[2, 2]]), "classes": np.array(["cat", "dog", "eel"])}
    figure = samples_figure(Samples(**given, **answers), "natural").figure
    assert [text.get_text() for text in figure.axes[0].texts][:4] == ["eel", "cat", "eel", "dog"]
