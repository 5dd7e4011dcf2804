"""Trains and measures: `python train.py perturb=blur`, or many at once: `python train.py -m
perturb=noise,blur,pixel`."""

import os
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from robust.errors import reported


@hydra.main(config_path=str(Path(__file__).parent / "conf"), config_name="train", version_base=None)
def train(config: DictConfig) -> str:
    """One run of the command, or of its multirun; returns what went wrong with the latter."""
    from robust import sweep  # imports torch: not for --help

    hydra_config = HydraConfig.get()
    if hydra_config.mode is RunMode.MULTIRUN:
        return sweep.run_job(config)
    launcher = hydra_config.runtime.choices["hydra/launcher"]
    reported(lambda: sweep.run_alone(config, launcher))  # not raised through Hydra, which would add words of its own
    return ""


if __name__ == "__main__":
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what goes wrong, and `reported` says it
    reported(train)
