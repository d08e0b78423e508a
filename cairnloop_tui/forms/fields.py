"""From a tool's JSON schema to the fields of a form, and from what was typed back to JSON; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from cairnloop_engine.core.errors import Invalid, JsonObject, JsonValue
from cairnloop_engine.core.text import humanise, safe
from cairnloop_engine.governance.masking import is_secret, marked_fields

# A text that may be longer than this gets several lines.
SHORT_TEXT = 200


class Shape(StrEnum):
    """How a value is entered."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    WHOLE = "whole"
    NUMBER = "number"
    YES_NO = "yes_no"
    CHOICE = "choice"
    LIST = "list"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form. ``choices`` are the values of a CHOICE, as stored; ``items`` is the
    kind of what a LIST holds; ``as_text`` keeps the digits of a number as they were typed."""

    name: str
    label: str
    shape: Shape
    required: bool = False
    sensitive: bool = False
    help: str = ""
    default: JsonValue = None
    choices: tuple[JsonValue, ...] = ()
    items: Shape = Shape.TEXT
    as_text: bool = False


def fields_of(schema: Mapping[str, JsonValue], *, fixed: Sequence[str] = ()) -> tuple[Field, ...]:
    """The fields in the order of the model; those named ``fixed`` come from elsewhere."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return ()
    required = schema.get("required")
    listed = required if isinstance(required, list) else []
    needed = {name for name in listed if isinstance(name, str)}
    definitions = schema.get("$defs")
    known = definitions if isinstance(definitions, dict) else {}
    marked = marked_fields(schema)
    return tuple(
        _field(name, _resolved(one, known), name in needed, is_secret(name, marked))
        for name, one in properties.items()
        if name not in fixed and isinstance(one, dict)
    )


def _resolved(one: JsonObject, known: JsonObject, depth: int = 0) -> JsonObject:
    """The schema of a field with what it refers to, and without "or nothing"."""
    reference = one.get("$ref")
    if isinstance(reference, str) and depth < 5:
        target = known.get(reference.rpartition("/")[2])
        inner = target if isinstance(target, dict) else {}
        return {**_resolved(inner, known, depth + 1), **_without(one, "$ref")}
    options = one.get("anyOf") or one.get("allOf")
    if isinstance(options, list) and depth < 5:
        real = [o for o in options if isinstance(o, dict) and o.get("type") != "null"]
        resolved = [_resolved(o, known, depth + 1) for o in real]
        if resolved:
            # A decimal number may also be written as text, which keeps its digits.
            kinds = {str(o.get("type")) for o in resolved}
            chosen = resolved[0]
            extra: JsonObject = {"x-as-text": True} if kinds == {"number", "string"} else {}
            return {**chosen, **_without(one, "anyOf", "allOf"), **extra}
    return one


def _without(one: JsonObject, *names: str) -> JsonObject:
    return {key: value for key, value in one.items() if key not in names}


def _field(name: str, one: JsonObject, required: bool, sensitive: bool) -> Field:
    described = one.get("description")
    choices = one.get("enum")
    shape = _shape(one)
    inner = one.get("items")
    return Field(
        name=name,
        label=safe(_label(name, _text(one.get("title"))), limit=60),
        shape=shape,
        required=required,
        sensitive=sensitive,
        help=safe(" ".join(filter(None, (_text(described), _limits(one)))), limit=300),
        default=None if sensitive else one.get("default"),
        choices=tuple(choices) if isinstance(choices, list) else (),
        items=_shape(inner) if isinstance(inner, dict) else Shape.TEXT,
        as_text=one.get("x-as-text") is True,
    )


def _label(name: str, title: str) -> str:
    """The tool's own title; one that was only made from the name reads as everywhere else."""
    made = title.casefold() == name.replace("_", " ").casefold()
    return humanise(name) if made or not title.strip() else title


