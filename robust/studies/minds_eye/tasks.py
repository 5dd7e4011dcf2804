"""How the networks of the mind's eye are trained, one stage after the other (Berntsen et al. 2016, section 3.1)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.data import Batch, ImageSet, to_float
from robust.errors import check
from robust.learn.classifier import guessed, judged
from robust.learn.task import Guess, Task
from robust.studies.minds_eye.networks import PATCH, AlexNetWithPose, Estimator, Projector, TripleStaged
from robust.studies.minds_eye.stages import STAGES, VIEWS, measure_stages, take_views
from robust.values.numbers import is_whole

# Published for grey values from 0 to 255, half the squared error: 0.01 / 2 * 255**2 for those from 0 to 1.
_DRAWING_WEIGHT = 0.01 / 2 * 255**2
_STRIDE = 6  # pixels between two patches
_LEAST_ALPHA = 0.01  # of a patch that counts


class _SceneTask(Task):
    """A task on scenes; `background_class` says whether they must, or must not, have a class of bare photographs."""

    background_class: ClassVar[bool | None] = None

    @classmethod
    def check_images(cls, images: ImageSet, model: Mapping[str, Any]) -> None:
        given, wanted = images.background is not None, cls.background_class
        rule = f"{str(wanted).lower()} with {cls.__name__}"
        check("data.background_class", given, rule, wanted in (None, given), "Leave it out.")
        if (named := model.get("parameters")) is not None:
            count = images.extras["parameters"].shape[1]
            rule = f"as many as the images have, {count}"
            check("model.parameters", ", ".join(named), rule, len(named) == count, "Set `data.parameters`.")


class ClassificationWithPose(_SceneTask):
    """Trains a classifier that also estimates the parameters of the object it sees, where it sees one: cross entropy,
    and `weight` times half the squared error, summed over the parameters. Only the classes count afterwards (Berntsen
    et al. 2016, section 2.1)."""

    networks, needs = (AlexNetWithPose,), ("parameters", "is_object")

    def __init__(self, *arguments: Any, weight: float = 1.0, **options: Any):
        super().__init__(*arguments, **options)
        self.weight = weight

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, parameters = self.model.estimate(batch.images)
        error = (parameters - batch.extras["parameters"]) * batch.extras["is_object"][:, None]
        loss, shown = judged(logits, batch.labels)
        return loss + self.weight * error.square().sum() / 2 / len(batch.labels), shown

    def guess(self, labels: Tensor) -> Guess:
        return guessed(labels)._replace(loss=None)


class PoseEstimation(_SceneTask):
    """Trains an `Estimator` with half the squared error of the parameters, given the true class."""

    networks, needs = (Estimator,), ("parameters",)
    background_class = False

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        error = self.model.raw(batch.images, batch.labels) - batch.extras["parameters"]
        return error.square().sum(1).mean() / 2, {"pose_error": error.detach().abs().mean(1).sum()}


class Rendering(_SceneTask):
    """Trains a `Projector` to draw objects on black: the squared error of the grey values and the cross entropy of
    alpha, both summed over the pixels and balanced as published."""

    networks, needs = (Projector,), ("parameters", "drawing", "alpha")
    sees_images, background_class = False, False

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        drawing, alpha = self.model.raw(batch.extras["parameters"], batch.labels)
        squares = (drawing - to_float(batch.extras["drawing"])).square()
        entropy = functional.binary_cross_entropy_with_logits(alpha, to_float(batch.extras["alpha"]), reduction="none")
        loss = (_DRAWING_WEIGHT * squares + entropy).sum((1, 2, 3)).mean()
        return loss, {"drawing_error": squares.detach().mean((1, 2, 3)).sum()}


class PatchComparison(_SceneTask):
    """Trains the comparator of a `TripleStaged` network, whose other stages stay as they are, to tell patches of an
    image that are like its drawing (the true class was assumed) from others (a wrong class, or there is no object).

    A batch gives at most `patches` of 10x10 pixels, half of them alike.
    """

    networks, needs = (TripleStaged,), ("parameters", "is_object")
    background_class = True
    inspects = (STAGES, VIEWS)

    def __init__(self, *arguments: Any, patches: int = 1280, **options: Any):
        super().__init__(*arguments, **options)
        if not is_whole(patches, 2):
            raise ValueError(f"`task.module.patches` must be a whole number >= 2; got {patches}.")
        self.patches = patches

    @property
    def trainable_module(self) -> nn.Module:
        return self.model.comparator

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.model.estimator.eval()
        self.model.projector.eval()

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        assumed, alike = assume(batch.labels, self.model.num_objects)
        with torch.no_grad():
            parameters = self.model.estimator(batch.images, assumed)
            seen = torch.cat([batch.images, *self.model.projector(parameters, assumed)], dim=1)
        patches, alike = balanced(*cut(seen, alike), self.patches)
        images, drawings, alphas = patches.split(1, dim=1)
        logits = self.model.comparator(images, drawings, alphas).flatten()
        right = ((logits > 0) == alike.bool()).float().mean() if len(alike) else logits.new_zeros(())
        loss = functional.binary_cross_entropy_with_logits(logits, alike) if len(alike) else logits.sum()
        return loss, {"patch_accuracy": right * len(batch.labels)}

    def attack_loss(self, images: Tensor, batch: Batch) -> Tensor:
        """How far the scores are from the truth: an adversary goes through all stages."""
        scores = functional.pad(self.model.look(images).score, (0, 1))
        return self.model.target_loss(scores, batch.labels).mean()

    @classmethod
    def inspect(
        cls, model: TripleStaged, images: ImageSet, *, batch_size: int, title: str | None = None
    ) -> dict[str, Any]:
        """What the stages made of each image (see `measure_stages`), and a few images as they saw them (`Views`)."""
        views = take_views(model, images, batch_size=batch_size)
        return {VIEWS: views, STAGES: measure_stages(model, images, batch_size=batch_size, title=title)}


def assume(labels: Tensor, objects: int) -> tuple[Tensor, Tensor]:
    """A class for each image, and whether it is the true one: for two in three of those that show an object, so that
    of all four classes half are right."""
    offset = torch.randint(1, max(objects, 2), labels.shape, device=labels.device)
    any_object = torch.randint(objects, labels.shape, device=labels.device)
    share = 2 / 3 if objects > 1 else 1  # of one object there is no wrong one
    right = (torch.rand(labels.shape, device=labels.device) < share) & (labels < objects)
    wrong = torch.where(labels < objects, (labels + offset) % objects, any_object)
    return torch.where(right, labels, wrong), right


def cut(seen: Tensor, alike: Tensor) -> tuple[Tensor, Tensor]:
    """The patches of images, drawings and alphas (shape (batch, 3, height, width)) that hold more than 1 % of alpha,
    shape (patches, 3, 10, 10), and whether each is alike."""
    channels = seen.shape[1]
    patches = functional.unfold(seen, PATCH, stride=_STRIDE).transpose(1, 2)
    patches = patches.reshape(len(seen), -1, channels, PATCH, PATCH)
    counts = patches[:, :, -1].mean((2, 3)) > _LEAST_ALPHA
    return patches[counts], alike[:, None].expand_as(counts)[counts].to(seen)


def balanced(patches: Tensor, alike: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """At most `count` of the patches, drawn at random, half of them alike."""
    order = torch.randperm(len(alike), device=alike.device)
    sides = [order[alike[order] == side] for side in (1, 0)]
    half = min(count // 2, *(len(side) for side in sides))
    chosen = torch.cat([side[:half] for side in sides])
    return patches[chosen], alike[chosen]
