"""Deciding about governed actions: exactly what was shown, once, and never by accident."""

from __future__ import annotations

from datetime import timedelta

import pytest
from textual import events

from cairnloop_engine import Caller
from cairnloop_engine.governance.model import ApprovalStatus
from cairnloop_tui.actions.openness import Part
from cairnloop_tui.dialogs.confirm import TypedConfirm
from tests.console.acting import at_cards, by_palette, unknown_action, with_action
from tests.console.driving import MEDIUM, NARROW, Ticks, open_console
from tests.engine.governance.desk import NOAH, Desk
from tests.fakes import FixedClock

AMOUNT = (
    "UPDATE cairnloop.tool_proposals SET input_snapshot ="
    " jsonb_set(input_snapshot, '{amount}', '\"820.00\"') WHERE id = :id"
)
HOSTILE = "\x1b[2Jgone [/b] [@click=app.quit]x[/]\u202e"


# Approving


@pytest.mark.requirement("05-ui:56")
@pytest.mark.requirement("02-governance:114")
@pytest.mark.requirement("02-governance:122")
@pytest.mark.requirement("02-governance:124")
@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_an_action_is_shown_in_full_approved_and_says_when_it_is_done(
    acts: Desk, clock: FixedClock, size: tuple[int, int]
) -> None:
    _, action_id = await with_action(acts)

    async with open_console(acts.engine, clock, size=size, operator="noah") as console:
        await at_cards(console)
        await console.shows("Waits for a decision", "Credit an account", "Risk: ▲ Low write")
        await console.shows("a approve", "x reject", "Z defer")
        await console.press("a")
        await console.shows("Approve action 1?", "Pays 82.00 back", "Order", "Digest", "runs it")
        assert await acts.status(action_id) is ApprovalStatus.PENDING
        await console.press("enter")
        await console.shows("Approved")
        assert await acts.status(action_id) is ApprovalStatus.APPROVED
        await acts.work()
        await console.shows("Action completed: Paid 82.00 back.", "✓ Executed")
        await console.press("a")
        assert "Executed" in console.status()
        await console.press("u")
        assert "cannot be taken back" in console.status()
        console.proved("action.approve", "undo")

    assert acts.ledger.effects[0][1] == "A-17:82.00"
    view = await acts.view(action_id)
    assert view.row.decided_by == "noah"


async def test_much_harm_asks_for_the_name_of_the_tool_typed_by_hand(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts, "refund")

    async with open_console(acts.engine, clock, size=NARROW, operator="noah") as console:
        await at_cards(console)
        await console.press("a")
        await console.shows("Approve action 1?", "About order  A-17, revision 1", "Type Refund an")
        await console.press("enter")
        assert "nothing was done" in console.status()
        console.app.screen.post_message(events.Paste("Refund an order"))
        await console.press("enter")
        assert "nothing was done" in console.status()
        await console.type("refund AN order\n")
        await console.until(lambda: not isinstance(console.app.screen, TypedConfirm))
        await console.shows("Approved")

    assert await acts.status(action_id) is ApprovalStatus.APPROVED


async def test_leaving_the_confirmation_does_nothing(acts: Desk, clock: FixedClock) -> None:
    _, action_id = await with_action(acts, "refund")

    async with open_console(acts.engine, clock, operator="noah") as console:
        await at_cards(console)
        await console.press("a", "escape")
        assert "Nothing was done" in console.status()
        assert console.conversation.armed is None

    assert await acts.status(action_id) is ApprovalStatus.PENDING


async def test_a_change_sends_the_armed_action_away_and_shows_what_is_different(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts, "refund")

    async with open_console(acts.engine, clock, operator="noah") as console:
        await at_cards(console)
        await console.press("a")
        await console.until(lambda: isinstance(console.app.screen, TypedConfirm))
        # What stands in the rows is not what was proposed any more; the engine finds out.
        await acts.sql(AMOUNT, id=action_id)
        with pytest.raises(Exception, match="not what was proposed"):
            await acts.engine.governance.approve(Caller.operator("lena"), action_id)

        await console.until(lambda: not isinstance(console.app.screen, TypedConfirm))
        await console.shows("Disarmed: action 1 changed.")
        await console.shows("Changed since it was approved", "input.amount", "was 82.00")
        await console.shows("now 820.00")
        # Without expanding anything: the difference is part of what is always visible.
        await console.press("z", "c")
        await console.shows("now 820.00")
        await console.press("a")
        await console.shows("input.amount was 82.00, now 820.00")
        console.proved("card.collapse")

    assert acts.ledger.effects == []


