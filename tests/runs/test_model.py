import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import robust
from robust.models import ConvNet
from robust.runs import RunFolder

SMALL: dict[str, Any] = {"image_shape": [1, 12, 12], "num_classes": 3, "units": [4], "kernel_size": 3}


class Own(nn.Sequential):
    def __init__(self, *, image_shape: tuple[int, int, int], num_classes: int):
        super().__init__(nn.Flatten(), nn.Linear(math.prod(image_shape), num_classes))


def save_small(folder: Path, **changes: Any) -> ConvNet:
    torch.manual_seed(0)
    model = ConvNet(**SMALL)
    model.standardize.fit([torch.rand(8, 1, 12, 12)])
    RunFolder(folder).save_model(model, {"_target_": "robust.models.ConvNet", **SMALL, **changes})
    return model.eval()


def test_a_saved_model_comes_back_equal_and_in_eval_mode(tmp_path: Path) -> None:
    model = save_small(tmp_path)
    images = torch.rand(5, 1, 12, 12)
    loaded = robust.load(tmp_path)
    assert not loaded.training
    assert torch.equal(loaded(images), model(images))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (
            torch.rand(1, 12, 12),
            r"of shape \(batch, channels, .*; got \(1, 12, 12\)\. Add a batch dim.*: image\[None\]",
        ),
        (torch.full((2, 1, 12, 12), 255.0), r"in \[0, 1\]; got values from 255 to 255\. Divide them by 255"),
        (torch.full((2, 1, 12, 12), 7, dtype=torch.uint8), r"floats in \[0, 1\]; got torch.uint8\. Divide them by 255"),
        (torch.randn(50, 1, 12, 12), "Leave out your own normalisation"),
    ],
)
def test_a_loaded_model_says_what_images_it_takes(tmp_path: Path, images: torch.Tensor, said: str) -> None:
    save_small(tmp_path)
    with pytest.raises(ValueError, match=said):
        robust.load(tmp_path)(images)


def test_no_model_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"There is no trained model in {tmp_path}"):
        robust.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a checkpoint"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match=r"model.ckpt is damaged or not one of ours \(.*Delete it and train again"):
        robust.load(tmp_path)


def test_a_checkpoint_cut_off_in_the_middle_is_named(tmp_path: Path) -> None:
    save_small(tmp_path)
    whole = (tmp_path / "model.ckpt").read_bytes()
    (tmp_path / "model.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"model.ckpt is damaged \(it is not what was written there"):
        robust.load(tmp_path)
    (tmp_path / "sums.json").unlink()
    with pytest.raises(ValueError, match="is damaged or not one of ours"):
        robust.load(tmp_path)


def test_other_weights_in_a_checkpoint_without_a_sum_are_seen_by_the_archives_checksums(tmp_path: Path) -> None:
    save_small(tmp_path)
    whole = bytearray((tmp_path / "model.ckpt").read_bytes())
    weights = next(iter(torch.load(tmp_path / "model.ckpt", weights_only=True)["state_dict"].values()))
    whole[whole.index(weights.numpy().tobytes()) + 2] ^= 1
    (tmp_path / "model.ckpt").write_bytes(whole)
    (tmp_path / "sums.json").unlink()
    with pytest.raises(ValueError, match=r"model.ckpt is damaged or not one of ours \(the checksum of"):
        robust.load(tmp_path)


def test_the_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_small(tmp_path, units=[5])
    with pytest.raises(ValueError, match="holds the weights of another network"):
        robust.load(tmp_path)


@pytest.mark.parametrize("name", ["os.system", "robust.models.convnet.torch.hub.load", "torch.nn.Linear"])
def test_a_checkpoint_cannot_name_what_to_call(tmp_path: Path, name: str) -> None:
    save_small(tmp_path, _target_=name)
    with pytest.raises(ValueError, match=rf"The checkpoint .* names the network {name}, .*networks=\['{name}'\]"):
        robust.load(tmp_path)


@pytest.mark.parametrize("within", [lambda call: call, lambda call: [call], lambda call: {"first": [call]}])
def test_nothing_in_a_checkpoint_is_called_but_networks(tmp_path: Path, within: Callable[[Any], Any]) -> None:
    folder = {"_target_": "pathlib.Path", "_args_": [str(tmp_path / "sprung")]}
    save_small(tmp_path, units=within({"_target_": "pathlib.Path.touch", "_args_": [folder]}))
    with pytest.raises(ValueError, match=r"The checkpoint .* names the network pathlib"):
        robust.load(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_arguments_that_a_network_does_not_take_are_named(tmp_path: Path) -> None:
    save_small(tmp_path, unknown=1)
    with pytest.raises(ValueError, match=r"model.ckpt names cannot be made: robust.models.ConvNet .*'unknown'"):
        robust.load(tmp_path)


def test_ones_own_network_is_loaded_where_it_is_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = Own(image_shape=(1, 4, 4), num_classes=3)
    RunFolder(tmp_path).save_model(own, {"_target_": f"{__name__}.Own", "image_shape": [1, 4, 4], "num_classes": 3})
    with pytest.raises(ValueError, match=r"names the network .*Own, which is neither"):
        robust.load(tmp_path)
    images = torch.rand(2, 1, 4, 4)
    assert torch.equal(robust.load(tmp_path, networks=[Own])(images), own(images))


class Trap:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path, save: Any) -> None:
    save({"architecture": Trap(tmp_path / "sprung"), "state_dict": {}}, tmp_path / "model.ckpt")
    with pytest.raises(ValueError, match="is damaged or not one of ours"):
        robust.load(tmp_path)
    assert not (tmp_path / "sprung").exists()
