"""Reading what a person or a script types as JSON or as a date."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from cairnloop_cli.parameters import words
from cairnloop_engine.core.errors import Invalid, JsonObject

_SPAN = re.compile(r"\+?(\d{1,6})\s*([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def json_object(given: str) -> JsonObject:
    """A JSON object from the command line, or from a pipe for ``-``.

    Raises:
        Invalid: ``input_not_json``, or as :func:`parameters.words`.
    """
    try:
        parsed: Any = json.loads(words(given), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _Ambiguous) else "it cannot be read as JSON"
        raise Invalid("input_not_json", f"The input is not a JSON object: {why}.") from error
    if not isinstance(parsed, dict):
        raise Invalid("input_not_json", 'The input is not a JSON object such as {"amount": 5}.')
    return parsed


def moment_given(given: str, *, now: datetime) -> datetime:
    """A date such as ``2026-12-01T09:00`` (UTC unless it says otherwise), or ``4h`` from now.

    Raises:
        Invalid: ``date_invalid``.
    """
    span = _SPAN.fullmatch(given.strip().lower())
    try:
        if span is not None:
            return now + timedelta(**{_UNITS[span.group(2)]: int(span.group(1))})
        found = datetime.fromisoformat(given.strip())
    except (ValueError, OverflowError) as error:
        raise Invalid(
            "date_invalid", "That is no date. Write it as 2026-12-01T09:00, or 30m, 4h, 2d."
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class _Ambiguous(ValueError):
    """What it says could be read in two ways."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Which of two equal keys counts is decided differently by every reader of JSON."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Ambiguous("it names a key twice")
    return made


def _no_constant(name: str) -> None:
    raise _Ambiguous(f"{name} is no number in JSON")
