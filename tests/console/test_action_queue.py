"""What waits for a decision anywhere: found, walked, decided together."""

from __future__ import annotations

from datetime import timedelta

from cairnloop_engine import Caller
from cairnloop_engine.governance.model import ApprovalStatus
from cairnloop_tui.actions.screen import ActionScreen
from tests.console.acting import by_palette, with_action
from tests.console.driving import NARROW, open_console
from tests.engine.governance.desk import NOAH, Desk
from tests.fakes import FixedClock


async def test_equal_actions_are_approved_together_each_bound_to_what_was_shown(
    acts: Desk, clock: FixedClock
) -> None:
    made = [
        (await acts.propose("credit", {"order": f"A-{n}", "amount": "1.00"})).proposal_id
        for n in range(3)
    ]
    await acts.propose("charge", {"order": "C-1", "amount": "2.00"})

    async with open_console(acts.engine, clock, size=NARROW, operator="noah") as console:
        await console.press("enter")
        await console.shows("4 actions wait", "Charge a card")
        await console.press("*", "a")
        assert "of one tool" in console.status()
        await console.press("U", "V", "j", "j", "V")
        await console.shows("3 marked")
        await console.press("a")
        await console.shows("Approve 3 actions?", "#1", "#2", "#3", "digest")
        # One of them is decided by somebody else in the meantime.
        await acts.engine.governance.reject(Caller.operator("lena"), made[1], reason="No.")
        await console.until(lambda: console.app.screen.armed is None)  # type: ignore[attr-defined]
        await console.press("a")
        await console.shows("Approve 2 actions?")
        await console.press("enter")
        await console.shows("Approved 2 actions")

    assert [await acts.status(one) for one in made] == [
        ApprovalStatus.APPROVED,
        ApprovalStatus.REJECTED,
        ApprovalStatus.APPROVED,
    ]


async def test_the_queue_is_walked_by_its_own_order_and_leads_to_the_thread(
    acts: Desk, clock: FixedClock
) -> None:
    await with_action(acts)
    clock.advance(timedelta(minutes=1))
    await acts.propose("credit", {"order": "B-2", "amount": "2.00"})

    async with open_console(acts.engine, clock, size=NARROW, operator="noah") as console:
        await by_palette(console, "Go to Actions")
        await console.shows("2 actions wait")
        await console.press("enter")
        await console.shows("action 1", "Pays 82.00 back for order A-17.")
        await console.press("]")
        await console.shows("action 2", "Pays 2.00 back for order B-2.")
        await console.press("o")
        assert "belongs to no conversation" in console.status()
        await console.press("]")
        assert "last of the list" in console.status()
        await console.press("[", "o")
        await console.shows("Where is my refund?")
        assert console.conversation.conversation_id == 1
        console.proved("go.actions", "action.thread", "item.next", "item.previous")


async def test_the_next_decision_may_be_an_action_or_a_conversation(
    acts: Desk, clock: FixedClock
) -> None:
    await with_action(acts)

    async with open_console(acts.engine, clock, operator="noah") as console:
        await console.press("}")
        await console.until(lambda: isinstance(console.app.screen, ActionScreen))
        await console.press("}")
        await console.until(lambda: console.conversation.row is not None)
        await console.press("}")
        await console.until(lambda: isinstance(console.app.screen, ActionScreen))
        await console.press("{")
        await console.until(lambda: console.conversation.row is not None)
        console.proved("decision.next", "decision.previous")


async def test_the_inbox_and_home_say_where_actions_wait(acts: Desk, clock: FixedClock) -> None:
    _, action_id = await with_action(acts)
    clock.advance(timedelta(minutes=1))
    await acts.engine.conversations.ingest(
        Caller.customer("other"), customer_ref="other", text="Hello?"
    )

    async with open_console(acts.engine, clock, size=NARROW, operator="noah") as console:
        await console.shows("▲ Actions to decide", "runs only after your yes")
        await console.press("g", "i")
        await console.shows("Actions 1", "Hello?", "A    #1")
        await console.press("slash")
        await console.type("has:action\n")
        await console.shows_no("Hello?")
        assert "Where is my refund?" in console.frame()
        await console.press("escape", "f", "t")
        await console.shows_no("Hello?")
        await acts.engine.governance.reject(NOAH, action_id, reason="No.")
        await console.shows("No action waits for a decision in any conversation.")
        await console.press("g", "h")
        await console.shows("no action is waiting")
        console.proved("inbox.filter", "inbox.tab_actions")


async def test_an_empty_queue_and_a_thread_without_actions_say_so_calmly(
    acts: Desk, clock: FixedClock
) -> None:
    await acts.conversation()

    async with open_console(acts.engine, clock, operator="noah") as console:
        await console.press("enter")
        await console.shows("No action waits for a decision. What is proposed appears here")
        await console.press("g", "i", "enter", "tab")
        await console.shows("No governed actions yet.")
        await console.press("a")
        assert "No action is selected" in console.status()
