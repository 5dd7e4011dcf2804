"""Without retraining: against what do restoration and adaptation help, and where does training again help more?"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robust.measure.claims import decide, read_claims
from robust.report.studies import Findings
from robust.studies.without_retraining.answers import answers, subjects, won_by_ways
from robust.studies.without_retraining.report import answers_section


def findings(folders: Sequence[Path], rows: pd.DataFrame) -> Findings:
    """What each way brings under each perturbation, and which is best; what was published of adaptation."""
    won = won_by_ways(rows, folders)
    return Findings([answers_section(won, answers(won))], decide(read_claims(__package__), subjects(won)))
