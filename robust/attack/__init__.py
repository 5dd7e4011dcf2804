"""Attacks: the search for a small change of an image that changes the prediction."""

from robust.attack.assault import ANY, Assault
from robust.attack.draws import worst_of
from robust.attack.gate import FAULTS, Budget, settled
from robust.attack.gradient import fgsm, gradient_sign, pgd
from robust.attack.one_pixel import one_pixel
from robust.attack.record import distances, record
from robust.attack.search import Attacked, as_number, margin, toward_class, toward_scores
from robust.attack.universal import paste, patch, universal

__all__ = [
    "ANY",
    "FAULTS",
    "Assault",
    "Attacked",
    "Budget",
    "as_number",
    "distances",
    "fgsm",
    "gradient_sign",
    "margin",
    "one_pixel",
    "paste",
    "patch",
    "pgd",
    "record",
    "settled",
    "toward_class",
    "toward_scores",
    "universal",
    "worst_of",
]
