"""The monitor of a finished run: made on first use, kept in its folder, shown pictures."""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from robust.adapt import Adapting
from robust.data import ImageSet, Splits, to_float
from robust.data.decode import decode
from robust.data.listing import list_part
from robust.data.picture import Style, colour
from robust.errors import ParameterError, check, notify
from robust.experiment.evaluate import load_for_tests
from robust.experiment.experiment import Experiment
from robust.experiment.limits import build_searches
from robust.experiment.tolerance import with_levels
from robust.files.claiming import say
from robust.measure import Condition
from robust.models import ask, device_of, evaluating, gives_logits
from robust.progress import Progress
from robust.runs import RunFolder, claimed, find_runs
from robust.runs.contents import if_sound
from robust.watch import Monitor, Sample, features, fit_monitor, measured_on

#: files of a run: its monitor, and how far off that is
MONITOR, ERRORS = "monitor.npz", "monitor.parquet"
_BETWEEN = "evaluation.tolerance.between=3"  # levels between each two: every other level is left out, and measured
_IMAGES = 1000  # of each part, at most
_AT_ONCE = 250  # images


def monitor(run: str | Path, folder: str | Path, *, window: int = 200, settings: Sequence[str] = ()) -> pd.DataFrame:
    """What a finished run's network meets in the pictures in `folder`, unlabelled, in the order of their names: a row
    for every `window` of them or so.

    Columns: first and last, files' names; n; condition (a perturbation, natural, unknown) and level; accuracy, the
    estimated share that the network recognises, with its 95 % interval, low to high. The last four are NaN where the
    condition is unknown. The monitor is made of the run's images where the run's folder has none of these `settings`
    (`perturb=noise,blur`, levels as for `robust tolerance`): MONITOR, and ERRORS, how far off it is (see
    `robust.watch.measured_on`). Raises ValueError or FileNotFoundError for a run or pictures that cannot be looked at.
    """
    check("window", window, "at least 20 pictures", window >= 20)
    advice = "A monitor is made of the images that a run was tested on."
    check("run", type(run).__name__, "the path of a finished run's folder", isinstance(run, str | os.PathLike), advice)
    folders = find_runs([run], measured=False)
    check("RUN", f"{len(folders)} runs in {run}", "the folder of one run", len(folders) == 1)
    opened = with_levels([_BETWEEN, *settings])(folders[0])
    model, splits = _network(opened), opened.splits
    paths, style = _pictures(Path(folder), window), _style(opened, splits)
    known = _monitor(opened, model, splits, window)
    rows = []
    for some in np.array_split(paths, max(1, round(len(paths) / window))):
        pixels, notes = decode([*some], style, f"reading {folder}")
        for note in notes:
            notify(note)
        found = known.look(_features(model, to_float(pixels))[0].mean(axis=0))
        names = {name: str(Path(path).name) for name, path in (("first", some[0]), ("last", some[-1]))}
        rows.append({**names, "n": len(some), **found._asdict()})
    return pd.DataFrame(rows).drop(columns=["distance", "beyond"])


def _network(run: Experiment) -> nn.Module:
    """The run's network. Raises ValueError for one that no monitor can be made of."""
    model = load_for_tests(run)
    whole = not isinstance(model, Adapting) and gives_logits(model) and bool(run.config.task.tested)
    check("RUN", str(run.folder), "a network that gives logits and stays as it was trained", whole)
    return model


def _pictures(folder: Path, window: int) -> list[str]:
    """The pictures' paths, in the order of their names."""
    listing = list_part(folder, expected="Expected pictures")
    files, least = [one.path for group in listing.classes.values() for one in group], window // 2
    rule = f"at least {least} pictures, half of a window of {window}"
    advice = " ".join([*listing.notes(), "Give more, or a smaller window: --window 20 needs ten."])
    check("FOLDER", f"{len(files)} in {folder}", rule, len(files) >= least, advice)
    for note in listing.notes():
        notify(note)
    return sorted(files, key=lambda path: (Path(path).name, path))


def _style(run: Experiment, splits: Splits) -> Style:
    """How pictures are made into images of the run's shape."""
    channels, height, width = splits.test.shape
    if height != width:
        raise ParameterError("RUN", "of square images", f"{height}x{width}")
    source = run.config.data.source
    return Style(width, channels, colour(source.get("background") or "white"), source.get("resize"))


