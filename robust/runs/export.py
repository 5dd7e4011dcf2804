"""Trained models in the formats of others."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robust.errors import FailedError, check, one_line, require, started
from robust.files import atomic_write
from robust.files.places import check_inside, file_name
from robust.runs import RunFolder, load
from robust.runs.model import make_model, read_checkpoint

#: logits for images, as a model that was exported gives them
Logits = Callable[[Tensor], Tensor]
_PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "safetensors": ("safetensors",)}  # that formats need
_TRIED = 5  # images that an exported model is tried on
_TOLERANCE = 1e-4  # by which its logits may differ, of the greatest
#: the threat models of RobustBench
THREATS = ("Linf", "L2", "corruptions")


def export(run_folder: Path, out: Path, *, formats: Sequence[str], threat: str = "Linf") -> dict[Path, float]:
    """Writes a run's model in each of these formats and reads it back; returns by how much its logits then differ at
    most, as a share of the greatest, by file.

    `onnx`: `out`/<run>.onnx, for any number of images. `safetensors`: `out`/<run>.safetensors, the weights, with the
    network's constructor and arguments as JSON in its metadata (`architecture`). `robustbench`: the weights as
    `out`/models/<data>/<threat>/<run>.pt, where its loader looks for them. Raises ValueError for a format or a threat
    that there is not or a package that is missing, FailedError for logits that differ.
    """
    check("formats", ",".join(formats), f"some of {', '.join(FORMATS)}", bool(formats) and set(formats) <= set(FORMATS))
    check("threat", threat, f"one of {', '.join(THREATS)}", threat in THREATS)
    for name in formats:
        _require(name)
    model, about = load(run_folder), RunFolder(run_folder).read_rows().iloc[0]
    images = torch.rand(_TRIED, *_architecture(run_folder)["image_shape"], generator=torch.Generator().manual_seed(0))
    found: dict[Path, float] = {}
    for name in formats:
        with started() if found else contextlib.nullcontext():
            path, logits = FORMATS[name](model, run_folder, out, data=str(about["data"]), threat=threat)
        with torch.inference_mode():
            found[path] = max(_differs(logits(part), model(part)) for part in (images, images[:1]))
        if not found[path] <= _TOLERANCE:
            raise FailedError(f"{path} gives other logits than {run_folder}: they differ by {found[path]:.1%}.")
    return found


def export_all(
    run_folders: Sequence[Path], out: Path, *, formats: Sequence[str], threat: str = "Linf"
) -> Iterator[tuple[Path, float]]:
    """Exports several runs, as `export` does; each file as it is written. Once there is one, no error is the command's:
    raises FailedError."""
    for place, run_folder in enumerate(run_folders):
        with started() if place else contextlib.nullcontext():
            yield from export(run_folder, out, formats=formats, threat=threat).items()


def _differs(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1))


def load_safetensors(path: Path) -> nn.Module:
    """The model of a file that `export` wrote, in eval mode, on the CPU. Raises ValueError where it is not one."""
    _require("safetensors")
    from safetensors import safe_open

    opened = safe_open(path, framework="pt")
    about = (opened.metadata() or {}).get("architecture")
    if about is None:
        raise ValueError(f"{path} must say in its metadata which network it is of (architecture); it does not.")
    return make_model(json.loads(about), {name: opened.get_tensor(name) for name in opened.keys()}, path)  # noqa: SIM118


def _to_onnx(model: nn.Module, run_folder: Path, out: Path, **_: str) -> tuple[Path, Logits]:
    import onnxruntime

    path = _place(out, f"{run_folder.name}.onnx")
    try:
        program = torch.onnx.export(
            model,
            (torch.zeros(2, *_architecture(run_folder)["image_shape"]),),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ValueError(
            f"`formats` must leave out onnx for {run_folder}, whose network it cannot express: {one_line(error)}"
        ) from error
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return path, lambda batch: torch.from_numpy(session.run(["logits"], {"images": batch.numpy()})[0])


def _to_safetensors(model: nn.Module, run_folder: Path, out: Path, **_: str) -> tuple[Path, Logits]:
    from safetensors.torch import save_file

    path = _place(out, f"{run_folder.name}.safetensors")
    weights = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    metadata = {"architecture": json.dumps(_architecture(run_folder)), "format": "pt"}
    save_file(weights, path, metadata=metadata)
    return path, load_safetensors(path)


def _to_robustbench(model: nn.Module, run_folder: Path, out: Path, *, data: str, threat: str) -> tuple[Path, Logits]:
    path = _place(out, f"models/{file_name(data)}/{threat}/{run_folder.name}.pt")
    atomic_write(path, lambda file: torch.save({"state_dict": model.state_dict()}, file))
    weights = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return path, make_model(_architecture(run_folder), weights, path)


#: what there is, by name
FORMATS: dict[str, Callable[..., tuple[Path, Logits]]] = {
    "robustbench": _to_robustbench,
    "onnx": _to_onnx,
    "safetensors": _to_safetensors,
}


def _architecture(run_folder: Path) -> dict[str, Any]:
    return read_checkpoint(RunFolder(run_folder).model, "architecture")["architecture"]


def _place(out: Path, name: str) -> Path:
    """The path of a file in `out`, its folder made, and a link in its place taken away."""
    path = out / name
    check_inside(path, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    return path


def _require(name: str) -> None:
    """Raises ValueError where a package that a format needs is missing."""
    for package in _PACKAGES.get(name, ()):
        require(package, what=f"The format {name}", extra="export")
