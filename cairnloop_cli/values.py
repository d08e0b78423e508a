"""Views of the engine as JSON: dataclasses, dates and words become what JSON knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum

from cairnloop_engine.core.errors import JsonObject, JsonValue


def to_json(value: object) -> JsonValue:
    """Any value that a view may hold.

    Raises:
        TypeError: a value that has no agreed form; guessing one would become a contract.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return to_json(value.value)
        case str():
            return str(value)
        case datetime():
            return moment(value)
        case Mapping():
            return {str(key): to_json(one) for key, one in value.items()}
        case frozenset() | set():
            return [*sorted(str(one) for one in value)]
        case list() | tuple():
            return [to_json(one) for one in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")


def view(value: object) -> JsonObject:
    """A view as a JSON object."""
    made = to_json(value)
    if not isinstance(made, dict):
        raise TypeError(f"{type(value).__name__} is no view")
    return made


def moment(when: datetime) -> str:
    """A date as people and programs agree on it: UTC, with a Z."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
