"""Where Hydra finds choices beside `conf`: those of `sweep` in the folder `sweeps`, and those of the user.
Hydra reads this at every start: nothing heavy is imported here."""

from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin

from robust.experiment.search_path import CONF, SWEEPS, search_path

_GROUP = "sweep"


class RobustSearchPath(SearchPathPlugin):
    """Adds these places to the path of a program that is configured by our `conf`, so that `--help` lists them too."""

    def manipulate_search_path(self, path: ConfigSearchPath) -> None:
        if any(
            one.provider == "main" and str(one.path).removeprefix("file://") == str(CONF) for one in path.get_path()
        ):
            for place in search_path():
                path.append("robust", place)


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
