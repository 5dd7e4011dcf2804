"""Trained models in the formats of others."""

import contextlib
import json
import logging
import tempfile
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
_OF_ONNX = ("onnx", "onnxscript", "onnxruntime")
_PACKAGES = {  # that formats need
    "onnx": _OF_ONNX,
    "onnx-int8": _OF_ONNX,
    "safetensors": ("safetensors",),
    "bf16": ("safetensors",),
}
_ROUNDED = ("onnx-int8", "bf16")  # formats of fewer bits: their logits are others
_QUANTIZED = ("Conv", "Gemm", "MatMul")  # what is computed in 8 bits; else it is little work, or needs more of them
_CALIBRATED_AT_ONCE = 50  # images
_TRIED = 5  # images that an exported model is tried on
_TOLERANCE = 1e-4  # by which its logits may differ, of the greatest
#: the threat models of RobustBench
THREATS = ("Linf", "L2", "corruptions")


def export(
    run_folder: Path,
    out: Path,
    *,
    formats: Sequence[str],
    threat: str = "Linf",
    training: Callable[[Path], Tensor] | None = None,
) -> dict[Path, float]:
    """Writes a run's model in each of these formats and reads it back; returns by how much its logits then differ at
    most, as a share of the greatest, by file.

    `onnx`: `out`/<run>.onnx, for any number of images. `onnx-int8`: `out`/<run>.int8.onnx, whose convolutions and
    linear layers compute in 8 bits, calibrated on the images, shape (n, channels, height, width), in [0, 1], that
    `training` returns for the run's folder. `safetensors`: `out`/<run>.safetensors, the weights, with the network's
    constructor and arguments as JSON in its metadata (`architecture`). `bf16`: `out`/<run>.bf16.safetensors, the same
    in bfloat16. These four name the run in their metadata (`run`). `robustbench`: the weights as
    `out`/models/<data>/<threat>/<run>.pt, where its loader looks for them. Raises ValueError for a format or a threat
    that there is not or a package that is missing, FailedError for logits that differ.
    """
    check("formats", ",".join(formats), f"some of {', '.join(FORMATS)}", bool(formats) and set(formats) <= set(FORMATS))
    check("threat", threat, f"one of {', '.join(THREATS)}", threat in THREATS)
    for name in formats:
        _require(name)
    model, run = load(run_folder), RunFolder(run_folder)
    data = str(run.read_rows()["data"].iloc[0] if run.has_rows() else run.read_config().data.name)
    images = torch.rand(_TRIED, *_architecture(run_folder)["image_shape"], generator=torch.Generator().manual_seed(0))
    found: dict[Path, float] = {}
    for name in formats:
        with started() if found else contextlib.nullcontext():
            given = {"data": data, "threat": threat, "training": training}
            path, logits = FORMATS[name](model, run_folder, out, **given)
        shown = training(run_folder)[:_TRIED] if training and name == "onnx-int8" else images  # else 8 bits clip them
        with torch.inference_mode():
            found[path] = max(differs(logits(part), model(part)) for part in (shown, shown[:1]))
        if name not in _ROUNDED and not found[path] <= _TOLERANCE:
            raise FailedError(f"{path} gives other logits than {run_folder}: they differ by {found[path]:.1%}.")
    return found


def export_all(
    run_folders: Sequence[Path],
    out: Path,
    *,
    formats: Sequence[str],
    threat: str = "Linf",
    training: Callable[[Path], Tensor] | None = None,
) -> Iterator[tuple[Path, float]]:
    """Exports several runs, as `export` does; each file as it is written. Once there is one, no error is the command's:
    raises FailedError."""
    for place, run_folder in enumerate(run_folders):
        with started() if place else contextlib.nullcontext():
            yield from export(run_folder, out, formats=formats, threat=threat, training=training).items()


def differs(found: Tensor, wanted: Tensor) -> float:
    """By how much logits differ at most, both of shape (batch, classes), as a share of the greatest that is wanted."""
    return float((found.float() - wanted).abs().max() / wanted.abs().max().clamp(min=1))


