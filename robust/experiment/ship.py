"""The ship check: an exported model against the network of the run that it is of, image by image, under every condition
that the run was tested under."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from robust.data import ImageSet, to_float
from robust.errors import one_line
from robust.experiment.compose import perturbation_choices
from robust.experiment.conditions import build_conditions, choice_of
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import reopen
from robust.files import atomic_write
from robust.measure import NATURAL, Condition, check_classes, flips
from robust.models import OutputError, ask, evaluating
from robust.progress import Progress
from robust.runs import DamagedError
from robust.runs.export import differs
from robust.runs.exported import Exported, read_exported
from robust.values.text import csv

_CALIBRATION = 300  # training images
_AT_ONCE = 100  # images
_TIMED = 32  # images in a batch
_REPEATS = 9
_SAME = 0.01  # by which the logits of a float file may differ, of the greatest
_FALL = 0.01  # of accuracy, that fewer bits may cost
_SIGNIFICANT = 0.05  # the p-value, times the number of conditions
_KIB = 1024
_GAINED = (
    "More is right than before: 8 bits cut values off beyond the greatest of the calibration images, and so what noise "
    "and other perturbations add to them; it is no better precision."
)
_FEW = 3  # kinds of flips that are named


@dataclass(frozen=True)
class ShipCheck:
    """What came of a ship check.

    `table`: a row for each condition, with `n` images, accuracy `before` (the run's network) and `after` (the exported
    one), fractions; predictions `changed`, `lost` (right, then wrong) and `gained`; `p` of McNemar's exact test;
    `logits` that differ at most, as a share of the greatest; which classes `flipped`, the most frequent first; and, the
    same in every row, `bytes_before`, `bytes_after`, the files' sizes, and `ms_before`, `ms_after`, milliseconds for an
    image. `faults` are sentences; `written` is the table's file.
    """

    table: pd.DataFrame
    faults: list[str]
    written: Path


def training_images(run_folder: Path) -> Tensor:
    """A few hundred of a run's training images, float in [0, 1], shape (n, channels, height, width). Raises
    ValueError where there are none."""
    images = reopen(run_folder).splits.train.images
    if not len(images):
        raise ValueError(f"`formats` must leave out onnx-int8 for {run_folder}, whose data has no images to train on.")
    rows = torch.linspace(0, len(images) - 1, min(_CALIBRATION, len(images))).round().long()
    return to_float(images[rows])


def ship_check(file: Path, run_folder: Path | None = None) -> ShipCheck:
    """Checks an exported file against its run, by default the one of the name it says, in ./runs or beside the file;
    writes the table as `file`.check.csv.

    A file in 32 bits must give the same logits, within 1 % of the greatest; one of fewer bits may not lose accuracy
    under any condition, significantly and by more than a point. Raises ValueError or FileNotFoundError where it cannot
    be checked.
    """
    exported = read_exported(file)
    run = reopen(_run_of(file, exported, run_folder))
    images, original = run.splits.test, run.load()
    tests = list(_tests(run, images))
    progress = Progress(f"checking {file.name}", len(tests) * len(images), "image")
    with evaluating(original), evaluating(exported.model), torch.inference_mode(), progress:
        try:
            table = pd.DataFrame([_compared(original, exported.model, images, *test, progress) for test in tests])
        except OutputError as error:
            raise ValueError(f"{file} cannot be checked against {run.folder}: {one_line(error)}") from error
        shown = to_float(images.images[:_TIMED])
        ms_before, ms_after = _latency_ms(original, shown), _latency_ms(exported.model, shown)
    sizes = {"bytes_before": run.files.model.stat().st_size, "bytes_after": file.stat().st_size}
    table = table.assign(**sizes, ms_before=ms_before, ms_after=ms_after)
    written = file.with_name(f"{file.name}.check.csv")
    atomic_write(written, csv(table))
    return ShipCheck(table, _faults(table, exported), written)


def _run_of(file: Path, exported: Exported, run_folder: Path | None) -> Path:
    """The folder of the run that a file is of."""
    if run_folder is not None:
        if exported.run is not None and exported.run != run_folder.absolute().name:
            raise ValueError(f"`--run` must be the run that {file} is of, {exported.run}; got {run_folder}.")
        return run_folder
    if exported.run is None:
        raise ValueError(f"{file} does not say which run it is of. Name it: --run FOLDER.")
    for place in (Path("runs"), file.parent, file.parent.parent / "runs"):
        if (place / exported.run).is_dir():
            return place / exported.run
    raise ValueError(
        f"{file} is of the run {exported.run}, and ./runs does not hold that. Name its folder: --run FOLDER."
    )


def _tests(run: Experiment, images: ImageSet) -> Iterator[tuple[Condition, int, int]]:
    """Each condition that the run was tested under, with the first of its trials and the seed."""
    try:
        rows = run.files.read_rows()
    except (OSError, DamagedError) as error:
        raise ValueError(f"{run.folder} must be a run that was tested; it has no rows ({one_line(error)}).") from error
    first = rows.drop_duplicates(["test_perturbation", "test_level"])
    perturbed = first[first["test_perturbation"] != NATURAL]
    choices = perturbed["test_perturbation"].map(choice_of)
    levels = perturbed.groupby(choices, sort=False)["test_level"].agg(list).to_dict()
    asked_for = run.config.evaluation.conditions or {}
    levels |= {name: asked_for[name] for name in levels if isinstance(asked_for.get(name), Mapping)}
    families = sorted({str(one.family) for one in perturbation_choices(levels).values()})
    asked = {"evaluation.conditions": levels, "evaluation.families": families, "evaluation.own_family": False}
    conditions = build_conditions(run.config.changed(asked), images.shape)
    known = {(one.name, one.level): one for one in conditions}
    for row in first.itertuples():
        if condition := known.get((row.test_perturbation, row.test_level)):
            yield condition, int(row.trial), int(row.evaluation_seed)


def _compared(
    original: nn.Module,
    exported: nn.Module,
    images: ImageSet,
    condition: Condition,
    trial: int,
    seed: int,
    progress: Progress,
) -> dict[str, object]:
    """A row of the table."""
    answers: list[tuple[Tensor, Tensor]] = []
    for start in range(0, len(images), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        shown = condition.view(to_float(images.images[rows]), images.places[rows], seed=seed, trial=trial)
        wanted, found = (
            ask(one, shown, numbers=images.places[rows], under=condition.title) for one in (original, exported)
        )
        check_classes(found, len(images.classes))
        answers.append((wanted, found))
        progress.add(len(shown))
    wanted, found = (torch.cat(each) for each in zip(*answers, strict=True))
    before, after = wanted.argmax(1), found.argmax(1)
    compared = flips(images.labels, before, after)
    pairs = Counter(zip(before[before != after].tolist(), after[before != after].tolist(), strict=True))
    names = [f"{images.classes[a]} → {images.classes[b]} ({count})" for (a, b), count in pairs.most_common(_FEW)]
    return {
        "condition": condition.title,
        "n": compared.n,
        "before": compared.before,
        "after": compared.after,
        "changed": compared.changed,
        "lost": compared.lost,
        "gained": compared.gained,
        "p": compared.p,
        "logits": differs(found, wanted),
        "flipped": ", ".join(names) + (", ..." if len(pairs) > _FEW else ""),
    }


def _latency_ms(model: nn.Module, images: Tensor) -> float:
    """Milliseconds for an image, the median of timed batches."""
    times = []
    for _ in range(_REPEATS + 1):
        begun = time.perf_counter()
        ask(model, images)
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times[1:]) / len(images)


def _faults(table: pd.DataFrame, exported: Exported) -> list[str]:
    if exported.is_exact:
        wrong = table[table["logits"] > _SAME]
        return [
            f"{row.condition}: the logits differ by {row.logits:.0%} of the greatest; a file in 32 bits must give the "
            f"same; {row.changed} of {row.n} predictions flip, accuracy {_percent(row)}."
            for row in wrong.itertuples()
        ]
    falls = (table["p"] * len(table) < _SIGNIFICANT) & (table["before"] - table["after"] > _FALL)
    return [
        f"{row.condition}: accuracy falls, {_percent(row)}; {row.lost} images are lost, {row.gained} gained (p = "
        f"{row.p:.1g})."
        for row in table[falls].itertuples()
    ]


def _percent(row: Any) -> str:
    return f"{100 * row.before:.1f} → {100 * row.after:.1f} %"


def print_ship_check(table: pd.DataFrame, file: Path) -> None:
    """What an exported `file` does, condition by condition, beside the run's network: `table` as `ShipCheck` has it."""
    from robust.report.terminal import print_table  # with all of the report: a second that the check need not wait for

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
    if ((table["p"] * len(table) < _SIGNIFICANT) & (table["after"] - table["before"] > _FALL)).any():
        caption += f" {_GAINED}"
    print_table(shown, f"ship check of {file.name}", caption)
