"""Showing inputs to people without the secrets that may be in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.text import humanise, safe

MASK = "••••••"
UNSUPPORTED = "Unsupported value"
LONGEST_VALUE = 5_000
# Whole words of a field's name: "api_key" and "apiKey" are hidden, "keyboard" is not.
_SECRET_WORDS = frozenset(
    {"password", "passwd", "token", "secret", "key", "credential", "credentials", "keys"}
    | {"passwords", "tokens", "secrets", "passphrase", "pin", "cvv"}
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class InputRow:
    """One field of an input, for people; ``hidden`` when its value is masked."""

    field: str
    label: str
    value: str
    hidden: bool


def is_secret(field: str, marked: Collection[str] = ()) -> bool:
    """Whether a field's value must not be shown: marked by its tool, or named like a secret."""
    if field in marked:
        return True
    return any(word.lower() in _SECRET_WORDS for word in _WORDS.findall(field))


def marked_fields(schema: Mapping[str, Any]) -> frozenset[str]:
    """The fields that a tool's input model marks as sensitive, also those of models inside it."""
    inner = schema.get("$defs")
    models = [schema, *(inner.values() if isinstance(inner, Mapping) else ())]
    return frozenset(
        name
        for model in models
        if isinstance(model, Mapping) and isinstance(model.get("properties"), Mapping)
        for name, one in model["properties"].items()
        if isinstance(one, Mapping)
        and (one.get("sensitive") is True or one.get("format") == "password")
    )


def input_rows(given: JsonObject, marked: Collection[str] = ()) -> tuple[InputRow, ...]:
    """Every field, sorted by its label. Never fails, never shows a structure."""
    rows = []
    for field, value in given.items():
        hidden = is_secret(field, marked)
        shown = MASK if hidden else shown_value(value)
        rows.append(InputRow(safe(field, limit=80), _label(field), shown, hidden))
    return tuple(sorted(rows, key=lambda row: row.label))


def shown_value(value: JsonValue) -> str:
    """A scalar or a list of scalars as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, str | int | float):
        return safe(str(value), multiline=True, limit=LONGEST_VALUE)
    if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
        return safe(", ".join(shown_value(one) for one in value), limit=LONGEST_VALUE)
    return UNSUPPORTED


def shown_change(field: str, value: JsonValue, marked: Collection[str] = ()) -> str:
    """One side of a difference, on one line; a person has to see what is different.

    What an action is about reads as its kind, its name and its revision; other structures as
    their fields.
    """
    if value is None:
        return ""
    if field == "targets" and isinstance(value, list):
        return safe("; ".join(_target(one) for one in value), limit=LONGEST_VALUE)
    return safe(_told(masked(value, marked)), limit=LONGEST_VALUE)


def _target(one: JsonValue) -> str:
    match one:
        case [str() as kind, str() as name, str() as revision]:
            return f"{kind} {name}, revision {revision}"
    return UNSUPPORTED


def _told(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_told(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        apart = "; " if any(isinstance(one, dict | list) for one in value) else ", "
        return apart.join(_told(one) for one in value)
    return shown_value(value)


def masked(value: JsonValue, marked: Collection[str] = (), *, field: str = "") -> JsonValue:
    """The same structure with every secret's value replaced, for raw views and scripts."""
    if field and is_secret(field, marked) and value is not None:
        return MASK
    if isinstance(value, dict):
        return {key: masked(inner, marked, field=key) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, marked, field=field) for inner in value]
    return value


def _label(field: str) -> str:
    return safe(humanise(field), limit=80)
