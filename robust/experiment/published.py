"""The published test sets that a run is tested on besides."""

import json
from collections.abc import Mapping
from typing import Any

from robust.data import PublishedTest, Splits, named_folders, published_tests
from robust.runs.config import Config

_KEY = "evaluation.published"


class PublishedSets:
    """Builds the tests of published sets: of the same folders and the same data once."""

    def __init__(self) -> None:
        self._known: dict[str, list[PublishedTest]] = {}

    def build(self, config: Config, splits: Splits) -> list[PublishedTest]:
        """The tests that a run asks for; of a task that is not tested none. Raises ValueError or FileNotFoundError as
        `published_tests`, and where there are no other tests."""
        asked, data = config.evaluation.published, config.data
        if not asked or not config.task.tested:
            return []
        if config.evaluation.conditions is None:
            raise ValueError(f"`{_KEY}` comes on top of other tests; got `evaluation=none`.")
        about = json.dumps([asked, data.source, config.task.get("images")])
        if about not in self._known:
            options = {"resize": data.get("resize"), "cache_dir": data.cache_dir, "memory": data.get("memory")}
            self._known[about] = published_tests(asked, splits, **options)
        return self._known[about]


def from_anywhere(config: Config) -> Mapping[str, Any]:
    """The setting with paths that hold in any working directory, by its key; nothing where it is not set."""
    named = named_folders(config.evaluation.published)
    return {_KEY: {name: str(folder.absolute()) for name, folder in named.items()}} if named else {}
