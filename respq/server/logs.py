"""Log lines: an event and its facts, as text for people or as JSON for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

_FACTS = "facts"


class Log:
    """Writes events with facts; the facts are never formatted into the event."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def by_level(self, level: str) -> Callable[..., None]:
        """Return the method for a level."""
        return {"debug": self.debug, "info": self.info, "warning": self.warning}[level]

    def debug(self, event: str, **facts: Any) -> None:
        """Tell what only somebody who looks for a fault wants to know."""
        self._logger.debug(event, extra={_FACTS: facts})

    def info(self, event: str, **facts: Any) -> None:
        """Tell what happened."""
        self._logger.info(event, extra={_FACTS: facts})

    def warning(self, event: str, **facts: Any) -> None:
        """Tell what an operator should look at some day."""
        self._logger.warning(event, extra={_FACTS: facts})

    def error(self, event: str, *, cause: BaseException | None = None, **facts: Any) -> None:
        """Tell what an operator must look at, with the traceback of ``cause``."""
        self._logger.error(event, extra={_FACTS: facts}, exc_info=cause)


class _Formatter(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, _FACTS, {})
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._as_json:
            line = {"time": at, "level": record.levelname.lower(), "event": record.getMessage()}
            return json.dumps(line | facts | ({"traceback": trace} if trace else {}), default=str)
        told = "".join(f" {name}={value}" for name, value in facts.items())
        line_text = f"{at} {record.levelname.lower():7} {record.getMessage()}{told}"
        return f"{line_text}\n{trace}" if trace else line_text


def open_log(level: str, shape: str) -> Log:
    """Return the log of the process; lines go to standard error, above ``level``."""
    logger = logging.getLogger("respq")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(as_json=shape == "json"))
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    return Log(logger)
