"""The demo's billing system: it counts what happened, and its client tells apart what did not."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine
from cairnloop_engine.demo.billing import (
    BillingAway,
    BillingClient,
    BillingRefused,
    BillingUnclear,
    Effect,
)
from cairnloop_engine.demo.sink import LARGEST_HEAD, running


@pytest.fixture
async def billing(tmp_path: Path) -> AsyncIterator[BillingClient]:
    async with running(tmp_path / "sink.db") as url:
        yield BillingClient(url, timeout=5.0)


async def refund(billing: BillingClient, run_key: str, **more: int | bool) -> Effect:
    given = {"amount_cents": 8200, **more}
    return await billing.refund(run_key, currency="EUR", order="T-1", **given)  # type: ignore[arg-type]


async def counted(billing: BillingClient, run_key: str) -> tuple[int, int]:
    counts = await billing.counts()
    return counts["arrivals"].get(run_key, 0), counts["effects"].get(run_key, 0)


async def test_every_request_that_arrives_has_its_effect_so_that_a_double_shows(
    billing: BillingClient,
) -> None:
    first = await refund(billing, "run-1")
    second = await refund(billing, "run-1", attempt=2)

    assert (first.attempt, second.attempt, second.repeated) == (1, 2, False)
    assert await counted(billing, "run-1") == (2, 2)
    assert (await billing.counts())["doubled"] == ["run-1"]


async def test_an_idempotency_key_has_its_effect_once_and_is_bound_to_its_request(
    billing: BillingClient,
) -> None:
    first = await refund(billing, "run 1\r\n", idempotent=True)
    again = await refund(billing, "run 1\r\n", idempotent=True, attempt=2)

    assert (again.id, again.repeated) == (first.id, True)
    assert await counted(billing, "run 1\r\n") == (2, 1)
    with pytest.raises(BillingRefused):
        await refund(billing, "run 1\r\n", idempotent=True, amount_cents=82_000)


async def test_every_kind_of_effect_can_be_found_by_its_run_key(billing: BillingClient) -> None:
    await billing.change_seats("seats", account="acme", seats=12)
    await billing.close_account("close", account="acme")
    await billing.export_usage("export", account="acme", takes_s=0.01)

    kinds = [await billing.find(key) for key in ("seats", "close", "export")]
    assert [one.kind for one in kinds if one] == ["change_seats", "close_account", "export_usage"]
    assert await billing.find("never") is None


@pytest.mark.parametrize(
    ("mode", "status", "heard", "effects"),
    [
        ("refuse", 422, BillingRefused, 0),
        ("refuse", 503, BillingAway, 0),
        ("fail_after", 500, BillingUnclear, 1),
        ("drop_before", 503, BillingUnclear, 0),
        ("drop_after", 503, BillingUnclear, 1),
    ],
)
async def test_the_client_says_unclear_exactly_when_nobody_can_know(
    billing: BillingClient, mode: str, status: int, heard: type[Exception], effects: int
) -> None:
    await billing.order_weather(mode, kind="refund", status=status)

    with pytest.raises(heard):
        await refund(billing, "run-1")
    assert await counted(billing, "run-1") == (1, effects)
    assert (await billing.find("run-1") is not None) == bool(effects)

    # Ordered once, gone after once.
    await refund(billing, "run-2")


async def test_a_call_that_takes_too_long_is_unclear_and_did_happen(
    billing: BillingClient,
) -> None:
    hasty = BillingClient(billing.base_url, timeout=0.2)

    with pytest.raises(BillingUnclear):
        await hasty.export_usage("slow", account="acme", takes_s=60.0)
    assert await counted(billing, "slow") == (1, 1)


async def test_a_billing_that_is_not_reached_had_no_effect(tmp_path: Path) -> None:
    async with running(tmp_path / "sink.db") as url:
        pass

    with pytest.raises(BillingAway):
        await refund(BillingClient(url), "run-1")
    with pytest.raises(BillingAway):
        await BillingClient(url).find("run-1")


async def test_what_is_no_request_is_refused_and_leaves_no_trace(billing: BillingClient) -> None:
    port = int(billing.base_url.rsplit(":", 1)[1])
    bodies = [b"[]", b"{}", b'{"kind": "refund"}', b'{"kind": "a", "run_key": "b", "attempt": "c"}']
    raw = [
        b"POST /effects HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(one), one)
        for one in bodies
    ]
    raw += [b"\r\n\r\n", b"GET /effects HTTP/1.1\r\nContent-Length: 999999\r\n\r\n"]
    raw += [b"x" * (LARGEST_HEAD + 100)]
    for one in raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(one)
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
        writer.close()
    with pytest.raises(ValueError, match="hurricane"):
        await billing.order_weather("hurricane")
    assert (await billing.counts())["arrivals"] == {}


async def test_no_call_leaves_inside_an_open_transaction(
    billing: BillingClient, engine: Engine
) -> None:
    async with engine.db.work(Caller.system("test")):
        with pytest.raises(RuntimeError, match="billing"):
            await refund(billing, "run-1")


@asynccontextmanager
async def process(file: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, BillingClient]]:
    """The service as ``cairnloop demo`` starts it."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cairnloop_engine.demo.sink",
        str(file),
        stdout=asyncio.subprocess.PIPE,
    )
    assert started.stdout is not None
    try:
        async with asyncio.timeout(20):
            url = (await started.stdout.readline()).decode().strip()
        yield started, BillingClient(url, timeout=5.0)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def test_a_killed_service_forgets_nothing_that_it_answered(tmp_path: Path) -> None:
    async with process(tmp_path / "sink.db") as (first, billing):
        await refund(billing, "run-1", idempotent=True)
        first.kill()
        await first.wait()

    async with process(tmp_path / "sink.db") as (second, billing):
        assert (await refund(billing, "run-1", idempotent=True)).repeated
        assert await counted(billing, "run-1") == (2, 1)
        second.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await second.wait() == 0
