"""How tables say what a network has seen in training."""

from collections.abc import Sequence

import pandas as pd

from robust.measure.exposure import FAMILY, FAR, SEEN, UNKNOWN, knows_exposure

_LEGEND = {
    SEEN: "*, seen: the training contained this perturbation, at whatever level.",
    FAMILY: "°, family: the training contained another one of its family.",
}
_UNMARKED = "What has no mark is far from the training, or of a network whose training is not known."
_COLUMN = "Exposure: whether the training contained this perturbation (seen), another one of its family, or neither."
_DISTANCE = (
    "Distance of the training to this condition in the features of the natural model, as a share of that of natural "
    "images (minimal sample distance, arXiv 2102.11273): 0, training contains it; 1, it comes no nearer."
)
_MARKS = {"": "", FAR: "", UNKNOWN: "", SEEN: "*", FAMILY: "°"}


def legend(exposures: pd.DataFrame) -> str:
    """What a table says of the marks and words for these exposures; nothing where it has none."""
    shown = {str(one) for name in exposures for one in exposures[name]}
    said = [text for word, text in _LEGEND.items() if any(word in one for one in shown)]
    return " ".join([*said, _UNMARKED]) if said else ""


def marked(texts: Sequence[str], exposures: Sequence[str]) -> list[str]:
    """Texts of a table, and behind each the mark for its exposure: "98.1*"; of several the words: "85.3 (3 of 9
    seen)"."""
    marks = [_MARKS.get(one, f" ({one})") for one in exposures]
    return [f"{text}{mark}" if text else "" for text, mark in zip(texts, marks, strict=True)]


def exposure_cells(lines: pd.DataFrame) -> dict[str, Sequence[str]]:
    """What a table shows of how far conditions lie from the training: `exposure`, and `distance`, where lines have
    these."""
    columns: dict[str, Sequence[str]] = {"exposure": lines["exposure"].tolist()} if knows_exposure(lines) else {}
    if "distance" in lines:
        columns["distance"] = ["" if pd.isna(one) else f"{one:.2f}" for one in lines["distance"]]
    return columns


def exposure_notes(shown: pd.DataFrame) -> str:
    """What such a table says of these columns."""
    texts = {"exposure": _COLUMN, "distance": _DISTANCE}
    return "".join(f" {text}" for name, text in texts.items() if name in shown)
