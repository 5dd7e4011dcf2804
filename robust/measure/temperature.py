"""Temperature scaling: logits divided by one number, so that confidence fits accuracy (Guo et al. 2017, arXiv
1706.04599). It changes no prediction."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from robust.data import ImageSet, to_float
from robust.measure.evaluate import Test, check_classes, measure_in_parts
from robust.models import Around, ask, device_of, evaluating

_LEAST, _MOST = 0.01, 100.0  # temperature


class Tempered(Around):
    """A network whose logits are divided by a temperature."""

    def __init__(self, network: nn.Module, temperature: float):
        super().__init__(network)
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        return ask(self.network, images) / self.temperature


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature, from 0.01 to 100, at which the negative log-likelihood of the labels, int64 of shape (n,), is
    least: `logits` of shape (n, classes)."""
    logits = logits.double()

    def loss(log_temperature: float) -> float:
        return nn.functional.cross_entropy(logits / math.exp(log_temperature), labels).item()

    found = minimize_scalar(loss, bounds=(math.log(_LEAST), math.log(_MOST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def measure_temperature(
    model: nn.Module,
    validation: ImageSet,
    images: ImageSet,
    tests: Sequence[Test],
    *,
    batch_size: int = 1000,
    title: str | None = None,
) -> pd.DataFrame:
    """How well the confidence of `model` fits at its `best_temperature` on validation images: the rows of these tests
    of `images` (see `Measurement`), and the temperature."""
    device, logits = device_of(model), []
    with evaluating(model), torch.inference_mode():
        for start in range(0, len(validation), batch_size):
            logits.append(ask(model, to_float(validation.images[start : start + batch_size].to(device))))
            check_classes(logits[-1], len(validation.classes))
    temperature = best_temperature(torch.cat(logits).cpu(), validation.labels.cpu())
    tempered = Tempered(model, temperature)
    (measured,) = measure_in_parts(tempered, images, tests, batch_size=batch_size, every_s=math.inf, title=title)
    return measured.rows.assign(temperature=temperature)
