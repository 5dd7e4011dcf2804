"""Temperature scaling: the likeliest temperature, which changes confidence and no prediction."""

import pytest
import torch
from torch import Tensor, nn

from robust.data import ImageSet
from robust.measure import Condition, measure, planned_tests
from robust.measure.temperature import best_temperature, measure_temperature


def drawn(count: int, *, sharper: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits that are so many times too large, and labels drawn by the true ones."""
    generator = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(count, 5, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return sharper * logits, labels


@pytest.mark.parametrize("sharper", [0.5, 3])
def test_the_temperature_is_what_logits_were_multiplied_by(sharper: float) -> None:
    logits, labels = drawn(20_000, sharper=sharper)
    found = best_temperature(logits, labels)
    assert found == pytest.approx(sharper, rel=0.05)
    losses = [nn.functional.cross_entropy(logits.double() / (found * by), labels) for by in (0.99, 1, 1.01)]
    assert losses[1] == min(losses)


def test_confidence_fits_on_other_images_and_predictions_stay() -> None:
    class Said(nn.Module):
        """The logits that an image's pixels are."""

        def forward(self, images: Tensor) -> Tensor:
            return 24 * (images[:, 0, 0] - 0.5)

    def images(seed: int) -> ImageSet:
        logits, labels = drawn(2000, sharper=3, seed=seed)
        return ImageSet((logits / 24 + 0.5).clamp(0, 1)[:, None, None], labels, tuple("abcde"))

    tests = planned_tests([Condition()], trials=1, seed=0)
    after = measure_temperature(Said(), images(0), images(1), tests).iloc[0]
    before = measure(Said(), images(1), [Condition()]).rows.iloc[0]
    assert after["temperature"] == pytest.approx(3, rel=0.1)
    assert after["accuracy"] == before["accuracy"]
    assert after["expected_calibration_error"] < 0.03 < 0.15 < before["expected_calibration_error"]
    assert after["nll"] < before["nll"]
    assert after["brier_score"] < before["brier_score"]
