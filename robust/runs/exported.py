"""Exported models, read back with what they say of themselves."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from robust.errors import one_line, require
from robust.models import OnnxGraph
from robust.runs.export import load_safetensors

SUFFIXES = (".onnx", ".safetensors")
_FLOAT = "float32"


@dataclass(frozen=True)
class Exported:
    """A model of a file: a module from images in [0, 1], shape (batch, channels, height, width), to logits; the name of
    the run that it is of, where the file says it; and the precision it computes in."""

    model: nn.Module
    run: str | None
    precision: str

    @property
    def is_exact(self) -> bool:
        """Whether its logits should be those of the run, up to rounding."""
        return self.precision == _FLOAT


def read_exported(path: Path) -> Exported:
    """The model of a file that `robust export` wrote, as ONNX or safetensors. Raises FileNotFoundError or ValueError
    for another."""
    if not path.is_file():
        raise FileNotFoundError(f"EXPORTED must be a file that robust export wrote; there is no {path}.")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"EXPORTED must be a file that ends in {' or '.join(SUFFIXES)}; got {path}.")
    if path.suffix == ".onnx":
        graph = OnnxGraph(str(path))
        about = dict(graph.session.get_modelmeta().custom_metadata_map)
        return Exported(graph, about.get("run"), about.get("precision", _FLOAT))
    require("safetensors", what=str(path), extra="export")
    from safetensors import SafetensorError, safe_open

    try:
        about = safe_open(path, framework="pt").metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"EXPORTED must be a whole file; {path} cannot be read ({one_line(error)}).") from error
    return Exported(load_safetensors(path), about.get("run"), about.get("precision", _FLOAT))
