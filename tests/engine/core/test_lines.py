"""The connections of a worker: each fails for itself, and they come back together."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from cairnloop_engine.core.connections import Address
from cairnloop_engine.core.lines import Answers, Connection, Line, close_all

# Far longer than this test may take: a wait that is over by then was ended by somebody.
LONG_S = 300.0


@pytest.fixture
async def lines(database_url: str) -> object:
    answers = Answers()
    arguments = Address.parse(database_url).driver_arguments(pgbouncer=False)
    made = [Line(arguments, answers) for _ in range(2)]
    yield made
    await close_all(made)


async def asks(connection: Connection) -> None:
    await connection.execute("SELECT 1")


async def breaks_off(connection: Connection) -> None:
    await connection.close()
    raise psycopg.OperationalError("the database went away")


async def test_the_first_line_that_gets_through_ends_the_waits_of_the_others(
    lines: list[Line],
) -> None:
    one, other = lines
    for line in lines:
        with pytest.raises(psycopg.OperationalError):
            await line.run(breaks_off)
    waiting = asyncio.create_task(other.pause(LONG_S))
    await asyncio.sleep(0)

    await one.run(asks)

    async with asyncio.timeout(10):
        await waiting
        await other.run(asks)


async def test_a_line_without_trouble_shortens_no_wait(lines: list[Line]) -> None:
    healthy, troubled = lines
    with pytest.raises(psycopg.OperationalError):
        await troubled.run(breaks_off)
    waiting = asyncio.create_task(troubled.pause(LONG_S))
    await asyncio.sleep(0)

    for _ in range(3):
        await healthy.run(asks)

    assert not waiting.done()
    waiting.cancel()


async def test_a_wait_ends_by_itself(lines: list[Line]) -> None:
    async with asyncio.timeout(10):
        await lines[0].pause(0.01)