async def test_what_a_colleague_decided_is_not_decided_twice_and_says_who_and_when(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts)

    async with open_console(acts.engine, clock, operator="noah") as console:
        await at_cards(console)
        await console.press("a")
        await acts.engine.governance.reject(Caller.operator("lena"), action_id, reason="No.")
        await console.until(lambda: console.conversation.armed is None)
        await console.shows("is rejected by lena now")
        await console.press("a")
        at = clock.now().astimezone().strftime("%H:%M")
        assert f"lena decided at {at}" in console.status()

    assert await acts.status(action_id) is ApprovalStatus.REJECTED


async def test_keys_from_before_the_card_was_there_arm_nothing(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts)
    ticks = Ticks()

    async with open_console(acts.engine, clock, operator="noah", monotonic=ticks) as console:
        await at_cards(console)
        console.app.guard.opened()
        ticks.step = 0.01
        await console.press("a")
        assert "nothing was done" in console.status()
        assert console.conversation.armed is None

    assert await acts.status(action_id) is ApprovalStatus.PENDING


async def test_a_burst_neither_arms_nor_confirms(acts: Desk, clock: FixedClock) -> None:
    _, action_id = await with_action(acts)
    ticks = Ticks()

    async with open_console(acts.engine, clock, operator="noah", monotonic=ticks) as console:
        await at_cards(console)
        await console.press("a")
        ticks.step = 0.01
        await console.press("enter")
        assert "nothing was done" in console.status()
        await console.press("escape")
        console.press_at_once(*"a\na\na\na\na".replace("\n", "j"))
        await console.settled()
        assert console.conversation.armed is None

    assert await acts.status(action_id) is ApprovalStatus.PENDING


async def test_ones_own_risky_proposal_is_warned_about_and_refused(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts, "refund")

    async with open_console(acts.engine, clock, operator="maya") as console:
        await at_cards(console)
        await console.press("a")
        await console.shows("You proposed this yourself")
        await console.type("Refund an order\n")
        await console.shows("asks for a second person")

    assert await acts.status(action_id) is ApprovalStatus.PENDING


# Words


@pytest.mark.requirement("05-ui:53")
@pytest.mark.requirement("02-governance:115")
@pytest.mark.requirement("02-governance:116")
async def test_rejecting_needs_a_reason_in_as_many_lines_as_it_takes(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts)

    async with open_console(acts.engine, clock, size=NARROW, operator="noah") as console:
        await at_cards(console)
        await console.press("x")
        await console.shows("Reject action 1", "Why not?", "Credit an account")
        await console.type("  \n ")
        await console.press("ctrl+s")
        assert "A reason is required" in console.status()
        assert await acts.status(action_id) is ApprovalStatus.PENDING
        await console.type("Wrong order.\nAsk again.")
        await console.press("f9")
        await console.shows("Reject action 1?", "Wrong order.", "Ask again.", "rejects it for good")
        await console.press("enter")
        await console.shows("✓ Rejected", "Rejected: Wrong order.")
        assert "a approves" not in console.frame()
        await console.press("u")
        assert "stays rejected" in console.status()
        console.proved("action.reject", "dialog.submit")

    row = (await acts.view(action_id)).row
    assert row.reason == "Wrong order.\nAsk again."


async def test_a_reason_that_was_left_is_there_again(acts: Desk, clock: FixedClock) -> None:
    await with_action(acts)

    async with open_console(acts.engine, clock, operator="noah") as console:
        await at_cards(console)
        await console.press("x")
        await console.type("Because of")
        await console.press("escape", "x")
        await console.shows("Because of")


async def test_deferring_takes_a_moment_as_people_say_it(acts: Desk, clock: FixedClock) -> None:
    _, action_id = await with_action(acts)

    async with open_console(acts.engine, clock, size=NARROW, operator="noah") as console:
        await at_cards(console)
        await console.press("Z")
        await console.type("After the audit.")
        await console.press("tab")
        await console.type("whenever\n")
        assert "When is that?" in console.status()
        await console.press(*["backspace"] * len("whenever"))
        await console.type("2h\n")
        await console.shows("Until", "defers it")
        await console.press("enter")
        await console.shows("Deferred: After the audit.", "It comes back at")
        console.proved("action.defer")

    row = (await acts.view(action_id)).row
    assert row.defer_until is not None
    assert abs(row.defer_until - clock.now() - timedelta(hours=2)) < timedelta(minutes=1)


