"""The audit screen: the whole trail, searched by the server, exact about what there is more of."""

from __future__ import annotations

import pytest

from cairnloop_tui.audit.screen import AuditScreen
from tests.console.driving import NARROW, Console, open_console
from tests.engine.governance.desk import NOAH, Desk
from tests.fakes import FixedClock

HOSTILE = "first\nsecond \x1b[2J [/b] [@click=app.quit]x[/]"


def _screen(console: Console) -> AuditScreen:
    assert isinstance(console.app.screen, AuditScreen)
    return console.app.screen


async def _open(console: Console) -> AuditScreen:
    await console.press("g", "a")
    await console.until(lambda: isinstance(console.app.screen, AuditScreen))
    return _screen(console)


@pytest.mark.requirement("05-ui:89")
@pytest.mark.requirement("05-ui:95")
@pytest.mark.requirement("02-governance:131")
@pytest.mark.requirement("02-governance:133")
async def test_events_read_in_words_with_who_did_what_where_and_why(
    acts: Desk, clock: FixedClock
) -> None:
    conversation_id = await acts.conversation()
    made = await acts.propose("credit", conversation_id=conversation_id)
    await acts.engine.governance.reject(NOAH, made.proposal_id, reason="Wrong order.")

    async with open_console(acts.engine, clock, size=NARROW) as console:
        await _open(console)
        await console.shows("Time", "Actor", "Action", "Conv.", "Reason")
        await console.shows("noah", "Rejected", "#1", "Wrong order.")
        frame = console.frame()
        assert "governance." not in frame
        assert "{" not in frame
        await console.press("enter")
        await console.shows("Event", "Rejected", "noah (Operator)", "About         Action 1", "UTC")
        await console.press("escape", "y")
        assert "Copied" in console.status()
        console.proved("go.audit", "enter", "oversight.copy")


@pytest.mark.requirement("02-governance:131")
async def test_an_empty_trail_is_calm(acts: Desk, clock: FixedClock) -> None:
    async with open_console(acts.engine, clock, workspace="elsewhere") as console:
        await _open(console)
        await console.shows("No audit events found.", "Every change appears here by itself.")


@pytest.mark.requirement("05-ui:90")
@pytest.mark.requirement("05-ui:91")
@pytest.mark.requirement("02-governance:132")
@pytest.mark.requirement("02-governance:138")
async def test_the_server_searches_and_filters_the_whole_trail(
    acts: Desk, clock: FixedClock
) -> None:
    conversation_id = await acts.conversation()
    made = await acts.propose("credit", conversation_id=conversation_id)
    await acts.engine.governance.reject(NOAH, made.proposal_id, reason="Wrong ORDER.")
    for number in range(60):
        await acts.engine.conversations.note(acts.caller, conversation_id, f"Note {number}")

    async with open_console(acts.engine, clock, size=NARROW) as console:
        screen = await _open(console)
        await console.press("slash")
        await console.type("wrong order\n")
        await console.shows("only  “wrong order”", "1 event", "Rejected")
        assert "Note added" not in console.frame()
        await console.press("escape")
        await console.shows("Note added")
        await console.press("f", "a")
        rows = console.app.screen.query_one("#rows")
        assert rows.move_to_key("governance.proposed")  # type: ignore[attr-defined]
        await console.press("enter")
        await console.shows("only  “Action proposed”")
        # Choosing one action does not take the others away from the list.
        await console.press("f", "a")
        await console.shows("All actions", "Approval requested")
        await console.press("escape", "escape")
        assert screen.wanted.action is None
        console.proved("audit.search", "audit.by_action")


@pytest.mark.requirement("05-ui:92")
@pytest.mark.requirement("02-governance:134")
async def test_more_is_offered_exactly_when_there_is_more(acts: Desk, clock: FixedClock) -> None:
    conversation_id = await acts.conversation()
    for number in range(50):
        await acts.engine.conversations.note(acts.caller, conversation_id, f"Note {number}")

    async with open_console(acts.engine, clock, size=NARROW) as console:
        screen = await _open(console)
        assert len(screen.rows.rows) == 51
        await console.press("G")
        await console.shows("Load more")
        await console.press("enter")
        await console.shows_no("Load more")
        assert len(screen.rows.rows) == 51
        assert screen.current() is not None


@pytest.mark.requirement("05-ui:94")
@pytest.mark.requirement("02-governance:121")
@pytest.mark.requirement("02-governance:136")
async def test_everything_about_one_thing_and_the_way_to_its_conversation(
    acts: Desk, clock: FixedClock
) -> None:
    conversation_id = await acts.conversation()
    await acts.propose("credit", conversation_id=conversation_id)
    await acts.propose("charge", {"order": "C-1", "amount": "1.00"})

    async with open_console(acts.engine, clock) as console:
        screen = await _open(console)
        await console.press("o")
        assert "belongs to no conversation" in console.status()
        await console.press("j", "j", "A")
        await console.shows("only  action 1")
        assert len(screen.rows.rows) == 2
        await console.press("o")
        await console.until(lambda: console.conversation.row is not None)
        assert console.conversation.conversation_id == conversation_id
        await console.press("A")
        await console.shows("only  conversation #1", "Message received")
        console.proved("audit.thread", "audit.focused")


async def test_one_event_stays_one_line_whatever_it_holds(acts: Desk, clock: FixedClock) -> None:
    made = await acts.propose("credit")
    await acts.engine.governance.reject(NOAH, made.proposal_id, reason=HOSTILE)

    async with open_console(acts.engine, clock, size=(140, 30)) as console:
        screen = await _open(console)
        await console.shows("[@click=app.quit]x[/]")
        assert "\x1b" not in console.frame()
        lines = [line for line in console.frame().split("\n") if "noah" in line or "maya" in line]
        assert len(lines) - 1 == len(screen.rows.rows)
        await console.press("enter")
        await console.shows("[@click=app.quit]x[/]")


async def test_new_events_appear_by_themselves_under_a_cursor_that_stays(
    acts: Desk, clock: FixedClock
) -> None:
    await acts.propose("credit")

    async with open_console(acts.engine, clock) as console:
        screen = await _open(console)
        await console.press("j")
        held = screen.current()
        assert held is not None
        await acts.propose("charge", {"order": "C-1", "amount": "1.00"})
        await console.until(lambda: len(screen.rows.rows) == 4)
        assert screen.current() == held


async def test_a_trail_that_cannot_be_read_says_so(acts: Desk, clock: FixedClock) -> None:
    async with open_console(acts.engine, clock) as console:
        await acts.sql("ALTER TABLE cairnloop.audit_events RENAME TO hidden")
        await _open(console)
        await console.shows("The trail could not be read. Ctrl+R tries again.")
        await acts.sql("ALTER TABLE cairnloop.hidden RENAME TO audit_events")
        await console.press("ctrl+r")
        await console.shows("No audit events found.")
