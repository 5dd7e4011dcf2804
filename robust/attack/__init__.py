"""Attacks: the search for a small change of an image that changes the verdict."""

from robust.attack.assault import Assault
from robust.attack.gradient_sign import Attacked, gradient_sign, toward_class, toward_scores
from robust.attack.record import distances, record

__all__ = ["Assault", "Attacked", "distances", "gradient_sign", "record", "toward_class", "toward_scores"]
