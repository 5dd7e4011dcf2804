"""The page: everything about a set of runs in one file that needs no network."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment

from robust.files import write_whole
from robust.measure import Samples
from robust.report.figures import accuracy_figure, samples_figure, svg
from robust.report.tables import condition_title, percent, score_table, summary_table
from robust.runs import collect, read_status

_MOST_SAMPLES = 6  # runs whose sample images are shown


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Writes the page of these runs, and its rows and figures beside it; returns the page's path.

    `out` is a folder; by default one beside the runs, named by what they are.
    """
    if out is None:
        names = "\n".join(sorted(folder.name for folder in folders))
        out = folders[0].parent / f"report-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
    rows = collect(folders)
    summary = summary_table(rows)
    figures = {"accuracy": svg(accuracy_figure(summary))}
    for folder in _shown(folders, summary):
        title = summary.loc[summary["run"] == folder.name, "title"].iloc[0]
        figures[f"samples-{folder.name}"] = svg(
            samples_figure(Samples.read(folder / "samples.npz"), f"as the {title} model sees them")
        )
    for name, figure in figures.items():
        write_whole(out / "figures" / f"{name}.svg", figure)
    write_whole(out / "rows.csv", rows.to_csv(index=False))
    page = out / "index.html"
    write_whole(page, _render(summary, figures, folders))
    return page


def _shown(folders: Sequence[Path], summary: pd.DataFrame) -> list[Path]:
    """The runs whose sample images the page shows: the natural model first, one of each kind."""
    kinds = summary.drop_duplicates("title").set_index("run")
    runs = [folder for folder in folders if folder.name in kinds.index and (folder / "samples.npz").is_file()]
    return sorted(runs, key=lambda folder: kinds.loc[folder.name, "technique"] != "natural")[:_MOST_SAMPLES]


def _render(summary: pd.DataFrame, figures: dict[str, bytes], folders: Sequence[Path]) -> str:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = percent
    environment.globals["condition_title"] = condition_title
    template = environment.from_string((files(__package__) / "page.html").read_text())
    records = [status.record for folder in folders if (status := read_status(folder)).record]
    return template.render(
        data=", ".join(summary["data"].unique()),
        scores=score_table(summary).to_dict("records"),
        conditions=summary.to_dict("records"),
        accuracy=_data_uri(figures["accuracy"]),
        samples=[_data_uri(figure) for name, figure in figures.items() if name.startswith("samples-")],
        commits=sorted({record["git_commit"] or "unknown" for record in records}),
        versions=records[0]["versions"] if records else {},
        seconds=sum(sum(record["durations_s"].values()) for record in records),
    )


def _data_uri(image: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(image).decode()
