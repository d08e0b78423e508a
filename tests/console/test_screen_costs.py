"""What a reload of each screen asks of the database: a handful of statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine as SyncEngine
from sqlalchemy import event

from tests.console.driving import MEDIUM, open_console
from tests.engine.governance.desk import Desk
from tests.fakes import FixedClock

# Which keys lead to the screen, and how many statements its reload may cost: one read is at most
# six, and a screen with a list and a card beside it makes two reads.
SCREENS = {
    "home": ((), 6),
    "actions": (("enter",), 6 + 6),
    "action": (("enter", "enter"), 6),
    "audit": (("g", "a"), 6),
    "jobs": (("g", "j"), 6),
    "knowledge": (("g", "k"), 6),
    "article": (("g", "k", "enter"), 6),
    "editor": (("g", "k", "e"), 6),
}


@pytest.mark.parametrize("name", SCREENS)
async def test_a_reload_costs_few_statements(acts: Desk, clock: FixedClock, name: str) -> None:
    keys, most = SCREENS[name]
    for number in range(12):
        await acts.propose("credit", {"order": f"A-{number}", "amount": "1.00"})
        made = await acts.engine.knowledge.create(acts.caller, f"Article {number}", "Words.")
        await acts.engine.knowledge.publish(acts.caller, made.article_id)

    async with open_console(acts.engine, clock, size=MEDIUM) as console:
        await console.press(*keys)
        with reads(acts.engine.db.engine.sync_engine) as seen:
            await console.press("ctrl+r")

    assert 0 < len(seen) <= most, seen


@contextmanager
def reads(engine: SyncEngine) -> Iterator[list[str]]:
    """The reading statements that are sent meanwhile."""
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        opens = "set_config" in statement
        if statement.lstrip().upper().startswith(("SELECT", "WITH")) and not opens:
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
