"""Measuring: a model and conditions in, rows out."""

from robust.measure.calibration import (
    CALIBRATION,
    aurc,
    confidence_bins,
    expected_calibration_error,
    rms_calibration_error,
)
from robust.measure.comparison import Flips, flips, mcnemar
from robust.measure.conditions import NATURAL, Condition, condition_title
from robust.measure.confusion import confusion_counts
from robust.measure.cost import COST_BATCH, prediction_cost
from robust.measure.displacement import layers, measure_layers, movement
from robust.measure.evaluate import (
    TEST_KEY,
    Measurement,
    Test,
    check_classes,
    measure,
    measure_in_parts,
    planned_tests,
    predict,
)
from robust.measure.exposure import EXPOSURES, UNKNOWN, exposure_of, only_exposed, published_exposure, with_exposure
from robust.measure.findings import Finding, preflight
from robust.measure.knn import features, knn_accuracy
from robust.measure.published import PUBLISHED_KEY, measure_published
from robust.measure.saliency import saliency_maps
from robust.measure.samples import Samples, take_samples
from robust.measure.stability import STABILITY_KEY, SequenceTest, measure_stability, planned_sequences
from robust.measure.suites import SUITES, UNITS, suite_scores, suite_tests, unit_of
from robust.measure.summary import scores, summarize
from robust.measure.until import UNTIL, as_whole, ended_early, in_looking_order, measure_until

__all__ = [
    "CALIBRATION",
    "COST_BATCH",
    "EXPOSURES",
    "NATURAL",
    "PUBLISHED_KEY",
    "STABILITY_KEY",
    "SUITES",
    "TEST_KEY",
    "UNITS",
    "UNKNOWN",
    "UNTIL",
    "Condition",
    "Finding",
    "Flips",
    "Measurement",
    "Samples",
    "SequenceTest",
    "Test",
    "as_whole",
    "aurc",
    "check_classes",
    "condition_title",
    "confidence_bins",
    "confusion_counts",
    "ended_early",
    "expected_calibration_error",
    "exposure_of",
    "features",
    "flips",
    "in_looking_order",
    "knn_accuracy",
    "layers",
    "mcnemar",
    "measure",
    "measure_in_parts",
    "measure_layers",
    "measure_published",
    "measure_stability",
    "measure_until",
    "movement",
    "only_exposed",
    "planned_sequences",
    "planned_tests",
    "predict",
    "prediction_cost",
    "preflight",
    "published_exposure",
    "rms_calibration_error",
    "saliency_maps",
    "scores",
    "suite_scores",
    "suite_tests",
    "summarize",
    "take_samples",
    "unit_of",
    "with_exposure",
]
