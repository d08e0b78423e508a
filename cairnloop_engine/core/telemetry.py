"""Structured logs: one JSON line a record, with bounded fields and no message bodies."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

# Only these extras reach a log line; anything else that is passed along stays out of it.
FIELDS = (
    "actor",
    "code",
    "conversation",
    "count",
    "event",
    "job",
    "ms",
    "peer",
    "queue",
    "ref",
    "state",
    "task",
    "to",
    "workspace",
)
LONGEST_TEXT = 500
# Libraries whose INFO is noise to an operator, and may quote arguments.
QUIET = ("alembic", "procrastinate", "sqlalchemy", "websockets", "uvicorn", "asyncio", "httpx")


class JsonLines(logging.Formatter):
    """A record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:LONGEST_TEXT],
        }
        for name in FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                line[name] = value if isinstance(value, int | float) else str(value)[:LONGEST_TEXT]
        if record.exc_info and record.exc_info[0] is not None:
            # The stack names code; the exception's text may quote data, so it stays out.
            line["error"] = record.exc_info[0].__name__
            line["trace"] = _places(record)
        return json.dumps(line, ensure_ascii=True)


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send every record of this process to one stream (default: standard error) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _places(record: logging.LogRecord) -> list[str]:
    places: list[str] = []
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-12:]
