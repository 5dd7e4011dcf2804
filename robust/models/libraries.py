"""Networks of timm, torchvision, Hugging Face and RobustBench, by the names that they have there."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from robust.errors import check, one_line, require, suggest
from robust.models.adapted import Adapted, Channels, Wants, channels_of
from robust.models.robustbench import ARCHITECTURES

_COLOURS = 3
#: arguments of these libraries that would read or download weights: what a checkpoint names may not
_FETCHING = frozenset(
    (
        *("cache_dir", "checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay"),
        *("weights", "weights_backbone"),
    )
)


class LibraryNetwork(Adapted):
    """A network of a library, by the name of its `architecture`, with `arguments` of its own. Where nothing else is
    said it takes images of the size, mean and standard deviation that the library has it trained with.

    Raises ValueError for an architecture that there is not, and as `Adapted` does.
    """

    library: ClassVar[str]
    brings_weights = False

    def __init__(
        self,
        *,
        architecture: str,
        image_shape: tuple[int, int, int],
        num_classes: int,
        arguments: Mapping[str, Any] | None = None,
        channels: Channels | None = None,
        **options: Any,
    ):
        self.check_name(architecture)
        given = {"num_classes": num_classes, **(arguments or {})}
        fetching = sorted({*given} & _FETCHING)
        check("model.arguments", ", ".join(fetching), "without what reads weights", not fetching, "Set weights=FILE.")
        try:
            network = self.make(architecture, channels=channels_of(channels, image_shape), **given)
        except ValueError:
            raise
        except Exception as error:
            values = ", ".join(f"{key}={one!r}" for key, one in given.items())
            raise ValueError(
                f"{self.library}'s {architecture} cannot be made with {values} ({one_line(error)})."
            ) from error
        super().__init__(
            network=network, image_shape=image_shape, num_classes=num_classes, channels=channels, **options
        )

    @classmethod
    def check_name(cls, architecture: str) -> None:
        """Raises ValueError for an architecture that there is not."""
        if architecture not in (known := cls.names()):
            raise ValueError(
                f"`model.architecture` must be one of {cls.library}'s {len(known)}; got {architecture}."
                f"{suggest(architecture, known)}"
            )

    @staticmethod
    def names() -> Sequence[str]:
        """The architectures that there are."""
        raise NotImplementedError

    @staticmethod
    def make(architecture: str, *, channels: int, **given: Any) -> nn.Module:
        """The network, with what it `wants`."""
        raise NotImplementedError


class TimmNetwork(LibraryNetwork):
    """A network of timm's, such as resnet18 or vit_small_patch16_224 (Wightman 2019, huggingface/pytorch-image-models),
    by the name of its `architecture`. See `Adapted` for what else it takes."""

    library = "timm"

    @staticmethod
    def names() -> Sequence[str]:
        found: Sequence[str] = require("timm", what="`model=timm`", extra="timm").list_models()
        return found

    @staticmethod
    def make(architecture: str, *, channels: int, **given: Any) -> nn.Module:
        timm = require("timm", what="`model=timm`", extra="timm")
        network = timm.create_model(architecture, pretrained=False, in_chans=channels, **given)
        wanted = network.pretrained_cfg
        network.wants = Wants(given.get("img_size") or wanted["input_size"][1:], wanted["mean"], wanted["std"])
        return network


class TorchvisionNetwork(LibraryNetwork):
    """A network of torchvision's, such as resnet18 or convnext_tiny, by the name of its `architecture`. See `Adapted`
    for what else it takes."""

    library = "torchvision"

    @staticmethod
    def names() -> Sequence[str]:
        from torchvision import models

        found: Sequence[str] = models.list_models(module=models)
        return found

    @staticmethod
    def make(architecture: str, *, channels: int, **given: Any) -> nn.Module:
        from torchvision import models

        _check_colours("torchvision", channels)
        network = models.get_model(architecture, weights=None, **given)
        wanted = models.get_model_weights(architecture).DEFAULT.transforms()
        side = wanted.crop_size[0] if isinstance(wanted.crop_size, Sequence) else wanted.crop_size
        network.wants = Wants(side, wanted.mean, wanted.std)
        return network


class RobustBenchNetwork(LibraryNetwork):
    """A network of an architecture that RobustBench's models for 32x32 images have (Croce et al. 2021, arXiv
    2010.09670), such as wide_resnet_28_10: its checkpoints' weights go by the same names. They take images in [0, 1] as
    they are; where one was trained on others, `mean` and `std` say so. See `Adapted` for what else it takes."""

    library = "robustbench"

    @staticmethod
    def names() -> Sequence[str]:
        return list(ARCHITECTURES)

    @staticmethod
    def make(architecture: str, *, channels: int, **given: Any) -> nn.Module:
        _check_colours("robustbench", channels)
        network = ARCHITECTURES[architecture](**given)
        network.wants = Wants(32)  # type: ignore[assignment]
        return network


class HuggingFaceNetwork(Adapted):
    """An image classifier of Hugging Face's transformers, of a folder on this machine: `described` is the content of
    its config.json, `prepared` of its preprocessor_config.json, which says the size, the mean and the standard
    deviation where nothing else does (see `read_description`). Its weights are taken from the folder, as `weights`.

    Raises ValueError where these describe no image classifier, and as `Adapted` does.
    """

    brings_weights = False

    def __init__(
        self,
        *,
        described: Mapping[str, Any],
        prepared: Mapping[str, Any] | None = None,
        path: str | None = None,
        **options: Any,
    ):
        transformers = require("transformers", what="`model=huggingface`", extra="huggingface")
        try:
            config = transformers.AutoConfig.for_model(**described)
            network = transformers.AutoModelForImageClassification.from_config(config, trust_remote_code=False)
        except Exception as error:
            raise ValueError(
                f"`model.path` must be the folder of an image classifier of Hugging Face's; got {path} "
                f"({one_line(error)})."
            ) from error
        network.wants = _wants_of(prepared or {}, getattr(config, "image_size", None))
        super().__init__(network=network, **options)

    def take_folder(self, path: str, *, keep_head: bool) -> None:
        """Takes the weights in the folder `path`, as `take_weights` does. Raises ValueError where they cannot be
        read."""
        transformers = require("transformers", what="`model=huggingface`", extra="huggingface")
        try:
            found = transformers.AutoModelForImageClassification.from_pretrained(
                path, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:
            raise ValueError(f"`weights={path}` cannot be read ({one_line(error)}). Save the network again.") from error
        self.take_weights(found.state_dict(), path, keep_head=keep_head)


def read_description(path: str) -> dict[str, Any]:
    """What a Hugging Face folder says of its network: `described` and `prepared`, as `HuggingFaceNetwork` takes them.
    Raises FileNotFoundError or ValueError for what is no such folder."""
    folder, found = Path(path), {}
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"`model.path` must be a folder with a config.json, as `save_pretrained` writes it; got {path}."
        )
    for name, file in (("described", "config.json"), ("prepared", "preprocessor_config.json")):
        if (folder / file).is_file():
            try:
                found[name] = json.loads((folder / file).read_text())
            except ValueError as error:
                raise ValueError(f"{folder / file} is no JSON ({one_line(error)}). Fetch it again.") from error
            check("model.path", path, f"a folder whose {file} is a mapping", isinstance(found[name], dict))
    return found


def _wants_of(prepared: Mapping[str, Any], usual: Any) -> Wants:
    """The images that a Hugging Face network was made for."""
    size = prepared.get("crop_size") if prepared.get("do_center_crop") else prepared.get("size")
    if isinstance(size, Mapping):
        sides = [size.get(name, size.get("shortest_edge")) for name in ("height", "width")]
        size = sides if all(isinstance(one, int) for one in sides) else None
    normal = prepared.get("do_normalize", True)
    mean, std = (prepared.get(name) if normal else None for name in ("image_mean", "image_std"))
    return Wants(usual if size is None else size, mean, std)


def _check_colours(library: str, channels: int) -> None:
    if channels != _COLOURS:
        raise ValueError(
            f"`model={library}` takes images of three channels; got {channels}. Set model.channels=rgb: grey images "
            "are shown to it as colour ones."
        )
