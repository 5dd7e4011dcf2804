"""Certificates: by how much an image may change, in any way, so that a smoothed classifier gives it the same class."""

from robust.certify.counts import Counts, certificate_key, measure_certificates, seconds_of_a_pass, votes
from robust.certify.smoothed import Smoothed, attacked
from robust.certify.smoothing import Ablation, Gaussian, Smoothing

__all__ = [
    "Ablation",
    "Counts",
    "Gaussian",
    "Smoothed",
    "Smoothing",
    "attacked",
    "certificate_key",
    "measure_certificates",
    "seconds_of_a_pass",
    "votes",
]
