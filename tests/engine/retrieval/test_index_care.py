"""What the index says of itself, and what can be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from cairnloop_engine import Engine, Misconfigured, NotFound, Settings, Unavailable
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.jobs import UNAVAILABLE_RETRIES, JobContext
from cairnloop_engine.retrieval import vector_index
from cairnloop_engine.retrieval.health import IndexStatus
from cairnloop_engine.retrieval.jobs import FAILED_AGAIN_AFTER, LOST_AFTER
from cairnloop_engine.retrieval.service import INDEX_TASK
from cairnloop_engine.wiring import HostParts
from tests.engine.retrieval.desk import MAYA, Scripted, duty, index, publish, scalar, stock
from tests.fakes import FixedClock
from tests.unit.retrieval.provider import DIM, Provider, Reply
from tests.unit.retrieval.provider import serving as providing

AWAY = Unavailable("embedder_away", "away")
REFUSED = Misconfigured("embedder_key_refused", "no such key")


def codes(status: IndexStatus) -> list[str]:
    return [problem.code for problem in status.problems]


async def jobs(engine: Engine, *, task: str = INDEX_TASK, status: str = "todo") -> object:
    return await scalar(
        engine,
        "SELECT count(*) FROM public.procrastinate_jobs"
        " WHERE task_name = :task AND status::text = :status",
        task=task,
        status=status,
    )


async def fail(engine: Engine, embedder: Scripted, error: Exception, *articles: str) -> None:
    """Publish articles whose vectors cannot be made."""
    for title in articles:
        await publish(engine, title, "Press revoke")
    embedder.error = error
    await index(engine)


async def attempt(engine: Engine, article_id: ArticleId, number: int) -> None:
    """One run of the job, as the worker would make it after so many others."""
    args = {"workspace": MAYA.workspace, "article_id": article_id, "rebuild": False}
    await engine._wired.tasks[INDEX_TASK].run(JobContext(args, job_id=0, attempt=number))


# Permanent and passing trouble


async def test_what_cannot_be_mended_by_waiting_fails_at_once(
    scripted: Engine, embedder: Scripted
) -> None:
    article_id = await publish(scripted, "Keys", "Press revoke")
    embedder.error = REFUSED

    worked = await scripted.run_worker(queues=["indexing"], drain=True)

    status = await scripted.retrieval.status(MAYA)
    assert (worked.ran, worked.failed) == (1, 0)
    assert await jobs(scripted) == 0
    assert [(one.article_id, one.code) for one in status.failures] == [
        (article_id, "embedder_key_refused")
    ]
    assert not (await scripted.knowledge.article(MAYA, article_id)).indexed


async def test_an_embedder_that_is_away_is_waited_for_and_is_no_failure_yet(
    scripted: Engine, embedder: Scripted, clock: FixedClock
) -> None:
    await fail(scripted, embedder, AWAY, "Keys")
    waiting = await scripted.retrieval.status(MAYA)
    clock.advance(LOST_AFTER - FAILED_AGAIN_AFTER / 100)
    with pytest.raises(Unavailable):
        await attempt(scripted, ArticleId(1), 2)
    clock.advance(LOST_AFTER / 2)

    await duty(scripted, "index what is missing")

    assert (waiting.n_failed, waiting.n_pending) == (0, 1)
    assert "embedder_away" in codes(waiting)
    # Its job lives: nobody asks a second time.
    assert await jobs(scripted) == 1


async def test_an_outage_that_outlasts_its_job_is_a_failure(
    scripted: Engine, embedder: Scripted
) -> None:
    article_id = await publish(scripted, "Keys", "Press revoke")
    embedder.error = AWAY

    with pytest.raises(Unavailable):
        await attempt(scripted, article_id, UNAVAILABLE_RETRIES + 1)

    status = await scripted.retrieval.status(MAYA)
    assert [(one.article_id, one.code) for one in status.failures] == [
        (article_id, "embedder_away")
    ]


async def test_what_failed_is_tried_again_by_itself_an_hour_later(
    scripted: Engine, embedder: Scripted, clock: FixedClock
) -> None:
    await fail(scripted, embedder, REFUSED, "Keys")
    embedder.error = None
    clock.advance(LOST_AFTER * 2)
    await duty(scripted, "index what is missing")
    too_early = await jobs(scripted)
    clock.advance(FAILED_AGAIN_AFTER)

    await duty(scripted, "index what is missing")
    await index(scripted)

    status = await scripted.retrieval.status(MAYA)
    assert (too_early, status.n_failed, status.n_ready) == (0, 0, 1)


@pytest.mark.requirement("03-retrieval-drafting:101")
async def test_vectors_that_the_database_refuses_fail_the_job_and_nothing_counts_as_done(
    scripted: Engine,
) -> None:
    article_id = await publish(scripted, "Keys", "Press revoke")
    async with scripted.db.engine.begin() as connection:
        await connection.execute(
            text(
                "ALTER TABLE cairnloop.search_vectors"
                " ADD CONSTRAINT refused CHECK (model_id <> 'scripted')"
            )
        )
    try:
        with pytest.raises(Exception, match="refused"):
            await attempt(scripted, article_id, 1)
        worked = await scripted.run_worker(queues=["indexing"], drain=True)
    finally:
        async with scripted.db.engine.begin() as connection:
            await connection.execute(
                text("ALTER TABLE cairnloop.search_vectors DROP CONSTRAINT refused")
            )

    status = await scripted.retrieval.status(MAYA)
    assert worked.failed >= 1
    assert (status.n_ready, status.n_pending) == (0, 1)
    assert not (await scripted.knowledge.article(MAYA, article_id)).indexed
    assert (await scripted.retrieval.search(MAYA, "revoke")).items


async def test_an_article_that_nobody_knows_is_no_trouble(scripted: Engine) -> None:
    await attempt(scripted, ArticleId(4711), 1)

    assert (await scripted.retrieval.status(MAYA)).n_documents == 0


# Asking again


@pytest.mark.requirement("03-retrieval-drafting:109")
async def test_a_replay_asks_for_what_failed_and_a_second_one_for_nothing(
    scripted: Engine, embedder: Scripted
) -> None:
    ready = await publish(scripted, "Ready", "Press anything")
    await index(scripted)
    await fail(scripted, embedder, REFUSED, "Keys", "Locks")
    async with scripted.db.engine.begin() as connection:
        # A job of another slice that failed as well: repeating it could act twice.
        await connection.execute(
            text(
                "INSERT INTO public.procrastinate_jobs (queue_name, task_name, args, status)"
                " VALUES ('effects', 'governance.execute', '{}', 'failed')"
            )
        )
    embedder.error = None

    first, second = await asyncio.gather(
        scripted.retrieval.replay_failed(MAYA), scripted.retrieval.replay_failed(MAYA)
    )
    third = await scripted.retrieval.replay_failed(MAYA)

    assert sorted([first.n_queued, second.n_queued]) == [0, 2]
    assert third.n_queued == 0
    assert await jobs(scripted) == 2
    assert await jobs(scripted, task="governance.execute", status="failed") == 1
    assert await jobs(scripted, task="governance.execute") == 0
    await index(scripted)
    status = await scripted.retrieval.status(MAYA)
    assert (status.n_ready, status.n_failed) == (3, 0)
    assert ready


async def test_a_replay_leaves_other_workspaces_alone(scripted: Engine, embedder: Scripted) -> None:
    await fail(scripted, embedder, REFUSED, "Keys")
    elsewhere = type(MAYA).operator("maya", "elsewhere")

    assert (await scripted.retrieval.replay_failed(elsewhere)).n_queued == 0
    assert (await scripted.retrieval.status(MAYA)).n_failed == 1


async def test_only_what_is_published_can_be_rebuilt(scripted: Engine) -> None:
    first = await publish(scripted, "Keys", "Press revoke")

    with pytest.raises(NotFound) as refused:
        await scripted.retrieval.rebuild(MAYA, article_ids=[first, ArticleId(4711)])

    assert refused.value.code == "article_not_published"
    assert await jobs(scripted) == 1


# An index over the vectors of a model


@pytest.fixture
async def roomy(
    own_database: str, home: object, clock: FixedClock, embedder: Scripted
) -> AsyncIterator[Engine]:
    """An engine on a database of its own, whose schema the test may change."""
    settings = Settings.load(database_url=own_database, home=home)
    async with Engine(settings, clock=clock, host=HostParts(embedder=embedder)) as engine:
        await publish(engine, "Keys", "Press revoke")
        await index(engine)
        yield engine


async def has_index(engine: Engine) -> bool:
    async with engine.db.read(MAYA) as read:
        return await vector_index.exists(read, "scripted")


async def test_an_index_for_another_model_is_built_on_demand_and_used(roomy: Engine) -> None:
    before = await has_index(roomy)
    asked = await roomy.retrieval.build_vector_index(MAYA)
    await index(roomy)
    again = await roomy.retrieval.build_vector_index(MAYA)

    async with roomy.db.read(MAYA) as read:
        await read.session.execute(text("SET LOCAL enable_seqscan = off"))
        await read.session.execute(text("SET LOCAL enable_sort = off"))
        plan = await read.session.scalars(
            text(
                "EXPLAIN SELECT doc_id FROM cairnloop.search_vectors WHERE model_id = 'scripted'"
                " ORDER BY embedding::halfvec(4) <=> CAST('[1,1,1,1]' AS halfvec(4)) LIMIT 5"
            )
        )
        told = "\n".join(plan)
    (model,) = (await roomy.retrieval.status(MAYA)).models
    assert (before, asked.queued, again.queued) == (False, True, False)
    assert vector_index.index_name("scripted") in told
    assert (model.model_id, model.has_index) == ("scripted", True)


async def test_two_builders_at_once_build_one_index(roomy: Engine) -> None:
    record = roomy.retrieval.embedding.record

    built = await asyncio.gather(*(vector_index.create(roomy.db, record) for _ in range(3)))

    assert built.count(True) == 1
    assert await has_index(roomy)


async def test_what_a_killed_builder_left_is_replaced(roomy: Engine) -> None:
    record = roomy.retrieval.embedding.record
    await vector_index.create(roomy.db, record)
    async with roomy.db.engine.begin() as connection:
        # As Postgres leaves it when the builder's connection breaks.
        await connection.execute(
            text(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid ="
                f" 'cairnloop.{vector_index.index_name('scripted')}'::regclass"
            )
        )
    broken = await has_index(roomy)

    assert await vector_index.create(roomy.db, record)
    assert (broken, await has_index(roomy)) == (False, True)


async def test_an_index_that_this_user_may_not_build_is_told(roomy: Engine) -> None:
    record = roomy.retrieval.embedding.record
    async with roomy.db.engine.begin() as connection:
        await connection.execute(text("CREATE ROLE reader_only"))
        await connection.execute(text("GRANT USAGE ON SCHEMA cairnloop TO reader_only"))
        await connection.execute(
            text("GRANT SELECT ON ALL TABLES IN SCHEMA cairnloop TO reader_only")
        )
    try:
        async with roomy.db.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("SET ROLE reader_only"))
            with pytest.raises(Exception, match="must be owner"):
                await vector_index._build(connection, roomy.db.schema, record)
            await connection.execute(text("RESET ROLE"))
    finally:
        async with roomy.db.engine.begin() as connection:
            await connection.execute(text("DROP OWNED BY reader_only"))
            await connection.execute(text("DROP ROLE reader_only"))


@pytest.mark.requirement("03-retrieval-drafting:41")
async def test_the_index_is_healthy_beside_tables_of_the_same_names(
    own_database: str, home: object, clock: FixedClock, minilm: object
) -> None:
    settings = Settings.load(database_url=own_database, home=home)
    async with Engine(settings, clock=clock, host=HostParts(embedder=minilm)) as engine:
        async with engine.db.engine.begin() as connection:
            for table in ("chunks", "search_docs", "search_vectors", "search_corpora"):
                await connection.execute(text(f"CREATE TABLE public.{table} (id int)"))
        await stock(engine)
        await index(engine)

        status = await engine.retrieval.status(MAYA)

        assert (status.healthy, status.n_ready) == (True, 4)
        assert [(one.model_id, one.has_index) for one in status.models] == [("minilm-int8", True)]


# Settings


@pytest.mark.requirement("03-retrieval-drafting:28")
async def test_without_a_key_the_worker_completes_and_words_find(
    settings: Settings, clock: FixedClock
) -> None:
    keyless = settings.with_changes(embedder="openai")
    async with Engine(keyless, clock=clock) as engine:
        article_id = await publish(engine, "Keys", "Press revoke")
        worked = await engine.run_worker(queues=["indexing"], drain=True)
        found = await engine.retrieval.search(MAYA, "revoke")
        status = await engine.retrieval.status(MAYA)

    assert (worked.ran, worked.failed) == (1, 0)
    assert [hit.article_id for hit in found.items] == [article_id]
    assert "embedder_key_missing" in codes(status)
    assert (status.n_failed, status.n_pending, status.n_vectors) == (0, 1, 0)


@pytest.mark.requirement("03-retrieval-drafting:96")
async def test_the_emergency_embedder_has_a_meaning_and_is_named(
    settings: Settings, clock: FixedClock
) -> None:
    async with Engine(settings.with_changes(embedder="hashing"), clock=clock) as engine:
        await stock(engine)
        await index(engine)
        found = await engine.retrieval.search(MAYA, "reseting keys for the api")
        status = await engine.retrieval.status(MAYA)

    assert found.items[0].title == "Resetting your API key"
    assert (found.items[0].why.cosine or 0.0) > 0.2
    assert not found.grounding.may_reply
    assert "emergency" in status.label
    assert codes(status) == ["embedder_not_measured"]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with providing() as provider:
        yield provider


async def test_a_provider_from_the_first_vector_over_a_refused_key_to_the_repair(
    settings: Settings, clock: FixedClock, provider: Provider
) -> None:
    remote = settings.with_changes(
        embedder="openai",
        embedder_url=provider.url,
        embedder_key=SecretStr("sk-secret"),
        embedder_model="tiny",
        embedder_dim=DIM,
        embedder_alpha=0.3,
    )
    async with Engine(remote, clock=clock) as engine:
        await publish(engine, "Keys", "Press revoke")
        await index(engine)
        ready = await engine.retrieval.status(MAYA)
        found = await engine.retrieval.search(MAYA, "revoke", explain=True)
        provider.replies = [Reply(401, b'{"error": {"message": "sk-secret is wrong"}}')]
        await publish(engine, "Locks", "Turn the key")
        await index(engine)
        refused = await engine.retrieval.status(MAYA)
        provider.replies = [Reply()]
        await engine.retrieval.replay_failed(MAYA)
        await index(engine)
        repaired = await engine.retrieval.status(MAYA)

    assert (ready.n_ready, ready.embedder) == (1, repaired.embedder)
    assert ready.embedder.startswith("openai-")
    assert found.items[0].why.cosine is not None
    assert found.trace is not None
    assert found.trace.alpha == 0.3
    assert [one.code for one in refused.failures] == ["embedder_key_refused"]
    assert "embedder_key_refused" in codes(refused)
    assert "sk-secret" not in str(refused)
    assert (repaired.n_ready, repaired.n_failed) == (2, 0)
