"""A run's log."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path


class _RunLog(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Nothing: a full disk shows where results are written."""


@contextlib.contextmanager
def logged(path: Path) -> Iterator[None]:
    """Sends what the program logs, and warnings, to the run's log."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.unlink()  # somebody's own file, or a pipe that nobody reads, is not written to
    handler = _RunLog(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
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
