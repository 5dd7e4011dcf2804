"""Where Hydra finds the choices of `sweep`: in the folder `sweeps`. Hydra reads this at every start: nothing heavy is
imported here."""

from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from robust.experiment.search_path import SWEEPS, search_path

_GROUP = "sweep"
OmegaConf.register_new_resolver("robust.searchpath", search_path, replace=True)  # for conf/train.yaml


class SweepsSource(FileConfigSource):
    """The folder `sweeps` as the group `sweep`."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, f"{self.scheme()}://{SWEEPS}")

    @staticmethod
    def scheme() -> str:
        return "sweeps"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", _GROUP)

    def is_config(self, config_path: str) -> bool:
        return config_path.startswith(f"{_GROUP}/") and super().is_config(config_path.removeprefix(f"{_GROUP}/"))

    def load_config(self, config_path: str) -> ConfigResult:
        return super().load_config(config_path.removeprefix(f"{_GROUP}/"))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == _GROUP:
            return [] if results_filter is ObjectType.GROUP else sorted(one.stem for one in Path(SWEEPS).glob("*.yaml"))
        return [_GROUP] if not config_path and results_filter is not ObjectType.CONFIG else []
