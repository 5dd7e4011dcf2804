"""Faults in how a network is shown images, found before anything long: a wrong range, a missing normalisation, ...

The network is asked about some natural images as they are, and once for each of a table of hypotheses: images
from 0 to 255, images normalised by ImageNet's constants, blue first. A hypothesis under which it is right far more
often is a finding. It is kept while others are looked for, so that two faults are found one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.data import ImageSet, to_float
from robust.measure.comparison import flips, mcnemar
from robust.measure.evaluate import check_classes
from robust.measure.hypotheses import Hypothesis, advice, blue_first, fitting, hypotheses
from robust.models import OutputError, ask, device_of, evaluating, gives_logits
from robust.perturb import ImageRandom, key

_AMONG = 200  # images
_OF_A_CLASS = 10  # images at least, where there are more classes than that leaves room for
_MARGIN = 0.1  # by which accuracy must rise
_FEWER = 1 / 3  # of the errors that must go: a network that has learnt little gains from more contrast, too
_FREER = 0.05  # accuracy that another order of classes needs more than other images do: it fits more by chance
_SIGNIFICANT = 0.01  # the p-value, times the number of hypotheses
_OF_CLASSES = 0.02  # the p-value that as many classes gain as lose
_MOST = 3  # faults that one network has
_SCREENED = 5  # the first fifth of the images says whether the others are asked about
_STEADY = 0.05  # of the logits' spread, by which they may hang on the other images of the batch


@dataclass(frozen=True)
class Finding:
    """A fault: what `kind` it is (range, normalization, channels, size, classes, outputs or batch), and in words what
    was `seen` and what to `do`."""

    kind: str
    seen: str
    do: str

    def __str__(self) -> str:
        return f"Preflight: {self.seen} {self.do}"


def preflight(model: nn.Module, images: ImageSet, *, among: int = _AMONG, batch_size: int = 100) -> list[Finding]:
    """What seems wrong in how `model`, from images in [0, 1] to logits, is shown images: nothing, for one that is
    sound.

    `among` so many natural images, of all classes alike, accuracy must rise by at least 10 points, and a third of the
    errors go, significantly (McNemar's exact test, corrected for the number of hypotheses). The model is put in eval
    mode for the while. Raises OutputError for a network that cannot be asked, with the size or channels with which it
    can.
    """
    chosen = images[_sample(images, among)].to(device_of(model))
    shown = to_float(chosen.images)
    with evaluating(model), torch.inference_mode():
        _try_out(model, shown[:2])
        logits = _asked(model, shown, batch_size)
        check_classes(logits, len(images.classes))
        found = [*_of_outputs(model, shown, logits, batch_size)]
        return [*found, *_search(model, chosen, logits.argmax(1), batch_size)]


def _sample(images: ImageSet, among: int) -> Tensor:
    """The places of about so many images, always the same: as many of each class, or of as many classes as there is
    room for, one class after the other."""
    order = ImageRandom(key("preflight"), torch.arange(len(images))).uniform().argsort(stable=True)
    labels = images.labels.cpu()[order]
    present = labels.unique()
    first = torch.stack([(labels == one).nonzero()[0, 0] for one in present]).argsort()  # classes as they come
    taken = present[first][: max(1, among // _OF_A_CLASS)]
    rows = [order[labels == one][: max(1, among // len(taken))] for one in taken]
    ranks = torch.cat([torch.arange(len(one)) for one in rows])
    return torch.cat(rows)[ranks.argsort(stable=True)]


def _try_out(model: nn.Module, few: Tensor) -> None:
    """Raises OutputError where a network cannot be called, with what it can be called with."""
    try:
        ask(model, few)
    except OutputError as error:
        for tried in fitting(few):
            try:
                ask(model, tried.view(few))
            except OutputError:
                continue
            raise OutputError(f"{error} It can be called with {tried.shown}: {advice(tried.options)}") from error
        raise


def _asked(model: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    return torch.cat([ask(model, part) for part in images.split(batch_size)])


def _of_outputs(model: nn.Module, images: Tensor, logits: Tensor, batch_size: int) -> Iterator[Finding]:
    """Outputs that are no logits, or that hang on the rest of the batch, or on chance."""
    alike = bool((logits == logits[:1]).all())
    sums = bool((logits.sum(1) - 1).abs().max() < 1e-2) and bool((logits >= 0).all())
    if sums and logits.shape[1] > 1 and not alike and gives_logits(model):
        yield Finding(
            "outputs",
            "the network's outputs are probabilities, each row sums to 1; confidence and attacks need logits.",
            advice("outputs=probabilities"),
        )
    again = torch.cat([ask(model, part) for part in images.flip(0).split(max(2, batch_size // 3))]).flip(0)
    moved, flipped = (again - logits).abs().mean(), int((again.argmax(1) != logits.argmax(1)).sum())
    spread = logits.std(0).mean() if len(logits) > 1 else moved
    if moved > _STEADY * spread + 0.01 * logits.abs().mean() and flipped > 0.02 * len(logits):
        yield Finding(
            "batch",
            f"the network gives {flipped} of {len(logits)} images another class in another batch: a batch norm or a "
            "dropout in it works as in training, or it draws at random.",
            "Put it in eval mode before it is traced or exported; norms need their running statistics.",
        )


def _search(model: nn.Module, images: ImageSet, given: Tensor, batch_size: int) -> Iterator[Finding]:
    """What makes it right far more often, the greatest rise first."""
    labels, seen = images.labels, to_float(images.images)
    every, known = hypotheses(seen), set[str]()
    count = len(every) + len(blue_first(every)) + 1
    for _ in range(_MOST):
        left = [one for one in every if one.kind not in known]
        better: list[tuple[Hypothesis | None, Tensor]] = []
        if "classes" not in known:
            better = [(None, _relabelled(given, labels))]
        for some in (left, blue_first(left)):
            answers = [(one, _answers(model, one.view(seen), labels, given, batch_size)) for one in some]
            better += [(one, answer) for one, answer in answers if answer is not None]
            better = [pair for pair in better if _is_far_better(*pair, labels, given, count)]
            if better:
                break
        else:
            return
        best, predicted = max(
            better, key=lambda one: (one[1] == labels).double().mean().item() - _FREER * (one[0] is None)
        )
        yield _finding(best, labels, given, predicted, images.classes)
        known |= {"classes"} if best is None else set(best.kind.split(" and "))
        if best is not None:
            seen = best.view(seen)
        given = predicted


def _answers(model: nn.Module, images: Tensor, labels: Tensor, given: Tensor, batch_size: int) -> Tensor | None:
    """What a network answers, int64 of shape (n,); None where it cannot, or is not right more often on the first of the
    images, or could not be by far."""
    few = max(1, len(images) // _SCREENED)
    right = (given == labels).double()
    if right.mean() > 1 - _MARGIN:
        return None
    try:
        first = _asked(model, images[:few], batch_size).argmax(1)
        if (first == labels[:few]).double().mean() < right[:few].mean() + _MARGIN / 2:
            return None
        return torch.cat([first, _asked(model, images[few:], batch_size).argmax(1)]) if few < len(images) else first
    except ValueError:  # a network may look at its images too
        return None


def _relabelled(predicted: Tensor, labels: Tensor) -> Tensor:
    """The predictions with classes that stand one for another put right: each half of the images by the best
    one-to-one assignment of the other half."""
    place = torch.arange(len(labels), device=labels.device)
    halves = torch.zeros_like(labels, dtype=torch.bool)
    for label in labels.unique():  # half of each class
        mine = place[labels == label]
        halves[mine[::2]] = True
    found = predicted.clone()
    for half in (halves, ~halves):
        found[half] = _assigned(predicted[~half], labels[~half])(predicted[half])
    return found


def _assigned(predicted: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """Which class each prediction stands for, as most images have it; one that is never made stands for itself."""
    from scipy.optimize import linear_sum_assignment

    if not len(labels):
        return lambda others: others
    size = 1 + max(int(predicted.max()), int(labels.max()))
    counts = np.zeros((size, size))
    np.add.at(counts, (predicted.cpu().numpy(), labels.cpu().numpy()), 1)
    counts += 1e-3 * np.eye(size)  # of ties, what it says
    _, columns = linear_sum_assignment(counts, maximize=True)
    means = torch.as_tensor(columns, device=labels.device)
    return lambda others: torch.where(others < size, means[others.clamp(max=size - 1)], others)


def _is_far_better(best: Hypothesis | None, predicted: Tensor, labels: Tensor, given: Tensor, count: int) -> bool:
    """Whether one of `count` hypotheses is right far more often than what is given, and than a constant: on half of
    what a constant gets wrong or, where it is no other order of classes (None), in nearly all classes. An untrained
    network tells some classes apart too, and may by chance call them right."""
    found = flips(labels, given, predicted)
    constant = labels.bincount().max().item() / len(labels)
    rises = found.after - max(found.before, constant) >= _MARGIN and found.p * count < _SIGNIFICANT
    rises &= 1 - found.after <= (1 - _FEWER) * (1 - found.before)
    gains = ((predicted == labels).double() - (given == labels).double()) @ functional.one_hot(labels).double()
    up, down = int((gains > 0).sum()), int((gains < 0).sum())
    widely = best is not None and up > down and mcnemar(down, up) < _OF_CLASSES
    return rises and (widely or found.after >= (1 + constant) / 2)


def _finding(
    best: Hypothesis | None, labels: Tensor, given: Tensor, predicted: Tensor, classes: Sequence[str]
) -> Finding:
    before, after, n = int((given == labels).sum()), int((predicted == labels).sum()), len(labels)
    seen = f"the network is right on {before} of {n} natural images, and on {after} when"
    if best is not None:
        more = f" Of a folder, data.{best.options} reads them so large." if best.kind == "size" else ""
        return Finding(best.kind, f"{seen} it is shown {best.shown}.", advice(best.options) + more)
    means = _assigned(given, labels)(torch.arange(len(classes), device=labels.device)).tolist()
    others = [(classes[one], classes[mean]) for one, mean in enumerate(means) if one != mean and one in given]
    named = ", ".join(f"{one} means {mean}" for one, mean in others[:3]) + (", ..." if len(others) > 3 else "")
    return Finding(
        "classes",
        f"{seen} its classes are put in another order: {named}.",
        "`model.classes=FILE` says which output means which class; in Python, order `classes` as the network does.",
    )
