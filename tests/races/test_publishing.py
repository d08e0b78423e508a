"""Two connections at one article, in both orders: one current text, and an index that agrees."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from cairnloop_engine import CairnloopError, Caller, Engine
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge import importing, service
from cairnloop_engine.knowledge.importing import Incoming
from cairnloop_engine.knowledge.markdown import parse
from cairnloop_engine.knowledge.texts import Passages, Text
from tests.waiting import until

MAYA = Caller.operator("maya")
NOOR = Caller.operator("noor")
OLD, NEW, OTHER = "Press revoke", "Press generate", "Press nothing"

Act = Callable[[Work], Awaitable[object]]


def publishing(article_id: ArticleId, content: str = NEW) -> Act:
    passages = Passages.of(Text("Keys", content))

    async def act(work: Work) -> object:
        return await service.publish(work, article_id, passages, acknowledge_hidden=False)

    return act


def archiving(article_id: ArticleId) -> Act:
    async def act(work: Work) -> object:
        return await service.archive(work, article_id)

    return act


def saving(article_id: ArticleId, edit_version: int, content: str = OTHER) -> Act:
    links = parse(content).links

    async def act(work: Work) -> object:
        return await service.save_draft(
            work, article_id, content, links, title=None, expected_version=edit_version
        )

    return act


def taking(content: str) -> Act:
    body = Text("Keys", content)
    incoming = Incoming("keys.md", body, Passages.of(body), publish=True, acknowledge_hidden=False)

    async def act(work: Work) -> object:
        return await importing.take(work, incoming)

    return act


async def drafted(engine: Engine) -> tuple[ArticleId, int]:
    """An article whose first version is published and whose second waits; its edit version."""
    saved = await engine.knowledge.create(MAYA, "Keys", OLD)
    await engine.knowledge.publish(MAYA, saved.article_id)
    view = await engine.knowledge.article(MAYA, saved.article_id)
    again = await engine.knowledge.save_draft(
        MAYA, saved.article_id, NEW, expected_version=view.edit_version
    )
    return saved.article_id, again.edit_version


async def overtaken(engine: Engine, first: Act, second: Act) -> str:
    """The first acts and commits while the second really waits for it; the second's outcome."""

    async def run_second() -> object:
        async with engine.db.work(NOOR) as work:
            return await second(work)

    async with engine.db.work(MAYA) as work:
        await first(work)
        # The second must not inherit the first's open transaction from this task's context.
        waiting = contextvars.Context().run(asyncio.ensure_future, run_second())
        await until(lambda: _blocked(engine), what="the second waits for a lock")
        assert not waiting.done()
    try:
        await waiting
    except CairnloopError as refusal:
        return refusal.code
    return "done"


async def _blocked(engine: Engine) -> bool:
    async with engine.db.engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
        )
        return found.first() is not None


async def states(engine: Engine, article_id: ArticleId) -> list[tuple[int, str]]:
    view = await engine.knowledge.article(MAYA, article_id)
    return [(revision.version, revision.state.value) for revision in view.revisions]


async def findable(engine: Engine) -> Sequence[str]:
    """What the index holds, by the text of its passages."""
    async with engine.db.read(MAYA) as read:
        rows = await read.session.execute(
            text(
                f"SELECT c.content FROM {read.qualified('search_docs')} d"
                f" JOIN {read.qualified('chunks')} c ON c.revision_id = d.revision_id"
            )
        )
        return [row.content for row in rows]


async def test_of_two_publishers_one_publishes_and_one_is_told(engine: Engine) -> None:
    article_id, _ = await drafted(engine)

    second = await overtaken(engine, publishing(article_id), publishing(article_id))

    assert second == "nothing_to_publish"
    assert await states(engine, article_id) == [(2, "published"), (1, "archived")]
    assert await findable(engine) == [NEW]


async def test_a_publication_that_comes_after_an_archiving_is_refused(engine: Engine) -> None:
    article_id, _ = await drafted(engine)

    second = await overtaken(engine, archiving(article_id), publishing(article_id))

    assert second == "article_archived"
    assert await states(engine, article_id) == [(2, "archived"), (1, "archived")]
    assert await findable(engine) == []


async def test_an_archiving_that_comes_after_a_publication_takes_it_out(engine: Engine) -> None:
    article_id, _ = await drafted(engine)

    second = await overtaken(engine, publishing(article_id), archiving(article_id))

    assert second == "done"
    assert await states(engine, article_id) == [(2, "archived"), (1, "archived")]
    assert await findable(engine) == []


