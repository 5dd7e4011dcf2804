"""A network in an ONNX file, computed by onnxruntime."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robust.errors import check, one_line, require
from robust.models.adapted import Adapted, Layout, Wants

_TYPES = {"tensor(float)": torch.float32, "tensor(double)": torch.float64, "tensor(float16)": torch.float16}
_LARGEST = 2**31  # bytes of a file: what a protocol buffer holds


class OnnxNetwork(Adapted):
    """The network of an ONNX `file`, which has one input, images, and whose `output` (None: the first) holds its
    logits or probabilities. It is computed on the CPU and gives no gradients, so that attacks that need none can be
    made on it.

    The layout and size of its images are those of the file, where that says them: of the `shape` of its input (see
    `input_shape`). See `Adapted` for what else it takes. A checkpoint holds the file's content, and does not need it
    any more. Raises ValueError for a file that is no such network.
    """

    def __init__(
        self, *, file: str, output: str | None = None, shape: Sequence[int | None] | None = None, **options: Any
    ):
        network = OnnxGraph(file, output)
        layout, sides = _layout_of(network.shape if shape is None else shape)
        network.wants = Wants(sides, layout=layout)  # type: ignore[assignment]
        super().__init__(network=network, **options)


def input_shape(file: str) -> list[int | None]:
    """The shape of what an ONNX file takes; None where any number will do. Raises FileNotFoundError or ValueError for
    what is no such file."""
    return [one if isinstance(one, int) else None for one in OnnxGraph(file).shape]


class OnnxGraph(nn.Module):
    """What an ONNX file computes of a batch of images: its `output`, shape (batch, classes), of the input's type and
    device. One whose batches have one size is given that many at a time. Its bytes are its state."""

    gives_gradients = False

    def __init__(self, file: str, output: str | None = None):
        super().__init__()
        require("onnxruntime", what="`model=onnx`", extra="export")
        self._file, self._output = file, output
        self._graph: bytes | None = None
        self._session: Any = None
        path = Path(file)
        if path.is_file():
            check("model.file", file, "a file of less than 2 GB", path.stat().st_size < _LARGEST)
            self._graph = path.read_bytes()

    @property
    def waits(self) -> bool:
        """Whether it has no content yet: a checkpoint's is on its way."""
        return self._graph is None

    @property
    def session(self) -> Any:
        """onnxruntime's. Raises ValueError where the file is no network that it can compute."""
        if self._session is None:
            import onnxruntime

            if self._graph is None:
                raise FileNotFoundError(f"`model.file` must be an ONNX file; there is no {self._file}.")
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            options.log_severity_level = 3
            try:
                found = onnxruntime.InferenceSession(self._graph, options, providers=["CPUExecutionProvider"])
            except Exception as error:
                raise ValueError(
                    f"{self._file} is no ONNX file that onnxruntime can read ({_reason(error)}). Export the network "
                    "again: torch.onnx.export(network, (images,), FILE)."
                ) from error
            names = [one.name for one in found.get_outputs()]
            if len(found.get_inputs()) != 1:
                inputs = ", ".join(one.name for one in found.get_inputs())
                raise ValueError(f"`model.file` must have one input, images; {self._file} has {inputs}.")
            if self._output is not None:
                check("model.output", self._output, f"one of {', '.join(names)}", self._output in names)
            if found.get_inputs()[0].type not in _TYPES:
                raise ValueError(
                    f"`model.file` must take floating-point images; {self._file} takes {found.get_inputs()[0].type}."
                )
            self._session = found
        return self._session

    @property
    def shape(self) -> Sequence[Any]:
        """The input's, with words or None where any number will do."""
        found: Sequence[Any] = self.session.get_inputs()[0].shape
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Its output for images of the layout that it takes."""
        wanted = self.session.get_inputs()[0]
        name = self._output or self.session.get_outputs()[0].name
        if images.device.type == "meta":
            sides = [
                one if isinstance(one, int) else int(size) for one, size in zip(wanted.shape, images.shape, strict=True)
            ]
            return self(torch.zeros([len(images), *sides[1:]], device="cpu")).to("meta")
        batch = images.detach().cpu().to(_TYPES[wanted.type]).contiguous()
        size = wanted.shape[0] if isinstance(wanted.shape[0], int) else max(len(batch), 1)
        parts = [self._run(name, wanted.name, part, size) for part in batch.split(size)]
        return torch.cat(parts).to(images.device)

    def _run(self, output: str, name: str, batch: Tensor, size: int) -> Tensor:
        filled = (
            torch.cat([batch, batch.new_zeros(size - len(batch), *batch.shape[1:])]) if len(batch) < size else batch
        )
        try:
            found = self.session.run([output], {name: filled.numpy()})[0]
        except Exception as error:
            raise RuntimeError(f"onnxruntime cannot compute it: {_reason(error)}") from error
        made = torch.from_numpy(found)
        return made.reshape(len(filled), -1)[: len(batch)]

    def get_extra_state(self) -> Tensor:
        if self._graph is None:
            raise FileNotFoundError(f"`model.file` must be an ONNX file; there is no {self._file}.")
        return torch.frombuffer(bytearray(self._graph), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        self._graph, self._session = bytes(state.cpu().numpy()), None

    def __reduce__(self) -> Any:  # copies too: a session is made anew
        return _restored, (self._file, self._output, self._graph)


def _reason(error: Exception) -> str:
    """What onnxruntime says went wrong, without its codes."""
    return re.sub(r"^.*?\[ONNXRuntimeError\] : \d+ : \w+ : ", "", one_line(error)).rstrip(".")


def _restored(file: str, output: str | None, graph: bytes | None) -> OnnxGraph:
    made = OnnxGraph(file, output)
    made._graph = graph
    return made


def _layout_of(shape: Sequence[Any]) -> tuple[Layout, list[int] | None]:
    """The layout and size of images of an input's shape; (None, None) where that says nothing."""
    if len(shape) != 4:
        raise ValueError(f"`model.file` must take images, four dimensions; it takes {list(shape)}.")
    last = shape[3] in (1, 3) and shape[1] not in (1, 3)
    sides = list(shape[1:3] if last else shape[2:4])
    known = all(isinstance(one, int) for one in sides)
    return ("channels_last" if last else "channels_first"), (sides if known else None)
