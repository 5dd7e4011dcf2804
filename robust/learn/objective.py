"""What a training step lowers instead of a task's loss, to make a network robust."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from robust.data import Batch
from robust.learn.adversary import SignAdversary
from robust.models import evaluating
from robust.perturb import Perturbation

if TYPE_CHECKING:
    from robust.learn.task import Task


class Objective(Protocol):
    """The loss of a batch, and what else to show of it, as `Task.learn` gives them."""

    #: whether it works on a network's logits alone, and so needs a task that classifies
    of_logits: bool
    #: whether it moves what is in a picture
    moves: bool

    def __call__(self, task: "Task", batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]: ...


class Adversarial:
    """The task's loss on images that an adversary has changed (see `SignAdversary`): Madry et al. 2018, arXiv
    1706.06083."""

    of_logits, moves = False, False
    hands_on = SignAdversary

    def __init__(self, **adversary: Any):
        self.adversary = SignAdversary(**adversary)

    def __call__(self, task: "Task", batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        moved = self.adversary(batch.images, lambda images: task.attack_loss(images, batch))
        return task.compute_loss(batch._replace(images=moved))


class Trades:
    """The loss on natural images, and `beta` times how far the prediction moves when an adversary moves the image: the
    divergence of Kullback and Leibler, which that adversary raises, of the network in eval mode (Zhang et al. 2019,
    arXiv 1901.08573). Both images go through the network together, so that its norms count both, as in tests."""

    of_logits, moves = True, False
    hands_on = SignAdversary

    def __init__(self, *, beta: float = 6.0, **adversary: Any):
        if not beta > 0:
            raise ValueError(f"`technique.objective.beta` must be above 0; got {beta}.")
        self.beta = beta
        self.adversary = SignAdversary(**adversary)
        if self.adversary.eps is None:
            raise ValueError(
                "`technique.objective.eps` must be a number: at the image itself nothing says where to go; got none."
            )

    def __call__(self, task: "Task", batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        with evaluating(task.model):
            with torch.no_grad():
                seen = task.model(batch.images).log_softmax(1)
            moved = self.adversary(batch.images, lambda images: _divergence(task.model(images).log_softmax(1), seen))
        natural, adversarial = task.model(torch.cat([batch.images, moved])).chunk(2)
        loss, shown = task.classification_loss(natural, batch)
        return loss + self.beta * _divergence(adversarial.log_softmax(1), natural.log_softmax(1)), shown


class Perturbed:
    """The task's loss on one perturbed view of each image, another one in every epoch."""

    of_logits = False

    def __init__(self, *, views: Perturbation):
        self.views = views
        self.moves = views.moves

    def __call__(self, task: "Task", batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        (images,) = task.perturbed(self.views, batch, times=1)
        return task.compute_loss(batch._replace(images=images))


class JSDConsistency:
    """The loss on natural images, and `weight` times how far the predictions for each and for two perturbed views of it
    differ: the divergence of Jensen and Shannon, as AugMix has it (Hendrycks et al. 2020, arXiv 1912.02781)."""

    of_logits = True

    def __init__(self, *, views: Perturbation, weight: float = 12.0):
        if not weight > 0:
            raise ValueError(f"`technique.objective.weight` must be above 0; got {weight}.")
        self.views, self.weight = views, weight
        self.moves = views.moves

    def __call__(self, task: "Task", batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits = task.model(torch.cat([batch.images, *task.perturbed(self.views, batch)])).chunk(3)
        loss, shown = task.classification_loss(logits[0], batch)
        sure = [one.log_softmax(1) for one in logits]
        mixture = torch.stack([one.exp() for one in sure]).mean(0).clamp(min=1e-7).log()
        differ = sum((_divergence(mixture, one) for one in sure), start=loss.new_zeros(())) / len(sure)
        return loss + self.weight * differ, shown


def _divergence(found: Tensor, true: Tensor) -> Tensor:
    """Kullback and Leibler's, of log-probabilities, a mean over the images."""
    return functional.kl_div(found, true, reduction="batchmean", log_target=True)
