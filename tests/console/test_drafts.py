"""Deciding about drafts: exactly what was shown, once, and never by accident."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual import events

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.model import Delivery, Role
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.retrieval.model import Degraded, GroundingStatus
from tests.console.conftest import Write
from tests.console.driving import NARROW, Console, Ticks, open_console
from tests.engine.drafting.builders import bundle, evidence
from tests.engine.drafting.desk import Desk
from tests.fakes import FixedClock

MAYA = Caller.operator("maya")
NOOR = Caller.operator("noor")


async def _open(console: Console) -> None:
    await console.press("g", "i", "enter")
    await console.until(lambda: console.conversation.row is not None)


async def _bodies(engine: Engine, conversation_id: ConversationId, role: Role) -> list[str]:
    thread = await engine.conversations.thread(MAYA, conversation_id)
    return [message.content for message in thread.messages if message.role is role]


async def _deliveries(engine: Engine, conversation_id: ConversationId) -> list[Delivery]:
    thread = await engine.conversations.thread(MAYA, conversation_id)
    return [message.delivery for message in thread.messages]


# Approving


async def test_approving_shows_text_recipient_and_sources_before_anything_happens(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("a")

        await console.shows("To        acme", "Rests on  [1] Rotating an API key", "Enter sends")
        assert await _deliveries(engine, draft.conversation_id) == [Delivery.RECEIVED]
        await console.press("escape")
        assert "Nothing was done" in console.status()

    assert await _deliveries(engine, draft.conversation_id) == [Delivery.RECEIVED]


async def test_the_arming_key_pressed_twice_does_not_send(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("a", "a")
        assert "Disarmed" in console.status()

    assert await _deliveries(engine, draft.conversation_id) == [Delivery.RECEIVED]


async def test_a_message_that_arrives_disarms_and_is_named(
    engine: Engine, clock: FixedClock, desk: Desk, customer_writes: Write
) -> None:
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("a")
        await console.shows("Approve and send this draft?")
        await customer_writes("Stop, I found it!", conversation_id=draft.conversation_id)

        await console.until(lambda: "the thread changed" in console.status())
        assert "Stop, I found it!" in console.frame()
        await console.shows_no("Approve and send")
        await console.press("enter")

    assert Delivery.HELD not in await _deliveries(engine, draft.conversation_id)


async def test_a_stale_draft_is_approved_only_after_a_warning(
    engine: Engine, clock: FixedClock, desk: Desk, customer_writes: Write
) -> None:
    draft = await desk.drafted()
    await customer_writes("One thing more.", conversation_id=draft.conversation_id)

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.shows("The customer wrote again")
        await console.press("a")
        await console.shows("▲ The customer wrote again after this was drafted.")
        await console.press("enter")
        await console.shows("sending in 5 s")

    assert Delivery.HELD in await _deliveries(engine, draft.conversation_id)


async def test_a_draft_that_a_colleague_decided_is_not_sent_twice(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("a")
        await engine.drafting.approve(NOOR, draft.id, hold=0)
        await console.until(lambda: console.conversation.armed is None)
        await console.press("enter")

    assert await _deliveries(engine, draft.conversation_id) == [Delivery.RECEIVED, Delivery.SENT]


async def test_keys_typed_before_the_screen_opened_arm_nothing(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    await desk.drafted()
    ticks = Ticks()

    async with open_console(engine, clock, monotonic=ticks) as console:
        await _open(console)
        console.app.guard.opened()
        ticks.step = 0.01
        await console.press("a")
        assert "Nothing" not in console.status()
        assert "nothing was done" in console.status()
        assert console.conversation.armed is None


async def test_enter_in_the_same_breath_as_arming_sends_nothing(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    draft = await desk.drafted()
    ticks = Ticks()

    async with open_console(engine, clock, monotonic=ticks) as console:
        await _open(console)
        await console.press("a")
        ticks.step = 0.02
        await console.press("enter")
        assert "nothing was done" in console.status()
        assert console.conversation.armed is not None

    assert await _deliveries(engine, draft.conversation_id) == [Delivery.RECEIVED]


async def test_a_paste_outside_text_fields_triggers_nothing(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        console.app.post_message(events.Paste("a\nR\nq"))
        await console.settled()
        assert console.conversation.armed is None

    assert await _deliveries(engine, draft.conversation_id) == [Delivery.RECEIVED]


async def test_an_escalation_cannot_be_sent_and_says_so(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    desk.ground.status = GroundingStatus.ESCALATION
    await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.shows("Escalation recommended")
        await console.press("a")
        assert "nothing to send" in console.status()


# Editing and discarding a draft


async def test_an_edited_draft_is_sent_as_edited_and_leaves_the_composer(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("e")
        await console.shows("Edit of the draft for acme")
        await console.type("Best, Maya")
        await console.press("ctrl+s")
        await console.shows("Send this edit of the draft?", "Best, Maya")
        await console.press("enter")
        await console.shows("sending in 5 s")
        assert console.conversation.composer.text == ""
        console.proved("draft.edit", "reply.send")

    (sent,) = await _bodies(engine, draft.conversation_id, Role.AGENT)
    assert sent.endswith("Best, Maya")
    assert await engine.drafting.pending_for(MAYA, draft.conversation_id) is None


async def test_the_draft_does_not_overwrite_what_was_typed_unasked(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("c")
        await console.type("My own words")
        await console.press("escape", "e")
        await console.shows("Replace what you typed by the draft?", "My own words")
        await console.press("escape")
        assert console.conversation.composer.text == "My own words"


@pytest.mark.requirement("03-retrieval-drafting:80")
async def test_discarding_names_the_draft_and_says_that_it_is_final(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("d")
        await console.shows(
            "Discard this draft?", f"{draft.id}, Grounded reply", "cannot be undone"
        )
        await console.press("enter")
        await console.until(lambda: "discarded" in console.status())
        await console.press("u")
        assert "stays discarded" in console.status()
        console.proved("draft.discard")

    assert await engine.drafting.pending_for(MAYA, draft.conversation_id) is None


async def test_the_evidence_opens_in_full(engine: Engine, clock: FixedClock, desk: Desk) -> None:
    await desk.drafted()

    async with open_console(engine, clock, size=NARROW) as console:
        await _open(console)
        await console.press("o")
        await console.shows("Evidence of draft", "Canonical guidance", "Billing is not")
        await console.shows("not calibrated", "cited by  ", "why it was found  v shows it")
        await console.press("v")
        await console.press("G")
        await console.shows("cosine: passage 0.72, title 0.71", "matched  api, key")
        await console.press("v", "G")
        await console.shows_no("cosine")
        await console.press("y")
        assert "Copied article 1" in console.status()
        await console.press("escape")
        await console.shows("Thread")
        console.proved("draft.evidence", "evidence.why", "evidence.copy")


async def test_the_evidence_leads_to_the_article_as_it_was_when_it_was_found(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    made = await engine.knowledge.create(MAYA, "Rotating an API key", "The words of then.")
    await engine.knowledge.publish(MAYA, made.article_id)
    view = await engine.knowledge.article(MAYA, made.article_id)
    await engine.knowledge.save_draft(
        MAYA, made.article_id, "The words of now.", expected_version=view.edit_version
    )
    await engine.knowledge.publish(MAYA, made.article_id)
    found = replace(evidence(article_id=made.article_id), revision_id=made.revision_id)
    desk.ground.answer = bundle(found)
    await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("o", "o")
        await console.shows("The words of then.", "This is v1 replaced", "v1 Replaced  shown")
        await console.press("escape")
        await console.shows("The words of now.", "v2 Published  shown")
        await console.press("escape", "enter")
        await console.shows("The words of then.")
        console.proved("evidence.open")


async def test_a_draft_that_was_made_without_the_model_says_why_and_what_was_missing(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    desk.ground.answer = bundle(degraded=(Degraded.EMBEDDER_UNAVAILABLE,))
    draft = await desk.drafted()
    await desk.write(
        "UPDATE cairnloop.drafts SET fallback_reason = 'http_429' WHERE id = :id", id=draft.id
    )

    async with open_console(engine, clock, size=NARROW) as console:
        await _open(console)
        await console.press("shift+tab")
        await console.shows("Made without the sentence model", "its provider limits how often")


async def test_an_edited_draft_keeps_its_own_citations_beside_new_ones(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    made = await engine.knowledge.create(MAYA, "Auditing keys", "Every key has an audit page.")
    await engine.knowledge.publish(MAYA, made.article_id)
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("e", "ctrl+f")
        await console.type("audit page")
        await console.shows("Auditing keys")
        await console.press("tab", "i")
        await console.until(lambda: "[2]" in console.conversation.composer.text)
        await console.shows("✓ [2] Auditing keys")
        await console.press("ctrl+s")
        await console.shows("Send this edit of the draft?", "[2] Auditing keys")
        await console.press("enter")
        await console.shows("rests on Rotating an API key", "rests on Auditing keys")

    thread = await engine.conversations.thread(MAYA, draft.conversation_id)
    assert [citation.title for citation in thread.messages[-1].citations] == [
        "Rotating an API key",
        "Auditing keys",
    ]


async def test_a_new_draft_can_be_asked_for_from_the_palette(
    engine: Engine, clock: FixedClock, desk: Desk, customer_writes: Write
) -> None:
    await customer_writes("Please help")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("ctrl+p")
        await console.type("new draft")
        await console.press("enter")
        await console.until(lambda: "A new draft is asked for" in console.status())
        console.proved("draft.request", "palette")
