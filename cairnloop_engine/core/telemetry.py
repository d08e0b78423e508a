"""What a site can watch: structured logs, metrics and spans, all with bounded fields.

Logs are one JSON line a record, with no message bodies. Metrics and spans go to whatever the host
has set up with OpenTelemetry, on two separate ways; nothing of it is ever read back.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram

# Only these extras reach a log line; anything else that is passed along stays out of it.
FIELDS = (
    "actor",
    "approval",
    "code",
    "conversation",
    "count",
    "error",
    "event",
    "fault",
    "hook",
    "job",
    "ms",
    "peer",
    "policy",
    "proposal",
    "queue",
    "ref",
    "run",
    "state",
    "suggester",
    "task",
    "to",
    "tool",
    "workspace",
)
LONGEST_TEXT = 500
SCOPE = "cairnloop"
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


def count(name: str, number: int, labels: Mapping[str, str | int]) -> None:
    """Add to a counter. ``labels`` come from closed lists only, never from data."""
    if _is_watched("metrics"):
        _counter(name).add(number, dict(labels))


def took(name: str, milliseconds: int, labels: Mapping[str, str | int]) -> None:
    """Record how long something took."""
    if _is_watched("metrics"):
        _histogram(name).record(milliseconds, dict(labels))


def mark(name: str, attributes: Mapping[str, str | int]) -> None:
    """One moment as a span, inside whatever span the host is in."""
    if _is_watched("trace"):
        from opentelemetry import trace  # deferred: loaded by the host, or there is nobody to tell

        trace.get_tracer(SCOPE).start_span(name, attributes=dict(attributes)).end()


@contextmanager
def spanned(name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
    """A piece of work as a span that tells whether it ended well; never in words of an error."""
    if not _is_watched("trace"):
        yield
        return
    from opentelemetry import trace  # deferred: loaded by the host, or there is nobody to tell

    span = trace.get_tracer(SCOPE).start_span(name, attributes=dict(attributes))
    ended = trace.StatusCode.ERROR
    try:
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield
        ended = trace.StatusCode.OK
    finally:
        span.set_status(trace.Status(ended))
        span.end()


def _is_watched(what: str) -> bool:
    """Whoever set up a provider has loaded this; without it nobody could hear anything."""
    return f"opentelemetry.{what}" in sys.modules


@cache
def _counter(name: str) -> Counter:
    from opentelemetry import metrics  # deferred: loaded by the host, or there is nobody to tell

    return metrics.get_meter(SCOPE).create_counter(name)


@cache
def _histogram(name: str) -> Histogram:
    from opentelemetry import metrics  # deferred: loaded by the host, or there is nobody to tell

    return metrics.get_meter(SCOPE).create_histogram(name, unit="ms")


def _places(record: logging.LogRecord) -> list[str]:
    places: list[str] = []
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-12:]
