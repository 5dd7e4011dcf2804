"""What thousands of finished runs cost: `plan=true`, `collect` and `report`, in seconds and in memory."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from robust.experiment.experiment import Experiment
from robust.runs import RunFolder, contents, sums
from robust.sweep.plan import plan

_SEEDS, _RATES = 5, (0.0005, 0.001, 0.002, 0.005, 0.01)


def settings(count: int, runs_dir: Path) -> list[str]:
    """What the command line says of a sweep of about so many runs: a natural one of each seed and learning rate, and
    others with noise."""
    levels = max(1, count // (_SEEDS * len(_RATES)))
    return [
        "perturb=noise",
        f"perturb.level={','.join(f'{0.1 * (one + 1) / levels:g}' for one in range(levels))}",
        f"optimizer.lr={','.join(map(str, _RATES))}",
        f"seed={','.join(map(str, range(_SEEDS)))}",
        "evaluation=camera",
        "evaluation.trials=5",
        f"runs_dir={runs_dir}",
    ]


def copy_runs(planned: Sequence[Experiment], models: dict[tuple[str, int], Path]) -> None:
    """Folders of these runs as if each were done: the files of the trained run of its technique and seed, with its own
    names."""
    for run in planned:
        base = RunFolder(models[run.identity.technique, run.identity.seed])
        reference = run.reference_name
        rows = base.read_rows().assign(
            run=run.identity.folder, train_level=run.identity.level, kind=run.identity.kind, reference=reference
        )
        record = {**(base.read_record() or {}), "identity": run.identity.as_dict(), "settings": run.settings}
        files = {name: (base.path / name).read_bytes() for name in sums.names(base.path)}
        files["config.yaml"] = contents.config_text(run.config).encode()
        files["rows.csv"] = contents.as_bytes(base.rows, rows)
        files["status.json"] = json.dumps(record, indent=2).encode() + b"\n"
        run.folder.mkdir(parents=True)
        sums.write({run.folder / name: content for name, content in files.items()})
