"""What arXiv 2004.03452 claims: its statements, section by section.

Figures are percent and points. Of a claim that can be read in more than one way each reading is a statement; the id
ends with what sets it apart. Tolerances: 5 points for "roughly", 3 for "about", 1 for a figure with decimals or one
that is next to nothing; a bound has none.
"""

from itertools import combinations

from robust.measure import NATURAL, condition_title
from robust.report.choice import DATA_TITLES
from robust.report.statements import (
    BLUR,
    BLUR_TESTS,
    BLURS,
    KINDS,
    MODELS,
    NOISE_TESTS,
    NOISES,
    REFERENCE,
    TECHNIQUES,
    Quantity,
    Setting,
    Statement,
    apart,
    drop,
    gain,
    gains,
    natural,
    own_tests,
    pixel_tests,
    statement,
)


def _impact_mnist() -> list[Statement]:
    noise = Quantity(natural("noise", 0.05))
    pairs = [drop(kind, 2.0) for kind in KINDS]
    return [
        statement("mnist-natural", "V", "the natural model is right on 97.42 % of natural images", 97.42, "equal",
                  Quantity(REFERENCE), tolerance=1),
        statement("mnist-impact-hot-5", "V-A", "5 hot pixels cost the natural model roughly 45 points", 45, "equal",
                  drop("hot", 5.0), tolerance=5),
        statement("mnist-impact-stuck-5", "V-A", "5 stuck pixels cost it roughly 30 points", 30, "equal",
                  drop("stuck", 5.0), tolerance=5),
        statement("mnist-impact-dead-5", "V-A", "5 dead pixels cost it next to nothing (read as: within 1 point of 0)",
                  0, "equal", drop("dead", 5.0), tolerance=1),
        statement("mnist-impact-pixels-2", "VII", "2 pixels of any kind cost it at most 19 points", 19, "at most",
                  *pairs),
        statement("mnist-impact-noise-0.05", "V-B", "about 18 % are left at noise 0.05", 18, "equal", noise,
                  tolerance=3),
        statement("mnist-impact-noise-0.05-roughly", "VI-B", "roughly 19 % are left at noise 0.05", 19, "equal", noise,
                  tolerance=5),
        statement("mnist-impact-worst-drop", "IX", "the worst perturbation (noise 0.05) costs over 80 points", 80,
                  "above", drop("noise", 0.05)),
        statement("mnist-impact-blur-1.0", "V-C", "blur 1.0 costs about 7 points", 7, "equal", drop("blur", 1.0),
                  tolerance=3),
    ]  # fmt: skip


def _impact_cifar() -> list[Statement]:
    five = {kind: natural(kind, 5.0) for kind in KINDS}
    noise, blur = Quantity(natural("noise", 0.05)), natural("blur_channels", 1.0)
    pairs = [drop(kind, 2.0) for kind in KINDS]
    drops = [drop(kind, 5.0) for kind in KINDS]
    least = [Quantity(five["stuck"], minus=five[kind]) for kind in ("hot", "dead")]
    most = [Quantity(five[kind], minus=five["hot"]) for kind in ("stuck", "dead")]
    return [
        statement("cifar10-natural", "V", "the natural model is right on 86.92 % of natural images", 86.92, "equal",
                  Quantity(REFERENCE), tolerance=1),
        statement("cifar10-impact-pixels-5", "V-A", "5 pixels of any kind cost the natural model under 10 points "
                  "(figure 4b)", 10, "below", *drops),
        statement("cifar10-impact-hot-5", "V-A", "5 hot pixels cost it roughly 6 points (as the text says)", 6,
                  "equal", drop("hot", 5.0), tolerance=5),
        statement("cifar10-impact-hot-5-files", "V-A", "5 hot pixels cost it 8 to 10 points (as the authors' files "
                  "say)", 9, "equal", drop("hot", 5.0), tolerance=1),
        statement("cifar10-impact-dead-5-files", "V-A", "5 dead pixels cost it 8 to 10 points (as the authors' files "
                  "say)", 9, "equal", drop("dead", 5.0), tolerance=1),
        statement("cifar10-impact-stuck-least", "V-A", "of 5 pixels stuck ones cost least (accuracy over that under "
                  "hot and under dead ones)", 0, "above", *least),
        statement("cifar10-impact-hot-worst", "V-A", "of 5 pixels hot ones cost most (accuracy under stuck and under "
                  "dead ones over it)", 0, "above", *most),
        statement("cifar10-impact-pixels-2", "VII", "2 pixels of any kind cost it at most 2 points", 2, "at most",
                  *pairs),
        statement("cifar10-impact-noise-0.05", "V-B", "about 63 % are left at noise 0.05", 63, "equal", noise,
                  tolerance=3),
        statement("cifar10-impact-noise-0.05-vii", "VII", "about 62 % are left at noise 0.05", 62, "equal", noise,
                  tolerance=3),
        statement("cifar10-impact-noise-0.05-bound", "VI-C", "less than 65 % are left at noise 0.05", 65, "below",
                  noise),
        statement("cifar10-impact-blur-1.0", "V-C", "about 31 % are left at blur 1.0 (as published: the channels too)",
                  31, "equal", Quantity(blur), tolerance=3),
        statement("cifar10-impact-blur-1.0-drop", "V-C", "blur 1.0 costs about 55 points (the channels too)", 55,
                  "equal", drop("blur_channels", 1.0), tolerance=3),
    ]  # fmt: skip


