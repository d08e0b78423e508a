"""Proposing and amending: the form is the tool's own input model, the screen knows the thread."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import pytest
from pydantic import Field

from cairnloop_engine import Done, RiskTier, Run, Settings, Tool, ToolInput, Verdict
from cairnloop_engine.governance.model import ApprovalStatus
from cairnloop_engine.governance.tools import ALLOWED, Asker
from cairnloop_tui.forms.screen import ToolForm
from tests.console.driving import MEDIUM, NARROW, Console, open_console
from tests.engine.governance.desk import Desk
from tests.fakes import FixedClock


class Speed(StrEnum):
    SLOW = "slow"
    FAST = "fast"


class ShipInput(ToolInput):
    order: str = Field(min_length=3, max_length=40, description="As on the invoice.")
    boxes: int = Field(ge=1, le=9)
    weight: Decimal = Field(gt=0)
    speed: Speed
    insured: bool
    tags: list[str] = Field(default_factory=list)
    note: str | None = Field(None, max_length=2_000)
    api_key: str | None = None


class Ship(Tool[ShipInput]):
    """Has a field of every kind."""

    name = "ship"
    title = "Ship an order"
    description = "Sends boxes."
    risk_tier = RiskTier.LOW_WRITE
    Input = ShipInput

    def authorize(self, given: ShipInput, asker: Asker) -> Verdict:
        return ALLOWED

    async def run(self, given: ShipInput, run: Run) -> Done:
        return Done("Shipped.")


async def _form(console: Console, tool: str) -> ToolForm:
    """From the first conversation to the form of a tool."""
    await console.press("g", "i", "enter", "t")
    await console.shows("Propose")
    rows = console.app.screen.query_one("#rows")
    assert rows.move_to_key(tool)  # type: ignore[attr-defined]
    await console.press("enter")
    await console.until(lambda: isinstance(console.app.screen, ToolForm))
    assert isinstance(console.app.screen, ToolForm)
    return console.app.screen


@pytest.mark.requirement("02-governance:123")
@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_a_refund_is_proposed_from_its_thread_by_keys_alone(
    acts: Desk, clock: FixedClock, size: tuple[int, int]
) -> None:
    conversation_id = await acts.conversation()

    async with open_console(acts.engine, clock, size=size) as console:
        await _form(console, "refund")
        await console.shows("Refund an order", "✗ High write", "Order * required")
        await console.shows("Amount * required", "(more than 0.0)", "Card token optional, hidden")
        await console.type("A-17\n82.00\nsecret-4711")
        assert "secret-4711" not in console.frame()
        await console.press("ctrl+s")
        await console.shows("Propose “Refund an order”?", "A-17", "82.00", "••••••", "Where is my")
        await console.press("enter")
        await console.shows("Proposed — pending review (#1)")
        await console.press("u")
        assert "stays in the trail" in console.status()
        console.proved("action.propose", "dialog.submit")

    page = await acts.engine.governance.actions(acts.caller)
    assert [(row.conversation_id, row.approval_status) for row in page.items] == [
        (conversation_id, ApprovalStatus.PENDING)
    ]
    assert page.items[0].consequence == "Pays 82.00 back for order A-17."


@pytest.mark.requirement("02-governance:123")
async def test_what_the_engine_refuses_stands_at_its_field_and_the_rest_stays(
    acts: Desk, clock: FixedClock
) -> None:
    await acts.conversation()

    async with open_console(acts.engine, clock) as console:
        await _form(console, "credit")
        await console.type("A-17\nlots")
        await console.press("ctrl+s")
        await console.shows("This is no number; write it like 12.50.")
        await console.press(*["backspace"] * 4)
        await console.type("-3")
        await console.press("ctrl+s", "enter")
        await console.shows("greater than 0", "A-17")
        await console.press(*["backspace"] * 2)
        await console.press("ctrl+s", "enter")
        await console.shows("✗ Field required")
        await console.type("6000")
        await console.press("ctrl+s", "enter")
        assert "That is too much." in console.status()
        await console.press("escape")

    page = await acts.engine.governance.actions(acts.caller, status="blocked")
    assert {row.status.value for row in page.items} == {"needs_input", "policy_denied"}


async def test_every_kind_of_field_becomes_a_value_of_its_kind(
    settings: Settings, clock: FixedClock, acts: Desk
) -> None:
    await acts.restart([Ship])
    await acts.conversation()

    async with open_console(acts.engine, clock, size=(100, 50)) as console:
        await _form(console, "ship")
        await console.shows("As on the invoice.", "(at least 1, at most 9)", "with commas")
        await console.type("A-17\n2\n1.50")
        await console.press("tab")
        await console.shows("[not chosen]")
        await console.press("space", "space", "tab", "right")
        await console.shows("[fast]", "[yes]")
        await console.press("tab")
        await console.type("red, fragile")
        await console.press("tab")
        await console.type("Two lines\nof note")
        await console.press("tab")
        await console.type("k-1")
        await console.press("ctrl+s")
        await console.shows("Ship an order", "fast", "red, fragile", "••••••")
        assert "k-1" not in console.frame()
        await console.press("enter")
        await console.shows("Proposed — pending review")

    (row,) = await acts.rows("SELECT input_snapshot FROM cairnloop.tool_proposals")
    assert row[0] == {
        "order": "A-17",
        "boxes": 2,
        "weight": "1.50",
        "speed": "fast",
        "insured": True,
        "tags": ["red", "fragile"],
        "note": "Two lines\nof note",
        "api_key": "k-1",
    }


async def test_the_note_tool_gets_its_conversation_from_the_screen(
    acts: Desk, clock: FixedClock
) -> None:
    conversation_id = await acts.conversation()

    async with open_console(acts.engine, clock, size=NARROW) as console:
        form = await _form(console, "internal_note")
        assert [box.field.name for box in form.boxes] == ["content"]
        await console.type("Called the bank.")
        await console.press("ctrl+s", "enter")
        await console.shows("Proposed — pending review")

    page = await acts.engine.governance.cards(acts.caller, conversation_id)
    assert page.items[0].raw_input == {
        "conversation_id": conversation_id,
        "content": "Called the bank.",
    }


async def test_tools_that_cannot_be_used_say_why_and_open_no_form(
    acts: Desk, clock: FixedClock
) -> None:
    await acts.conversation()
    acts.rights.held = set()

    async with open_console(acts.engine, clock) as console:
        await console.press("g", "i", "enter", "t")
        await console.shows("always blocked here", "you lack the rights it needs: billing")
        assert console.app.screen.query_one("#rows").move_to_key("refund")  # type: ignore[attr-defined]
        await console.press("enter")
        assert "you lack the rights" in console.status()
        assert not isinstance(console.app.screen, ToolForm)


async def test_the_same_wish_twice_is_met_instead_of_repeated(
    acts: Desk, clock: FixedClock
) -> None:
    conversation_id = await acts.conversation()
    await acts.propose("credit", conversation_id=conversation_id)

    async with open_console(acts.engine, clock) as console:
        await _form(console, "credit")
        await console.type("A-17\n82.00")
        await console.press("ctrl+s", "enter")
        await console.shows("Action 1 already asks for exactly this")


async def test_a_form_that_was_left_keeps_what_was_typed_but_no_secret(
    acts: Desk, clock: FixedClock
) -> None:
    await acts.conversation()

    async with open_console(acts.engine, clock) as console:
        await _form(console, "credit")
        await console.type("A-17\n82.00\nhush")
        await console.press("escape")
        assert "hush" not in str(console.app.left_typed)
        form = await _form(console, "credit")
        assert [box.typed for box in form.boxes] == ["A-17", "82.00", ""]


async def test_editing_puts_ones_own_version_in_the_place_of_the_action(
    acts: Desk, clock: FixedClock
) -> None:
    conversation_id = await acts.conversation()
    made = await acts.propose(
        "credit",
        {"order": "A-17", "amount": "820.00", "card_token": "tok-1"},
        conversation_id=conversation_id,
    )

    async with open_console(acts.engine, clock, operator="noah") as console:
        await console.press("g", "i", "enter", "tab", "e")
        await console.until(lambda: isinstance(console.app.screen, ToolForm))
        form = console.app.screen
        assert isinstance(form, ToolForm)
        assert [box.typed for box in form.boxes] == ["A-17", "820.00", ""]
        await console.press("tab")
        await console.press(*["backspace"] * 6)
        await console.type("82.00")
        await console.press("ctrl+s")
        await console.shows("Your version of action 1?", "supersedes action 1")
        await console.press("enter")
        await console.shows("Action 2 takes the place of 1", "Superseded")
        console.proved("action.amend")

    assert await acts.status(made.proposal_id) is ApprovalStatus.SUPERSEDED
    (second,) = (await acts.engine.governance.queue(acts.caller)).items
    assert (second.proposed_by, second.consequence) == (
        "noah",
        "Pays 82.00 back for order A-17.",
    )
