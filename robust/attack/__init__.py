"""Attacks: the search for a small change of an image that changes the prediction."""

from robust.attack.draws import worst_of
from robust.attack.gate import FAULTS, Budget, settled
from robust.attack.gradient import fgsm, gradient_sign, pgd
from robust.attack.one_pixel import one_pixel
from robust.attack.plan import ANY, AttackPlan
from robust.attack.record import distances, record
from robust.attack.result import AttackResult, as_number, cross_entropy_toward, margin
from robust.attack.universal import paste, patch, universal

__all__ = [
    "ANY",
    "FAULTS",
    "AttackPlan",
    "AttackResult",
    "Budget",
    "as_number",
    "cross_entropy_toward",
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
    "universal",
    "worst_of",
]
