"""What the knowledge base promises to the index, to the schema and to its own history."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Conflict, Engine, Invalid, NotFound
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.model import RevisionState

MAYA = Caller.operator("maya")
TWO_SECTIONS = "## Header 1\nPress revoke.\n### Subheader\nThen press generate."

DECOYS = """
CREATE TABLE public.articles (id bigint, workspace text, status text, title text);
CREATE TABLE public.revisions (id bigint, workspace text, article_id bigint, content text);
CREATE TABLE public.chunks (id bigint, workspace text, revision_id bigint, content text);
INSERT INTO public.articles VALUES (1, 'default', 'published', 'decoy');
INSERT INTO public.revisions VALUES (1, 'default', 1, 'decoy');
INSERT INTO public.chunks VALUES (1, 'default', 1, 'decoy');
"""


async def rows(engine: Engine, statement: str, **values: object) -> list[tuple[object, ...]]:
    async with engine.db.read(MAYA) as read:
        found = await read.session.execute(text(statement), values)
        return [tuple(row) for row in found]


async def published(engine: Engine, content: str, title: str = "Keys") -> ArticleId:
    saved = await engine.knowledge.create(MAYA, title, content)
    await engine.knowledge.publish(MAYA, saved.article_id)
    return saved.article_id


async def rewritten(engine: Engine, article_id: ArticleId, content: str) -> None:
    view = await engine.knowledge.article(MAYA, article_id)
    await engine.knowledge.save_draft(MAYA, article_id, content, expected_version=view.edit_version)
    await engine.knowledge.publish(MAYA, article_id)


async def index(engine: Engine) -> tuple[int, int]:
    done = await engine.run_worker(queues=["indexing"], drain=True)
    return done.ran, done.failed


@pytest.mark.requirement("03-retrieval-drafting:2")
async def test_tables_of_the_same_name_in_public_are_never_touched(engine: Engine) -> None:
    async with engine.db.engine.begin() as connection:
        for statement in DECOYS.strip().split(";\n"):
            await connection.execute(text(statement.rstrip(";")))
    try:
        article_id = await published(engine, "Press revoke")
        await rewritten(engine, article_id, "Press generate")
        await index(engine)
        listed = (await engine.knowledge.articles(MAYA)).items
        found = (await engine.retrieval.search(MAYA, "generate")).items
        decoys = [
            await rows(engine, f"SELECT * FROM public.{name}")
            for name in ("articles", "revisions", "chunks")
        ]
    finally:
        async with engine.db.engine.begin() as connection:
            await connection.execute(
                text("DROP TABLE public.articles, public.revisions, public.chunks")
            )

    assert article_id == 1
    assert [row.title for row in listed] == ["Keys"]
    assert [hit.title for hit in found] == ["Keys"]
    assert [len(one) for one in decoys] == [1, 1, 1]
    assert all("decoy" in one[0] for one in decoys)


@pytest.mark.requirement("03-retrieval-drafting:9")
async def test_a_search_of_an_empty_knowledge_base_finds_nothing(engine: Engine) -> None:
    assert (await engine.retrieval.search(MAYA, "How do I revoke a key?", limit=3)).items == ()


@pytest.mark.requirement("03-retrieval-drafting:10")
@pytest.mark.requirement("03-retrieval-drafting:11")
async def test_a_draft_is_stored_as_written_and_its_text_may_change(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "Keys", "One")
    again = await engine.knowledge.save_draft(
        MAYA, saved.article_id, "Two", expected_version=saved.edit_version
    )

    (revision,) = (await engine.knowledge.article(MAYA, saved.article_id)).revisions
    assert (revision.id, revision.version, revision.state) == (
        saved.revision_id,
        1,
        RevisionState.DRAFT,
    )
    assert (again.revision_id, revision.content) == (saved.revision_id, "Two")


@pytest.mark.requirement("03-retrieval-drafting:24")
async def test_publishing_writes_the_passages_with_their_places_and_headings(
    engine: Engine,
) -> None:
    await published(engine, TWO_SECTIONS)

    found = await rows(
        engine, "SELECT position, heading, content FROM cairnloop.chunks ORDER BY position"
    )

    assert found == [
        (0, "Header 1", "Press revoke."),
        (1, "Header 1 > Subheader", "Then press generate."),
    ]


@pytest.mark.requirement("03-retrieval-drafting:25")
async def test_indexing_again_replaces_what_it_made_before_in_one_transaction(
    engine: Engine,
) -> None:
    article_id = await published(engine, TWO_SECTIONS)
    await index(engine)
    made = "SELECT slot, position, xmin::text FROM cairnloop.search_vectors ORDER BY 1, 2"
    before = await rows(engine, made)

    await engine.retrieval.rebuild(MAYA, article_ids=[article_id])
    await index(engine)

    after = await rows(engine, made)
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert len({row[2] for row in after}) == 1
    assert {row[2] for row in after}.isdisjoint(row[2] for row in before)
    assert await rows(engine, "SELECT count(*) FROM cairnloop.chunks") == [(2,)]


@pytest.mark.requirement("03-retrieval-drafting:26")
@pytest.mark.requirement("03-retrieval-drafting:28")
async def test_the_index_reports_what_waits_and_then_that_the_revision_is_done(
    engine: Engine,
) -> None:
    article_id = await published(engine, TWO_SECTIONS)
    waiting = await engine.retrieval.status(MAYA)
    before = (await engine.knowledge.article(MAYA, article_id)).published

    # No key is set anywhere: the default embedder needs none.
    ran, failed = await index(engine)

    done = await engine.retrieval.status(MAYA)
    after = (await engine.knowledge.article(MAYA, article_id)).published
    assert before is not None
    assert after is not None
    assert (ran, failed) == (1, 0)
    assert (waiting.n_pending, done.n_pending, done.n_ready) == (1, 0, 1)
    assert (before.id, before.indexed, after.indexed) == (after.id, False, True)


@pytest.mark.requirement("03-retrieval-drafting:27")
async def test_a_job_for_an_article_that_is_gone_ends_calmly_and_makes_nothing(
    engine: Engine,
) -> None:
    article_id = await published(engine, TWO_SECTIONS)
    async with engine.db.engine.begin() as connection:
        await connection.execute(text("DELETE FROM cairnloop.articles"))

    ran, failed = await index(engine)

    assert (ran, failed) == (1, 0)
    assert await rows(engine, "SELECT count(*) FROM cairnloop.search_vectors") == [(0,)]
    with pytest.raises(NotFound) as refused:
        await engine.knowledge.article(MAYA, article_id)
    assert refused.value.code == "article_not_found"


@pytest.mark.requirement("03-retrieval-drafting:98")
async def test_what_was_replaced_or_archived_is_never_found_again_by_any_road(
    engine: Engine,
) -> None:
    replaced = await published(engine, "The xylophone opens the vault", "First")
    archived = await published(engine, "The zeppelin carries the parcel", "Second")
    await index(engine)
    await rewritten(engine, replaced, "The kazoo opens the vault")
    await engine.knowledge.archive(MAYA, archived)
    await index(engine)
    await engine.retrieval.rebuild(MAYA)
    await index(engine)

    for query in ("xylophone", "zeppelin carries the parcel", "The xylophone opens the vault"):
        hits = (await engine.retrieval.search(MAYA, query)).items
        assert all("kazoo" in hit.content for hit in hits)
        assert all(hit.article_id != archived for hit in hits)
    kept = await rows(
        engine, "SELECT content FROM cairnloop.chunks WHERE content LIKE '%xylophone%'"
    )
    # History stays, because replies cite it.
    assert len(kept) == 1


async def test_an_archived_article_is_not_published_again(engine: Engine) -> None:
    article_id = await published(engine, "Press revoke")
    await engine.knowledge.archive(MAYA, article_id)

    with pytest.raises(Conflict) as refused:
        await engine.knowledge.publish(MAYA, article_id)

    assert refused.value.code == "article_archived"


async def test_what_is_current_is_not_published_twice(engine: Engine) -> None:
    article_id = await published(engine, "Press revoke")

    with pytest.raises(Conflict) as refused:
        await engine.knowledge.publish(MAYA, article_id)

    assert refused.value.code == "nothing_to_publish"


@pytest.mark.requirement("03-retrieval-drafting:114")
async def test_an_article_with_unclosed_markup_is_found(engine: Engine) -> None:
    await published(engine, "Run `cairn reset and **wait\n\n[half](")

    found = (await engine.retrieval.search(MAYA, "cairn reset")).items

    assert [hit.title for hit in found] == ["Keys"]


async def test_two_versions_are_compared(engine: Engine) -> None:
    article_id = await published(engine, "One\nTwo")
    view = await engine.knowledge.article(MAYA, article_id)
    await engine.knowledge.save_draft(
        MAYA, article_id, "One\nThree", expected_version=view.edit_version, title="Tokens"
    )

    found = await engine.knowledge.diff(MAYA, article_id)
    first = await engine.knowledge.diff(MAYA, article_id, older=0, newer=1)

    assert (found.older, found.newer) == (1, 2)
    assert found.lines[2:] == (
        "@@ -1,4 +1,4 @@",
        *("-title: Keys", "+title: Tokens", " ", " One", "-Two", "+Three"),
    )
    assert first.lines[2:] == ("@@ -0,0 +1,4 @@", "+title: Keys", "+", "+One", "+Two")
    for wrong in ({"newer": 9}, {"older": 9}):
        with pytest.raises(NotFound) as refused:
            await engine.knowledge.diff(MAYA, article_id, **wrong)
        assert refused.value.code == "revision_not_found"
    with pytest.raises(NotFound):
        await engine.knowledge.diff(MAYA, ArticleId(99))


async def test_a_title_is_kept_within_bounds_at_every_door(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "t" * 200, "Text")

    for title, code in (("t" * 201, "title_too_long"), ("\u200b", "title_blank")):
        with pytest.raises(Invalid) as refused:
            await engine.knowledge.save_draft(
                MAYA, saved.article_id, "x", expected_version=1, title=title
            )
        assert refused.value.code == code
