"""Counts, ages and metrics: the truth of the rows, in labels from closed lists."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.types import Message

from cairnloop_engine import Caller, Engine, Settings, Unavailable
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.operations.http import build_app
from cairnloop_engine.operations.model import Readiness
from cairnloop_engine.operations.reads import SiteNumbers
from tests.builders import MAYA, new_conversation
from tests.fakes import FixedClock

SYSTEM = Caller.system("test")


async def get(app: Starlette, path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    """One request, straight into the application."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
    }
    await app(scope, receive, send)
    headers = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], headers, body.decode()


def numbers(written: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(written)
        for sample in family.samples
    }


class Away:
    """A database that does not answer, as the server would see it."""

    async def ready(self) -> Readiness:
        return Readiness(False, "database_unavailable")

    async def numbers(self) -> SiteNumbers:
        raise Unavailable("database_unavailable", "The database cannot be reached.")


@pytest.fixture
async def app(engine: Engine) -> Starlette:
    return build_app(engine.operations)


async def test_every_queue_is_told_with_its_depth_and_age(engine: Engine) -> None:
    async with engine.db.work(SYSTEM) as work:
        await work.session.execute(
            text(
                "INSERT INTO public.procrastinate_jobs"
                " (queue_name, task_name, status, scheduled_at) VALUES"
                " ('mail', 't', 'todo', now() - interval '90 seconds'),"
                " ('mail', 't', 'todo', NULL), ('mail', 't', 'todo', now() + interval '1 hour'),"
                " ('mail', 't', 'doing', NULL), ('sweep', 't', 'failed', NULL)"
            )
        )

    depths = {depth.queue: depth for depth in (await engine.operations.jobs(SYSTEM)).queues}

    assert list(depths) == [queue.value for queue in Queues]
    mail = depths["mail"]
    assert (mail.ready, mail.scheduled, mail.running, mail.failed) == (2, 1, 1, 0)
    assert 90 <= (mail.oldest_seconds or 0) <= 100
    assert (depths["sweep"].failed, depths["sweep"].oldest_seconds) == (1, None)


async def test_a_job_without_a_date_ages_from_when_it_was_put_in(engine: Engine) -> None:
    async with engine.db.work(SYSTEM) as work:
        await work.session.execute(
            text(
                "INSERT INTO public.procrastinate_jobs (queue_name, task_name) VALUES ('mail', 't')"
            )
        )
        await work.session.execute(
            text("UPDATE public.procrastinate_events SET at = at - interval '40 seconds'")
        )

    depths = {depth.queue: depth for depth in (await engine.operations.jobs(SYSTEM)).queues}

    assert 40 <= (depths["mail"].oldest_seconds or 0) <= 50


async def test_stats_count_one_workspace_and_age_its_longest_wait(
    engine: Engine, clock: FixedClock
) -> None:
    first = await new_conversation(engine, customer_ref="a")
    clock.advance(timedelta(minutes=3))
    await new_conversation(engine, customer_ref="b")
    await new_conversation(engine, customer_ref="c", workspace="other")
    clock.advance(timedelta(minutes=1))

    stats = await engine.operations.stats(MAYA)

    assert stats.conversations.new == 2
    assert stats.oldest_waiting_seconds == 240
    await engine.conversations.reply(MAYA, first, "Here", hold=0)
    assert (await engine.operations.stats(MAYA)).oldest_waiting_seconds == 60


async def test_metrics_count_the_whole_site_without_naming_anybody(
    engine: Engine, app: Starlette
) -> None:
    await new_conversation(engine, customer_ref="secret-customer")
    await new_conversation(engine, customer_ref="b", workspace="secret-workspace")

    status, headers, body = await get(app, "/metrics")

    found = numbers(body)
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert found["cairnloop_database_up", ()] == 1
    assert found["cairnloop_conversations", ("new",)] == 2
    assert found["cairnloop_conversations", ("archived",)] == 0
    assert found["cairnloop_workers", ()] == 0
    assert "secret" not in body


@pytest.mark.requirement("01-conversations:149")
async def test_a_database_that_is_away_is_a_number_too() -> None:
    app = build_app(Away())

    scraped = await get(app, "/metrics")
    ready = await get(app, "/ready")
    health = await get(app, "/health")

    assert (scraped[0], numbers(scraped[2])["cairnloop_database_up", ()]) == (200, 0)
    assert (ready[0], ready[2]) == (503, '{"ready":false,"reason":"database_unavailable"}')
    assert (health[0], health[2]) == (200, '{"status":"ok"}')


async def test_a_site_is_ready_only_at_this_releases_schema(engine: Engine) -> None:
    assert await engine.operations.ready() == Readiness(True)


async def test_a_site_whose_database_is_away_is_not_ready(home: Path) -> None:
    settings = Settings.load(
        database_url="postgresql://u@127.0.0.1:1/none", home=home, embedder="hashing"
    )
    async with Engine(settings) as engine:
        assert await engine.operations.ready() == Readiness(False, "database_unavailable")


async def test_requests_are_counted_by_known_paths_only(app: Starlette) -> None:
    for path in ("/health", "/health", "/a-made-up-path", "/another"):
        await get(app, path)
    assert (await get(app, "/health", "POST"))[0] == 405

    found = numbers((await get(app, "/metrics"))[2])

    assert found["cairnloop_http_requests_total", ("/health", "2xx")] == 2
    assert found["cairnloop_http_requests_total", ("/health", "4xx")] == 1
    assert found["cairnloop_http_requests_total", ("other", "4xx")] == 2


async def test_a_crowd_that_asks_at_once_asks_the_database_once() -> None:
    asked = 0

    class Counting(Away):
        async def ready(self) -> Readiness:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0)
            return Readiness(True)

    app = build_app(Counting())
    answers = await asyncio.gather(*(get(app, "/ready") for _ in range(20)))

    assert {status for status, _, _ in answers} == {200}
    assert asked == 1
