"""The page: everything about a set of runs in one file that needs no network."""

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from tqdm.auto import tqdm

from robust.files import write_whole
from robust.measure import Samples
from robust.report.figures import accuracy_figure, samples_figure, svg
from robust.report.tables import condition_title, over_seeds, percent, score_table, summary_table, varying
from robust.runs import collect, read_status

_MOST_SAMPLES = 6  # runs whose sample images are shown


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Writes the page of these runs, beside it a README, the rows and the figures; returns the page's path.

    `out` is a folder; by default one beside the runs, named by what they are.
    """
    if out is None:
        names = "\n".join(sorted(folder.name for folder in folders))
        out = folders[0].parent / f"report-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
    rows = collect(folders)
    summary = summary_table(rows)
    lines, scores = over_seeds(summary), score_table(summary)
    figures = {"accuracy": svg(accuracy_figure(lines))}
    for folder in tqdm(_shown(folders, summary), desc="drawing", unit="run", delay=1, leave=False, disable=None):
        title = summary.loc[summary["run"] == folder.name, "title"].iloc[0]
        samples = Samples.read(folder / "samples.npz")
        figures[f"samples-{_slug(title)}"] = svg(samples_figure(samples, f"as the {title} model sees them"))
    content = {
        "data": ", ".join(summary["data"].unique()),
        "scores": scores.to_dict("records"),
        "varying": varying(scores),
        "lines": lines.to_dict("records"),
        "figures": {name: _data_uri(figure) for name, figure in figures.items()},
        **_circumstances(folders),
    }
    for name, figure in figures.items():
        write_whole(out / "figures" / f"{name}.svg", figure)
    write_whole(out / "rows.csv", rows.to_csv(index=False))
    write_whole(out / "README.md", _fill("page.md", content))
    page = out / "index.html"
    write_whole(page, _fill("page.html", content))
    return page


def _shown(folders: Sequence[Path], summary: pd.DataFrame) -> list[Path]:
    """The runs whose sample images the page shows: the natural model first, one of each kind."""
    kinds = summary.drop_duplicates("title").set_index("run")
    runs = [folder for folder in folders if folder.name in kinds.index and (folder / "samples.npz").is_file()]
    return sorted(runs, key=lambda folder: kinds.loc[folder.name, "technique"] != "natural")[:_MOST_SAMPLES]


def _circumstances(folders: Sequence[Path]) -> dict[str, Any]:
    """How these runs came about: commands, commits, versions, cores and the time that they took together."""
    records = [record for folder in folders if (record := read_status(folder).record)]
    sessions = [session for record in records for session in record["sessions"]]
    return {
        "commands": sorted({one["command"] for one in sessions}),
        "commits": sorted({one["git_commit"] or "unknown" for one in sessions}),
        "cores": sorted({one["cores"] for one in sessions}),
        "versions": records[0]["versions"] if records else {},
        "seconds": sum(sum(record["durations_s"].values()) for record in records),
    }


def _fill(template: str, content: dict[str, Any]) -> str:
    environment = Environment(autoescape=template.endswith(".html"), trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = percent
    environment.globals["condition_title"] = condition_title
    return environment.from_string((files(__package__) / template).read_text()).render(content)


def _slug(title: str) -> str:
    return re.sub("[^A-Za-z0-9.]+", "-", title).strip("-")


def _data_uri(image: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(image).decode()
