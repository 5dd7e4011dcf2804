"""What arXiv 2004.03452 claims, as data: each statement in our words, its published figure and what is measured for it.

Its figures are percent and points. Of a claim that can be read in more than one way each reading is a statement; the
id ends with what sets it apart. Tolerances: 5 points for "roughly", 3 for "about", 1 for a figure with decimals; a
bound has none.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

from robust.measure import NATURAL, condition_title

MODELS = {"mnist": "convnet_mnist", "cifar10": "convnet_cifar10"}
TECHNIQUES = ("constant", "incremental", "transfer")
KINDS = ("stuck", "hot", "dead")
NOISES = (0.001, 0.01325, 0.0255, 0.03775, 0.05)
BLURS = (0.04, 0.28, 0.52, 0.76, 1.0)
NOISE_TESTS = (0.0255, 0.03775, 0.05)
BLUR_TESTS = (0.5, 0.75, 1.0)
_BLUR = {"mnist": "blur", "cifar10": "blur_channels"}  # the published filter takes in a colour image's channels
_NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}

Comparison = Literal["equal", "at least", "above", "at most", "below"]


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


def _natural(test: str, level: float) -> Setting:
    return Setting(NATURAL, "none", 0.0, test, level)


def _drop(test: str, level: float) -> Quantity:
    return Quantity(REFERENCE, minus=_natural(test, level))


def _gain(trained: Setting) -> Quantity:
    return Quantity(trained, minus=_natural(trained.test, trained.test_level))


def _apart(trained: Setting) -> Quantity:
    return Quantity(trained, minus=REFERENCE, apart=True)


def _pixel_tests(technique: str, kind: str, level: int, *, natural: bool = False) -> list[Setting]:
    tests = [Setting(technique, kind, level, test, 2.0) for test in KINDS]
    return tests + [Setting(technique, kind, level, NATURAL, 0.0)] * natural


def _tests(technique: str, trained: str, level: float, *, natural: bool = False) -> list[Setting]:
    """A model of noise or blur under the three tests of its kind."""
    levels = NOISE_TESTS if trained == "noise" else BLUR_TESTS
    tests = [Setting(technique, trained, level, trained, test) for test in levels]
    return tests + [Setting(technique, trained, level, NATURAL, 0.0)] * natural


def _statement(
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
    text = f"{_NAMES[data]}: {text}"
    return Statement(name, data, section, text, published, comparison, tolerance, groups)


def _gains(name: str, section: str, trained: Setting, points: float) -> list[Statement]:
    """A gain over the natural model in one test, read as about so much, and as no less."""
    what, gain = f"{trained.technique} with {condition_title(*trained[1:3])}", _gain(trained)
    text = f"{what}, tested on {condition_title(*trained[3:])}, gains"
    return [
        _statement(name, section, f"{text} about {points:g} points", points, "equal", gain, tolerance=3),
        _statement(f"{name}-at-least", section, f"{text} at least {points:g} points", points, "at least", gain),
    ]


def _impact_mnist() -> list[Statement]:
    noise = Quantity(_natural("noise", 0.05))
    pairs = [_drop(kind, 2.0) for kind in KINDS]
    return [
        _statement("mnist-natural", "V", "the natural model is right on 97.42 % of natural images", 97.42, "equal",
                   Quantity(REFERENCE), tolerance=1),
        _statement("mnist-impact-hot-5", "V-A", "5 hot pixels cost the natural model roughly 45 points", 45, "equal",
                   _drop("hot", 5.0), tolerance=5),
        _statement("mnist-impact-stuck-5", "V-A", "5 stuck pixels cost it roughly 30 points", 30, "equal",
                   _drop("stuck", 5.0), tolerance=5),
        _statement("mnist-impact-dead-5", "V-A", "5 dead pixels cost it next to nothing (read as: within 1 point of 0)",
                   0, "equal", _drop("dead", 5.0), tolerance=1),
        _statement("mnist-impact-pixels-2", "VII", "2 pixels of any kind cost it at most 19 points", 19, "at most",
                   *pairs),
        _statement("mnist-impact-noise-0.05", "V-B", "about 18 % are left at noise 0.05", 18, "equal", noise,
                   tolerance=3),
        _statement("mnist-impact-noise-0.05-roughly", "VI-B", "roughly 19 % are left at noise 0.05", 19, "equal", noise,
                   tolerance=5),
        _statement("mnist-impact-worst-drop", "IX", "the worst perturbation (noise 0.05) costs over 80 points", 80,
                   "above", _drop("noise", 0.05)),
        _statement("mnist-impact-blur-1.0", "V-C", "blur 1.0 costs about 7 points", 7, "equal", _drop("blur", 1.0),
                   tolerance=3),
    ]  # fmt: skip


def _impact_cifar() -> list[Statement]:
    five = {kind: _natural(kind, 5.0) for kind in KINDS}
    noise, blur = Quantity(_natural("noise", 0.05)), _natural("blur_channels", 1.0)
    pairs = [_drop(kind, 2.0) for kind in KINDS]
    drops = [_drop(kind, 5.0) for kind in KINDS]
    least = [Quantity(five["stuck"], minus=five[kind]) for kind in ("hot", "dead")]
    most = [Quantity(five[kind], minus=five["hot"]) for kind in ("stuck", "dead")]
    return [
        _statement("cifar10-natural", "V", "the natural model is right on 86.92 % of natural images", 86.92, "equal",
                   Quantity(REFERENCE), tolerance=1),
        _statement("cifar10-impact-pixels-5", "V-A", "5 pixels of any kind cost the natural model under 10 points "
                   "(figure 4b)", 10, "below", *drops),
        _statement("cifar10-impact-hot-5", "V-A", "5 hot pixels cost it roughly 6 points (as the text says)", 6,
                   "equal", _drop("hot", 5.0), tolerance=5),
        _statement("cifar10-impact-hot-5-files", "V-A", "5 hot pixels cost it 8 to 10 points (as the authors' files "
                   "say)", 9, "equal", _drop("hot", 5.0), tolerance=1),
        _statement("cifar10-impact-dead-5-files", "V-A", "5 dead pixels cost it 8 to 10 points (as the authors' files "
                   "say)", 9, "equal", _drop("dead", 5.0), tolerance=1),
        _statement("cifar10-impact-stuck-least", "V-A", "of 5 pixels stuck ones cost least (accuracy over that under "
                   "hot and under dead ones)", 0, "above", *least),
        _statement("cifar10-impact-hot-worst", "V-A", "of 5 pixels hot ones cost most (accuracy under stuck and under "
                   "dead ones over it)", 0, "above", *most),
        _statement("cifar10-impact-pixels-2", "VII", "2 pixels of any kind cost it at most 2 points", 2, "at most",
                   *pairs),
        _statement("cifar10-impact-noise-0.05", "V-B", "about 63 % are left at noise 0.05", 63, "equal", noise,
                   tolerance=3),
        _statement("cifar10-impact-noise-0.05-vii", "VII", "about 62 % are left at noise 0.05", 62, "equal", noise,
                   tolerance=3),
        _statement("cifar10-impact-noise-0.05-bound", "VI-C", "less than 65 % are left at noise 0.05", 65, "below",
                   noise),
        _statement("cifar10-impact-blur-1.0", "V-C", "about 31 % are left at blur 1.0 (as published: the channels too)",
                   31, "equal", Quantity(blur), tolerance=3),
        _statement("cifar10-impact-blur-1.0-drop", "V-C", "blur 1.0 costs about 55 points (the channels too)", 55,
                   "equal", _drop("blur_channels", 1.0), tolerance=3),
    ]  # fmt: skip


def _constant() -> list[Statement]:
    stuck = _pixel_tests("constant", "stuck", 2)
    clean = Setting("constant", "stuck", 2, NATURAL, 0.0)
    hot = _pixel_tests("constant", "hot", 7)
    losses = [Quantity(_natural("hot", 2.0), minus=Setting("constant", "dead", n, "hot", 2.0)) for n in range(1, 11)]
    noise, blur = _tests("constant", "noise", 0.05)[2], _tests("constant", "blur_channels", 1.0)[2]
    return [
        _statement("cifar10-constant-stuck-2", "VI-A", "constant with 2 stuck pixels is right on over 86 % of natural "
                   "images and of each kind of 2 pixels", 86, "above", *map(Quantity, [*stuck, clean])),
        _statement("cifar10-constant-stuck-2-natural", "VI-A", "constant with 2 stuck pixels is better on natural "
                   "images than the natural model", 0, "above", _gain(clean)),
        *[_statement(f"cifar10-constant-stuck-2-gain-{one.test}", "VI-A", "constant with 2 stuck pixels gains 2 points "
                     f"on 2 {one.test} ones (read as: 1 to 3)", 2, "equal", _gain(one), tolerance=1) for one in stuck],
        _statement("cifar10-constant-dead-on-hot", "VI-A", "constant with 1 to 10 dead pixels loses at most 4 points "
                   "on 2 hot ones, against the natural model", 4, "at most", *losses),
        _statement("mnist-constant-hot-7", "VI-A", "constant with 7 hot pixels is right on over 97 % under each kind "
                   "of 2 pixels", 97, "above", *map(Quantity, hot)),
        _statement("mnist-constant-hot-7-natural", "VI-A", "constant with 7 hot pixels is right on over 97 % under "
                   "each kind of 2 pixels and on natural images", 97, "above",
                   *map(Quantity, _pixel_tests("constant", "hot", 7, natural=True))),
        *_gains("mnist-constant-hot-7-gain", "VI-A", hot[1], 20),
        *_gains("cifar10-constant-noise-gain", "VI-A", noise, 21),
        *_gains("cifar10-constant-blur-gain", "VI-A", blur, 40),
    ]  # fmt: skip


def _incremental() -> list[Statement]:
    hot = {n: combinations(_pixel_tests("incremental", "hot", n, natural=True), 2) for n in range(1, 11)}
    spreads = {n: [Quantity(one, minus=two, apart=True) for one, two in pairs] for n, pairs in hot.items()}
    blur = _tests("incremental", "blur_channels", 1.0, natural=True)
    return [
        *_gains("mnist-incremental-noise-gain", "VI-B", Setting("incremental", "noise", 0.05, "noise", 0.05), 75),
        _statement("mnist-incremental-hot-spread-all-levels", "VI-B", "incremental with 1 to 10 hot pixels: each "
                   "model's four tests (natural images, each kind of 2 pixels) lie less than 0.5 points apart", 0.5,
                   "below", *[spread for level in spreads.values() for spread in level]),
        _statement("mnist-incremental-hot-spread-at-training-level", "VI-B", "incremental with 2 hot pixels, as many "
                   "as it is tested on: its four tests lie less than 0.5 points apart", 0.5, "below", *spreads[2]),
        *_gains("cifar10-incremental-blur-gain-50", "VI-B", blur[2], 50),
        *_gains("cifar10-incremental-blur-gain-60", "VII", blur[2], 60),
        _statement("cifar10-incremental-blur-within-3", "VII", "incremental with blur_channels 1 is, on natural images "
                   "and every tested blur, at most 3 points from the natural model on natural images", 3, "at most",
                   *map(_apart, blur)),
        _statement("cifar10-incremental-blur-within-3-at-training-level", "VII", "incremental with blur_channels 1, "
                   "tested on it, is at most 3 points from the natural model on natural images", 3, "at most",
                   _apart(blur[2])),
    ]  # fmt: skip


def _transfer() -> list[Statement]:
    hot = [Quantity(Setting("transfer", "hot", n, "hot", 2.0)) for n in range(1, 11)]
    noise = _tests("transfer", "noise", 0.05, natural=True)
    order = [Quantity(one, minus=dead) for n in range(1, 11)
             for *others, dead in [_pixel_tests("transfer", "hot", n)] for one in others]  # fmt: skip
    return [
        _statement("cifar10-transfer-hot-all-levels", "VI-C", "transfer with 1 to 10 hot pixels is right on over 87 % "
                   "under 2 hot ones", 87, "above", *hot),
        _statement("cifar10-transfer-hot-levels-1-8", "VI-C", "transfer with 1 to 8 hot pixels is right on over 87 % "
                   "under 2 hot ones", 87, "above", *hot[:8]),
        _statement("cifar10-transfer-hot-dead-worst", "VI-C", "transfer with 1 to 10 hot pixels is at its worst under "
                   "dead ones (accuracy under stuck and under hot ones over it)", 0, "above", *order),
        *[_statement(f"cifar10-transfer-noise-on-{condition_title(*one[3:]).replace(' ', '-')}", "VI-C", "transfer "
                     f"with noise 0.05, tested on {condition_title(*one[3:])}, is right on about 85 %", 85, "equal",
                     Quantity(one), tolerance=3) for one in noise],
    ]  # fmt: skip


def _within_one_point() -> list[Statement]:
    """Tests at most 1 point from the natural model on natural images, for all training levels and for one."""
    statements = []
    text = "at most 1 point from the natural model on natural images"
    for data in MODELS:
        pixels = [test for kind in KINDS for n in range(1, 11) for test in _pixel_tests("transfer", kind, n)]
        own, name = [Setting("transfer", kind, 2, kind, 2.0) for kind in KINDS], f"{data}-transfer-pixels"
        losses = [Quantity(REFERENCE, minus=test) for test in pixels]
        bright = [loss for loss in losses if loss.minus and loss.minus.trained != "dead"]
        statements += [
            _statement(f"{name}-all-levels", "VII", f"every transfer model of 1 to 10 pixels is, under each kind of 2 "
                       f"pixels, {text}", 1, "at most", *map(_apart, pixels)),
            _statement(f"{name}-loss-all-levels", "VII", "every transfer model of 1 to 10 pixels is, under each kind "
                       "of 2 pixels, at most 1 point under the natural model on natural images", 1, "at most", *losses),
            _statement(f"{name}-loss-stuck-hot", "VII", "every transfer model of 1 to 10 stuck or hot pixels is, under "
                       "each kind of 2 pixels, at most 1 point under the natural model on natural images", 1, "at most",
                       *bright),
            _statement(f"{name}-at-training-level", "VII", f"every transfer model of 2 pixels is, under 2 pixels of "
                       f"its own kind, {text}", 1, "at most", *map(_apart, own)),
        ]  # fmt: skip
    grids = [("mnist", technique, "noise", NOISES) for technique in TECHNIQUES]
    grids += [("cifar10", "incremental", "noise", NOISES), ("mnist", "transfer", "blur", BLURS)]
    for data, technique, trained, levels in grids:
        name = f"{data}-{technique}-{trained}-within-1"
        every = [test for level in levels for test in _tests(technique, trained, level)]
        last = _tests(technique, trained, levels[-1])
        statements += [
            _statement(f"{name}-all-levels", "VII", f"each of the five {technique} models of {trained} is, under every "
                       f"tested {trained}, {text}", 1, "at most", *map(_apart, every)),
            _statement(f"{name}-highest-level", "VII", f"{technique} with {trained} {levels[-1]} is, under every "
                       f"tested {trained}, {text}", 1, "at most", *map(_apart, last)),
        ]  # fmt: skip
    return statements


def _all_within_three(data: str) -> Statement:
    """The conclusion: for each of the nine tests there is a model of its family within 3 points."""
    pixels = [(kind, float(n)) for kind in KINDS for n in range(1, 11)]
    noise, blur = [("noise", level) for level in NOISES], [(_BLUR[data], level) for level in BLURS]
    models = {(kind, 2.0): pixels for kind in KINDS}
    models |= {("noise", level): noise for level in NOISE_TESTS} | {(_BLUR[data], level): blur for level in BLUR_TESTS}
    groups = [
        tuple(Quantity(REFERENCE, minus=Setting(one, *model, *test)) for one in TECHNIQUES for model in family)
        for test, family in models.items()
    ]
    text = (
        f"{_NAMES[data]}: under each of the nine tests some model of its kind is at most 3 points under the natural "
        "model on natural images"
    )
    return Statement(f"{data}-all-within-3", data, "IX", text, 3, "at most", 0.0, tuple(groups))


STATEMENTS = (
    *(*_impact_mnist(), *_impact_cifar(), *_constant(), *_incremental(), *_transfer(), *_within_one_point()),
    *map(_all_within_three, MODELS),
)
