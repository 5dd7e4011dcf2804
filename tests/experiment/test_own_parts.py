"""Parts of one's own, and data of any names: used properly, or refused in a sentence before anything starts."""

import numpy as np
import pytest
import torch
from PIL import Image

from robust.data import Augmentation, ImageSet, PerturbedData, Splits
from robust.experiment.compose import compose
from robust.experiment.conditions import build_conditions
from robust.experiment.execute import execute
from robust.experiment.prepare import prepare
from robust.experiment.validate import check_technique
from robust.runs import RunFolder, State

CLASSES = ["1e5", "NA", "nan", "natural", "none", "null", "true"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Images of classes whose names are words elsewhere."""
    root = tmp_path_factory.mktemp("data")
    for part, count in (("train", 8), ("test", 2)):
        for place, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.random.default_rng([place, number]).integers(0, 60, (8, 8)) + 27 * place
                Image.fromarray(pixels.astype(np.uint8)).save(root / part / name / f"{number}.png")
    return root


@pytest.fixture
def settings(pictures, tmp_path, quick):
    return [
        *(f"runs_dir={tmp_path / 'runs'}", *quick, "technique=natural", "model=convnet_mnist"),
        *("data=folder", f"data.path={pictures}", "data.size=8", "data.channels=1", "data.batch_size=14"),
    ]


def test_a_class_of_any_name_is_a_class_like_the_others(settings):
    attack = ["attack=gradient_sign", "attack.images=1", "attack.max_steps=1"]
    run = prepare([*settings, "evaluation=natural", *attack])
    status = execute(run)
    assert status.state is State.DONE, status.reason
    files = RunFolder(run.folder)
    assert set(files.read_confusion()["true"]) == set(CLASSES)
    assert sorted(files.read_samples().classes) == CLASSES
    attacks = files.read_attacks()
    assert set(attacks["label"]) == set(attacks["target"]) == set(range(len(CLASSES)))
    assert not run.missing_attacks()


def test_only_levels_that_are_tested_are_tried_on_the_images():
    small = (1, 1, 1)
    config = compose(["technique=natural", "evaluation=camera", "evaluation.families=[]"])
    assert [condition.name for condition in build_conditions(config, small)] == ["natural"]
    with pytest.raises(ValueError, match=r"`evaluation.conditions.\w+` must be at most 1, the pixels of a 1 x 1 image"):
        build_conditions(compose(["technique=natural", "evaluation=camera"]), small)


@pytest.mark.parametrize("key", ["start", "head", "trainable", "share"])
def test_a_technique_that_leaves_a_question_open_is_refused(key):
    config = compose(["technique=natural"])
    config = config.changed({"technique": config.technique.without([key])})
    with pytest.raises(ValueError, match=f"`technique.{key}` must be set by `technique=natural`, to null where"):
        check_technique(config, None)


def some_splits():
    images = torch.randint(256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    part = ImageSet(images, torch.arange(20) % 2, ("a", "b"))
    return Splits(part, part)


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        ("RandomHorizontalFlip", "`data.augment` must return images, a tensor; got tuple. An augmentation is called"),
        ("old flip", r"`data.augment` cannot change images.*TypeError.*called with images in \[0, 1\].*ImageRandom"),
        (lambda images, _: images[:, :, :4], r"`data.augment` must return images of the shape it was given"),
        (lambda images, _: images * 255, r"`data.augment` must return images in \[0, 1\]"),
        (lambda images, _: images * torch.rand(1), "must draw from the random numbers it is given"),
    ],
)
def test_an_augmentation_of_ones_own_is_tried_before_training(augmentation, message):
    if isinstance(augmentation, str):
        from torchvision import transforms
        from torchvision.transforms import v2

        kind = transforms if augmentation == "old flip" else v2
        augmentation = kind.RandomHorizontalFlip()
    with pytest.raises(ValueError, match=message):
        PerturbedData(some_splits(), batch_size=10, augmentation=augmentation)


def test_a_sound_augmentation_passes():
    PerturbedData(some_splits(), batch_size=10, augmentation=Augmentation(shift=0.1, zoom=0.1))
    PerturbedData(some_splits(), batch_size=10, augmentation=lambda images, random: images * random.uniform(1, 1, 1))


def test_minus_zero_is_zero(quick):
    runs = [prepare([*quick, "technique=natural", f"optimizer.weight_decay={zero}"]) for zero in ("0.0", "-0.0", "0")]
    assert len({run.identity.folder for run in runs}) == 1


def test_a_network_that_is_too_large_for_its_images_is_refused_before_it_has_weights(monkeypatch):
    made = []
    monkeypatch.setattr(torch.nn.Conv2d, "reset_parameters", lambda layer: made.append(layer.weight.device.type))
    with pytest.raises(ValueError, match="too small for this network"):
        prepare(["data=digits", "model=convnet_cifar10", "model.kernel_size=128"])
    assert set(made) == {"meta"}
