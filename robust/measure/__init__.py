"""Measuring: a model and conditions in, rows out."""

from robust.measure.conditions import NATURAL, Condition, condition_title
from robust.measure.samples import Samples, take_samples
from robust.measure.summary import scores, summarize
from robust.measure.trials import TEST_KEY, Measurement, Test, measure, measure_in_parts, planned_tests, predict

__all__ = [
    "NATURAL",
    "TEST_KEY",
    "Condition",
    "Measurement",
    "Samples",
    "Test",
    "condition_title",
    "measure",
    "measure_in_parts",
    "planned_tests",
    "predict",
    "scores",
    "summarize",
    "take_samples",
]
