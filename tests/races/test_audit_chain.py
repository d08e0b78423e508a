"""Writers are never made to wait for each other, and the chain still has every event in order."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine
from cairnloop_engine.audit import sealing, service
from cairnloop_engine.core.database import Work
from tests.engine.audit.vault import MAYA, Vault, vault_of


@pytest.fixture
def vault(engine: Engine, database_url: str) -> Vault:
    return vault_of(engine, database_url)


async def write(work: Work, number: int) -> None:
    await service.record(work, "governance.approved", subject=("action", number))


async def dawdle(work: Work, seconds: float) -> None:
    """Keep the transaction open for a while."""
    await work.session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


def sealed_ids(vault: Vault) -> list[int]:
    rows = vault.rows("SELECT event_id FROM cairnloop.audit_seals WHERE number > 0 ORDER BY number")
    return [row[0] for row in rows]


@pytest.mark.parametrize("commits", [True, False])
async def test_the_event_with_the_smaller_id_is_waited_for(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, commits: bool
) -> None:
    monkeypatch.setattr(sealing, "PATIENCE_S", 0.1)
    await vault.sealed(2)
    written, go = asyncio.Event(), asyncio.Event()

    async def slow_writer() -> None:
        async with vault.engine.db.work(MAYA) as work:
            await write(work, 3)
            written.set()
            await go.wait()
            if not commits:
                raise ZeroDivisionError

    slow = asyncio.create_task(slow_writer())
    await written.wait()
    await vault.record(subject=("action", 4))

    # Event 4 is there, event 3 may still come: neither is sealed.
    assert await vault.sealer.run() == 0
    assert vault.rows("SELECT max(id) FROM cairnloop.audit_events") == [(4,)]
    found = await vault.verify()
    assert (found.ok, found.sealed, found.unsealed) == (True, 2, 1)

    go.set()
    await asyncio.gather(slow, return_exceptions=True)
    assert await vault.sealer.run() == (2 if commits else 1)
    assert sealed_ids(vault) == ([1, 2, 3, 4] if commits else [1, 2, 4])
    assert await vault.first_bad() is None


async def test_a_transaction_that_does_not_write_to_the_trail_holds_nothing_up(
    vault: Vault,
) -> None:
    async with vault.engine.db.engine.begin() as stranger:
        await stranger.exec_driver_sql("SELECT pg_current_xact_id()")
        await vault.record()

        assert await vault.sealer.run() == 1


async def test_writers_do_not_wait_for_the_sealer(vault: Vault) -> None:
    await vault.sealed(1)
    await vault.record()
    async with vault.engine.db.engine.begin() as sealing_now:
        await sealing_now.exec_driver_sql("LOCK cairnloop.audit_seals IN EXCLUSIVE MODE")

        await asyncio.wait_for(vault.record(), timeout=5)

    await vault.sealed_so_far()
    assert sealed_ids(vault) == [1, 2, 3]


async def test_a_writer_that_never_ends_is_waited_for_without_starting_over(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "PATIENCE_S", 0.02)
    stop = asyncio.Event()

    async def overlapping(number: int) -> None:
        """One writer is always at work, and another has begun before it ends."""
        while not stop.is_set():
            async with vault.engine.db.work(Caller.system(f"writer-{number}")) as work:
                await write(work, number)
                await dawdle(work, 0.1 + 0.05 * number)

    writers = [asyncio.create_task(overlapping(number)) for number in range(3)]
    sealed = 0
    async with asyncio.timeout(20):
        while sealed < 10:
            sealed += await vault.sealer.run()
    stop.set()
    await asyncio.gather(*writers)
    await vault.sealed_so_far()

    assert await vault.first_bad() is None


async def test_a_storm_of_writers_rollbacks_and_sealers_leaves_one_whole_chain(
    vault: Vault,
) -> None:
    dice = random.Random(451)
    stop = asyncio.Event()

    async def transaction(number: int) -> None:
        async with vault.engine.db.work(Caller.system(f"writer-{number}")) as work:
            for _ in range(dice.randint(1, 3)):
                await write(work, number)
                await dawdle(work, dice.choice((0, 0, 0.002, 0.01)))
            if dice.random() < 0.2:
                raise ZeroDivisionError

    async def writer(number: int) -> None:
        for _ in range(25):
            with suppress(ZeroDivisionError):
                await transaction(number)

    async def sealer() -> None:
        one = vault_of(vault.engine, vault.url).sealer
        while not stop.is_set():
            await one.run()

    async def verifier() -> None:
        while not stop.is_set():
            assert await vault.first_bad() is None

    others = [asyncio.create_task(run()) for run in (sealer, sealer, verifier)]
    await asyncio.gather(*(writer(number) for number in range(8)))
    stop.set()
    await asyncio.gather(*others)
    await vault.sealed_so_far()

    ids = [row[0] for row in vault.rows("SELECT id FROM cairnloop.audit_events ORDER BY id")]
    assert sealed_ids(vault) == ids
    assert len(ids) < ids[-1], "some ids were rolled back"
    assert await vault.first_bad() is None
