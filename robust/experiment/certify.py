"""Certificates of finished runs."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from robust.certify import (
    Ablation,
    Counts,
    Gaussian,
    Smoothing,
    attacked,
    certificate_key,
    measure_certificates,
    seconds_of_a_pass,
)
from robust.data import ImageSet
from robust.errors import check
from robust.experiment.evaluate import load_for_tests
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import reopen
from robust.experiment.threads import computing
from robust.files.claiming import say
from robust.models import Ablated
from robust.progress import duration
from robust.runs import claimed, find_runs
from robust.runs.certificates import ATTACKED, CERTIFICATES, add_certificates, only_about, read_certificates
from robust.runs.contents import if_sound
from robust.values.numbers import is_number, is_whole

_LONGEST_S = 60  # between two parts that are kept
_FEWEST, _MOST = 16, 500  # images that share what is drawn
_AT_ONCE = 100  # images that are attacked, before what came of it is kept
_JUDGES = 1_000  # copies of an attacked image that are looked at, at most


def certify_runs(
    runs: Sequence[str],
    counts: Counts,
    *,
    sigma: float | None = None,
    keep: int | None = None,
    every: int = 1,
    attacks: Sequence[float] = (),
) -> dict[Path, dict[str, Any]]:
    """Certifies each `every`-th test image of these runs, or of those in these folders: by Gaussian copies of
    standard deviation `sigma`, by ablation to `keep` pixels, or as each was trained, and those alone that were. Then
    attacks the same images at these sizes. Returns the folders, and what tells these certificates of each apart (see
    `robust.certify.certificate_key`).

    Nothing is trained or tested again, and no image certified twice. Raises ValueError, before any is, for what cannot
    be certified so.
    """
    check("every", every, "a whole number >= 1", is_whole(every, 1))
    check("keep", keep, "left out where there is a sigma", keep is None or sigma is None)
    check("attack", list(attacks), "sizes above 0", all(is_number(one) and one > 0 for one in attacks))
    opened = [(run, _smoothing(run, sigma, keep)) for run in map(reopen, find_runs(runs))]
    planned = [(run, smoothing) for run, smoothing in opened if smoothing is not None]
    advice = "Of others, robust certify RUN --sigma 0.25 asks how robust they are to noise."
    found = Counter(run.identity.technique for run, _ in opened)
    got = ", ".join(f"{count} of technique={name}" for name, count in found.items())
    check("RUNS", got, "runs of technique=smoothing or ablation", bool(planned), advice)
    for run, smoothing in planned:
        smoothing.check(run.splits.test.shape)
        whole = isinstance(smoothing, Gaussian) or all(one == int(one) for one in attacks)
        advice = f"So it is for {run.folder}; certify one technique at a time: sizes of smoothing are distances."
        check("attack", list(attacks), "whole numbers, of pixels", whole, advice)
    for run, smoothing in planned:
        with claimed(run.folder), computing(run):
            model, images = load_for_tests(run), run.splits.test[::every]
            _certify(run, model, images, smoothing, counts)
            for size in attacks:
                _attack(run, model, images, smoothing, counts, size)
    return {run.folder: certificate_key(smoothing, counts) for run, smoothing in planned}


def _smoothing(run: Experiment, sigma: float | None, keep: int | None) -> Smoothing | None:
    """How copies are drawn; None for a run that was not trained on copies, where nothing is said."""
    config, network = run.config, run.config.technique.get("network")
    adapts = config.get("adapt") is not None
    check("adapt", config.adapt.name if adapts else "none", "none: what changes is not certified", not adapts)
    if sigma is not None:
        check("sigma", sigma, "a number above 0", is_number(sigma) and sigma > 0)
        return Gaussian(std=sigma)
    if keep is not None:
        rule = "left out with a network that was not trained with technique=ablation"
        check("keep", keep, rule, network == f"robust.models.{Ablated.__name__}")
        return Ablation(keep=keep)
    return run.perturbation if isinstance(run.perturbation, Gaussian | Ablation) else None


def _left(run: Experiment, name: str, images: ImageSet, about: dict[str, object]) -> ImageSet:
    """The images of which there are no rows about this in a file."""
    if (known := if_sound(lambda: read_certificates(run.files, name))) is None:
        return images
    made = only_about(known, about)["image"]
    return images[~torch.isin(images.places, torch.tensor(made.to_numpy()))]


def _certify(run: Experiment, model: nn.Module, images: ImageSet, smoothing: Smoothing, counts: Counts) -> None:
    """Certifies the images that are left; says first what it costs, at the pace of a first batch."""
    if not len(left := _left(run, CERTIFICATES, images, certificate_key(smoothing, counts))):
        return
    seconds = (counts.n0 + counts.n) * seconds_of_a_pass(model, left, smoothing)
    cost = f"{len(left):,} images x {counts.n0 + counts.n:,} passes, {duration(len(left) * seconds)}"
    say(f"certifying {run.identity.title}: {cost}")
    title = f"certifying {run.identity.title}" if run.config.trainer.progress else None
    together = max(_FEWEST, min(_MOST, int(_LONGEST_S / seconds)))
    for found in measure_certificates(model, left, smoothing, counts, together=together, title=title):
        add_certificates(run.files, found)


def _attack(
    run: Experiment, model: nn.Module, images: ImageSet, smoothing: Smoothing, counts: Counts, size: float
) -> None:
    """Attacks the images that are left."""
    about = {**certificate_key(smoothing, counts), "size": float(size)}
    left = _left(run, ATTACKED, images, about)
    copies = range(counts.n0, counts.n0 + min(counts.n, _JUDGES))
    for start in range(0, len(left), _AT_ONCE):
        some = left[start : start + _AT_ONCE]
        stands = attacked(model, some, smoothing, size, copies=copies, seed=counts.seed)
        add_certificates(run.files, pd.DataFrame({"image": some.places, "stands": stands}).assign(**about), ATTACKED)
