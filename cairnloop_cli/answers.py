"""What a command answers: one JSON document, and the same thing in lines, tables and blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairnloop_engine.core.errors import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people. The last column gives way on a narrow screen, unless it must stay ``whole``.

    Untrusted text belongs there too, so that it cannot push others out of place.
    """

    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    whole: bool = False
    empty: str = "Nothing to show."


@dataclass(frozen=True, slots=True)
class Block:
    """Text of several lines that somebody else wrote; each line stands behind a gutter."""

    text: str
    gutter: str = "│ "


Shown = str | Table | Block


@dataclass(frozen=True, slots=True)
class Answer:
    """``data`` is what ``--json`` prints; ``shown`` what people read; not ``ok`` exits 1.

    ``notes`` are narration, and go to standard error.
    """

    data: JsonObject
    shown: Sequence[Shown] = ()
    notes: Sequence[str] = ()
    ok: bool = True


def listing(
    items: Sequence[JsonObject], table: Table, *, following: str | None = None, ok: bool = True
) -> Answer:
    """A list, with the cursor of the next page when there is one."""
    values: list[JsonValue] = list(items)
    notes = [f"More follows: --cursor {following}"] if following else []
    return Answer({"items": values, "next": following}, [table], notes, ok=ok)
