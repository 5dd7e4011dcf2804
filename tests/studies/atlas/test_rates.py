"""The atlas: which classes become which."""

import numpy as np
import pandas as pd
import pytest

from robust.studies.atlas.rates import category_rates, class_rates, read_categories, success_matrix


def attacks() -> pd.DataFrame:
    """Ten images of each of three classes toward both others: 0 always gives way to 1, half of the time to 2; 1 never;
    2 to 0 in three of ten. One image of 2 was not recognised."""
    lines = []
    for label, target in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]:
        gives = {(0, 1): 10, (0, 2): 5, (2, 0): 3}.get((label, target), 0)
        for image in range(10):
            before = 0 if (label, image) == (2, 9) else label
            lines.append((label, target, before, image < gives or before != label, 10 * label + image))
    return pd.DataFrame(lines, columns=["label", "target", "before", "success", "image"])


def test_the_matrix_counts_what_was_recognised() -> None:
    matrix = success_matrix(attacks(), 3)
    wanted = [[np.nan, 1, 0.5], [0, np.nan, 0], [3 / 9, 0, np.nan]]
    np.testing.assert_allclose(matrix, wanted)
    rates = class_rates(matrix)
    np.testing.assert_allclose(rates["modification"], [0.75, 0, 1 / 6])
    np.testing.assert_allclose(rates["mimicked"], [1 / 6, 0.5, 0.25])


def test_a_class_that_was_never_recognised_has_no_rate() -> None:
    table = attacks()
    table.loc[table["label"] == 1, "before"] = 0
    rates = class_rates(success_matrix(table, 3))
    assert np.isnan(rates.loc[1, "modification"])
    assert rates["mimicked"].notna().all()


def test_categories_are_means_over_their_classes() -> None:
    matrix = success_matrix(attacks(), 3)
    found = category_rates(matrix, {"both": [0, 1], "one": [2]}).set_index("category")
    assert found.loc["both", ["classes", "within", "out_of"]].tolist() == [2, 0.5, 0.25]
    assert found.loc["both", "modification"] == pytest.approx(0.375)
    assert np.isnan(found.loc["one", "within"])
    assert found.loc["one", "out_of"] == pytest.approx(1 / 6)


def test_a_tree_names_categories_at_every_height() -> None:
    tree = {"alive": {"animals": ["cat", "dog"], "plants": ["oak"]}, "things": ["cup"]}
    classes = ["cat", "cup", "dog", "oak"]
    found = read_categories(tree, classes)
    assert found == {"alive": [0, 2, 3], "animals": [0, 2], "plants": [3], "things": [1]}
    assert list(found) == ["alive", "animals", "plants", "things"]
    assert read_categories(None, classes) == {}
    with pytest.raises(ValueError, match=r"`data.categories.things` must list classes .*cat, cup, dog, oak.*; got mug"):
        read_categories({"things": ["mug"]}, classes)
