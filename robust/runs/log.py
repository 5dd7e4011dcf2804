"""A run's log."""

import contextlib
import logging
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from robust.text import plain


class _OneLine(logging.Formatter):
    """Lines in which nothing steers a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(plain, super().format(record).splitlines()))


class _RunLog(logging.FileHandler):
    def _open(self) -> TextIOWrapper:
        """The log itself: a link in its place is taken away, whatever it leads to."""
        path = Path(self.baseFilename)
        if path.is_symlink():
            path.unlink()
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Nothing: a full disk shows where results are written."""


@contextlib.contextmanager
def logged(path: Path) -> Iterator[None]:
    """Sends what the program logs, and warnings, to the run's log."""
    handler = _RunLog(path)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("robust", "pytorch_lightning", "py.warnings")]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    logging.getLogger("robust").setLevel(logging.INFO)
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()
