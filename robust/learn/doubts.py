"""What makes one doubt that a training has taught a network anything."""

import math
from collections.abc import Mapping, Sequence

import torch

from robust.data import PerturbedData
from robust.learn.task import Guess, Task
from robust.models import evaluating

_SIGMAS = 2  # by which an accuracy must be above chance to be more than chance
_ENOUGH = 1000  # images that tell whether there is something learnt
_ADVICE = (
    "Look at the labels and at the perturbation, train longer (trainer.max_epochs), or try a smaller learning rate "
    "(optimizer.lr)."
)


def doubts(curve: Sequence[Mapping[str, float]], guess: Guess | None, *, count: int, constant: bool) -> list[str]:
    """Why a network that was trained on `count` images may have learnt nothing; empty where it has learnt.

    `curve` has a row for each epoch, with `train_loss` and, where there is one, `train_accuracy`, from 0 to 1. Where it
    is known what a `guess` reaches, the last epoch must do better; elsewhere the loss must have fallen since the first
    epoch, if it was about the same images throughout (`constant`).
    """
    if not curve:
        return []
    last = curve[-1]
    accuracy, loss = last.get("train_accuracy"), last["train_loss"]
    if guess is None or accuracy is None:
        never = constant and len(curve) > 1 and min(row["train_loss"] for row in curve[1:]) >= curve[0]["train_loss"]
        first = f"{curve[0]['train_loss']:.4g}, that of the first epoch"
        return [f"It may have learnt nothing: its loss never fell below {first}. {_ADVICE}"] if never else []
    chance = guess.accuracy
    if chance == 1:
        return ["It has learnt nothing: all training images are of one class, which it names always."]
    margin = _SIGMAS * math.sqrt(chance * (1 - chance) / count)
    if accuracy < 1 and accuracy <= chance + margin:
        return [
            f"It has learnt nothing: at the end {accuracy:.1%} of the training images were recognised, and naming "
            f"always the same class reaches {chance:.1%}. {_ADVICE}"
        ]
    if guess.loss is not None and loss >= guess.loss:
        return [
            f"It has learnt little: at the end its training loss was {loss:.4g}, and a guess reaches {guess.loss:.4g}. "
            f"{_ADVICE}"
        ]
    return []


def as_trained(task: Task, data: PerturbedData) -> tuple[dict[str, float], int]:
    """`train_loss` and `train_accuracy` of the trained network, in eval mode, on about a thousand training images as
    the last epoch showed them, and on how many. A curve's last row was measured while the network still learnt."""
    count, loss, right = 0, 0.0, 0.0
    with torch.inference_mode(), evaluating(task.model):
        for loaded in data.batches(drop_last=False):
            batch = data.on_after_batch_transfer(loaded, 0)
            batch = batch._replace(images=batch.images.to(task.device), labels=batch.labels.to(task.device))
            mean, shown = task.compute_loss(batch)
            count += len(batch.labels)
            loss += float(mean) * len(batch.labels)
            right += float(shown["accuracy"])
            if count >= _ENOUGH:
                break
    return {"train_loss": loss / count, "train_accuracy": right / count}, count
