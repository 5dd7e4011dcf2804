"""Attacks on a test set: who is attacked, and what is left to do."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from robust.attack import ANY, AttackPlan
from robust.data import ImageSet

STEPS = {"search": "robust.attack.gradient_sign", "name": "gradient_sign", "targeted": True}


@pytest.fixture
def images():
    labels = torch.arange(3).repeat(4)
    pixels = torch.randint(256, (12, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return ImageSet(pixels, labels, ("cat", "dog", "none"), background=2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval()


def attack_plan(**options):
    return AttackPlan(**{**STEPS, "step": "1/255", "max_steps": 9, **options})


def known(one, images, thresholds):
    """What is written when these pairs were attacked."""
    rows = [
        (label, target, number, threshold, one.name, one.settings)
        for label, target in one.missing(images, None)
        for number in one.chosen(images, label).tolist()
        for threshold in thresholds
    ]
    return pd.DataFrame(rows, columns=["label", "target", "image", "threshold", "attack", "settings"])


def test_every_object_is_led_to_every_other_class(images):
    assert attack_plan().missing(images, None) == [(0, 1), (0, 2), (1, 0), (1, 2)]
    assert attack_plan(images=3).chosen(images, 1).tolist() == [1, 4, 7]


def test_or_away_from_its_own(images, model):
    away = attack_plan(targeted=False)
    assert away.missing(images, None) == [(0, ANY), (1, ANY)]
    table = away.attack(model, images, (1, ANY))
    assert (table["target"] == ANY).all()
    assert (table["success"] == (table["after"] != 1)).all()
    assert away.missing(images, table) == [(0, ANY)]
    assert len(attack_plan().missing(images, table)) == 4


@pytest.mark.parametrize("thresholds", [[0.2, 0.45, 0.7], [float("nan")]])
def test_what_was_done_is_not_done_again(images, thresholds):
    judged = {"thresholds": (0.2, 0.45, 0.7)}
    done = known(attack_plan(images=3, **judged), images, thresholds)
    assert attack_plan(images=3, **judged).missing(images, done) == []
    assert attack_plan(images=2, **judged).missing(images, done) == []
    assert len(attack_plan(images=4, **judged).missing(images, done)) == 4
    assert len(attack_plan(images=3, max_steps=7, **judged).missing(images, done)) == 4
    assert len(attack_plan(images=3, step=0.5, **judged).missing(images, done)) == 4
    assert len(attack_plan(images=3, name="other", **judged).missing(images, done)) == 4
    assert attack_plan(images=3, **judged).missing(images, done[done["target"] != 2]) == [(0, 2), (1, 2)]


def test_another_threshold_is_judged_too(images):
    done = known(attack_plan(), images, [0.2, 0.45, 0.7])
    assert attack_plan(thresholds=[0.45]).missing(images, done) == []
    assert len(attack_plan(thresholds=[0.3, 0.45]).missing(images, done)) == 4


class Scores(nn.Sequential):
    """Scores that are no logits; the last class is what reaches no threshold."""

    def predictions_at(self, scores, thresholds):
        best, place = scores[:, :-1].max(1)
        return torch.where(best[:, None] >= torch.tensor(thresholds), place[:, None], 2)

    def target_loss(self, scores, targets):
        return (scores[:, :-1] - nn.functional.one_hot(targets, 3)[:, :-1]).square().sum(1)


def test_a_network_of_scores_is_judged_at_every_threshold_by_one_search(images):
    torch.manual_seed(0)
    network = Scores(nn.Flatten(), nn.Linear(16, 3), nn.Sigmoid()).eval()
    one = attack_plan(thresholds=[0.3, 0.6], max_steps=60, step=0.02)
    table = one.attack(network, images, (1, 0))
    assert table["threshold"].tolist() == [0.3] * 4 + [0.6] * 4
    assert (table["success"] == (table["after"] == 0)).all()
    few, many = (table.loc[table["threshold"] == at, "steps"].to_numpy() for at in (0.3, 0.6))
    assert (few <= many).all()
    assert few.sum() < many.sum()
    assert one.missing(images, table) == [(0, 1), (0, 2), (1, 2)]
    assert attack_plan(max_steps=60, step=0.02).attack(network, images, (1, 0))["threshold"].isna().all()


def test_fractions_are_numbers(images, model):
    written, counted = (
        pd.concat(
            AttackPlan(name="fgsm", search="robust.attack.fgsm", eps=eps, loss="margin").attack(
                model, images, (label, ANY)
            )
            for label in (0, 1)
        )
        for eps in ("51/255", 0.2)
    )
    pd.testing.assert_frame_equal(written, counted)
    assert written["linf"].max() == pytest.approx(0.2)


@pytest.mark.parametrize("kept", [0, 2, 50])
def test_so_many_images_are_kept_as_one_asks(images, model, kept):
    table = AttackPlan(name="pgd", search="robust.attack.pgd", steps=2, kept=kept).attack(model, images, (1, ANY))
    there = table["adversarial"].notna()
    assert there.sum() == min(kept, len(table))
    for row in table[there].itertuples():
        before, after = (np.frombuffer(one, np.uint8) for one in (row.original, row.adversarial))
        assert np.array_equal(before, images.images[row.image].flatten().numpy())
        assert np.abs(after / 255.0 - before / 255.0).max() == pytest.approx(row.linf, abs=1 / 255)


def test_no_class_is_led_to_itself(images, model):
    aimed = AttackPlan(name="pgd", search="robust.attack.pgd", targeted=True)
    for target in (1, 7, -1):
        with pytest.raises(ValueError, match=f"must be another class than the label, 1, from 0 to 2; got {target}"):
            aimed.attack(model, images, (1, target))


def test_draws_belong_to_the_image_not_to_its_place(images, model):
    options = {"name": "pgd", "search": "robust.attack.pgd", "eps": 0.3, "steps": 2, "seed": 5}
    several, one = (AttackPlan(images=count, **options).attack(model, images, (1, ANY)) for count in (4, 1))
    pd.testing.assert_frame_equal(several[several["image"] == 1], one)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": 8}, r"`attack.eps` must be from 0 to 1, since images are in \[0, 1\]; got 8"),
        ({"eps": "8/x"}, "`attack.eps` must be a number or a fraction such as 8/255; got 8/x"),
        ({"eps": "8/0"}, "`attack.eps` must be a number or a fraction such as 8/255; got 8/0"),
        ({"loss": "hinge"}, "`attack.loss` must be cross_entropy or margin; got hinge"),
        (
            {"strength": 1},
            "`attack.strength` is not known to `attack=pgd`; it takes eps, step, steps, norm, restarts, random_start",
        ),
        ({"images": 0}, "`attack.images` must be a whole number >= 1; got 0"),
        ({"steps": 0}, "`attack.steps` must be a whole number >= 1; got 0"),
    ],
)
def test_wrong_settings_are_refused_before_any_attack(images, model, options, message):
    with pytest.raises(ValueError, match=message):
        AttackPlan(**{"name": "pgd", "search": "robust.attack.pgd", **options}).check(model, images)


def test_part_of_a_data_set_is_attacked_as_all_of_it(images, model):
    """The random start of an image is drawn by its place in the data set."""
    pgd = AttackPlan(name="pgd", search="robust.attack.pgd", eps=0.2, step=0.01, steps=2)
    whole = pgd.attack(model, images, (1, ANY))
    part = pgd.attack(model, images[torch.tensor([0, 4, 7])], (1, ANY))
    assert part["adversarial"].tolist() == whole["adversarial"].tolist()[1:3]
