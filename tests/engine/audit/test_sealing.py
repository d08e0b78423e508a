"""Sealing: soon, by one at a time, with the right key, and with the head kept outside."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from cairnloop_engine import Engine, Settings
from cairnloop_engine.audit import heads, sealing
from cairnloop_engine.audit.chain import canonical
from cairnloop_engine.audit.config import AuditConfig
from cairnloop_engine.audit.heads import FILE, Head, HeadFile
from cairnloop_engine.audit.model import OutsideHead
from cairnloop_engine.audit.sealing import Sealer
from cairnloop_engine.core.clock import SystemClock
from cairnloop_engine.core.installkey import KEY_FILE
from cairnloop_engine.operations.model import Check, CheckStatus
from tests.engine.audit.vault import MAYA, Vault, vault_of
from tests.waiting import until


async def chain_check(engine: Engine) -> Check:
    report = await engine.operations.doctor(MAYA)
    return next(check for check in report.checks if check.id == "audit_chain")


async def test_a_worker_seals_what_is_written_within_five_seconds(
    settings: Settings, database_url: str
) -> None:
    async with Engine(settings, clock=SystemClock()) as engine:
        vault, stop = vault_of(engine, database_url), asyncio.Event()
        worker = asyncio.create_task(engine.run_worker(stop=stop))
        for number in range(3):
            await vault.record(subject=("action", number))

        async def all_sealed() -> bool:
            return (await engine.audit.chain(MAYA)).sealed == 3

        await until(all_sealed, within=20)
        stop.set()
        await worker

    [(slowest,)] = vault.rows(
        "SELECT max(s.sealed_at - e.occurred_at) FROM cairnloop.audit_seals s"
        " JOIN cairnloop.audit_events e ON e.id = s.event_id"
    )
    assert slowest < timedelta(seconds=5)


async def test_a_drained_worker_leaves_nothing_unsealed(vault: Vault) -> None:
    engine = vault.engine
    await vault.record()
    await engine.conversations.ingest(MAYA, customer_ref="ada", text="It leaks.")

    await engine.run_worker(drain=True)

    found = await vault.verify()
    assert found.ok
    assert found.sealed > 1
    assert found.unsealed == 0


async def test_nothing_is_made_for_a_trail_that_is_empty(vault: Vault) -> None:
    assert await vault.sealer.run() == 0

    found = await vault.verify()
    assert (found.ok, found.sealed, found.chain) == (True, 0, None)
    assert not (vault.engine.audit.config.home / KEY_FILE).exists()


async def test_what_is_not_sealed_yet_is_said_to_be_so(vault: Vault) -> None:
    await vault.sealed(2)
    await vault.record()

    found = await vault.verify()

    assert (found.ok, found.sealed, found.unsealed) == (True, 2, 1)


async def test_many_batches_make_one_chain(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 3)

    await vault.sealed(10)

    numbers = vault.rows("SELECT number, event_id FROM cairnloop.audit_seals ORDER BY number")
    assert numbers == [(n, n) for n in range(11)]
    assert await vault.first_bad() is None


async def test_several_sealers_at_once_make_one_chain(vault: Vault) -> None:
    for number in range(40):
        await vault.record(subject=("action", number))
    others = [Sealer(vault.engine.db, vault.engine.audit.config) for _ in range(5)]

    sealed = await asyncio.gather(*(one.run() for one in others))
    await vault.sealed_so_far()

    assert sum(sealed) <= 40
    assert (await vault.verify()).sealed == 40
    assert await vault.first_bad() is None


async def test_the_head_is_written_to_a_file_and_to_the_log(
    vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await vault.sealed(3)

    [line] = (vault.engine.audit.config.home / FILE).read_text().splitlines()
    found = await vault.verify()
    head = json.loads(line)
    assert (head["count"], head["last_id"], head["head"]) == (3, 3, found.head)
    assert found.outside_head is OutsideHead.AGREES
    logged = [record for record in caplog.records if record.message == "audit chain sealed"]
    assert [(record.count, record.ref) for record in logged] == [(3, found.head)]  # type: ignore[attr-defined]


async def test_a_host_that_did_not_seal_remembers_the_head_all_the_same(
    vault: Vault, tmp_path: Path
) -> None:
    await vault.sealed(2)
    key = (vault.engine.audit.config.home / KEY_FILE).read_text()

    assert await Sealer(vault.engine.db, AuditConfig(tmp_path, key)).run() == 0

    assert [head.count for head in HeadFile(tmp_path).read()] == [2]


def test_the_head_file_stays_small_and_keeps_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "LARGEST_BYTES", 2_000)
    file = HeadFile(tmp_path)
    for count in range(1, 101):
        file.append(Head("now", "db", "one", count, count, "ff"))
        file.append(Head("now", "db", "two", count, count, "ff"))

    found = file.read()

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 6_000
    assert {head.chain: head.count for head in found} == {"one": 100, "two": 100}


def test_the_head_file_stays_small_also_with_many_chains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "LARGEST_BYTES", 8_000)
    file = HeadFile(tmp_path)
    for number in range(300):
        file.append(Head("now", "db", f"chain {number}", 1, 1, "ff"))

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 20_000
    assert file.read()[-1].chain == "chain 299"


def test_several_workers_of_one_home_write_whole_lines(tmp_path: Path) -> None:
    def write(count: int) -> None:
        HeadFile(tmp_path).append(Head("now", "db", "one", count % 20, count % 20, "ff"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(80)))

    assert sorted(head.count for head in HeadFile(tmp_path).read()) == list(range(20))


def test_a_line_that_a_power_cut_tore_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = HeadFile(tmp_path)
    file.append(Head("now", "db", "one", 1, 1, "ff"))
    with (tmp_path / FILE).open("a") as stream:
        stream.write('{"at": "no')

    file.append(Head("now", "db", "one", 2, 2, "ff"))

    assert [head.count for head in file.read()] == [1, 2]


async def test_a_home_that_cannot_be_written_does_not_keep_the_trail_from_being_sealed(
    vault: Vault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    sealer = Sealer(vault.engine.db, AuditConfig(tmp_path / "file", "k" * 32))
    await vault.record()

    with caplog.at_level(logging.INFO):
        assert await sealer.run() == 1

    assert [r.code for r in caplog.records if hasattr(r, "code")] == ["audit_head_unwritable"]
    assert "audit chain sealed" in caplog.messages


async def test_a_host_without_the_key_seals_nothing_and_says_so_once(
    vault: Vault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await vault.sealed(1)
    await vault.record()
    stranger = Sealer(vault.engine.db, AuditConfig(tmp_path))

    assert [await stranger.run() for _ in range(3)] == [0, 0, 0]

    assert [r.code for r in caplog.records if hasattr(r, "code")] == ["install_key_missing"]
    assert not (tmp_path / KEY_FILE).exists()


async def test_the_doctor_tells_how_the_chain_stands(vault: Vault, settings: Settings) -> None:
    await vault.sealed(3)
    assert (await chain_check(vault.engine)).status is CheckStatus.OK

    (vault.engine.audit.config.home / KEY_FILE).chmod(0o644)
    exposed = await chain_check(vault.engine)
    assert (exposed.status, exposed.remedy) == (
        CheckStatus.WARN,
        "chmod 600 install.key in the home folder.",
    )

    vault.tamper("UPDATE cairnloop.audit_events SET action = 'x' WHERE id = 3")
    broken = await chain_check(vault.engine)
    assert broken.status is CheckStatus.FAIL
    assert "cairnloop audit verify" in (broken.remedy or "")

    (vault.engine.audit.config.home / KEY_FILE).unlink()
    missing = await chain_check(vault.engine)
    assert missing.status is CheckStatus.FAIL
    assert "does not have the install key" in missing.summary

    other = settings.with_changes(audit_key=SecretStr("x" * 32))
    async with Engine(other) as engine:
        unfit = await chain_check(engine)
    assert unfit.status is CheckStatus.FAIL
    assert "another install key" in unfit.summary
    assert "x" * 32 not in unfit.summary


async def test_the_doctor_tells_that_nobody_seals(settings: Settings, database_url: str) -> None:
    async with Engine(settings) as engine:
        vault = vault_of(engine, database_url)
        await vault.record()
        vault.tamper("UPDATE cairnloop.audit_events SET occurred_at = now() - interval '90 s'")

        found = await chain_check(engine)

    assert found.status is CheckStatus.WARN
    assert found.summary.startswith("Look: 1 events are not sealed, the oldest for 9")


async def test_an_export_can_be_checked_with_the_key_alone(vault: Vault) -> None:
    await vault.record(conversation_id=4, personal={"reason": "late"}, amount=82)
    await vault.sealed_so_far()
    key = (vault.engine.audit.config.home / KEY_FILE).read_text().strip().encode()

    [event] = [one async for one in vault.engine.audit.export(MAYA)]

    def derived(purpose: bytes) -> bytes:
        return hmac.digest(key, purpose, "sha256")

    def micros(moment: str) -> int:
        gone = datetime.fromisoformat(moment) - datetime(1970, 1, 1, tzinfo=UTC)
        return gone // timedelta(microseconds=1)

    salted = f"{event.salts['reason']}:reason:{canonical('late')}"
    assert event.digests["reason"] == hashlib.sha256(salted.encode()).hexdigest()
    row = {
        "workspace": "default",
        "occurred_at": micros(event.occurred_at),
        "actor_kind": "operator",
        "action": "governance.approved",
        "subject": ["action", 7],
        "conversation": 4,
        "facts": {"amount": 82},
        "digests": event.digests,
    }
    said = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    row_hash = hmac.digest(derived(b"cairnloop audit row"), f"1\n{said}".encode(), "sha256")
    assert row_hash.hex() == event.row_hash
    places = [event.number or 0, event.id, micros(event.sealed_at or "")]
    link = b"".join(place.to_bytes(8, "big", signed=True) for place in places)
    chained = bytes.fromhex(event.previous_hash or "") + link + row_hash
    assert (
        hmac.digest(derived(b"cairnloop audit link"), chained, "sha256").hex() == event.chain_hash
    )