def load_safetensors(path: Path) -> nn.Module:
    """The model of a file that `export` wrote, in eval mode, on the CPU, in the precision of its weights. Raises
    ValueError where it is not one."""
    _require("safetensors")
    from safetensors import safe_open

    opened = safe_open(path, framework="pt")
    about = (opened.metadata() or {}).get("architecture")
    if about is None:
        raise ValueError(f"{path} must say in its metadata which network it is of (architecture); it does not.")
    weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    model = make_model(json.loads(about), weights, path)
    return model.to(next((one.dtype for one in weights.values() if one.is_floating_point()), torch.float32))


def _to_onnx(model: nn.Module, run_folder: Path, out: Path, **_: Any) -> tuple[Path, Logits]:
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
    return _named(path, run_folder, "float32")


def _to_int8(
    model: nn.Module, run_folder: Path, out: Path, *, training: Callable[[Path], Tensor] | None, **_: Any
) -> tuple[Path, Logits]:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if training is None:
        raise ValueError("`training` must return a run's training images, for the format onnx-int8; got none.")

    class Reader(CalibrationDataReader):
        def __init__(self, images: Tensor) -> None:
            self.batches = iter(images.split(_CALIBRATED_AT_ONCE))

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch.numpy()}

    path = _place(out, f"{run_folder.name}.int8.onnx")
    with tempfile.TemporaryDirectory() as aside, _quiet():
        plain = _to_onnx(model, run_folder, Path(aside))[0]
        prepared = Path(aside) / "prepared.onnx"
        quant_pre_process(plain, prepared)
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "quant_format": QuantFormat.QDQ}
        reader = Reader(training(run_folder))
        quantize_static(prepared, path, reader, op_types_to_quantize=list(_QUANTIZED), per_channel=True, **kinds)
    return _named(path, run_folder, "int8")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime's advice on how else to quantise is left out."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _named(path: Path, run_folder: Path, precision: str) -> tuple[Path, Logits]:
    """Writes into an ONNX file which run it is of, and reads it back."""
    import onnx
    import onnxruntime

    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {"run": run_folder.name, "precision": precision})
    onnx.save(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return path, lambda batch: torch.from_numpy(session.run(["logits"], {"images": batch.numpy()})[0])


def _to_safetensors(model: nn.Module, run_folder: Path, out: Path, **_: Any) -> tuple[Path, Logits]:
    return _in_safetensors(_place(out, f"{run_folder.name}.safetensors"), model, run_folder, torch.float32)


def _to_bf16(model: nn.Module, run_folder: Path, out: Path, **_: Any) -> tuple[Path, Logits]:
    return _in_safetensors(_place(out, f"{run_folder.name}.bf16.safetensors"), model, run_folder, torch.bfloat16)


def _in_safetensors(path: Path, model: nn.Module, run_folder: Path, dtype: torch.dtype) -> tuple[Path, Logits]:
    from safetensors.torch import save

    held = model.state_dict().items()
    weights = {name: one.to(dtype if one.is_floating_point() else one.dtype).contiguous().clone() for name, one in held}
    architecture = json.dumps(_architecture(run_folder))
    about = {"architecture": architecture, "format": "pt", "run": run_folder.name}
    atomic_write(path, save(weights, metadata={**about, "precision": str(dtype).removeprefix("torch.")}))
    read = load_safetensors(path)
    return path, lambda batch: read(batch.to(dtype)).float()


def _to_robustbench(
    model: nn.Module, run_folder: Path, out: Path, *, data: str, threat: str, **_: Any
) -> tuple[Path, Logits]:
    path = _place(out, f"models/{file_name(data)}/{threat}/{run_folder.name}.pt")
    atomic_write(path, lambda file: torch.save({"state_dict": model.state_dict()}, file))
    weights = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return path, make_model(_architecture(run_folder), weights, path)


#: what there is, by name
FORMATS: dict[str, Callable[..., tuple[Path, Logits]]] = {
    "robustbench": _to_robustbench,
    "onnx": _to_onnx,
    "safetensors": _to_safetensors,
    "onnx-int8": _to_int8,
    "bf16": _to_bf16,
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
