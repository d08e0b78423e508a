"""Personal values can be forgotten: the trail still holds, and the erasure is on record."""

from __future__ import annotations

import pytest

from cairnloop_engine import Caller
from cairnloop_engine.audit import service
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.database import Work
from tests.engine.audit.vault import MAYA, Vault

ACME = Caller.customer("mailto:ada@acme.example")


async def forget(vault: Vault, *event_ids: int, names: set[str] | None = None) -> int:
    async with vault.engine.db.work(MAYA) as work:
        return await service.forget(work, event_ids, names=names)


async def test_a_forgotten_value_leaves_the_chain_whole(vault: Vault) -> None:
    await vault.record(by=ACME, personal={"reason": "I am Ada", "note": "call 555-0100"})
    await vault.sealed_so_far()

    assert await forget(vault, 1) == 1
    await vault.sealed_so_far()

    found = await vault.verify()
    assert (found.ok, found.forgotten, found.sealed) == (True, 1, 2)
    [(text,)] = vault.rows("SELECT to_jsonb(e)::text FROM cairnloop.audit_events e WHERE id = 1")
    # No word of these could be part of a digest.
    assert not [word for word in ("mailto", "acme", "Ada", "call") if word in text]


async def test_only_the_named_values_are_forgotten(vault: Vault) -> None:
    await vault.record(personal={"reason": "late", "note": "call 555-0100"})
    await vault.sealed_so_far()

    await forget(vault, 1, names={"note"})

    [event] = (
        await vault.engine.audit.events(MAYA, filter=AuditFilter(subject_kind="action"))
    ).items
    assert (event.actor, event.reason, event.personal) == ("maya", "late", {"reason": "late"})
    assert event.forgotten == ("note",)
    assert await vault.first_bad() is None


async def test_what_is_forgotten_before_it_is_sealed_is_sealed_without_it(vault: Vault) -> None:
    await vault.record(by=ACME)

    await forget(vault, 1)
    await vault.sealed_so_far()

    assert await vault.first_bad() is None


async def test_the_erasure_says_who_dropped_what_and_not_what_it_was(vault: Vault) -> None:
    await vault.record(by=ACME, personal={"reason": "I am Ada"})
    await vault.record(by=ACME)
    await vault.record(personal={"reason": "hers"})

    assert await forget(vault, 1, 2, names={"actor"}) == 2

    [event] = (
        await vault.engine.audit.events(MAYA, filter=AuditFilter(action="audit.forgotten"))
    ).items
    assert (event.actor, event.subject_kind, event.subject_id) == ("maya", "audit_event", 1)
    assert event.facts == {"events": [1, 2], "fields": ["actor"]}


async def test_many_events_are_forgotten_in_records_of_bounded_size(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_FORGOTTEN_AT_ONCE", 3)
    for _ in range(7):
        await vault.record(by=ACME)

    assert await forget(vault, *range(1, 8)) == 7
    await vault.sealed_so_far()

    found = await vault.verify()
    assert (found.ok, found.forgotten, found.sealed) == (True, 7, 10)


async def test_forgetting_again_changes_and_records_nothing(vault: Vault) -> None:
    await vault.record(by=ACME)
    await forget(vault, 1)

    assert await forget(vault, 1) == 0

    assert len(vault.rows("SELECT FROM cairnloop.audit_events")) == 2


async def test_nobody_forgets_in_another_workspace(vault: Vault) -> None:
    await vault.record(by=Caller.customer("ada", "other"))

    assert await forget(vault, 1) == 0

    assert vault.rows("SELECT actor_id FROM cairnloop.audit_events") == [("ada",)]


async def test_an_erasure_on_record_for_one_value_does_not_cover_another(vault: Vault) -> None:
    await vault.record(by=ACME, personal={"reason": "I am Ada"})
    await vault.sealed_so_far()
    await forget(vault, 1, names={"reason"})

    vault.tamper(
        "UPDATE cairnloop.audit_events SET actor_id = NULL, salts = salts - 'actor' WHERE id = 1"
    )

    assert await vault.first_bad() == (1, "changed")


@pytest.mark.parametrize("facts", ["{}", '{"events": 1}', '{"events": ["1"], "fields": ["actor"]}'])
async def test_a_record_of_an_erasure_that_makes_no_sense_covers_nothing(
    vault: Vault, facts: str
) -> None:
    await vault.record(by=ACME)
    await vault.sealed_so_far()
    await vault.record(action="audit.forgotten", subject=("audit_event", 1))

    vault.tamper(
        f"UPDATE cairnloop.audit_events SET facts = '{facts}' WHERE id = 2",
        "UPDATE cairnloop.audit_events SET actor_id = NULL, salts = '{}' WHERE id = 1",
    )

    assert await vault.first_bad() == (1, "changed")


async def test_the_actor_of_an_event_cannot_be_given_as_a_personal_value(vault: Vault) -> None:
    async def record(work: Work) -> None:
        await service.record(
            work, "governance.approved", subject=("action", 1), personal={"actor": "noor"}
        )

    with pytest.raises(ValueError, match="actor"):
        await vault.engine.db.retrying(MAYA, record)


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        'quotes " and \\ and \n and \x01 and \x7f',
        "\x00 and \ud800",
        "Ünïcode 🪨 \u202e",
        1e22,
        1e300,
        -0.0,
        1.5,
        1e-7,
        10**40,
        True,
        ["a", {"b": [1.0, None]}],
        {"z": 1, "a": {"ü": "ß"}},
    ],
)
async def test_any_value_comes_back_from_the_database_as_it_was_sealed(
    vault: Vault, value: object
) -> None:
    await vault.record(personal={"reason": value})  # type: ignore[dict-item]
    await vault.sealed_so_far()

    assert await vault.first_bad() is None
