"""A stored set: what was done is written down, it goes on where it was interrupted, and is read back as a folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from robust.data import ImageSet, Splits
from robust.data import folder as read_folder
from robust.data.store import store
from robust.experiment.build import build_splits
from robust.experiment.compose import compose
from robust.experiment.perturbed import named_perturbations
from robust.perturb import ImageRandom, Rotation, key, warp

SETTINGS = ["data=digits"]


def pixels(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(path)).copy())


def store_set(folder: Path, settings: list[str], **options: Any) -> pd.DataFrame:
    """As the command does: a set of the digits."""
    config, found = named_perturbations(settings, usual="environment")
    splits, perturbations = build_splits(config.data), [one for (one,) in found]
    return store(folder, splits, perturbations, seed=config.seed, settings=settings, **options)


def test_half_of_the_images_are_perturbed_and_some_held_out(tmp_path: Path) -> None:
    manifest = store_set(tmp_path / "set", [*SETTINGS, "perturb=environment"], share=0.5, held_out=0.15)
    assert manifest.equals(pd.read_parquet(tmp_path / "set" / "manifest.parquet"))
    counts = manifest["part"].value_counts()
    assert counts.to_dict() == {"train": 1104, "test": 196}
    for part in ("train", "test"):
        natural = manifest.loc[manifest["part"] == part, "perturbation"] == "natural"
        assert natural.mean() == pytest.approx(0.5, abs=0.01)
    kinds = set(manifest["perturbation"]) - {"natural"}
    assert {"shift", "zoom", "shear", "rotate", "perspective", "erase", "mesh", "texture", "pixel_dropout"} == kinds
    assert not manifest.duplicated(["source", "index"]).any(), "no image stands in both parts"
    source = build_splits(compose(SETTINGS).data).train
    for line in manifest[manifest["perturbation"] == "natural"].head(20).itertuples():
        assert torch.equal(pixels(tmp_path / "set" / line.file), source.images[line.index, 0])
        assert line.file.split("/")[1] == source.classes[source.labels[line.index]] == line._5


def test_it_is_read_back_as_a_folder(tmp_path: Path) -> None:
    store_set(tmp_path / "set", [*SETTINGS, "perturb=erase"], share=0.5)
    splits = read_folder(path=str(tmp_path / "set"), size=28, channels=1)
    assert (len(splits.train), len(splits.test)) == (1300, 497)
    assert splits.train.classes == tuple("0123456789")


def test_several_perturbations_store_each_image_once_for_each(tmp_path: Path) -> None:
    manifest = store_set(tmp_path / "set", [*SETTINGS, "perturb=shift,mesh"], held_out=0.1)
    assert manifest["perturbation"].value_counts().to_dict() == {"shift": 1300, "mesh": 1300}
    assert not manifest["file"].duplicated().any()


def test_what_is_drawn_from_several_is_not_mistaken_for_one_of_them(tmp_path: Path) -> None:
    manifest = store_set(tmp_path / "set", [*SETTINGS, "perturb=environment,shift"], held_out=0.1)
    assert not manifest["file"].duplicated().any()
    assert len(list((tmp_path / "set").rglob("*.png"))) == len(manifest)


def test_of_each_class_the_same_share_is_held_out(tmp_path: Path) -> None:
    manifest = store_set(tmp_path / "set", [*SETTINGS, "perturb=erase"], held_out=0.15)
    counts = manifest.groupby(["class", "part"]).size().unstack()
    assert (counts["test"] / counts.sum(axis=1)).between(0.145, 0.155).all()


def test_the_manifest_says_enough_to_do_it_again(tmp_path: Path) -> None:
    manifest = store_set(tmp_path / "set", [*SETTINGS, "perturb=rotate", "perturb.level=30", "seed=3"], held_out=0.5)
    source = build_splits(compose(SETTINGS).data).train
    line = manifest.iloc[7]
    images = source.images[[line["index"]]].float() / 255
    stored = pixels(tmp_path / "set" / line["file"])
    matrices = torch.tensor(json.loads(line["drawn"])["matrices"])[None]
    assert torch.equal((warp(images, matrices) * 255).round().to(torch.uint8)[0, 0], stored)
    random = ImageRandom(key("store", 3, "train", "rotate", 30.0), torch.tensor([line["index"]]))
    assert torch.equal((Rotation(level=30).perturb(images, random) * 255).round().to(torch.uint8)[0, 0], stored)


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [*SETTINGS, "perturb=texture"]
    whole = store_set(tmp_path / "whole", settings)
    count = 0
    save = Image.Image.save

    def stop(self: Image.Image, *arguments: object) -> None:
        nonlocal count
        count += 1
        if count > 700:
            raise KeyboardInterrupt
        save(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            store_set(tmp_path / "set", settings)
    assert not (tmp_path / "set" / "manifest.parquet").exists()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*.png")}
    assert len(kept) == 700
    assert store_set(tmp_path / "set", settings).equals(whole)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items()), "a stored image was written again"
    for file in whole["file"]:
        assert (tmp_path / "set" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    store_set(tmp_path / "set", [*SETTINGS, "perturb=shift"], share=0)
    with pytest.raises(ValueError, match=r"holds a set that was made with other settings .*Name another folder"):
        store_set(tmp_path / "set", [*SETTINGS, "perturb=shift"], share=0.5)
    with pytest.raises(ValueError, match=r"holds something else\. Name another folder"):
        store_set(tmp_path, [*SETTINGS])


ODD = [
    "../../victim", "/tmp/victim", "..", ".", "", "a/b", "a_b", "a\\b", "a:b", "a\0b", "a\nb", ".a", "a", "a.",
    "con", "nul.x", "x" * 300, "x" * 301, "中文", "\udcff", "<b>", "=1", "ice bear", "Ä", "\x1b[31m",
]  # fmt: skip


def test_every_class_has_a_folder_of_its_own_inside_whatever_it_is_called(tmp_path: Path) -> None:
    images = torch.arange(len(ODD), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).clone()
    same = ImageSet(images, torch.arange(len(ODD)), tuple(ODD))
    manifest = store(tmp_path / "set", Splits(same, same), [Rotation(level=45)], share=0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    for part in ("train", "test"):
        assert len(list((tmp_path / "set" / part).iterdir())) == len(ODD)
    assert {"中文", "ice bear", "Ä", "a"} <= {path.name for path in (tmp_path / "set" / "train").iterdir()}
    for line in manifest.itertuples():
        assert (pixels(tmp_path / "set" / line.file) == line.index).all()


def test_a_class_in_whose_place_a_link_lies_is_refused(tmp_path: Path) -> None:
    store_set(tmp_path / "set", [*SETTINGS, "perturb=mesh"], held_out=0.9)
    (tmp_path / "set" / "test").rename(tmp_path / "theirs")
    (tmp_path / "set" / "test").symlink_to(tmp_path / "theirs")
    with pytest.raises(ValueError, match="set/test is a link, and nothing is written through one"):
        store_set(tmp_path / "set", [*SETTINGS, "perturb=mesh"], held_out=0.9)


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ([], {"share": 1.5}, "`share` must be from 0 to 1; got 1.5"),
        ([], {"held_out": -0.1}, "`held_out` must leave every class images to train on and images to test; got -0.1"),
        ([], {"held_out": 0.001}, r"got 0.001, of the \d+ images of 0. It is a share, such as 0.15"),
        ([], {"held_out": 1}, "`held_out` must leave every class images"),
        (["perturb=shift,shift"], {}, "`perturb` must be different perturbations; got shift,shift"),
        (["perturb=pixel", "perturb.level=1000"], {}, "`count` must be at most 784"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, settings: list[str], options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        store_set(tmp_path / "set", [*SETTINGS, *settings], **options)
    assert not (tmp_path / "set").exists()


def test_the_command_says_what_it_stored(command: Callable[..., object], tmp_path: Path) -> None:
    arguments = ("-m", "robust", "store", str(tmp_path / "set"), "data=digits", "perturb=mesh", "--share", "0.5")
    done = command(*arguments, "--held-out", "0.15")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"1104 in train, 196 in test: {tmp_path / 'set'}\n"