async def test_an_action_is_returned_answered_deferred_and_opened_again(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts)

    async with open_console(acts.engine, clock, operator="noah") as console:
        await at_cards(console)
        await by_palette(console, "Ask back")
        await console.type("Which order?")
        await console.press("ctrl+s", "enter")
        await console.shows("Returned with a question: Which order?")
        await by_palette(console, "Answer the question")
        await console.shows("Which order?")
        await console.type("A-17, see above.")
        await console.press("ctrl+s", "enter")
        await console.shows("Waits for a decision")
        assert await acts.status(action_id) is ApprovalStatus.PENDING
        await acts.engine.governance.defer(NOAH, action_id, reason="Later.")
        await console.shows("Deferred: Later.")
        await console.press("enter", "enter")
        await console.shows("Open the action again")
        await console.press("enter")
        await console.shows("Ask for a decision about action 1 again?")
        await console.press("enter")
        await console.shows("Waits for a decision")
        console.proved("action.ask_back", "action.answer", "action.reopen")

    assert await acts.status(action_id) is ApprovalStatus.PENDING


@pytest.mark.parametrize(
    ("command", "said", "status"),
    [
        ("Settle: it happened", "it happened", ApprovalStatus.EXECUTED),
        ("Settle: it did not", "it did not happen", ApprovalStatus.EXECUTION_FAILED),
    ],
)
async def test_an_unknown_outcome_is_settled_by_a_person_in_two_steps(
    acts: Desk, clock: FixedClock, command: str, said: str, status: ApprovalStatus
) -> None:
    action_id = await unknown_action(acts)

    async with open_console(acts.engine, clock, size=NARROW, operator="noah") as console:
        await console.shows("Unknown outcomes")
        await console.press("enter")
        await console.shows("✗ 1 unknown outcome", "✗ Unknown")
        await console.press("a")
        assert "Unknown, needs a person" in console.status()
        await console.press("enter")
        await console.shows("Unknown, needs a person", "may or may not have happened")
        # Enter lists what can be done now, and nothing else.
        await console.press("enter")
        await console.shows("Settle: it happened", "Settle: it did not happen")
        assert "Approve" not in console.frame()
        await console.press("escape")
        await by_palette(console, command)
        await console.press("ctrl+s")
        assert "A reason is required" in console.status()
        await console.type("Seen in the ledger of the bank.")
        await console.press("ctrl+s")
        await console.shows("nothing is run", "This closes the question for good")
        assert await acts.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN
        await console.press("enter")
        await console.shows(f"Settled by noah: {said}")
        if status is ApprovalStatus.EXECUTED:
            console.proved("action.settle_confirmed")
        else:
            console.proved("action.settle_failed")

    assert await acts.status(action_id) is status
    assert len(acts.ledger.calls) == 1


# Cards


@pytest.mark.requirement("05-ui:54")
@pytest.mark.requirement("02-governance:112")
@pytest.mark.requirement("02-governance:113")
async def test_blocked_attempts_stand_in_the_rail_with_what_stopped_them(
    acts: Desk, clock: FixedClock
) -> None:
    conversation_id = await acts.conversation()
    acts.rights.held = set()
    for tool, given in (
        ("refund", {"order": "A-17", "amount": "1.00"}),
        ("credit", {"order": "A-17"}),
        ("credit", {"order": "A-17", "amount": "6000"}),
    ):
        with pytest.raises(Exception, match=r"."):
            await acts.propose(tool, given, conversation_id=conversation_id)

    async with open_console(acts.engine, clock, size=(140, 60), operator="noah") as console:
        await at_cards(console)
        await console.shows("Not available here: Missing rights: billing.")
        await console.shows("Needs input:", "Blocked by policy: That is too much.")
        assert "a approves" not in console.frame()


