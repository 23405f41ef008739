"""Structured logs: one JSON object or one text line an event, fixed columns first.

Rules: fields go through `extra`; nothing else of a record is printed, so an
exception's operands reach the log only where somebody chose them. Secrets and clear-text
identifiers are never passed here.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "fields"}


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """What the caller passed as `extra`: under "fields", or by name."""
    named = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {**getattr(record, "fields", {}), **named}


def _one_line(value: object) -> str:
    """A value as text that can not begin another line of the log."""
    text = str(value)
    return text if text.isprintable() else repr(text)


class _Formatter(logging.Formatter):
    """Time, level, part, event, then the fields."""

    def __init__(self, member: str, as_json: bool) -> None:
        super().__init__()
        self._member = member
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = _fields(record)
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if self._as_json:
            row = {
                "at": at,
                "level": record.levelname.lower(),
                "node": self._member,
                "part": record.name,
                "event": record.getMessage(),
                **fields,
            }
            if trace is not None:
                row["trace"] = trace
            return json.dumps(row, default=str, ensure_ascii=False)
        shown = " ".join(f"{name}={_one_line(value)}" for name, value in fields.items())
        line = (
            f"{at} {record.levelname:<7} {record.name:<18} {record.getMessage()} {shown}".rstrip()
        )
        return line if trace is None else f"{line}\n{trace}"


class _Rotating(RotatingFileHandler):
    """A log file that is begun anew by size; one with no older files kept is cut to nothing."""

    def __init__(self, file: Path, max_bytes: int, keep_files: int) -> None:
        self._alone = keep_files == 0
        super().__init__(file, maxBytes=max_bytes, backupCount=keep_files, encoding="utf-8")

    def doRollover(self) -> None:
        """Begin a new file."""
        if not self._alone:
            super().doRollover()
        elif self.stream:
            self.stream.seek(0)
            self.stream.truncate()


def configure_logs(
    member: str,
    *,
    level: str,
    as_json: bool,
    file: Path | None,
    max_bytes: int = 0,
    keep_files: int = 0,
) -> None:
    """Point the root logger at `file` or standard error; replaces earlier handlers.

    A file that would grow over `max_bytes` becomes FILE.1, that one FILE.2 and so on; what is over
    `keep_files` goes. With 0 bytes one file grows for ever.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = _Rotating(file, max_bytes, keep_files)
    handler.setFormatter(_Formatter(member, as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS.get(level, logging.ERROR))
    # uvicorn's and httpx's own access lines would repeat paths and queries.
    for noisy in ("uvicorn.access", "httpx", "httpcore", "eth"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Log:
    """A part's logger whose fields are keyword arguments."""

    __slots__ = ("_logger",)

    def __init__(self, part: str) -> None:
        self._logger = logging.getLogger(part)

    def debug(self, event: str, **fields: object) -> None:
        """A detail for somebody who searches a fault."""
        self._logger.debug(event, extra={"fields": fields})

    def info(self, event: str, **fields: object) -> None:
        """A change of state."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        """Something that the node copes with and an operator may want to know."""
        self._logger.warning(event, extra={"fields": fields})

    def error(self, event: str, *, trace: bool = False, **fields: object) -> None:
        """Something that needs an operator; `trace` adds the current exception's trace."""
        self._logger.error(event, extra={"fields": fields}, exc_info=trace)
