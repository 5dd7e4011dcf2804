"""Measuring: a model and conditions in, rows out."""

from robust.measure.atlas import (
    category_rates,
    class_rates,
    distortion_matrix,
    mean_there,
    read_categories,
    succeeded,
    success_matrix,
)
from robust.measure.calibration import (
    SURENESS,
    aurra,
    confidence_bins,
    expected_calibration_error,
    rms_calibration_error,
)
from robust.measure.conditions import NATURAL, Condition, condition_title
from robust.measure.confusion import confusion_counts
from robust.measure.displacement import layers, measure_layers, movement
from robust.measure.evaluate import (
    TEST_KEY,
    Measurement,
    Test,
    measure,
    measure_in_parts,
    measure_natural_adversarial,
    planned_tests,
    predict,
)
from robust.measure.knn import features, neighbours_accuracy
from robust.measure.saliency import saliency_maps
from robust.measure.samples import Samples, take_samples
from robust.measure.suites import SUITES, suite_scores, suite_tests
from robust.measure.summary import scores, summarize

__all__ = [
    "NATURAL",
    "SUITES",
    "SURENESS",
    "TEST_KEY",
    "Condition",
    "Measurement",
    "Samples",
    "Test",
    "aurra",
    "category_rates",
    "class_rates",
    "condition_title",
    "confidence_bins",
    "confusion_counts",
    "distortion_matrix",
    "expected_calibration_error",
    "features",
    "layers",
    "mean_there",
    "measure",
    "measure_in_parts",
    "measure_layers",
    "measure_natural_adversarial",
    "movement",
    "neighbours_accuracy",
    "planned_tests",
    "predict",
    "read_categories",
    "rms_calibration_error",
    "saliency_maps",
    "scores",
    "succeeded",
    "success_matrix",
    "suite_scores",
    "suite_tests",
    "summarize",
    "take_samples",
]
