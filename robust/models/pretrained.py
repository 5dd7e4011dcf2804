"""Weights that others trained, for networks of this project."""

import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robust.errors import one_line, require
from robust.files.digest import digest_of
from robust.models.adapted import Adapted
from robust.models.libraries import HuggingFaceNetwork
from robust.models.resnet import ResNet

IMAGENET = "imagenet"
_OWN = ("standardize.", "head.")  # what is this project's, or depends on the classes
_WIDTH = 64
_INSIDE = ("state_dict", "model_state_dict", "net", "model")  # where files keep the weights, beside other things
_NOT_IN_OLD_FILES = ".num_batches_tracked"  # of norms with a momentum, which do not need it


def load_pretrained(network: nn.Module, weights: str, *, keep_head: bool = True) -> None:
    """Gives a network weights that others trained. A residual network of ours takes all but the head's from
    torchvision's, trained on ImageNet: `weights` is `imagenet`, to download them, or a file that holds their
    `state_dict`. One of others (`Adapted`) takes its own from a file, PyTorch's or safetensors, or from the folder of a
    Hugging Face network; where the head there has other outputs, with `keep_head` that is an error, else it is left
    out.

    Raises FileNotFoundError where they are not there, ValueError for a file that is damaged or of another network.
    """
    if isinstance(network, HuggingFaceNetwork) and Path(weights).is_dir():
        network.take_folder(weights, keep_head=keep_head)
        return
    if isinstance(network, Adapted) and weights != IMAGENET:
        network.take_weights(_read_any(Path(weights)), weights, keep_head=keep_head)
        return
    if not isinstance(network, ResNet):
        raise ValueError(
            f"`weights` must be left out with a {type(network).__name__}, or a file with a network of others, such as "
            f"`model=timm`; got {weights}."
        )
    width = network.state_dict()["stem.0.weight"].shape[0]
    if weights == IMAGENET and width != _WIDTH:
        raise ValueError(f"`weights=imagenet` are those of `model.width={_WIDTH}`; got {width}.")
    state = _download(network) if weights == IMAGENET else _read(Path(weights))
    ours = {_ours(name): value for name, value in state.items() if not name.startswith("fc.")}
    wanted = {name: value for name, value in network.state_dict().items() if not name.startswith(_OWN)}
    stem = ours.get("stem.0.weight")
    if stem is not None and stem.shape[2:] == (7, 7) and wanted["stem.0.weight"].shape != stem.shape:
        raise ValueError(
            f"`weights={weights}` have a first convolution of 7x7 pixels and three channels. Set "
            "`model.stem_kernel=7`, and take colour images."
        )
    missing = sorted(name for name in wanted.keys() - ours.keys() if not name.endswith(_NOT_IN_OLD_FILES))
    differ = sorted(name for name in wanted.keys() & ours.keys() if wanted[name].shape != ours[name].shape)
    if missing or differ or (more := sorted(ours.keys() - wanted.keys())):
        names = [*missing, *differ] or more
        raise ValueError(
            f"`weights={weights}` are of another network: {', '.join(names[:5])} "
            f"{f'and {len(names) - 5} more differ' if len(names) > 5 else 'differ'}."
        )
    network.load_state_dict({**network.state_dict(), **ours})


def published_digest(weights: str) -> str:
    """What tells these weights from others: a hash of the file's content, or the word."""
    if weights == IMAGENET:
        return weights
    if not (path := Path(weights)).exists():
        raise FileNotFoundError(
            f"`weights` must be imagenet or a file of weights; {path} is not there. Look at the path: it is seen from "
            f"{Path.cwd()}, where the command runs."
        )
    return digest_of(path)


def _read_any(path: Path) -> Mapping[str, Tensor]:
    """The weights in a file, PyTorch's or safetensors, by name."""
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read(path)


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    require("safetensors", what=f"`weights={path}`", extra="export")
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:
        raise ValueError(f"`weights={path}` cannot be read ({one_line(error)}). Fetch it again.") from error


def _ours(name: str) -> str:
    """What we call a parameter of torchvision's."""
    for theirs, here in (("conv1.", "stem.0."), ("bn1.", "stem.1.")):
        if name.startswith(theirs):
            return here + name.removeprefix(theirs)
    return name


def _download(network: ResNet) -> Mapping[str, Tensor]:
    from torchvision.models import get_model_weights

    published = get_model_weights(f"resnet{network.depth}")["IMAGENET1K_V1"]
    try:
        return published.get_state_dict(progress=True, check_hash=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"`weights=imagenet` could not be downloaded from {published.url} ({error}). Download that file elsewhere, "
            "and give it: weights=FILE."
        ) from error


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"`weights={path}` cannot be read ({type(error).__name__}). Fetch it again.") from error
    state = content
    while isinstance(state, dict) and (inside := next((name for name in _INSIDE if name in state), None)):
        state = state[inside]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"`weights={path}` must hold a state_dict, tensors by name; got {type(content).__name__}.")
    return state
