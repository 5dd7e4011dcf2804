"""A run's log."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from robust.values.text import plain


class _OneLine(logging.Formatter):
    """Lines in which nothing steers a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(plain, super().format(record).splitlines()))


class _Warnings(logging.Handler):
    """Collects what is warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            self.texts.append(record.getMessage())


class _RunLog(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Nothing: a full disk shows where results are written."""


@contextlib.contextmanager
def logged(path: Path) -> Iterator[list[str]]:
    """Sends what the program logs, and warnings, to the run's log. Gives what our own modules warn of, as it comes."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.unlink()  # somebody's own file, or a pipe without a reader, is not written to
    handler = _RunLog(path)
    warned = _Warnings()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("robust", "pytorch_lightning", "py.warnings")]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    logging.getLogger("robust").setLevel(logging.INFO)
    logging.getLogger("robust").addHandler(warned)
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield warned.texts
    finally:
        logging.captureWarnings(False)
        logging.getLogger("robust").removeHandler(warned)
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()
