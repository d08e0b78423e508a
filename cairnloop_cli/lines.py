"""Lines of JSON with a customer's message each; a bad line is a finding, never the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cairnloop_cli.parameters import LARGEST_ID, MOST_BYTES

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(BaseModel):
    """One message: who writes what, and where it belongs."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    customer: str
    text: str
    subject: str | None = None
    conversation: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a line is none; never quotes it."""

    code: str
    message: str


Numbered = tuple[int, Line | Mistake]


class Splitter:
    """Cuts bytes, as they come, into numbered lines; empty ones count but are left out."""

    def __init__(self, longest: int = MOST_BYTES) -> None:
        self._longest = longest
        self._begun = bytearray()
        self._too_long = False
        self._number = 0

    def feed(self, chunk: bytes) -> Iterator[Numbered]:
        """The lines that end in this chunk."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._hold(part)
            yield from self._end_line()
        self._hold(rest)

    def end(self) -> Iterator[Numbered]:
        """The last line, when nothing ends it."""
        if self._begun or self._too_long:
            yield from self._end_line()

    def _hold(self, part: bytes) -> None:
        if self._too_long or len(self._begun) + len(part) > self._longest:
            self._begun, self._too_long = bytearray(), True
        else:
            self._begun += part

    def _end_line(self) -> Iterator[Numbered]:
        raw, too_long = bytes(self._begun), self._too_long
        self._begun, self._too_long = bytearray(), False
        self._number += 1
        if self._number == 1:
            raw = raw.removeprefix(BYTE_ORDER_MARK)
        if too_long:
            most = f"A line has at most {self._longest:,} bytes."
            yield self._number, Mistake("line_too_long", most)
        elif raw.strip():
            yield self._number, _line(raw)


def _line(raw: bytes) -> Line | Mistake:
    try:
        raw.decode("utf-8")
        return Line.model_validate_json(raw)
    except UnicodeDecodeError:
        return Mistake("line_not_utf8", "The line is not UTF-8 text.")
    except ValidationError as error:
        return _explained(error)


def _explained(error: ValidationError) -> Mistake:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return Mistake("line_not_json", "The line is not valid JSON.")
    if not first["loc"]:
        return Mistake("line_invalid", "The line is not a JSON object.")
    if first["type"] == "extra_forbidden":
        known = ", ".join(Line.model_fields)
        return Mistake("line_invalid", f"The line holds a key that is not one of {known}.")
    field = str(first["loc"][0])
    return Mistake("line_invalid", f"`{field}` is missing or not valid: {first['msg']}.")
