"""Reports of committed rows stay what they are.

Of every `rows.parquet` under results/ the report is made again, from the rows alone, and its CSV files are held against
the committed ones. A file beside this one, in the folder of that name, stands for a committed one that rows alone do
not give: how well networks knew their training images (ablation); the claims of one seed, whose intervals are paired
over the images of its runs; those claims of the atlas that no attack decides; the general tables where another report
is committed (pretext, natural/layers), or where committed ones say what predictions cost (without_retraining).

Rows alone give models, conditions, ranking, hardening, the claims about them and the figures of the paper. Not made
again, since they need the runs' folders: confusion, confidence, differences, attacks, the atlas, the mind's eye, what
learnt without labels, and the layers.
"""

import io
from pathlib import Path

import pandas as pd
import pytest

from robust.report import numbers, sections
from robust.runs.contents import with_calibration

RESULTS, GOLDEN = Path(__file__).parents[2] / "results", Path(__file__).parent
REPORTS = sorted(path.parent.relative_to(RESULTS) for path in RESULTS.glob("**/rows.parquet"))
FROM_ROWS = ["claims.csv", "figures/figure-[468ABC]*.csv"]
FROM_ROWS += [f"tables/{name}.csv" for name in ("models", "conditions", "ranking", "hardening", "ablation")]
FROM_ROWS += ["tables/corruptions*.csv", "tables/triangle.csv", "figures/triangle*.csv"]
FROM_ROWS += ["tables/without-retraining.csv", "figures/without-retraining*.csv"]
OTHER_CLAIMS = [Path(name) for name in ("minds_eye", "pretext", "camera", "certified")]  # no claim of these is of rows


def test_every_report_is_held_to() -> None:
    assert len(REPORTS) >= 11


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_the_report_of_committed_rows_is_the_committed_one(report: Path) -> None:
    kept = {file.relative_to(folder / report): file for folder in (RESULTS, GOLDEN) for file in _files(folder / report)}
    if report in OTHER_CLAIMS:
        del kept[Path("claims.csv")]
    made = numbers(sections([], with_calibration(pd.read_parquet(RESULTS / report / "rows.parquet"))))
    assert sorted(made) == sorted(map(str, kept))
    for file, text in made.items():
        _assert_same(text, kept[Path(file)].read_text(), f"{report}/{file}")


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("**/claims.csv")), ids=lambda file: file.parent.name)
def test_paired_intervals_are_of_the_same_figures(golden: Path) -> None:
    given = ["id", "claim", "published", "tolerance", "measured", "data", "section", "seeds"]
    committed = RESULTS / golden.relative_to(GOLDEN)
    ours, theirs = (pd.read_csv(file).set_index("id", drop=False)[given] for file in (golden, committed))
    pd.testing.assert_frame_equal(ours, theirs.loc[ours.index], check_dtype=False)


def _files(report: Path) -> list[Path]:
    return [file for pattern in FROM_ROWS for file in report.glob(pattern)]


def _assert_same(made: str, kept: str, name: str) -> None:
    """To the byte; or with floats that are the same to 12 digits, since processors differ in the last."""
    if made != kept:
        both = (pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""]) for text in (made, kept))
        pd.testing.assert_frame_equal(*both, rtol=1e-12, atol=0, obj=name)
