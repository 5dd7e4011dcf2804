"""The ship check in the terminal."""

from pathlib import Path

import pandas as pd

from robust.report.terminal import print_table

_KIB = 1024


def print_ship_check(table: pd.DataFrame, file: Path) -> None:
    """What an exported `file` does, condition by condition, beside the run's network: `table` as `ShipCheck` has it."""
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
    first = table.iloc[0]
    size = f"{first['bytes_before'] / _KIB:,.0f} → {first['bytes_after'] / _KIB:,.0f} KiB"
    caption = f"Size {size}; latency {first['ms_before']:.3g} → {first['ms_after']:.3g} ms for an image."
    print_table(shown, f"ship check of {file.name}", caption)
