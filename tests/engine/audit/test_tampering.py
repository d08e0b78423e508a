"""Whoever owns the database can change the trail, but not without being named by `verify`."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cairnloop_engine import Caller, Misconfigured
from cairnloop_engine.audit import service
from cairnloop_engine.audit.heads import FILE
from cairnloop_engine.audit.model import OutsideHead
from tests.engine.audit.vault import Vault

EVENTS = "cairnloop.audit_events"
SEALS = "cairnloop.audit_seals"
COLUMNS = (
    "workspace, occurred_at, actor_kind, actor_id, action, subject_kind, subject_id,"
    " conversation_id, facts, personal, salts, digests"
)
COPY = f"INSERT INTO {EVENTS} (id, {COLUMNS}) SELECT {{}}, {COLUMNS} FROM {EVENTS} WHERE id = 3"

# What is done, and which row is named for what.
TAMPERING = {
    "a changed action": (f"UPDATE {EVENTS} SET action = 'x' WHERE id = 4", 4, "changed"),
    "a changed moment": (
        f"UPDATE {EVENTS} SET occurred_at = occurred_at - interval '1 microsecond' WHERE id = 4",
        4,
        "changed",
    ),
    "a changed fact": (f"""UPDATE {EVENTS} SET facts = '{{"a": 1}}' WHERE id = 4""", 4, "changed"),
    "another workspace": (f"UPDATE {EVENTS} SET workspace = 'w' WHERE id = 4", 4, "changed"),
    "another conversation": (f"UPDATE {EVENTS} SET conversation_id = 9 WHERE id = 4", 4, "changed"),
    "another actor": (f"UPDATE {EVENTS} SET actor_id = 'noor' WHERE id = 4", 4, "changed"),
    "another reason": (
        f"""UPDATE {EVENTS} SET personal = '{{"reason": "no"}}' WHERE id = 4""",
        4,
        "changed",
    ),
    "an added reason": (
        f"""UPDATE {EVENTS} SET personal = personal || '{{"note": "no"}}' WHERE id = 4""",
        4,
        "changed",
    ),
    "another salt": (
        f"""UPDATE {EVENTS} SET salts = salts || '{{"reason": "00"}}' WHERE id = 4""",
        4,
        "changed",
    ),
    "another digest": (
        f"""UPDATE {EVENTS} SET digests = digests || '{{"reason": "00"}}' WHERE id = 4""",
        4,
        "changed",
    ),
    "a value gone without its salt": (
        f"UPDATE {EVENTS} SET personal = '{{}}' WHERE id = 4",
        4,
        "changed",
    ),
    "an erasure that is not on record": (
        f"UPDATE {EVENTS} SET actor_id = NULL, salts = salts - 'actor' WHERE id = 4",
        4,
        "changed",
    ),
    "a deleted row": (f"DELETE FROM {EVENTS} WHERE id = 4", 4, "deleted"),
    "the first row deleted": (f"DELETE FROM {EVENTS} WHERE id = 1", 1, "deleted"),
    "the last row deleted": (f"DELETE FROM {EVENTS} WHERE id = 9", 9, "deleted"),
    "a row before the first": (COPY.format(-5), -5, "inserted"),
    "two rows in each other's place": (
        f"UPDATE {EVENTS} SET id = -id WHERE id IN (4, 6);"
        f" UPDATE {EVENTS} SET id = CASE id WHEN -4 THEN 6 ELSE 4 END WHERE id < 0",
        4,
        "reordered",
    ),
    "a changed seal": (
        f"UPDATE {SEALS} SET row_hash = decode(repeat('00', 32), 'hex') WHERE number = 4",
        4,
        "chain",
    ),
    "a changed link": (
        f"UPDATE {SEALS} SET chain_hash = decode(repeat('00', 32), 'hex') WHERE number = 4",
        4,
        "chain",
    ),
    "a seal of another time": (
        f"UPDATE {SEALS} SET sealed_at = sealed_at + interval '1 microsecond' WHERE number = 4",
        4,
        "chain",
    ),
    "a deleted seal": (f"DELETE FROM {SEALS} WHERE number = 4", 4, "chain"),
    "a row deleted with its seal": (
        f"DELETE FROM {EVENTS} WHERE id = 4; DELETE FROM {SEALS} WHERE event_id = 4",
        5,
        "deleted",
    ),
    "a row deleted and the chain numbered again": (
        f"DELETE FROM {EVENTS} WHERE id = 4; DELETE FROM {SEALS} WHERE event_id = 4;"
        f" UPDATE {SEALS} SET number = -number WHERE number > 4;"
        f" UPDATE {SEALS} SET number = -number - 1 WHERE number < 0",
        5,
        "chain",
    ),
    "the newest rows cut off with their seals": (
        f"DELETE FROM {EVENTS} WHERE id > 6; DELETE FROM {SEALS} WHERE event_id > 6",
        9,
        "head",
    ),
    "everything but the first link taken away": (
        f"DELETE FROM {EVENTS}; DELETE FROM {SEALS} WHERE number > 0",
        9,
        "head",
    ),
    "everything taken away": (f"DELETE FROM {EVENTS}; DELETE FROM {SEALS}", 9, "head"),
    "the first link deleted": (f"DELETE FROM {SEALS} WHERE number = 0", 9, "chain"),
}


@pytest.mark.requirement("02-governance:B12")
@pytest.mark.parametrize("how", TAMPERING)
async def test_the_first_bad_row_is_named(vault: Vault, how: str) -> None:
    statements, event_id, fault = TAMPERING[how]
    await vault.sealed(9)
    assert await vault.first_bad() is None

    vault.tamper(*statements.split("; "))

    assert await vault.first_bad() == (event_id, fault)


async def test_the_earliest_of_several_bad_rows_is_the_one_that_is_named(vault: Vault) -> None:
    await vault.sealed(9)

    vault.tamper(
        f"UPDATE {EVENTS} SET action = 'x' WHERE id = 8", f"DELETE FROM {EVENTS} WHERE id = 5"
    )

    assert await vault.first_bad() == (5, "deleted")


async def test_a_row_put_into_a_gap_is_named(vault: Vault) -> None:
    await vault.sealed(3)
    with pytest.raises(ZeroDivisionError):
        async with vault.engine.db.work(Caller.system("test")) as work:
            await service.record(work, "governance.approved", subject=("action", 4))
            raise ZeroDivisionError
    for number in (5, 6):
        await vault.record(subject=("action", number))
    assert await vault.sealer.run() == 2
    assert [row[0] for row in vault.rows(f"SELECT id FROM {EVENTS} ORDER BY id")] == [1, 2, 3, 5, 6]
    assert await vault.first_bad() is None

    vault.tamper(COPY.format(4))

    assert await vault.first_bad() == (4, "inserted")


async def test_a_copy_of_another_row_counts_as_a_change(vault: Vault) -> None:
    await vault.sealed(6)

    vault.tamper(f"DELETE FROM {EVENTS} WHERE id = 5", COPY.format(5))

    assert await vault.first_bad() == (5, "changed")


async def test_an_event_that_none_of_us_wrote_is_named_before_and_after_it_is_sealed(
    vault: Vault,
) -> None:
    await vault.sealed(3)
    bare = COLUMNS.replace(", personal, salts, digests", "")
    vault.tamper(f"INSERT INTO {EVENTS} ({bare}) SELECT {bare} FROM {EVENTS} WHERE id = 3")
    assert await vault.first_bad() == (4, "inserted")

    await vault.sealed_so_far()
    assert await vault.first_bad() == (4, "inserted")


async def test_a_copy_of_an_event_at_the_end_of_the_trail_is_named(vault: Vault) -> None:
    await vault.sealed(3)
    vault.tamper(
        f"INSERT INTO {EVENTS} ({COLUMNS}, mark) SELECT {COLUMNS}, mark FROM {EVENTS} WHERE id = 2"
    )
    assert await vault.first_bad() == (4, "inserted")

    await vault.sealed_so_far()
    assert await vault.first_bad() == (4, "inserted")


async def test_a_stranger_is_named_in_a_trail_that_nobody_sealed_yet(vault: Vault) -> None:
    await vault.record()
    assert await vault.first_bad() is None

    bare = COLUMNS.replace(", personal, salts, digests", "")
    vault.tamper(f"INSERT INTO {EVENTS} ({bare}) SELECT {bare} FROM {EVENTS} WHERE id = 1")
    assert await vault.first_bad() == (2, "inserted")


async def test_rows_cut_off_stay_missing_when_new_ones_grow_over_the_cut(vault: Vault) -> None:
    await vault.sealed(9)
    vault.tamper(f"DELETE FROM {EVENTS} WHERE id > 6", f"DELETE FROM {SEALS} WHERE number > 6")

    for number in range(20):
        await vault.record(subject=("action", number))
    assert await vault.sealer.run() == 20

    found = await vault.verify()
    assert found.first_bad is not None
    assert (found.first_bad.number, found.first_bad.what.value) == (9, "head")
    assert found.outside_head is OutsideHead.DISAGREES


async def test_a_chain_begun_anew_does_not_hide_the_one_that_is_gone(vault: Vault) -> None:
    await vault.sealed(4)
    vault.tamper(f"DELETE FROM {EVENTS}", f"DELETE FROM {SEALS}")

    await vault.record()
    assert await vault.sealer.run() == 1

    assert await vault.first_bad() == (4, "head")


async def test_a_database_emptied_on_purpose_begins_a_chain_that_holds(vault: Vault) -> None:
    await vault.sealed(4)
    vault.tamper(f"DELETE FROM {EVENTS}", f"DELETE FROM {SEALS}")

    await vault.engine.audit.end_chain()
    await vault.record()
    assert await vault.sealer.run() == 1

    assert await vault.first_bad() is None


async def test_a_head_that_somebody_forged_in_the_file_disagrees(vault: Vault) -> None:
    await vault.sealed(3)
    file = vault.engine.audit.config.home / FILE
    line = json.loads(file.read_text().splitlines()[-1])
    file.write_text(json.dumps({**line, "head": "00" * 32}) + "\n")

    assert await vault.first_bad() == (3, "head")


async def test_a_chain_that_this_key_did_not_make_is_refused(vault: Vault) -> None:
    await vault.sealed(3)
    vault.tamper(
        f"UPDATE {SEALS} SET chain_hash = decode(repeat('00', 32), 'hex') WHERE number = 0"
    )

    with pytest.raises(Misconfigured) as refusal:
        await vault.verify()
    assert refusal.value.code == "install_key_unfit"


REFUSED = (
    f"DELETE FROM {EVENTS}",
    f"TRUNCATE {EVENTS}",
    f"UPDATE {EVENTS} SET id = id + 1",
    f"UPDATE {EVENTS} SET actor_id = 'somebody'",
    f"UPDATE {EVENTS} SET actor_id = NULL",
    f"UPDATE {EVENTS} SET salts = salts - 'actor'",
    f"UPDATE {EVENTS} SET personal = '{{}}'",
    f"""UPDATE {EVENTS} SET personal = personal || '{{"reason": "no"}}'""",
    f"UPDATE {EVENTS} SET digests = '{{}}', salts = '{{}}', actor_id = NULL",
    f"UPDATE {EVENTS} SET actor_id = NULL, salts = salts - 'actor', action = 'x'",
    f"DELETE FROM {SEALS}",
    f"TRUNCATE {SEALS}",
    f"UPDATE {SEALS} SET number = number + 10",
)


@pytest.mark.requirement("02-governance:B12")
@pytest.mark.parametrize("statement", REFUSED)
async def test_the_database_refuses_every_change(vault: Vault, statement: str) -> None:
    await vault.sealed(2)

    with pytest.raises(DBAPIError, match="append-only"):
        async with vault.engine.db.work(Caller.system("test")) as work:
            await work.session.execute(text(statement.replace(": ", "\\: ")))
