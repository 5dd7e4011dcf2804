"""Which part of a sheet bears on which clause of the AI Act's Article 15 and of ISO/IEC 24029-2, and what stays open.

Sources: Regulation (EU) 2024/1689, Article 15; ISO/IEC 24029-2:2023, clause 5 (its terms; read: the table of contents);
both in our own words.
"""

import pandas as pd

from robust.report import Section
from robust.report.section import Table

_ACT, _ISO = "AI Act, Art. 15", "ISO/IEC 24029-2"
_CLAUSES = (
    (
        f"{_ACT}(1)",
        "appropriate accuracy, robustness and cybersecurity, over the whole life of the system",
        "Accuracy; Tolerated levels; Attacks",
        "what is appropriate for the purpose; any time after these tests; cybersecurity beyond the attacks made",
    ),
    (
        f"{_ACT}(2)",
        "methods of measuring and benchmarks, which the Commission encourages",
        "How it was measured",
        "whether a method is one that was agreed on",
    ),
    (
        f"{_ACT}(3)",
        "levels of accuracy and their metrics, declared in the instructions of use",
        "Accuracy; Calibration; Known weaknesses by class",
        "the instructions of use themselves; metrics other than these",
    ),
    (
        f"{_ACT}(4)",
        "resilience to errors, faults and inconsistencies; redundancy; feedback loops of systems that go on learning",
        "Intended range of conditions, and what was tested; Tolerated levels",
        "redundancy and fail-safe plans; feedback loops; faults of the system around the network",
    ),
    (
        f"{_ACT}(5)",
        "resilience to attempts to alter use or outputs: poisoned data or models, inputs that deceive the model, "
        "attacks on confidentiality, flaws of the model",
        "Attacks (inputs that deceive the model)",
        "poisoned data, poisoned models, attacks on confidentiality; attacks that were not made",
    ),
    (
        f"{_ISO}, 5.2 domain",
        "the inputs for which a property is to hold",
        "Intended range of conditions, and what was tested",
        "levels between and beyond those tested; inputs unlike the test images",
    ),
    (
        f"{_ISO}, 5.3 stability",
        "whether outputs stay the same, or good enough, over a domain",
        "Accuracy; Tolerated levels",
        "a proof: these are tests of samples, and no formal method was used",
    ),
    (
        f"{_ISO}, 5.4 sensitivity",
        "how much outputs change with inputs",
        "Accuracy (drop from natural images); Attacks",
        "bounds that hold for every input",
    ),
    (
        f"{_ISO}, 5.5 relevance",
        "which parts of an input an output rests on",
        "none",
        "all of it",
    ),
    (
        f"{_ISO}, 5.6 reachability",
        "which states a system that acts step by step can come to",
        "none",
        "all of it: a classifier of single images has no steps",
    ),
)


def clauses_section() -> Section:
    """The table of clauses."""
    table = pd.DataFrame([*_CLAUSES], columns=["clause", "asks for", "parts that bear on it", "left open"])
    text = (
        "In our words, not those of the law or the standard; which of them apply is for the provider to decide. "
        "ISO/IEC 24029-2 is about formal methods: its terms stand here for what tests of samples can and cannot show."
    )
    return Section("Which clauses this bears on", text, {}, {"clauses": Table(table, table)})
