"""The ship check in the terminal."""

from pathlib import Path

import pandas as pd

from robust.report.terminal import print_table

_KIB = 1024


def print_ship_check(
    table: pd.DataFrame, file: Path, *, bytes: tuple[int, int], latency_ms: tuple[float, float]
) -> None:
    """What an exported `file` does, condition by condition, beside the run's network: `table` as `ShipCheck` has it;
    its size in bytes and its latency in milliseconds for an image, each before and after."""
    shown = pd.DataFrame(
        {
            "condition": table["condition"],
            "images": table["n"],
            "accuracy, %": [f"{100 * row.before:.1f} → {100 * row.after:.1f}" for row in table.itertuples()],
            "flips": table["changed"],
            "lost": table["lost"],
            "gained": table["gained"],
            "p": [f"{one:.2g}" for one in table["p"]],
            "logits differ by": [f"{100 * one:.2g} %" for one in table["logits"]],
            "classes that flip": table["flipped"],
        }
    )
    sizes, times = (f"{one / _KIB:,.0f}" for one in bytes), (f"{one:.3g}" for one in latency_ms)
    caption = f"Size {' → '.join(sizes)} KiB; latency {' → '.join(times)} ms for an image. Before: the run's network."
    print_table(shown, f"ship check of {file.name}", caption)
