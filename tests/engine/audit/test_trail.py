"""Reading the trail: pages, filters, search, and words for everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cairnloop_engine import Caller
from cairnloop_engine.audit import labels
from cairnloop_engine.audit.model import AuditFilter
from tests import builders
from tests.engine.audit.vault import MAYA, Vault
from tests.fakes import FixedClock
from tools.reference.code import modules
from tools.reference.events import audit_actions

ODD = (None, "", "  ", "\u200b", 0, 3.5, True, [], {}, ["x"], {"a": 1}, object(), b"bytes")


async def found(vault: Vault, **wanted: object) -> list[int]:
    page = await vault.engine.audit.events(MAYA, filter=AuditFilter(**wanted))  # type: ignore[arg-type]
    return [event.id for event in page.items]


@pytest.mark.requirement("02-governance:130")
async def test_an_event_carries_its_conversation_and_its_subject(vault: Vault) -> None:
    await vault.record(subject=("action", 7), conversation_id=4)
    await vault.record(subject=("action", 8))

    newest, oldest = (await vault.engine.audit.events(MAYA)).items

    assert (oldest.subject_kind, oldest.subject_id, oldest.conversation_id) == ("action", 7, 4)
    assert (newest.subject_id, newest.conversation_id) == (8, None)


@pytest.mark.requirement("02-governance:131")
async def test_a_row_reads_without_raw_names(vault: Vault) -> None:
    await vault.record(
        action="governance.approval_requested",
        personal={"reason": "Late again"},
        risk_tier="high_write",
        attempts=2,
        live=True,
        until=None,
        nested={"a": [1]},
    )

    [event] = (await vault.engine.audit.events(MAYA)).items

    assert (event.label, event.actor_label, event.reason) == (
        "Approval requested",
        "maya",
        "Late again",
    )
    assert event.details == (
        ("Attempts", "2"),
        ("Live", "Yes"),
        ("Nested", "(structured value)"),
        ("Reason", "Late again"),
        ("Risk tier", "high_write"),
        ("Until", "—"),
    )


async def test_an_empty_trail_is_an_empty_page(vault: Vault) -> None:
    page = await vault.engine.audit.events(MAYA)

    assert (page.items, page.next) == ((), None)


@pytest.mark.requirement("02-governance:132")
async def test_action_filter_takes_the_label_or_the_name(vault: Vault) -> None:
    await vault.record(action="governance.approved")
    await vault.record(action="governance.rejected")
    options = {option.label: option.value for option in vault.engine.audit.actions()}

    assert options["Approved"] == "governance.approved"
    for word in ("Approved", " approved ", "governance.approved"):
        assert await found(vault, action=word) == [1]
    assert await found(vault, action="nothing") == []


@pytest.mark.requirement("02-governance:133")
async def test_governed_and_other_events_stand_in_one_trail_with_reason_and_facts(
    vault: Vault,
) -> None:
    conversation_id = await builders.answered_conversation(vault.engine)
    await vault.record(conversation_id=conversation_id, personal={"reason": "ok"}, amount=82)

    page = await vault.engine.audit.events(
        MAYA, filter=AuditFilter(conversation_id=conversation_id)
    )

    assert [event.label for event in page.items] == [
        "Approved",
        "Reply sent",
        "Reply written",
        "Message received",
    ]
    assert (page.items[0].reason, page.items[0].facts) == ("ok", {"amount": 82})


@pytest.mark.requirement("02-governance:134")
async def test_fifty_one_events_are_two_pages_and_no_third(vault: Vault) -> None:
    for number in range(51):
        await vault.record(subject=("action", number))

    first = await vault.engine.audit.events(MAYA)
    second = await vault.engine.audit.events(MAYA, cursor=first.next)

    assert [event.id for event in first.items] == list(range(51, 1, -1))
    assert ([event.id for event in second.items], second.next) == ([1], None)


async def test_events_that_arrive_meanwhile_do_not_move_the_pages(vault: Vault) -> None:
    for number in range(4):
        await vault.record(subject=("action", number))
    first = await vault.engine.audit.events(MAYA, limit=2)
    await vault.record()

    second = await vault.engine.audit.events(MAYA, limit=2, cursor=first.next)

    assert [event.id for event in second.items] == [2, 1]


@pytest.mark.requirement("02-governance:135")
async def test_one_action_can_be_followed_alone(vault: Vault) -> None:
    for number in (7, 8, 7):
        await vault.record(subject=("action", number))
    await vault.record(action="drafting.approved", subject=("draft", 7))

    assert await found(vault, subject=("action", 7)) == [3, 1]
    assert await found(vault, subject_kind="draft") == [4]
    assert await found(vault, subject=("action", 0)) == []


async def test_filters_narrow_by_actor_and_time_and_together(
    vault: Vault, clock: FixedClock
) -> None:
    await vault.record(by=Caller.operator("noor"))
    clock.advance(timedelta(minutes=1))
    await vault.record()
    moment = clock.now()
    clock.advance(timedelta(minutes=1))
    await vault.record(by=Caller.operator("noor"))

    assert await found(vault, actor="noor") == [3, 1]
    assert await found(vault, since=moment) == [3, 2]
    assert await found(vault, until=moment) == [1]
    assert await found(vault, actor="noor", since=moment) == [3]


@pytest.mark.requirement("02-governance:136")
@pytest.mark.parametrize(
    ("stored", "shown"), [(4, 4), (0, None), (-4, None), (None, None), (True, None), ("4", None)]
)
def test_only_a_positive_conversation_can_be_opened(stored: object, shown: int | None) -> None:
    assert labels.conversation_number(stored) == shown


@pytest.mark.requirement("02-governance:137")
@pytest.mark.parametrize(
    "odd", ODD, ids=[type(one).__name__ + str(number) for number, one in enumerate(ODD)]
)
def test_every_label_has_words_for_odd_input(odd: object) -> None:
    assert labels.action_label(odd) == "Unknown action"
    assert labels.actor_label(odd) == "System"
    assert labels.time_label(odd) == "—"
    assert labels.reason_label(odd) == "—"
    if not isinstance(odd, dict):
        assert labels.detail_rows(odd) == ()


@pytest.mark.requirement("02-governance:137")
def test_labels_of_ordinary_input_read_as_people_write() -> None:
    there = timezone(timedelta(hours=2))
    assert labels.action_label("governance.execution_succeeded") == "Executed"
    assert labels.action_label("plugin.some_thing") == "Some thing"
    assert "\x1b" not in labels.actor_label("maya\x1b[31m")
    assert labels.actor_label(None, erased=True) == "Erased"
    assert labels.time_label(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04:05 UTC"
    assert labels.time_label(datetime(2026, 1, 2, 3, 4, tzinfo=there)) == "2026-01-02 01:04:00 UTC"
    assert labels.detail_rows({"b": False, "a": None, "c": {"x": 1}, "d": " ", "e": 1.5}) == (
        ("A", "—"),
        ("B", "No"),
        ("C", "(structured value)"),
        ("D", "—"),
        ("E", "1.5"),
    )


@pytest.mark.requirement("02-governance:138")
async def test_search_looks_into_action_actor_reason_and_facts(vault: Vault) -> None:
    await vault.record(
        by=Caller.operator("Noor"),
        action="governance.approval_requested",
        personal={"reason": "The parcel is 100% late"},
        tool_ref="refund_order",
        amount=8250,
    )
    await vault.record(action="drafting.edited", subject=("draft", 3))

    matching = ("APPROVAL req", "noor", "PARCEL", "100%", "tool ref", "tool_ref", "Refund", "8250")
    for word in matching:
        assert await found(vault, text=word) == [1], word
    for word in ("unrelated", "10%%", "1_0%", '"', "{"):
        assert await found(vault, text=word) == [], word
    for blank in (None, "", "   "):
        assert await found(vault, text=blank) == [2, 1]


async def test_a_wildcard_in_a_search_is_a_character_like_any_other(vault: Vault) -> None:
    await vault.record(personal={"reason": "a%b"})
    await vault.record(personal={"reason": "axb"})
    await vault.record(personal={"reason": "a\\b"})

    assert await found(vault, text="a%b") == [1]
    assert await found(vault, text="a\\b") == [3]


async def test_search_pages_as_the_list_does(vault: Vault) -> None:
    for number in range(5):
        await vault.record(personal={"reason": "late" if number % 2 == 0 else "early"})

    first = await vault.engine.audit.events(MAYA, filter=AuditFilter(text="late"), limit=2)
    second = await vault.engine.audit.events(
        MAYA, filter=AuditFilter(text="late"), limit=2, cursor=first.next
    )

    assert [[event.id for event in page.items] for page in (first, second)] == [[5, 3], [1]]


async def test_nobody_sees_the_trail_of_another_workspace(vault: Vault) -> None:
    await vault.record(by=Caller.operator("noor", "other"), personal={"reason": "late"})

    assert await found(vault) == await found(vault, text="late") == []
    assert [one async for one in vault.engine.audit.export(MAYA)] == []


def test_every_action_that_is_recorded_has_a_label() -> None:
    recorded = set(audit_actions(modules("cairnloop_engine")))

    assert recorded - set(labels.KNOWN) == set()


@pytest.mark.requirement("02-governance:137")
def test_the_labels_of_the_specification_are_the_ones_that_are_shown() -> None:
    wanted = (
        "Action proposed",
        "Action blocked",
        "Approval requested",
        "Approved",
        "Rejected",
        "Deferred",
        "Expired",
        "Invalidated",
        "Re-validation passed",
        "Re-validation failed",
        "Execution started",
        "Executed",
        "Execution attempt failed",
        "Execution failed",
    )

    assert set(wanted) <= set(labels.KNOWN.values())
    assert len(set(labels.KNOWN.values())) == len(labels.KNOWN)
