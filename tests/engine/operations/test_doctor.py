"""The doctor: finds what is wrong, says what to do, and gives nothing away."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.operations.model import Check, CheckStatus
from tests.fakes import FixedClock

SYSTEM = Caller.system("test")
SECRET = "short-hunter2"


async def run(engine: Engine, statement: str, **values: Any) -> None:
    async with engine.db.work(SYSTEM) as work:
        await work.session.execute(text(statement), values)


async def examined(engine: Engine, *, probe: bool = False) -> dict[str, Check]:
    report = await engine.operations.doctor(Caller.operator("maya"), probe=probe)
    return {check.id: check for check in report.checks}


async def new_job(engine: Engine, *, minutes_ago: int, status: str = "todo") -> None:
    await run(
        engine,
        "INSERT INTO public.procrastinate_jobs (queue_name, task_name, status, scheduled_at)"
        " VALUES ('drafting', 't', CAST(:status AS public.procrastinate_job_status),"
        " now() - make_interval(mins => :minutes))",
        minutes=minutes_ago,
        status=status,
    )


async def heartbeat(engine: Engine, *, seconds_ago: int) -> None:
    await run(
        engine,
        "INSERT INTO public.procrastinate_workers (last_heartbeat)"
        " VALUES (now() - make_interval(secs => :seconds))",
        seconds=seconds_ago,
    )


@pytest.fixture
def hashing(settings: Settings) -> Settings:
    return settings.with_changes(embedder="hashing", operator="maya")


@pytest.fixture
async def site(hashing: Settings) -> AsyncIterator[Engine]:
    """An engine with the real clock, on an empty database."""
    async with Engine(hashing) as engine:
        yield engine


async def test_a_healthy_site_is_ready_in_every_part_that_must_be(site: Engine) -> None:
    await heartbeat(site, seconds_ago=3)

    found = await examined(site, probe=True)

    must = ("settings", "database", "postgres_version", "vector", "queue", "schema", "audit")
    assert {found[name].status for name in (*must, "clock", "workers", "jobs", "probe")} == {
        CheckStatus.OK
    }
    assert found["workers"].summary == "Ready: one at work, last heard of 3 s ago."


async def test_every_finding_that_is_not_ok_says_what_to_do(site: Engine) -> None:
    for check in (await examined(site)).values():
        opening = check.summary.split(":")[0]
        assert opening in {"Ready", "Look", "Blocked", "Not checked"}
        assert (check.remedy is not None) == (opening in {"Look", "Blocked"}), check


async def test_the_checks_name_the_promises_they_stand_for(site: Engine) -> None:
    found = await examined(site)

    promised = {name: check.promise for name, check in found.items() if check.promise}
    assert promised.items() >= {
        ("jobs", "P2"),
        ("workers", "P3"),
        ("widget_secret", "P5"),
        ("audit", "P7"),
        ("auto_send", "P8"),
        ("schema", "P10"),
    }


async def test_no_worker_is_a_worry_until_work_is_overdue(site: Engine) -> None:
    await heartbeat(site, seconds_ago=300)
    assert (await examined(site))["workers"].status is CheckStatus.WARN

    await new_job(site, minutes_ago=2)

    blocked = (await examined(site))["workers"]
    assert blocked.status is CheckStatus.FAIL
    # By the database's own clock, which goes on while the test runs.
    assert re.search(r"the last was heard of 3\d\d s ago", blocked.summary)
    assert blocked.remedy == "Start one: `cairnloop worker`."


async def test_jobs_that_failed_for_good_are_counted_by_queue(site: Engine) -> None:
    await new_job(site, minutes_ago=1, status="failed")

    found = (await examined(site))["jobs"]

    assert found.status is CheckStatus.WARN
    assert found.summary.startswith("Look: 1 put aside (drafting)")


async def test_a_trail_that_lost_its_guard_is_found(site: Engine) -> None:
    await run(site, "ALTER TABLE cairnloop.audit_events DISABLE TRIGGER audit_is_append_only_row")
    try:
        found = (await examined(site))["audit"]
    finally:
        await run(
            site, "ALTER TABLE cairnloop.audit_events ENABLE TRIGGER audit_is_append_only_row"
        )

    assert found.status is CheckStatus.FAIL


async def test_an_older_schema_asks_for_a_migration(site: Engine) -> None:
    operations = site.operations
    newer = replace(operations.site, migrations=(*operations.site.migrations, "9999"))

    report = await replace(operations, site=newer).doctor(SYSTEM)

    schema = next(check for check in report.checks if check.id == "schema")
    assert not report.ok
    assert schema.remedy == "Run `cairnloop migrate`."
    assert {c.status for c in report.checks if c.id in {"jobs", "workers", "retrieval"}} == {
        CheckStatus.SKIPPED
    }


@pytest.mark.parametrize(
    ("off", "status"),
    [
        (timedelta(0), CheckStatus.OK),
        (timedelta(seconds=-9), CheckStatus.WARN),
        (timedelta(minutes=5), CheckStatus.FAIL),
    ],
)
async def test_a_clock_that_is_off_is_found(
    hashing: Settings, clock: FixedClock, off: timedelta, status: CheckStatus
) -> None:
    async with Engine(hashing) as engine:
        clock.advance(engine.clock.now() - clock.now() + off)
        operations = engine.operations
        wrong = replace(operations, site=replace(operations.site, clock=clock))

        report = await wrong.doctor(SYSTEM)

    assert next(check for check in report.checks if check.id == "clock").status is status


async def test_the_emergency_embedder_is_told_apart_from_the_real_one(site: Engine) -> None:
    found = await examined(site)

    assert found["embedder"].status is CheckStatus.WARN
    assert "never grounds a reply" in found["embedder"].summary


@pytest.mark.requirement("01-conversations:151")
async def test_no_secret_and_no_address_stands_in_a_report(home: Path) -> None:
    settings = Settings.load(
        database_url=f"postgresql://u:{SECRET}@127.0.0.1:1/secretdb",
        home=home,
        embedder="hashing",
        widget_secret=SECRET,
    )
    async with Engine(settings) as engine:
        report = await engine.operations.doctor(SYSTEM, probe=True)

    told = json.dumps([asdict(check) for check in report.checks])
    by_id = {check.id: check.status for check in report.checks}
    assert not report.ok
    assert (by_id["database"], by_id["widget_secret"]) == (CheckStatus.FAIL, CheckStatus.FAIL)
    assert {by_id[name] for name in ("schema", "workers", "embedder", "probe")} == {
        CheckStatus.SKIPPED
    }
    assert not any(word in told for word in (SECRET, "secretdb", "127.0.0.1", "postgresql://"))


async def test_what_is_configured_is_looked_at_before_it_matters(hashing: Settings) -> None:
    told = hashing.with_changes(
        operator=None, auto_send_enabled=True, widget_secret=SecretStr("x" * 32)
    )
    async with Engine(told) as engine:
        found = await examined(engine)

    assert found["operator"].status is CheckStatus.WARN
    assert found["auto_send"].status is CheckStatus.WARN
    assert found["widget_secret"].status is CheckStatus.OK


async def test_looking_changes_nothing(site: Engine) -> None:
    async def rows() -> int:
        async with site.db.read(SYSTEM) as read:
            counted = await read.session.scalar(
                text(
                    "SELECT (SELECT count(*) FROM cairnloop.audit_events)"
                    " + (SELECT count(*) FROM public.procrastinate_jobs)"
                )
            )
        return int(counted or 0)

    before = await rows()
    await examined(site, probe=True)

    assert await rows() == before
