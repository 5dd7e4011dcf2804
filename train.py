"""Trains and measures: `python train.py perturb=blur`, or many at once: `python train.py -m
perturb=noise,blur,pixel`."""

import os

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from robust.errors import reported
from robust.experiment.search_path import CONF


@hydra.main(config_path=str(CONF), config_name="train", version_base=None)
def train(_: DictConfig) -> str:
    """One run of the command, or of its multirun; returns what went wrong with the latter."""
    import time

    from robust import sweep  # imports torch: not for --help

    hydra_config = HydraConfig.get()
    overrides = [str(one) for one in hydra_config.overrides.task]
    if hydra_config.mode is RunMode.MULTIRUN:
        return sweep.run_job(overrides, since=time.time())
    launcher = hydra_config.runtime.choices["hydra/launcher"]
    reported(lambda: sweep.run_alone(overrides, launcher))  # not raised through Hydra, which would add words of its own
    return ""


if __name__ == "__main__":
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what goes wrong, and `reported` says it
    reported(train)
