"""What a run's training comes to in a bare loop, and what the run itself learns."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from robust.data import to_float
from robust.experiment.execute import train
from robust.experiment.experiment import Experiment
from robust.perturb import ImageRandom, key
from robust.runs import load


def trained(run: Experiment) -> dict[str, Tensor]:
    """The weights that the run learns."""
    run.folder.mkdir(parents=True, exist_ok=True)
    train(run)
    return load(run.folder).state_dict()


def bare_steps(run: Experiment, *, epochs: int) -> Iterator[nn.Module]:
    """The network after each step, of whole batches of 100 digits."""
    model = run.build_network()
    images, labels = to_float(run.splits.train.images), run.splits.train.labels
    if run.perturbation:
        images = run.perturbation.perturb(images, ImageRandom(key("train", 0), torch.arange(len(images))))
    model.standardize.fit([images])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(epochs):
        torch.manual_seed(key("epoch", 0, epoch))
        for start in range(0, 1300, 100):
            loss = functional.cross_entropy(model(images[start : start + 100]), labels[start : start + 100])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield model
