"""Hydra's entry to our sweeps. Hydra reads this at every start: nothing heavy is imported here."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from robust.errors import loading


class RobustSweeper(Sweeper):
    """Expands the command line to runs, adds the natural ones they are compared with, and launches what is not done."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.loader = hydra_context.config_loader
        self.elsewhere = config.hydra.runtime.choices["hydra/launcher"] != "robust"
        self.searches = OmegaConf.select(config, "sweep.search") is not None
        self.products: Any = OmegaConf.to_container(config.sweep.products) if "sweep" in config else [{}]
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        with loading():
            from robust import sweep

        parse = OverridesParser.create(config_loader=self.loader).parse_overrides
        if self.searches:
            spaces = sweep.list_spaces(self.products, arguments, parse)
            return sweep.search(spaces, self._launch, elsewhere=self.elsewhere)
        jobs = sweep.list_jobs(self.products, arguments, parse)
        return sweep.sweep(jobs, self._launch, elsewhere=self.elsewhere)

    def _launch(self, jobs: list[list[str]]) -> list[str]:
        assert self.launcher is not None
        return [one.return_value for one in self.launcher.launch(jobs, initial_job_idx=0)]
