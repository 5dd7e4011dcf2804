"""How a run computes on a CPU: with how many threads, and what becomes of memory that it frees."""

import contextlib
import math
from collections.abc import Iterator

import torch
from torch.utils.flop_counter import FlopCounterMode

from robust.experiment.experiment import Experiment
from robust.learn import on_gpu
from robust.models.cpu import keep_memory

AUTO = (None, "auto")
# Multiply-adds of a batch's way forward from which a second thread is worth it: with 3 million it saves no time of the
# first one, with 10 a fifth, with 20 a quarter, with 50 two fifths (2 cores, the network for MNIST).
_WORTH = 10e6


@contextlib.contextmanager
def computing(run: Experiment) -> Iterator[None]:
    """Computes with the run's number of threads for the while: `trainer.threads`, or with `auto` one where a training
    step is so little work that threads would mostly wait for one another, else as many as torch takes. The same number
    tests and attacks it. Memory that is freed is kept from then on."""
    keep_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(_threads(run, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _threads(run: Experiment, usual: int) -> int:
    settings, data = run.config.trainer, run.config.data
    if settings.threads not in AUTO:
        return int(settings.threads)
    if usual == 1 or on_gpu(settings.accelerator):
        return usual
    batch = min(data.batch_size, len(run.splits.train))
    return usual if batch * _work(run) >= _WORTH else 1


def _work(run: Experiment) -> float:
    """The multiply-adds of an image's way through the network, which is counted without numbers; infinity where that
    cannot be."""
    try:
        network = run.sketch_network()
        with FlopCounterMode(display=False) as counter, torch.device("meta"), torch.no_grad():
            network(torch.empty(2, *run.splits.train.shape))  # two: a batch norm may refuse to learn from one
    except Exception:  # noqa: BLE001, a network of one's own may need numbers, or more than images
        return math.inf
    return counter.get_total_flops() / 2 / 2
