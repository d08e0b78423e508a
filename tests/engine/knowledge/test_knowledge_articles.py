"""Articles and their revisions: what may change, what never does."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from cairnloop_engine import Caller, Conflict, Engine, Forbidden, Invalid, NotFound
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.model import ArticleStatus, RevisionState
from cairnloop_engine.knowledge.tables import RevisionRow
from tests.fakes import FixedClock

MAYA = Caller.operator("maya")
BODY = "Open Settings and press Revoke."


async def published(engine: Engine, title: str = "Reset your key", body: str = BODY) -> ArticleId:
    saved = await engine.knowledge.create(MAYA, title, body)
    await engine.knowledge.publish(MAYA, saved.article_id)
    return saved.article_id


async def edited(engine: Engine, article_id: ArticleId, body: str) -> None:
    view = await engine.knowledge.article(MAYA, article_id)
    await engine.knowledge.save_draft(MAYA, article_id, body, expected_version=view.edit_version)


async def test_a_new_article_is_a_draft_that_nobody_can_find(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "  Reset\n your key ", BODY)

    view = await engine.knowledge.article(MAYA, saved.article_id)
    assert (view.title, view.status, view.published) == (
        "Reset your key",
        ArticleStatus.DRAFT,
        None,
    )
    assert (saved.version, saved.state, saved.edit_version) == (1, RevisionState.DRAFT, 1)
    assert (await engine.retrieval.search(MAYA, "revoke")).items == ()


@pytest.mark.requirement("03-retrieval-drafting:5")
@pytest.mark.requirement("03-retrieval-drafting:6")
async def test_publishing_makes_the_draft_current_and_queues_its_vectors(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "Reset your key", BODY)

    done = await engine.knowledge.publish(MAYA, saved.article_id)

    view = await engine.knowledge.article(MAYA, saved.article_id)
    assert (done.version, done.state, done.indexed) == (1, RevisionState.PUBLISHED, False)
    assert view.status is ArticleStatus.PUBLISHED
    assert view.published is not None
    assert view.published.published_by == "maya"
    async with engine.db.read(MAYA) as read:
        jobs = await read.session.scalar(
            text("SELECT count(*) FROM public.procrastinate_jobs WHERE queue_name = 'indexing'")
        )
    assert jobs == 1


@pytest.mark.requirement("03-retrieval-drafting:1")
@pytest.mark.requirement("03-retrieval-drafting:3")
async def test_an_edit_after_publishing_begins_the_next_version(engine: Engine) -> None:
    article_id = await published(engine)

    await edited(engine, article_id, "New text")

    view = await engine.knowledge.article(MAYA, article_id)
    assert [(r.version, r.state, r.content) for r in view.revisions] == [
        (2, RevisionState.DRAFT, "New text"),
        (1, RevisionState.PUBLISHED, BODY),
    ]
    assert view.status is ArticleStatus.PUBLISHED


@pytest.mark.requirement("03-retrieval-drafting:4")
async def test_an_edit_of_a_draft_changes_it_in_place(engine: Engine) -> None:
    article_id = await published(engine)
    await edited(engine, article_id, "Second")
    before = (await engine.knowledge.article(MAYA, article_id)).latest

    await edited(engine, article_id, "Third")

    after = (await engine.knowledge.article(MAYA, article_id)).latest
    assert (after.id, after.version, after.content) == (before.id, 2, "Third")


async def test_an_edit_of_an_older_state_is_refused_and_nothing_is_overwritten(
    engine: Engine,
) -> None:
    article_id = await published(engine)
    seen = (await engine.knowledge.article(MAYA, article_id)).edit_version
    await edited(engine, article_id, "Somebody else's")

    with pytest.raises(Conflict) as refused:
        await engine.knowledge.save_draft(MAYA, article_id, "Mine", expected_version=seen)

    assert refused.value.code == "version_conflict"
    assert (await engine.knowledge.article(MAYA, article_id)).content == "Somebody else's"


@pytest.mark.requirement("03-retrieval-drafting:99")
async def test_two_edits_at_once_make_one_draft(engine: Engine) -> None:
    article_id = await published(engine)
    seen = (await engine.knowledge.article(MAYA, article_id)).edit_version

    outcomes = await asyncio.gather(
        *(
            engine.knowledge.save_draft(MAYA, article_id, f"Edit {n}", expected_version=seen)
            for n in range(4)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 3
    assert len((await engine.knowledge.article(MAYA, article_id)).revisions) == 2


async def test_two_publishers_at_once_publish_once(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "Reset", BODY)

    outcomes = await asyncio.gather(
        *(engine.knowledge.publish(MAYA, saved.article_id) for _ in range(4)),
        return_exceptions=True,
    )

    refusals = [o for o in outcomes if isinstance(o, Conflict)]
    assert [o.code for o in refusals] == ["nothing_to_publish"] * 3


@pytest.mark.requirement("03-retrieval-drafting:98")
async def test_publishing_archives_the_version_before(engine: Engine) -> None:
    article_id = await published(engine)
    await edited(engine, article_id, "New text")

    await engine.knowledge.publish(MAYA, article_id)

    view = await engine.knowledge.article(MAYA, article_id)
    assert [(r.version, r.state) for r in view.revisions] == [
        (2, RevisionState.PUBLISHED),
        (1, RevisionState.ARCHIVED),
    ]


@pytest.mark.requirement("03-retrieval-drafting:12")
@pytest.mark.requirement("03-retrieval-drafting:13")
@pytest.mark.parametrize(
    "change",
    [{"content": "other"}, {"title": "other"}, {"version": 9}, {"state": RevisionState.DRAFT}],
)
async def test_the_database_keeps_what_was_published(
    engine: Engine, change: dict[str, object]
) -> None:
    await published(engine)

    with pytest.raises(IntegrityError, match="a published revision does not change"):
        async with engine.db.work(MAYA) as work:
            await work.session.execute(update(RevisionRow).values(**change))


async def test_archiving_ends_an_article_and_is_said_once(engine: Engine) -> None:
    article_id = await published(engine)

    first = await engine.knowledge.archive(MAYA, article_id)
    second = await engine.knowledge.archive(MAYA, article_id)

    view = await engine.knowledge.article(MAYA, article_id)
    assert (first.changed, second.changed) == (True, False)
    assert view.status is ArticleStatus.ARCHIVED
    with pytest.raises(Conflict) as refused:
        await edited(engine, article_id, "Again")
    assert refused.value.code == "article_archived"


async def test_hidden_characters_are_published_only_when_acknowledged(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "Pay", "Send 100 to \u202ecba\u202c now")

    with pytest.raises(Invalid) as refused:
        await engine.knowledge.publish(MAYA, saved.article_id)
    done = await engine.knowledge.publish(MAYA, saved.article_id, acknowledge_hidden=True)

    assert refused.value.code == "hidden_characters"
    assert done.state is RevisionState.PUBLISHED
    assert (await engine.knowledge.article(MAYA, saved.article_id)).latest.hidden_characters


@pytest.mark.parametrize("body", ["", "   \n", "---", "<!-- nothing -->", "<script>x</script>"])
async def test_an_article_that_holds_nothing_to_read_is_not_published(
    engine: Engine, body: str
) -> None:
    saved = await engine.knowledge.create(MAYA, "Empty", body)

    with pytest.raises(Invalid) as refused:
        await engine.knowledge.publish(MAYA, saved.article_id)

    assert refused.value.code == "article_empty"


@pytest.mark.parametrize(
    ("title", "content", "code"),
    [
        ("", "x", "title_blank"),
        (" \u200b ", "x", "title_blank"),
        ("t" * 201, "x", "title_too_long"),
        ("t", "x" * 500_001, "article_too_large"),
    ],
)
async def test_a_text_out_of_bounds_is_refused(
    engine: Engine, title: str, content: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await engine.knowledge.create(MAYA, title, content)

    assert refused.value.code == code


async def test_characters_that_postgres_cannot_hold_are_replaced(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "A\x00B", "x\x00y\ud800")

    view = await engine.knowledge.article(MAYA, saved.article_id)
    assert (view.title, view.content) == ("A\ufffdB", "x\ufffdy\ufffd")


async def test_another_workspace_sees_and_changes_nothing(engine: Engine) -> None:
    article_id = await published(engine)
    other = Caller.operator("noor", "elsewhere")

    assert (await engine.knowledge.articles(other)).items == ()
    for attempt in (
        engine.knowledge.article(other, article_id),
        engine.knowledge.publish(other, article_id),
        engine.knowledge.archive(other, article_id),
        engine.knowledge.save_draft(other, article_id, "x", expected_version=2),
    ):
        with pytest.raises((NotFound, Conflict)) as refused:
            await attempt
        assert refused.value.code == "article_not_found"


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (Caller.customer("acme"), "operator_required"),
        (Caller.operator(None), "operator_missing"),
    ],
)
async def test_only_a_named_operator_changes_articles(
    engine: Engine, who: Caller, code: str
) -> None:
    article_id = await published(engine)

    for attempt in (
        engine.knowledge.create(who, "Title", "Text"),
        engine.knowledge.archive(who, article_id),
        engine.knowledge.save_draft(who, article_id, "x", expected_version=2),
    ):
        with pytest.raises(Forbidden) as refused:
            await attempt
        assert refused.value.code == code


@pytest.mark.requirement("03-retrieval-drafting:7")
@pytest.mark.requirement("03-retrieval-drafting:8")
async def test_lists_are_paged_newest_change_first_and_filtered_by_status(
    engine: Engine, clock: FixedClock
) -> None:
    ids = [await published(engine, f"Article {n}") for n in range(5)]
    await engine.knowledge.create(MAYA, "Draft", "x")
    await engine.knowledge.archive(MAYA, ids[0])

    listed: list[ArticleId] = []
    cursor = None
    while True:
        page = await engine.knowledge.articles(
            MAYA, status=ArticleStatus.PUBLISHED, cursor=cursor, limit=2
        )
        listed.extend(row.id for row in page.items)
        cursor = page.next
        if cursor is None:
            break

    everything = await engine.knowledge.articles(MAYA)
    assert listed == ids[:0:-1]
    assert len(everything.items) == 6
    assert {row.indexed for row in everything.items} == {False, None}


async def test_a_list_is_narrowed_to_titles_that_hold_every_word(engine: Engine) -> None:
    for title in ("Reset your key", "Keys in CI", "100% of seats_left", "Invoices"):
        await engine.knowledge.create(MAYA, title, BODY)

    async def titled(words: str) -> list[str]:
        page = await engine.knowledge.articles(MAYA, title=words)
        return sorted(row.title for row in page.items)

    assert await titled("KEY") == ["Keys in CI", "Reset your key"]
    assert await titled("your key") == ["Reset your key"]
    assert await titled("% seats_") == ["100% of seats_left"]
    assert await titled("key\x00") == []
    assert len(await titled(" ")) == 4


async def test_only_the_version_that_was_shown_is_published(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "Reset your key", BODY)
    await edited(engine, saved.article_id, "Something else")

    with pytest.raises(Conflict) as refused:
        await engine.knowledge.publish(MAYA, saved.article_id, expected_version=saved.edit_version)

    assert refused.value.code == "version_conflict"
    view = await engine.knowledge.article(MAYA, saved.article_id)
    assert view.published is None
    await engine.knowledge.publish(MAYA, saved.article_id, expected_version=view.edit_version)


async def test_titles_in_lists_are_safe_to_draw(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "\x1b[31mRed\x1b[0m", "x")

    page = await engine.knowledge.articles(MAYA)

    assert "\x1b" not in page.items[0].title
    assert "\x1b" not in (await engine.knowledge.article(MAYA, saved.article_id)).title


async def test_every_change_is_in_the_audit_trail(engine: Engine) -> None:
    article_id = await published(engine)
    await engine.knowledge.archive(MAYA, article_id)

    events = await engine.audit.events(MAYA)

    assert [(e.action, e.actor) for e in reversed(events.items)] == [
        ("knowledge.draft_saved", "maya"),
        ("knowledge.published", "maya"),
        ("knowledge.archived", "maya"),
    ]
    assert all(BODY not in str(e.facts) for e in events.items)