@pytest.mark.requirement("05-ui:57")
@pytest.mark.requirement("05-ui:59")
@pytest.mark.requirement("05-ui:61")
@pytest.mark.requirement("02-governance:117")
@pytest.mark.requirement("02-governance:119")
async def test_what_was_opened_stays_open_when_something_changes(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts)

    async with open_console(acts.engine, clock, size=(140, 60), operator="noah") as console:
        await at_cards(console)
        frame = console.frame()
        assert frame.count("[-]") + frame.count("[+]") == 5
        assert "[-] Inputs & scope" in frame
        await console.press("v")
        assert "Go down to a section" in console.status()
        await console.press("j", "v")
        await console.shows("[+] Inputs & scope")
        await console.press("z", "e")
        await console.shows("[-] Inputs", "[-] History", "[-] Policy", "[+] Identifiers & trace")
        await console.press("j", "j", "j", "j", "j", "enter")
        await console.shows("[-] Identifiers & trace", "Digest", "…")
        await acts.engine.governance.approve(NOAH, action_id)
        await acts.work()
        await console.shows("Action completed", "Attempt 1: Confirmed. Paid 82.00 back.")
        await console.shows("[-] History", "Approved by noah", "[-] Identifiers & trace")
        cards = console.conversation.action_cards()
        view = console.conversation.action()
        assert view is not None
        assert cards.opened.is_open(view, Part.TRACE)
        await console.press("y")
        assert "Copied 1" in console.status()
        console.proved("card.section", "card.expand", "action.copy")


@pytest.mark.requirement("05-ui:62")
@pytest.mark.requirement("02-governance:120")
async def test_many_actions_come_in_pages_of_ten(acts: Desk, clock: FixedClock) -> None:
    conversation_id = await acts.conversation()
    for number in range(25):
        await acts.propose(
            "credit", {"order": f"A-{number}", "amount": "1.00"}, conversation_id=conversation_id
        )

    async with open_console(acts.engine, clock, operator="noah") as console:
        await at_cards(console)
        cards = console.conversation.action_cards()
        for count in (10, 20):
            assert len(cards.views) == count
            await console.press("G", "enter")
        assert len(cards.views) == 25
        await console.press("G")
        assert not cards.is_at_more
        await console.press("g", "g", "]", "]")
        assert console.conversation.action() is cards.views[2]
        await console.press("[")
        assert console.conversation.action() is cards.views[1]
        console.proved("item.next", "item.previous")


@pytest.mark.requirement("05-ui:64")
async def test_the_trail_of_a_card_is_one_key_away(acts: Desk, clock: FixedClock) -> None:
    await with_action(acts)
    await acts.propose("credit", {"order": "B-2", "amount": "2.00"})

    async with open_console(acts.engine, clock, operator="noah") as console:
        await at_cards(console)
        await console.press("A")
        await console.shows("only  action 1", "Action proposed", "Approval requested")
        assert "B-2" not in console.frame()
        await console.press("escape", "escape")
        await console.shows("Waits for a decision")
        console.proved("audit.focused")


async def test_hostile_words_stay_words_on_cards_and_in_confirmations(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts, "credit", order=HOSTILE[:38])
    await acts.sql(
        "UPDATE cairnloop.tool_proposals SET title = :title WHERE id = :id",
        title=HOSTILE,
        id=action_id,
    )

    async with open_console(acts.engine, clock, operator="noah") as console:
        await console.press("enter", "enter")
        await console.shows("[/b] [@click=app.quit]x[/]", "⟨U+202E⟩")
        await console.press("a")
        await console.shows("Approve action 1?", "[@click=app.quit]")
        assert "\x1b" not in console.frame()


@pytest.mark.requirement("02-governance:126")
@pytest.mark.requirement("02-governance:127")
async def test_without_an_operator_nothing_about_an_action_can_be_changed(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts)

    async with open_console(acts.engine, clock, operator=None) as console:
        await at_cards(console)
        await console.shows("Read-only: no operator is named", "Waits for a decision")
        assert "a approves" not in console.frame()
        assert "a approve" not in console.footer()
        for key in ("a", "x", "Z", "e", "t"):
            await console.press(key)
            assert "Read-only" in console.status()
        assert console.conversation.armed is None

    assert await acts.trail(action_id) == ["proposed", "approval_requested"]


async def test_what_expires_while_it_is_looked_at_cannot_be_approved(
    acts: Desk, clock: FixedClock
) -> None:
    _, action_id = await with_action(acts)

    async with open_console(acts.engine, clock, operator="noah") as console:
        await at_cards(console)
        await console.press("a")
        clock.advance(timedelta(hours=49))
        await console.press("enter")
        await console.shows("The time to decide about action 1 is over")

    assert await acts.status(action_id) is ApprovalStatus.EXPIRED