def _monitor(run: Experiment, model: nn.Module, splits: Splits, window: int) -> Monitor:
    """The monitor that is kept, or another that is then kept."""
    searches = build_searches(run.config, splits.test.shape)
    fitted = [Condition(), *(one for search in searches for one in search.conditions[1::2])]
    unseen = [Condition(), *(one for search in searches for one in search.conditions[::2])]
    known = if_sound(lambda: read_monitor(run.files))
    about = [(one.name, one.level) for one in fitted], window
    if known is not None and about == ([*zip(known.names, known.levels, strict=True)], known.window[0]):
        return known
    seen, others = _parts(splits)
    say(f"making the monitor of {run.identity.folder}: {len(fitted) + len(unseen)} conditions, once")
    count = sum(
        len(some) * sum(map(len, parts)) * _trials(parts) for some, parts in ((fitted, seen), (unseen, [others]))
    )
    with claimed(run.folder), evaluating(model), Progress("monitor", count, "image") as progress:
        made = fit_monitor([*_samples(model, seen, fitted, progress)], window=window)
        made, errors = measured_on(made, _samples(model, [others], unseen, progress))
        run.files.write_extras({MONITOR: made, ERRORS: errors})
    return made


def read_monitor(folder: RunFolder) -> Monitor | None:
    """The monitor in a run's folder; None where there is none."""
    dimensions = {"means": 2, "slopes": 2, "scale": 2}
    found = folder.read_extra_arrays(MONITOR, {one.name: dimensions.get(one.name, 1) for one in fields(Monitor)})
    return None if found is None else Monitor(**found)


def _parts(splits: Splits) -> tuple[list[ImageSet], ImageSet]:
    """The images that a monitor is made of, validation images and half the test images, and those that it is measured
    on, the other half; at most _IMAGES of each."""
    test, validation = splits.test, splits.validation
    rows = _spread(len(test), 2 * _IMAGES)
    seen = [test[rows[::2]], *([validation[_spread(len(validation), _IMAGES)]] if validation is not None else [])]
    return seen, test[rows[1::2]]


def _spread(count: int, most: int) -> Tensor:
    return torch.linspace(0, count - 1, min(count, most)).round().long()


def _trials(parts: Sequence[ImageSet]) -> int:
    return max(1, min(4, 2 * _IMAGES // sum(map(len, parts))))


def _samples(
    model: nn.Module, parts: Sequence[ImageSet], conditions: Sequence[Condition], progress: Progress
) -> Iterator[Sample]:
    """These images under each condition, in the 8 bits of pictures; few of them in several trials."""
    batches = [part[slice(start, start + _AT_ONCE)] for part in parts for start in range(0, len(part), _AT_ONCE)]
    for condition in conditions:
        found = []
        for trial, some in itertools.product(range(_trials(parts)), batches):
            if not trial or condition.random:
                shown = condition.view(to_float(some.images), some.places, seed=0, trial=trial)
                figures, predicted = _features(model, (shown * 255).round() / 255)
                found.append((figures, predicted == some.labels.cpu().numpy()))
            progress.add(len(some))
        yield Sample(condition.name, condition.level, *map(np.concatenate, zip(*found, strict=True)))


def _features(model: nn.Module, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The images' features, and the classes that they are taken for."""
    with evaluating(model), torch.inference_mode():
        images = images.to(device_of(model))
        logits = ask(model, images)
        return features(logits, images).double().cpu().numpy(), logits.argmax(1).cpu().numpy()


def print_monitor(run: Path, found: pd.DataFrame) -> None:
    """What `monitor` found, and how far off it is, in the terminal."""
    from robust.report.tables import percent  # with all of the report: a second that a stream need not wait for
    from robust.report.terminal import print_table

    errors = RunFolder(run).read_extra_table(ERRORS, ["perturbation", "accuracy", "estimated", "named"])
    shown = pd.DataFrame(
        {
            "pictures": found["first"] + " to " + found["last"],
            "n": found["n"],
            "condition": found["condition"],
            "level": [f"{one:.2g}" if one > 0 else "" for one in found["level"]],
            "accuracy, %": found["accuracy"].map(percent),
            "95 % interval": [
                f"{percent(low)} to {percent(high)}" if low == low else ""
                for low, high in found[["low", "high"]].values
            ],
        }
    )
    print_table(shown, f"what {run.name} meets", said(errors))


def said(errors: pd.DataFrame) -> str:
    """In a sentence, how far off a monitor is (see `measured_on`)."""
    off = (errors["estimated"] - errors["accuracy"]).abs().groupby(errors["perturbation"]).mean()
    return (
        f"At levels that it never saw, on other pictures, the estimate is off by {100 * off.mean():.1f} points in the "
        f"mean ({off.idxmax()}: {100 * off.max():.1f}), and {errors['named'].mean():.0%} of windows are named right."
    )
