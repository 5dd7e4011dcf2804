"""A claim's line: what was published, what was measured, and whether one reaches the other."""

from robust.report.statements import Comparison

#: a named claim rests on at least so many
FEWEST_SEEDS = 3
COLUMNS = [
    *("id", "claim", "published", "tolerance", "measured", "low", "high", "met", "reason"),
    *("data", "section", "seeds"),
]


def claim_line(
    name: str,
    section: str,
    text: str,
    comparison: Comparison,
    published: float,
    measured: float,
    interval: tuple[float, float],
    *,
    data: str,
    seeds: int,
    tolerance: float = 0.0,
    digits: int = 2,
) -> dict[str, object]:
    """A line of `COLUMNS`. `met` is `yes` where the interval reaches what was published, give or take the
    tolerance; of what is to be surely above it, where all of the interval is."""
    # Decided by the figures that are written, so that a reader comes to the same verdict.
    measured, low, high = (round(float(value), digits) + 0.0 for value in (measured, *interval))
    met = _reaches(comparison, published, tolerance, low, high)
    given = f"{comparison if comparison != 'equal' else 'about'} {published:g}"
    return {
        "id": name,
        "claim": text,
        "published": published,
        "tolerance": tolerance,
        "measured": measured,
        "low": low,
        "high": high,
        "met": "yes" if met else "no",
        "reason": ""
        if met
        else f"{measured:g} [{low:g}, {high:g}] is not {given}{f' ± {tolerance:g}' if tolerance else ''}",
        "data": data,
        "section": section,
        "seeds": seeds,
    }


def _reaches(comparison: Comparison, published: float, tolerance: float, low: float, high: float) -> bool:
    if comparison == "equal":
        return low <= round(published + tolerance, 2) and high >= round(published - tolerance, 2)
    return {
        "at least": high >= published,
        "above": high > published,
        "surely above": low > published,
        "at most": low <= published,
        "below": low < published,
    }[comparison]
