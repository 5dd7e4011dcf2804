"""Training several models in one process, the ways that were turned down for `pack`, to be measured beside it:
their steps in turn, as CUDA graphs on streams of their own, and as one step of stacked models."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, replace_all_batch_norm_modules_, stack_module_state, vmap
from torch.nn import functional

_WARM = 3
#: does a step of every model
Steps = Callable[[], object]


def in_turn(models: Sequence[nn.Module], images: Tensor, labels: Tensor) -> Steps:
    """Every model's step after the other's."""
    steps = [_step(model, images, labels) for model in models]
    return lambda: [step() for step in steps]


def on_streams(models: Sequence[nn.Module], images: Tensor, labels: Tensor) -> Steps:
    """Every model's step as a CUDA graph, all at once on streams of their own. Raises RuntimeError without a GPU."""
    if not images.is_cuda:
        raise RuntimeError("CUDA graphs need a GPU.")
    graphs = []
    for model in models:
        step, stream = _step(model, images, labels, capturable=True), torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(_WARM):
                step()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            step()
        graphs.append((graph, stream))

    def replay() -> None:
        for graph, stream in graphs:
            with torch.cuda.stream(stream):
                graph.replay()

    return replay


def stacked(models: Sequence[nn.Module], images: Tensor, labels: Tensor) -> Steps:
    """One step of all models at once (see `stacked_gradients`)."""
    parameters, gradients = stacked_gradients(models, images, labels)
    optimizer = torch.optim.Adam(list(parameters.values()), lr=1e-3)

    def step() -> None:
        for name, gradient in gradients().items():
            parameters[name].grad = gradient
        optimizer.step()

    return step


def stacked_gradients(
    models: Sequence[nn.Module], images: Tensor, labels: Tensor
) -> tuple[dict[str, Tensor], Callable[[], dict[str, Tensor]]]:
    """The models' weights, stacked, and what gives the gradients of their losses, mapped over them (`torch.func`).

    Batch norms keep no statistics in it, which only makes it faster.
    """
    models = [replace_all_batch_norm_modules_(copy.deepcopy(model)) for model in models]
    parameters, buffers = stack_module_state(list(models))

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            return functional.cross_entropy(functional_call(models[0], (parameters, buffers), (images,)), labels)

    mapped = vmap(grad(loss), randomness="different")
    return parameters, lambda: mapped(parameters, buffers)


def _step(model: nn.Module, images: Tensor, labels: Tensor, **options: Any) -> Steps:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **options)

    def step() -> None:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad(set_to_none=not options)
        loss.backward()
        optimizer.step()

    return step
