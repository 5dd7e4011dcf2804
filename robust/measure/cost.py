"""What a prediction costs."""

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: images of a batch whose cost is measured, of a network that does not say how they come
COST_BATCH = 200
_MOST, _MOST_S = 5, 1.0  # repetitions, and seconds after which there are no more


def prediction_cost(model: nn.Module, images: Tensor) -> dict[str, Any]:
    """What asking a model about images, in [0, 1], shape (batch, channels, height, width), on its device, costs for
    each: `seconds`, the shortest of several times, and `bytes`, the most that tensors it makes hold at once. With how
    many `images` the batch has, `threads` and `device`."""
    weights = [*model.parameters(), *model.buffers()]
    times: list[float] = []
    with torch.inference_mode(), _Held([images, *weights]) as held:
        model(images)
    while not times or (len(times) < _MOST and sum(times) < _MOST_S):
        with torch.inference_mode():
            start = _now(images.device)
            model(images)
            times.append(_now(images.device) - start)
    per_image = {"seconds": min(times) / len(images), "bytes": held.most / len(images)}
    return {**per_image, "images": len(images), "threads": torch.get_num_threads(), "device": images.device.type}


class _Held(TorchDispatchMode):
    """`most`: the most bytes that tensors made inside held at once, without those that were `there` before."""

    def __init__(self, there: list[Tensor]):
        super().__init__()
        self.there = {StorageWeakRef(one.untyped_storage()) for one in there}
        self.held: dict[StorageWeakRef, int] = {}
        self.most = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = operation(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, Tensor) and (storage := StorageWeakRef(one.untyped_storage())) not in self.there:
                self.held[storage] = one.untyped_storage().nbytes()
        self.held = {storage: size for storage, size in self.held.items() if not storage.expired()}
        self.most = max(self.most, sum(self.held.values()))
        return made


def _now(device: torch.device) -> float:
    """Seconds; of one thread those that it computed, which others on the machine do not prolong."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.process_time() if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter()
