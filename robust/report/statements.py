"""What a claim is: a statement in our words, its published figure, and what is measured for it."""

from dataclasses import dataclass
from typing import NamedTuple

from robust.measure import NATURAL, condition_title
from robust.report.choice import DATA_TITLES
from robust.report.claims import Comparison

MODELS = {"mnist": "convnet_mnist", "cifar10": "convnet_cifar10"}
TECHNIQUES = ("constant", "incremental", "transfer")
KINDS = ("stuck", "hot", "dead")
NOISES = (0.001, 0.01325, 0.0255, 0.03775, 0.05)
BLURS = (0.04, 0.28, 0.52, 0.76, 1.0)
NOISE_TESTS = (0.0255, 0.03775, 0.05)
BLUR_TESTS = (0.5, 0.75, 1.0)
BLUR = {"mnist": "blur", "cifar10": "blur_channels"}  # the published filter takes in a colour image's channels


class Setting(NamedTuple):
    """A kind of model under a condition."""

    technique: str
    trained: str
    train_level: float
    test: str
    test_level: float


class Quantity(NamedTuple):
    """The accuracy in a setting; or by how much it is over another's; or, `apart`, how far it is from the other's."""

    setting: Setting
    minus: Setting | None = None
    apart: bool = False


#: the natural model on natural images, the accuracy that most claims are held against
REFERENCE = Setting(NATURAL, "none", 0.0, NATURAL, 0.0)


@dataclass(frozen=True)
class Statement:
    """A claim that can be measured: the worst of `groups` is held against the published figure.

    Of the quantities in a group the best counts; a group of several asks whether any model does it. What is to be
    equal is one quantity: of several, those over the figure and those under it would make up for each other.
    """

    id: str
    data: str
    section: str
    text: str
    published: float
    comparison: Comparison
    tolerance: float
    groups: tuple[tuple[Quantity, ...], ...]


def natural(test: str, level: float) -> Setting:
    """The natural model under a condition."""
    return Setting(NATURAL, "none", 0.0, test, level)


def drop(test: str, level: float) -> Quantity:
    """What a condition costs the natural model."""
    return Quantity(REFERENCE, minus=natural(test, level))


def gain(trained: Setting) -> Quantity:
    """What training wins over the natural model in the same test."""
    return Quantity(trained, minus=natural(trained.test, trained.test_level))


def apart(trained: Setting) -> Quantity:
    """How far a model is from what the natural one reaches on natural images."""
    return Quantity(trained, minus=REFERENCE, apart=True)


def pixel_tests(technique: str, kind: str, level: int, *, natural: bool = False) -> list[Setting]:
    """A model of faulty pixels under two pixels of each kind."""
    tests = [Setting(technique, kind, level, test, 2.0) for test in KINDS]
    return tests + [Setting(technique, kind, level, NATURAL, 0.0)] * natural


def own_tests(technique: str, trained: str, level: float, *, natural: bool = False) -> list[Setting]:
    """A model of noise or blur under the three tests of its kind."""
    levels = NOISE_TESTS if trained == "noise" else BLUR_TESTS
    tests = [Setting(technique, trained, level, trained, test) for test in levels]
    return tests + [Setting(technique, trained, level, NATURAL, 0.0)] * natural


def statement(
    name: str,
    section: str,
    text: str,
    published: float,
    comparison: Comparison,
    *quantities: Quantity,
    tolerance: float = 0.0,
) -> Statement:
    """A statement about all of these quantities; the first word of `name` is its data."""
    data = name.partition("-")[0]
    groups = tuple((quantity,) for quantity in quantities)
    text = f"{DATA_TITLES[data]}: {text}"
    return Statement(name, data, section, text, published, comparison, tolerance, groups)


def gains(name: str, section: str, trained: Setting, points: float) -> list[Statement]:
    """A gain over the natural model in one test, read as about so much, and as no less."""
    what = f"{trained.technique} with {condition_title(*trained[1:3])}"
    text = f"{what}, tested on {condition_title(*trained[3:])}, gains"
    return [
        statement(name, section, f"{text} about {points:g} points", points, "equal", gain(trained), tolerance=3),
        statement(f"{name}-at-least", section, f"{text} at least {points:g} points", points, "at least", gain(trained)),
    ]