def _shape(one: JsonObject) -> Shape:
    if isinstance(one.get("enum"), list):
        return Shape.CHOICE
    match one.get("type"):
        case "string":
            longest = one.get("maxLength")
            is_long = isinstance(longest, int) and longest > SHORT_TEXT
            return Shape.LONG_TEXT if is_long else Shape.TEXT
        case "integer":
            return Shape.WHOLE
        case "number":
            return Shape.NUMBER
        case "boolean":
            return Shape.YES_NO
        case "array":
            inner = one.get("items")
            plain = isinstance(inner, dict) and inner.get("type") in (
                "string",
                "integer",
                "number",
            )
            return Shape.LIST if plain else Shape.JSON
    return Shape.JSON


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


_BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
)


def _limits(one: JsonObject) -> str:
    """The bounds of a number, so that nobody has to find them out by a refusal."""
    said = [
        words.format(one[name])
        for name, words in _BOUNDS
        if isinstance(one.get(name), int | float) and not isinstance(one.get(name), bool)
    ]
    return f"({', '.join(said)})" if said else ""


# What was typed


def typed_value(field: Field, value: JsonValue) -> str:
    """A stored value as it stands in its field; a secret is never put back."""
    if value is None or field.sensitive:
        return ""
    match field.shape:
        case Shape.YES_NO:
            return "yes" if value is True else "no"
        case Shape.LIST if isinstance(value, list):
            return ", ".join(str(one) for one in value)
        case Shape.JSON:
            return json.dumps(value, ensure_ascii=False)
        case Shape.CHOICE:
            return str(value) if value in field.choices else ""
    return str(value)


def options(field: Field) -> tuple[str, ...]:
    """What can be chosen in a field that is not typed."""
    if field.shape is Shape.YES_NO:
        return ("yes", "no")
    return tuple(str(one) for one in field.choices)


def given(fields: Sequence[Field], typed: Mapping[str, str]) -> JsonObject:
    """The input that was typed. An empty field is left out: the model knows its default.

    Raises:
        Invalid: ``form_invalid``; its facts name each field that is no value of its kind.
    """
    found: JsonObject = {}
    wrong: dict[str, JsonValue] = {}
    for field in fields:
        text = typed.get(field.name, "")
        if not text.strip():
            continue
        try:
            found[field.name] = _value(field, text)
        except ValueError as error:
            wrong[field.name] = [str(error)]
    if wrong:
        raise Invalid("form_invalid", "Some fields are not filled in as they should be.", **wrong)
    return found


def _value(field: Field, text: str) -> JsonValue:
    match field.shape:
        case Shape.LONG_TEXT | Shape.TEXT:
            return text
        case Shape.YES_NO:
            return text.strip().casefold() == "yes"
        case Shape.CHOICE:
            return next((one for one in field.choices if str(one) == text.strip()), text)
        case Shape.LIST:
            return [_scalar(field.items, part) for part in text.split(",") if part.strip()]
        case Shape.JSON:
            return _json(text)
    return _scalar(field.shape, text, as_text=field.as_text)


def _scalar(shape: Shape, text: str, *, as_text: bool = False) -> JsonValue:
    plain = text.strip()
    if shape is Shape.WHOLE:
        return _whole(plain)
    if shape is not Shape.NUMBER:
        return plain
    try:
        number = Decimal(plain)
    except InvalidOperation as error:
        raise ValueError("This is no number; write it like 12.50.") from error
    if not number.is_finite():
        raise ValueError("This is no number; write it like 12.50.")
    # Digits are money: 82.00 stays 82.00 where the model lets it.
    return plain if as_text else float(number)


def _whole(plain: str) -> int:
    try:
        return int(plain)
    except ValueError as error:
        raise ValueError("This is no whole number.") from error


def _json(text: str) -> JsonValue:
    try:
        found: JsonValue = json.loads(text)
    except ValueError as error:
        raise ValueError('This is no JSON; write it like {"name": "value"}.') from error
    return found
