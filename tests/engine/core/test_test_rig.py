"""The ground under the tests: an empty database each time, nobody's machine, no outside world."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.conversations.model import State
from tests import builders
from tests.fakes import FixedClock
from tests.machine import OutsideWorld, forget_environment
from tests.postgres import TestCluster, WorkerDatabase
from tests.waiting import until, wait_until

TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relname <> 'alembic_version'
  AND (n.nspname = 'cairnloop' OR c.relname LIKE 'procrastinate%')
"""


def rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        counts = [f"SELECT count(*) FROM {name}" for (name,) in connection.execute(TABLES)]
        return sum(count for (count,) in connection.execute(" UNION ALL ".join(counts)))


async def test_emptying_takes_every_row_and_starts_ids_anew(
    engine: Engine, worker_database: WorkerDatabase
) -> None:
    first = await builders.resolved_conversation(engine)
    assert rows(worker_database.url) > 3

    worker_database.empty()

    assert rows(worker_database.url) == 0
    assert await builders.new_conversation(engine) == first == 1


async def test_emptying_does_not_shrink_from_many_rows(
    engine: Engine, worker_database: WorkerDatabase
) -> None:
    conversation_id = await builders.new_conversation(engine)
    with psycopg.connect(worker_database.url) as connection:
        connection.execute(
            "INSERT INTO cairnloop.audit_events"
            " SELECT (jsonb_populate_record(e, jsonb_build_object('id', e.id + n))).*"
            " FROM cairnloop.audit_events e, generate_series(1, 10000) n"
            " WHERE conversation_id = %s",
            (conversation_id,),
        )

    worker_database.empty()

    assert rows(worker_database.url) == 0


async def test_the_builders_make_each_state(
    engine: Engine, caller: Caller, operator: Caller
) -> None:
    made = (
        await builders.new_conversation(engine),
        await builders.answered_conversation(engine),
        await builders.resolved_conversation(engine),
    )

    states = [(await engine.conversations.conversation(operator, one)).state for one in made]

    assert states == [State.NEW, State.AWAITING_CUSTOMER, State.RESOLVED]
    assert caller == operator


def test_a_database_of_its_own_is_migrated_and_nobody_elses(
    own_database: str, database_url: str
) -> None:
    assert own_database != database_url
    assert rows(own_database) == 0


async def test_a_private_cluster_can_go_away_and_come_back(
    private_cluster: TestCluster, home: Path
) -> None:
    url = private_cluster.copy_template("mine")
    async with Engine(Settings.load(database_url=url, home=home)) as engine:
        conversation_id = await builders.new_conversation(engine)
        private_cluster.server.stop("immediate")
        private_cluster.server.start()

        thread = await engine.conversations.thread(builders.MAYA, conversation_id)
        assert len(thread.messages) == 1


async def test_an_engine_without_a_url_makes_its_own_database(embedded_home: Path) -> None:
    async with Engine(Settings.load(home=embedded_home)) as engine:
        assert await builders.new_conversation(engine) == 1


def test_the_clock_moves_only_when_told_to(clock: FixedClock) -> None:
    before = clock.now()
    assert clock.now() == before

    clock.advance(timedelta(minutes=5))

    assert clock.now() - before == timedelta(minutes=5)


def test_no_test_reaches_another_machine() -> None:
    with socket.socket() as unconnected, pytest.raises(OutsideWorld):
        unconnected.connect(("192.0.2.1", 80))
    with pytest.raises(OutsideWorld):
        socket.getaddrinfo("example.invalid", 80)


def test_the_developers_settings_are_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Restores what forgetting removes for the rest of the run.
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CAIRNLOOP_OPERATOR", "PGHOST", "ANTHROPIC_API_KEY", "https_proxy", "NO_COLOR"):
        monkeypatch.setenv(name, "theirs")

    forget_environment(tmp_path / "home")

    assert os.environ["HOME"] == str(tmp_path / "home")
    assert "theirs" not in os.environ.values()


async def test_a_wait_ends_with_what_it_waited_for_or_says_what_did_not_come() -> None:
    looks = iter([0, None, "there"])
    assert await until(lambda: next(looks)) == "there"

    with pytest.raises(AssertionError, match="pigs to fly"):
        wait_until(lambda: False, within=0.01, what="pigs to fly")