def _constant() -> list[Statement]:
    stuck = pixel_tests("constant", "stuck", 2)
    clean = Setting("constant", "stuck", 2, NATURAL, 0.0)
    hot = pixel_tests("constant", "hot", 7)
    losses = [Quantity(natural("hot", 2.0), minus=Setting("constant", "dead", n, "hot", 2.0)) for n in range(1, 11)]
    noise, blur = own_tests("constant", "noise", 0.05)[2], own_tests("constant", "blur_channels", 1.0)[2]
    return [
        statement("cifar10-constant-stuck-2", "VI-A", "constant with 2 stuck pixels is right on over 86 % of natural "
                  "images and of each kind of 2 pixels", 86, "above", *map(Quantity, [*stuck, clean])),
        statement("cifar10-constant-stuck-2-natural", "VI-A", "constant with 2 stuck pixels is better on natural "
                  "images than the natural model", 0, "above", gain(clean)),
        *[statement(f"cifar10-constant-stuck-2-gain-{one.test}", "VI-A", "constant with 2 stuck pixels gains 2 points "
                    f"on 2 {one.test} ones (read as: 1 to 3)", 2, "equal", gain(one), tolerance=1) for one in stuck],
        statement("cifar10-constant-dead-on-hot", "VI-A", "constant with 1 to 10 dead pixels loses at most 4 points "
                  "on 2 hot ones, against the natural model", 4, "at most", *losses),
        statement("mnist-constant-hot-7", "VI-A", "constant with 7 hot pixels is right on over 97 % under each kind "
                  "of 2 pixels", 97, "above", *map(Quantity, hot)),
        statement("mnist-constant-hot-7-natural", "VI-A", "constant with 7 hot pixels is right on over 97 % under "
                  "each kind of 2 pixels and on natural images", 97, "above",
                  *map(Quantity, pixel_tests("constant", "hot", 7, natural=True))),
        *gains("mnist-constant-hot-7-gain", "VI-A", hot[1], 20),
        *gains("cifar10-constant-noise-gain", "VI-A", noise, 21),
        *gains("cifar10-constant-blur-gain", "VI-A", blur, 40),
    ]  # fmt: skip


def _incremental() -> list[Statement]:
    hot = {n: combinations(pixel_tests("incremental", "hot", n, natural=True), 2) for n in range(1, 11)}
    spreads = {n: [Quantity(one, minus=two, apart=True) for one, two in pairs] for n, pairs in hot.items()}
    blur = own_tests("incremental", "blur_channels", 1.0, natural=True)
    return [
        *gains("mnist-incremental-noise-gain", "VI-B", Setting("incremental", "noise", 0.05, "noise", 0.05), 75),
        statement("mnist-incremental-hot-spread-all-levels", "VI-B", "incremental with 1 to 10 hot pixels: each "
                  "model's four tests (natural images, each kind of 2 pixels) lie less than 0.5 points apart", 0.5,
                  "below", *[spread for level in spreads.values() for spread in level]),
        statement("mnist-incremental-hot-spread-at-training-level", "VI-B", "incremental with 2 hot pixels, as many "
                  "as it is tested on: its four tests lie less than 0.5 points apart", 0.5, "below", *spreads[2]),
        *gains("cifar10-incremental-blur-gain-50", "VI-B", blur[2], 50),
        *gains("cifar10-incremental-blur-gain-60", "VII", blur[2], 60),
        statement("cifar10-incremental-blur-within-3", "VII", "incremental with blur_channels 1 is, on natural images "
                  "and every tested blur, at most 3 points from the natural model on natural images", 3, "at most",
                  *map(apart, blur)),
        statement("cifar10-incremental-blur-within-3-at-training-level", "VII", "incremental with blur_channels 1, "
                  "tested on it, is at most 3 points from the natural model on natural images", 3, "at most",
                  apart(blur[2])),
    ]  # fmt: skip


