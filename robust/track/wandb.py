"""Weights & Biases, with or without an account."""

import io
import json
import logging
import netrc
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import pandas as pd
from PIL import Image
from pytorch_lightning.loggers import WandbLogger

from robust.files import write_whole
from robust.track.tracker import Picture, Subject, Tracker

if TYPE_CHECKING:
    from wandb import Run

_log = logging.getLogger(__name__)
_MODES = ("online", "offline", "disabled")
_PATIENCE_S = 30  # for a server that does not answer
_STAGED_ELSEWHERE = "WANDB_DATA_DIR" in os.environ


class WandbTracker(Tracker):
    """A run of W&B, whose files lie in the folder's `wandb/`; an interrupted one is continued, as far as W&B goes.

    `mode` is online, offline or disabled; None: W&B's own setting (WANDB_MODE), else online if there is a key, offline
    without one. What was tracked offline is uploaded by `wandb sync`. A server that cannot be reached makes it offline.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        project: str,
        entity: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        mode: str | None = None,
    ):
        super().__init__(subject)
        if mode not in (None, *_MODES):
            raise ValueError(f"`logger.mode` must be {', '.join(_MODES)} or null; got {mode!r}.")
        self.mode: Any = mode or os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline")
        self.settings = {"project": project, "entity": entity, "group": group}
        self.tags = list(tags)
        self._run: Run | None = None

    def start(self) -> None:
        import wandb  # half a second, where it is wanted

        if not _STAGED_ELSEWHERE:  # tables wait there to be uploaded; by default in the home folder
            os.environ["WANDB_DATA_DIR"] = str(self.subject.folder.absolute() / "wandb")
        settings = wandb.Settings(silent=True, console="off", disable_code=True, init_timeout=_PATIENCE_S)
        arguments: dict[str, Any] = {
            **self.settings,
            **_remembered(self.subject),
            "name": self.subject.name,
            "tags": [*self.subject.tags, *self.tags],
            "config": self.subject.config,
            "dir": self.subject.folder.absolute(),
            "resume": "allow" if self.mode == "online" else None,
            "settings": settings,
        }
        try:
            self._run = wandb.init(**arguments, mode=self.mode)
        except wandb.Error as error:
            if self.mode != "online":
                raise
            _log.warning("W&B does not answer (%s); going on offline", error)
            wandb.teardown()  # which holds on to the id
            self._run = wandb.init(**{**arguments, "resume": None}, mode="offline")
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
            f"figures/{name}": wandb.Image(Image.open(io.BytesIO(picture.png)), caption=picture.caption)
            for name, picture in pictures.items()
        }
        self._run.log(images)

    def log_page(self, page: str) -> None:
        import wandb

        assert self._run is not None
        self._run.log({"page": wandb.Html(page, inject=False)})

    def where(self) -> str:
        runs = self.subject.folder.parent
        upload = f"wandb sync --yes {runs}/*/wandb/offline-run-* uploads it"
        return f"W&B project {self.settings['project']}" + (f", offline; {upload}" if self.mode == "offline" else "")

    def close(self, *, failed: str = "") -> None:
        if self._run is not None:
            if failed:
                self._run.summary["failed"] = failed
            self._run.finish(exit_code=1 if failed else 0)
            self._run = None


def has_key() -> bool:
    """Whether W&B has an account to log to: in the environment or in ~/.netrc."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        entries = netrc.netrc(os.environ.get("NETRC", Path.home() / ".netrc"))
        return host is not None and entries.authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _remembered(subject: Subject) -> dict[str, str]:
    """The id and the job type that this folder's W&B run had from the beginning; nothing where an agent gives them."""
    if "WANDB_SWEEP_ID" in os.environ:
        return {}
    path = subject.folder / "wandb" / "run.json"
    if not path.is_file():
        write_whole(path, json.dumps({"id": secrets.token_hex(4), "job_type": subject.job_type}))
    return json.loads(path.read_text())
