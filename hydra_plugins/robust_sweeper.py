"""Hydra's entry to our sweeps. Hydra reads this at every start: nothing heavy is imported here."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


class RobustSweeper(Sweeper):
    """Expands the command line to runs, adds the natural ones they are held against, and launches what is not done."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.loader = hydra_context.config_loader
        self.base = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from robust import sweep

        jobs = sweep.expand(OverridesParser.create(config_loader=self.loader).parse_overrides(arguments))
        return sweep.sweep(jobs, compose=self._compose, launch=self._launch)

    def _launch(self, jobs: list[list[str]]) -> None:
        assert self.launcher is not None
        self.launcher.launch(jobs, initial_job_idx=0)

    def _compose(self, overrides: list[str]) -> DictConfig:
        config = self.loader.load_sweep_config(self.base, overrides)
        with open_dict(config):
            del config["hydra"]
        return config
