"""An evidence sheet: all parts together, as a page and as a PDF that says the same."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from robust.document import Document, pdf
from robust.errors import check, require
from robust.evidence.clauses import clauses_section
from robust.evidence.identification import identification, made_at, rows_digest
from robust.evidence.measured import (
    accuracy_section,
    attacks_section,
    calibration_section,
    exposure_section,
    intervals_text,
    other_tests_section,
)
from robust.evidence.ranges import check_ranges, range_sections, tolerated
from robust.evidence.subject import Subject, read_subject
from robust.evidence.untested import untested_section
from robust.evidence.weaknesses import weaknesses_section
from robust.files import atomic_write
from robust.page import document_page
from robust.report import Section

#: what a sheet is written as
FORMATS = ("html", "pdf")
_NAME = "evidence"
_LEAD = (
    "What tests of one network came to, for a provider who has to state it. It is no certificate and no assessment of "
    "conformity, and it claims nothing that its rows do not carry.",
    "Accuracy is the share of test images whose class is predicted; a perturbation changes the images, its level says "
    "how much, in the unit that stands beside it.",
)


def write_evidence(
    places: Sequence[Path],
    out: Path | None = None,
    *,
    stated: Mapping[str, float],
    target: float | None = None,
    formats: Sequence[str] = FORMATS,
) -> list[Path]:
    """Writes the sheet of the runs at these places, which differ by their seed alone, and returns its files.

    `out` is a folder; by default one beside the runs. `stated`: the range that each perturbation is to be tolerated
    over, by its name. `target`: the accuracy to be kept (default: nine tenths of that on natural images). The same runs
    give the same bytes. Raises ValueError for other formats, runs of several kinds, and as `check_ranges`, before
    anything is written.
    """
    check("formats", ",".join(formats), f"some of {', '.join(FORMATS)}", bool(formats) and {*formats} <= {*FORMATS})
    check("--target", target, "above 0 and at most 1", target is None or 0 < target <= 1)
    if "pdf" in formats:
        require("fpdf", what=f"{_NAME}.pdf (--formats html leaves it out)", extra="pdf")
    subject = read_subject(places)
    document = evidence(subject, check_ranges(subject, stated), target)
    kind = subject.rows["kind"].iloc[0]
    out = subject.folders[0].parent / f"{_NAME}-{kind}" if out is None else out
    made = datetime.datetime.fromisoformat(made_at(subject))
    paths = {one: out / f"{_NAME}.{one}" for one in formats}
    for one, path in paths.items():
        atomic_write(path, document_page(document) if one == "html" else pdf(document, made))
    return list(paths.values())


def evidence(subject: Subject, stated: Mapping[str, float], target: float | None = None) -> Document:
    """The sheet as a document."""
    levels = tolerated(subject, target)
    run = subject.rows.iloc[0]
    sections = [
        identification(subject),
        *range_sections(subject, levels, stated, target),
        accuracy_section(subject),
        weaknesses_section(subject),
        calibration_section(subject),
        attacks_section(subject),
        other_tests_section(subject),
        exposure_section(subject),
        untested_section(subject, levels),
        _methods(subject),
        clauses_section(),
    ]
    foot = f"Rows: SHA-256 {rows_digest(subject)}."
    return Document(f"Evidence sheet: {run['model']} on {run['data']}", _LEAD, sections, foot)


def _methods(subject: Subject) -> Section:
    """How the figures were come by."""
    text = (
        "Every test image is shown to the network under every condition; what is random is drawn from a key of the "
        "evaluation's seed, the condition, the trial and the image's place, so that each test can be made again. "
        f"{intervals_text(subject)} Wilson's interval takes the test images for a sample of those to come, drawn "
        "alike; of images from elsewhere it says nothing."
        "\n\nTolerated levels: a probit curve over the logarithm of the level, from the accuracy on natural images "
        "down to that of a guess, by its likelihood; its interval resamples images (and adds what seeds vary by, as "
        "squares)."
        "\n\nEach interval is a statement of its own. Of many, one in twenty misses; none is corrected for how many "
        "there are."
    )
    return Section("How it was measured", text)