def _transfer() -> list[Statement]:
    hot = [Quantity(Setting("transfer", "hot", n, "hot", 2.0)) for n in range(1, 11)]
    noise = own_tests("transfer", "noise", 0.05, natural=True)
    order = [Quantity(one, minus=dead) for n in range(1, 11)
             for *others, dead in [pixel_tests("transfer", "hot", n)] for one in others]  # fmt: skip
    return [
        statement("cifar10-transfer-hot-all-levels", "VI-C", "transfer with 1 to 10 hot pixels is right on over 87 % "
                  "under 2 hot ones", 87, "above", *hot),
        statement("cifar10-transfer-hot-levels-1-8", "VI-C", "transfer with 1 to 8 hot pixels is right on over 87 % "
                  "under 2 hot ones", 87, "above", *hot[:8]),
        statement("cifar10-transfer-hot-dead-worst", "VI-C", "transfer with 1 to 10 hot pixels is at its worst under "
                  "dead ones (accuracy under stuck and under hot ones over it)", 0, "above", *order),
        *[statement(f"cifar10-transfer-noise-on-{condition_title(*one[3:]).replace(' ', '-')}", "VI-C", "transfer "
                    f"with noise 0.05, tested on {condition_title(*one[3:])}, is right on about 85 %", 85, "equal",
                    Quantity(one), tolerance=3) for one in noise],
    ]  # fmt: skip


def _within_one_point() -> list[Statement]:
    """Tests at most 1 point from the natural model on natural images, for all training levels and for one."""
    statements = []
    text = "at most 1 point from the natural model on natural images"
    for data in MODELS:
        pixels = [test for kind in KINDS for n in range(1, 11) for test in pixel_tests("transfer", kind, n)]
        own, name = [Setting("transfer", kind, 2, kind, 2.0) for kind in KINDS], f"{data}-transfer-pixels"
        losses = [Quantity(REFERENCE, minus=test) for test in pixels]
        bright = [loss for loss in losses if loss.minus and loss.minus.trained != "dead"]
        statements += [
            statement(f"{name}-all-levels", "VII", f"every transfer model of 1 to 10 pixels is, under each kind of 2 "
                      f"pixels, {text}", 1, "at most", *map(apart, pixels)),
            statement(f"{name}-loss-all-levels", "VII", "every transfer model of 1 to 10 pixels is, under each kind "
                      "of 2 pixels, at most 1 point under the natural model on natural images", 1, "at most", *losses),
            statement(f"{name}-loss-stuck-hot", "VII", "every transfer model of 1 to 10 stuck or hot pixels is, under "
                      "each kind of 2 pixels, at most 1 point under the natural model on natural images", 1, "at most",
                      *bright),
            statement(f"{name}-at-training-level", "VII", f"every transfer model of 2 pixels is, under 2 pixels of "
                      f"its own kind, {text}", 1, "at most", *map(apart, own)),
            *[statement(f"{name}-at-training-level-{one.trained}", "VII", f"transfer with 2 {one.trained} pixels is, "
                        f"under 2 {one.trained} ones, {text}", 1, "at most", apart(one))
              for one in own if data == "cifar10"],  # whose models cost hours: a kind by itself counts
        ]  # fmt: skip
    grids = [("mnist", technique, "noise", NOISES) for technique in TECHNIQUES]
    grids += [("cifar10", "incremental", "noise", NOISES), ("mnist", "transfer", "blur", BLURS)]
    for data, technique, trained, levels in grids:
        name = f"{data}-{technique}-{trained}-within-1"
        every = [test for level in levels for test in own_tests(technique, trained, level)]
        last = own_tests(technique, trained, levels[-1])
        statements += [
            statement(f"{name}-all-levels", "VII", f"each of the five {technique} models of {trained} is, under every "
                      f"tested {trained}, {text}", 1, "at most", *map(apart, every)),
            statement(f"{name}-highest-level", "VII", f"{technique} with {trained} {levels[-1]} is, under every "
                      f"tested {trained}, {text}", 1, "at most", *map(apart, last)),
        ]  # fmt: skip
    return statements


def _all_within_three(data: str) -> Statement:
    """The conclusion: for each of the nine tests there is a model of its family within 3 points."""
    pixels = [(kind, float(n)) for kind in KINDS for n in range(1, 11)]
    noise, blur = [("noise", level) for level in NOISES], [(BLUR[data], level) for level in BLURS]
    models = {(kind, 2.0): pixels for kind in KINDS}
    models |= {("noise", level): noise for level in NOISE_TESTS} | {(BLUR[data], level): blur for level in BLUR_TESTS}
    groups = [
        tuple(Quantity(REFERENCE, minus=Setting(one, *model, *test)) for one in TECHNIQUES for model in family)
        for test, family in models.items()
    ]
    text = (
        f"{DATA_TITLES[data]}: under each of the nine tests some model of its kind is at most 3 points under the "
        "natural model on natural images"
    )
    return Statement(f"{data}-all-within-3", data, "IX", text, 3, "at most", 0.0, tuple(groups))


STATEMENTS = (
    *(*_impact_mnist(), *_impact_cifar(), *_constant(), *_incremental(), *_transfer(), *_within_one_point()),
    *map(_all_within_three, MODELS),
)
