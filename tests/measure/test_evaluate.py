import pandas as pd
import pytest
import torch
from torch import nn

from robust.data import ImageSet, to_float
from robust.measure import Condition, confusion_counts, measure, measure_in_parts, planned_tests, predict, take_samples
from robust.perturb import DeadPixels, GaussianBlur, GaussianNoise, HotPixels, ImageRandom, StuckPixels, key


class Brightest(nn.Module):
    """Says in which third of an image the brightest row is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 3)).unflatten(1, (3, -1)).amax(2)


@pytest.fixture
def images() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 120, (60, 1, 9, 9), dtype=torch.uint8, generator=generator)
    labels = torch.arange(60) % 3
    pictures[torch.arange(60), 0, 3 * labels] += 70
    return ImageSet(pictures, labels, ("low", "middle", "high"))


CONDITIONS = [
    Condition(),
    Condition(HotPixels(count=4)),
    Condition(GaussianNoise(std=0.3)),
    Condition(GaussianBlur(sigma=2)),
]


def test_rows_are_what_one_gets_by_hand(images: ImageSet) -> None:
    measured = measure(Brightest(), images, CONDITIONS, trials=3, seed=5)
    pictures = to_float(images.images)
    for row in measured.rows.itertuples():
        condition = next(one for one in CONDITIONS if one.name == row.test_perturbation)
        shown = pictures
        if condition.perturbation:
            shown = condition.perturbation.perturb(pictures, ImageRandom(key("test", 5, row.trial), torch.arange(60)))
        accuracy = (Brightest()(shown).argmax(1) == images.labels).float().mean().item()
        assert row.accuracy == pytest.approx(accuracy)
        assert row.n == 60


def test_only_what_is_random_is_tried_again(images: ImageSet) -> None:
    rows = measure(Brightest(), images, CONDITIONS, trials=4).rows
    assert dict(rows.groupby("test_perturbation").size()) == {"natural": 1, "hot": 4, "noise": 4, "blur": 1}
    assert rows.loc[rows["test_perturbation"] == "noise", "accuracy"].nunique() > 1


@pytest.mark.parametrize("batch_size", [1, 7, 60, 1000])
def test_the_batch_size_changes_nothing(images: ImageSet, batch_size: int) -> None:
    expected = measure(Brightest(), images, CONDITIONS, trials=2, batch_size=16)
    measured = measure(Brightest(), images, CONDITIONS, trials=2, batch_size=batch_size)
    pd.testing.assert_frame_equal(measured.rows, expected.rows)
    pd.testing.assert_frame_equal(measured.predictions, expected.predictions)


def test_every_model_sees_the_same_images(images: ImageSet) -> None:
    class Watch(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            seen.append(batch.clone())
            return batch.flatten(1)[:, :3]

    seen: list[torch.Tensor] = []
    condition = Condition(StuckPixels(count=3))
    for _ in range(2):
        torch.rand(1)
        predict(Watch(), images, condition, 1, seed=2, batch_size=60)
    assert torch.equal(seen[0], seen[1])


def test_confusion_and_predictions_agree_with_the_rows(images: ImageSet) -> None:
    measured = measure(Brightest(), images, CONDITIONS, trials=3)
    for row, kept in zip(measured.rows.itertuples(), measured.predictions.itertuples(), strict=True):
        assert (row.test_perturbation, row.trial) == (kept.test_perturbation, kept.trial)
        assert row.accuracy == (kept.label == kept.predicted).mean()
    counts = confusion_counts(measured.predictions, images.classes)
    hits = counts[counts["true"] == counts["predicted"]].groupby("condition")["count"].sum()
    share = hits / counts.groupby("condition")["count"].sum()
    assert share["hot 4"] == pytest.approx(measured.rows.query("test_perturbation == 'hot'")["accuracy"].mean())


def test_parts_are_the_whole(images: ImageSet) -> None:
    whole = measure(Brightest(), images, CONDITIONS, trials=3)
    tests = planned_tests(CONDITIONS, trials=3, seed=0)
    parts = list(measure_in_parts(Brightest(), images, tests, batch_size=60, every_s=0))
    assert len(parts) == len(whole.rows)
    pd.testing.assert_frame_equal(pd.concat([part.rows for part in parts], ignore_index=True), whole.rows)


def test_the_model_is_tested_in_eval_mode_and_left_as_it_was(images: ImageSet) -> None:
    model = nn.Sequential(Brightest(), nn.Dropout(0.9)).train()
    first, second = (measure(model, images, [Condition()]).rows["accuracy"][0] for _ in range(2))
    assert first == second == 1.0
    assert model.training


def test_samples_are_one_image_of_each_class_under_each_condition(images: ImageSet) -> None:
    samples = take_samples(Brightest(), images, [Condition(), Condition(DeadPixels(count=81))], seed=0)
    assert samples.images.shape == (2, 3, 1, 9, 9)
    assert samples.labels.tolist() == [0, 1, 2]
    assert (samples.images[0] == images.images[:3].numpy()).all()
    assert (samples.images[1] == 0).all()
    assert samples.predicted[0].tolist() == [0, 1, 2]
