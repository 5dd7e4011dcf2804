"""Weights & Biases, with or without an account."""

import io
import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from PIL import Image
from pytorch_lightning.loggers import WandbLogger

from robust.errors import require
from robust.files import atomic_write
from robust.files.places import check_inside
from robust.runs import RunFolder
from robust.runs.formats import read_json
from robust.track.tracker import Picture, TrackedRun, Tracker
from robust.values.secrets import masked_word

if TYPE_CHECKING:
    from wandb import Run

_log = logging.getLogger(__name__)
_MODES = {"online": "online", "offline": "offline", "disabled": "disabled", "run": "online", "dryrun": "offline"}
_PATIENCE_S = 30  # for a server that does not answer
_UPLOAD_S = 600  # for what is left to upload when a run ends; the rest waits for `wandb sync`
_LONGEST_TAG = 64
_STAGED_ELSEWHERE = "WANDB_DATA_DIR" in os.environ


class WandbTracker(Tracker):
    """A run of W&B, whose files lie in the folder's `wandb/`; an interrupted one is continued, as far as W&B goes.

    `mode` is online, offline or disabled; None: W&B's own setting (WANDB_MODE), else online if there is a key, offline
    without one. What was tracked offline is uploaded by `wandb sync`. A server that cannot be reached makes it offline.
    """

    shows = True

    def __init__(
        self,
        tracked: TrackedRun,
        *,
        project: str,
        entity: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        mode: str | None = None,
    ):
        super().__init__(tracked)
        require("wandb", what="`logger=wandb`", extra="wandb")
        given = mode or os.environ.get("WANDB_MODE")
        if given and given not in _MODES:
            name = "logger.mode" if mode else "WANDB_MODE"
            raise ValueError(f"`{name}` must be {', '.join(_MODES)} or left out; got {given!r}.")
        if long := [tag for tag in tags if not 1 <= len(tag) <= _LONGEST_TAG]:
            raise ValueError(f"`logger.tags` must have 1 to {_LONGEST_TAG} characters each; got {long[0]!r}.")
        self.mode: Any = _MODES[given] if given else "online" if has_key() else "offline"
        self.settings = {"project": project, "entity": entity, "group": group}
        self.tags = list(tags)
        self._run: Run | None = None

    def start(self) -> None:
        import wandb  # half a second, where it is wanted

        check_inside(RunFolder(self.tracked.folder).wandb / "any", self.tracked.folder)
        if not _STAGED_ELSEWHERE:  # tables wait there to be uploaded; by default in the home folder
            os.environ["WANDB_DATA_DIR"] = str(RunFolder(self.tracked.folder.absolute()).wandb)
        settings = wandb.Settings(
            silent=True, console="off", disable_code=True, init_timeout=_PATIENCE_S, finish_timeout=_UPLOAD_S
        )
        arguments: dict[str, Any] = {
            **self.settings,
            **_remembered(self.tracked),
            "name": self.tracked.name,
            "tags": [*(tag[:_LONGEST_TAG] for tag in self.tracked.tags), *self.tags],
            "config": _unmixed(self.tracked.config),
            "dir": self.tracked.folder.absolute(),
            "resume": "allow" if self.mode == "online" else None,
            "settings": settings,
        }
        typed = sys.argv
        sys.argv = [masked_word(one) for one in typed]  # which W&B keeps
        try:
            self._run = wandb.init(**arguments, mode=self.mode)
        except wandb.Error as error:
            if self.mode != "online":
                raise
            _log.warning("W&B does not answer, or not as it should (%s); going on offline", error)
            wandb.teardown()  # which holds on to the id
            self._run = wandb.init(**{**arguments, "resume": None}, mode="offline")
        finally:
            sys.argv = typed
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch", step_sync=True)
        self.logger = WandbLogger(experiment=self._run)
        _log.info("W&B: %s", self._run.dir if self._run.offline else self._run.url)

    def log_scores(self, scores: Mapping[str, float | str]) -> None:
        assert self._run is not None
        self._run.summary.update(dict(scores))

    def log_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        import wandb

        assert self._run is not None
        self._run.log({f"tables/{name}": wandb.Table(dataframe=table) for name, table in tables.items()})

    def log_pictures(self, pictures: Mapping[str, Picture]) -> None:
        import wandb

        assert self._run is not None
        images = {
            f"figures/{name}": wandb.Image(Image.open(io.BytesIO(picture.png())), caption=picture.caption)
            for name, picture in pictures.items()
        }
        self._run.log(images)

    def log_page(self, page: str) -> None:
        import wandb

        assert self._run is not None
        self._run.log({"page": wandb.Html(page, inject=False)})

    def close(self, *, failed: str = "") -> None:
        if self._run is not None:
            self._run.summary["failed"] = failed  # "" too: a run that goes on brings its former summary
            self._run.finish(exit_code=1 if failed else 0)
            self._run = None


def has_key() -> bool:
    """Whether W&B has an account to log to, wherever W&B itself looks: environment, settings, ~/.netrc."""
    import wandb
    from wandb.sdk.lib.wbauth.wbnetrc import read_netrc_auth

    settings = wandb.Settings()
    settings.update_from_system_settings()
    settings.update_from_env_vars(dict(os.environ))
    try:
        return bool(settings.api_key or settings.identity_token_file or read_netrc_auth(host=settings.base_url))
    except wandb.Error:
        return False


def _unmixed(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration; for a run of W&B's own sweep by dotted names, since its `data` is a choice and no mapping."""
    if "WANDB_SWEEP_ID" not in os.environ:
        return config
    return dict(_leaves(config))


def _leaves(config: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _remembered(tracked: TrackedRun) -> dict[str, str]:
    """The id and the job type that this folder's W&B run had from the beginning; nothing where an agent gives them."""
    if "WANDB_SWEEP_ID" in os.environ:
        return {}
    path = RunFolder(tracked.folder).wandb / "run.json"
    if not path.is_file():
        atomic_write(path, json.dumps({"id": secrets.token_hex(4), "job_type": tracked.job_type}))
    return read_json(path, {"id": str, "job_type": str})