async def test_a_text_that_was_saved_in_between_is_not_published_unseen(engine: Engine) -> None:
    article_id, edit_version = await drafted(engine)

    second = await overtaken(engine, saving(article_id, edit_version), publishing(article_id))

    assert second == "version_conflict"
    assert await states(engine, article_id) == [(2, "draft"), (1, "published")]
    assert await findable(engine) == [OLD]


async def test_an_edit_of_what_was_published_in_between_is_refused(engine: Engine) -> None:
    article_id, edit_version = await drafted(engine)

    second = await overtaken(engine, publishing(article_id), saving(article_id, edit_version))

    assert second == "version_conflict"
    assert await states(engine, article_id) == [(2, "published"), (1, "archived")]


@pytest.mark.requirement("03-retrieval-drafting:99")
async def test_of_two_edits_one_is_stored_in_one_draft(engine: Engine) -> None:
    article_id, edit_version = await drafted(engine)

    second = await overtaken(
        engine,
        saving(article_id, edit_version, "Mine"),
        saving(article_id, edit_version, "Theirs"),
    )

    assert second == "version_conflict"
    assert await states(engine, article_id) == [(2, "draft"), (1, "published")]
    assert (await engine.knowledge.article(MAYA, article_id)).content == "Mine"


@pytest.mark.parametrize(("content", "versions"), [(OLD, 1), (NEW, 2)])
async def test_of_two_imports_of_one_file_the_second_sees_the_first(
    engine: Engine, content: str, versions: int
) -> None:
    second = await overtaken(engine, taking(OLD), taking(content))

    (row,) = (await engine.knowledge.articles(MAYA)).items
    assert second == "done"
    assert row.version == versions
    assert await findable(engine) == [content]


async def test_articles_that_link_to_each_other_are_saved_side_by_side(engine: Engine) -> None:
    one = await engine.knowledge.create(MAYA, "One", "Text")
    two = await engine.knowledge.create(MAYA, "Two", "Text")
    links = {one.article_id: two.article_id, two.article_id: one.article_id}

    async def run_second() -> object:
        async with engine.db.work(NOOR) as work:
            return await saving(two.article_id, 1, f"[one](article:{one.article_id})")(work)

    async with engine.db.work(MAYA) as work:
        await saving(one.article_id, 1, f"[two](article:{two.article_id})")(work)
        # It needs nothing that the first one holds: a link does not wait for its target.
        async with asyncio.timeout(5):
            await contextvars.Context().run(asyncio.ensure_future, run_second())

    for source, target in links.items():
        view = await engine.knowledge.article(MAYA, source)
        assert [link.article_id for link in view.links] == [target]
        assert [link.article_id for link in view.backlinks] == [target]


async def test_many_hands_at_one_article_leave_one_current_text(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "keys.md").write_text("# Keys\nFrom a file")
    report = await engine.knowledge.import_folder(MAYA, tmp_path)
    article_id = report.items[0].article_id
    assert article_id is not None

    async def edit(number: int) -> None:
        view = await engine.knowledge.article(MAYA, article_id)
        await engine.knowledge.save_draft(
            MAYA, article_id, f"Edit {number}", expected_version=view.edit_version
        )
        await engine.knowledge.publish(MAYA, article_id)

    async def take(number: int) -> None:
        (tmp_path / "keys.md").write_text(f"# Keys\nFile {number}")
        await engine.knowledge.import_folder(MAYA, tmp_path)

    outcomes = await asyncio.gather(
        *(edit(number) for number in range(6)),
        *(take(number) for number in range(6)),
        return_exceptions=True,
    )

    unexpected = [one for one in outcomes if one is not None and not _is_refusal(one)]
    view = await engine.knowledge.article(MAYA, article_id)
    assert unexpected == []
    assert [r.version for r in view.revisions] == list(range(len(view.revisions), 0, -1))
    assert sum(r.state.value == "published" for r in view.revisions) == 1
    assert view.published is not None
    current = Passages.of(Text(view.published.title, view.published.content))
    assert await findable(engine) == [chunk.content for chunk in current.chunks]


def _is_refusal(outcome: object) -> bool:
    return isinstance(outcome, CairnloopError) and outcome.exit_code == 1
