"""The loaded story: what is in the database once the demo was seeded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.reads import InboxRow
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.demo import verify
from cairnloop_engine.demo.scenario import ConversationSeed
from cairnloop_engine.drafting.model import ProposalType
from cairnloop_engine.knowledge.model import ArticleStatus, RevisionState
from tests.engine.demo.loading import NOW, PARTS, counts, load, rows, settings_for
from tests.fakes import FixedClock

OPERATOR = Caller.operator("demo_operator")


@pytest.fixture
async def told(story_settings: Settings) -> AsyncIterator[Engine]:
    settings = story_settings.with_changes(
        context_provider="cairnloop_engine.demo.context:DemoContextProvider"
    )
    async with Engine(settings, clock=FixedClock(NOW)) as engine:
        yield engine


async def every_row(engine: Engine) -> list[InboxRow]:
    page = await engine.conversations.inbox(OPERATOR, limit=100)
    return sorted(page.items, key=lambda row: row.id)


async def row_of(engine: Engine, key: str) -> InboxRow:
    seed = next(seed for part in PARTS for seed in part.conversations if seed.key == key)
    row = await verify.find(engine, OPERATOR, seed)
    assert row is not None
    return row


@pytest.mark.requirement("06-demo-fixtures:15")
@pytest.mark.requirement("06-demo-fixtures:20")
async def test_every_conversation_stands_where_the_story_left_it(told: Engine) -> None:
    found = await every_row(told)
    seeds: list[ConversationSeed] = [seed for part in PARTS for seed in part.conversations]

    # Ids follow the numbers of the story, because people talk of "conversation 17".
    assert [(row.id, row.state, row.message_count) for row in found] == [
        (number, seed.state, seed.message_count) for number, seed in enumerate(seeds, start=1)
    ]


@pytest.mark.requirement("06-demo-fixtures:14")
async def test_home_counts_fifteen_open_and_five_resolved_of_the_story(told: Engine) -> None:
    story = [row for row in await every_row(told) if row.id <= 20]

    assert sum(row.status.value == "open" for row in story) == 15
    assert sum(row.status.value == "resolved" for row in story) == 5


async def test_the_thread_reads_in_the_order_in_which_it_was_written(told: Engine) -> None:
    for row in await every_row(told):
        thread = await told.conversations.thread(OPERATOR, row.id)
        times = [message.inserted_at for message in thread.messages]
        assert all(later - earlier >= timedelta(minutes=1) for earlier, later in pairwise(times))
        assert max(times) <= NOW


async def test_a_resolved_conversation_says_who_resolved_it_and_when(told: Engine) -> None:
    resolved = await row_of(told, "demo-13")

    assert resolved.resolved_by == "demo_operator"
    assert resolved.resolved_at == NOW - timedelta(days=13)


@pytest.mark.requirement("06-demo-fixtures:2")
async def test_articles_can_be_found_and_replaced_revisions_cannot(told: Engine) -> None:
    page = await told.knowledge.articles(OPERATOR)
    found = {row.title: row for row in page.items}
    rotation = await told.knowledge.article(OPERATOR, found["Rotating an expired token"].id)

    assert [revision.state for revision in rotation.revisions] == [
        RevisionState.PUBLISHED,
        RevisionState.ARCHIVED,
    ]
    assert all(row.indexed for row in page.items if row.status is ArticleStatus.PUBLISHED)
    result = await told.retrieval.search(OPERATOR, "integration tokens expire after 30 days")
    assert result.items[0].title == "Rotating an expired token"
    assert all("30 days after they are made" not in hit.content for hit in result.items)


@pytest.mark.requirement("06-demo-fixtures:8")
async def test_a_draft_article_waits_unpublished(told: Engine) -> None:
    page = await told.knowledge.articles(OPERATOR, status=ArticleStatus.DRAFT)

    assert [row.title for row in page.items] == ["Draft: Reconciling disputed receipt exports"]


@pytest.mark.requirement("06-demo-fixtures:4")
async def test_drafts_of_every_kind_were_made_by_the_drafting_job(told: Engine) -> None:
    page = await told.drafting.drafts(OPERATOR, limit=100)

    assert {draft.proposal_type for draft in page.items} == set(ProposalType)
    assert {draft.status.value for draft in page.items} == {"pending", "approved", "discarded"}
    assert {draft.generator for draft in page.items} == {"scoria"}
    made = await told.audit.events(OPERATOR, filter=AuditFilter(action="drafting.created"))
    assert {(event.actor_kind, event.actor) for event in made.items} == {("system", "drafting")}


async def test_what_a_draft_cites_stands_in_the_knowledge_base(told: Engine) -> None:
    page = await told.drafting.drafts(OPERATOR, status="pending", limit=100)
    replies = [row for row in page.items if row.proposal_type is ProposalType.REPLY]

    assert replies
    for row in replies:
        draft = await told.drafting.draft(OPERATOR, row.id)
        cited = [passage for passage in draft.evidence if passage.cited]
        assert cited
        for passage in cited:
            assert passage.chunk_id is not None
            stored = await told.knowledge.passage(OPERATOR, passage.chunk_id)
            assert stored.current
            assert stored.content == passage.content


async def test_a_request_for_money_goes_to_a_person(told: Engine) -> None:
    refund = await told.drafting.pending_for(OPERATOR, ConversationId(17))

    assert refund is not None
    assert refund.proposal_type is ProposalType.ESCALATION
    assert refund.customer_reply is None


async def test_an_answer_of_the_operator_cites_the_article(told: Engine) -> None:
    thread = await told.conversations.thread(OPERATOR, ConversationId(11))

    (citation,) = thread.messages[-1].citations
    assert citation.title == "Resetting your Trailmark API key"
    assert citation.article_id is not None


async def test_an_edited_draft_was_sent_with_the_operators_words(told: Engine) -> None:
    row = await row_of(told, "demo-22")
    thread = await told.conversations.thread(OPERATOR, row.id)

    answer = thread.messages[-1]
    assert answer.draft_id is not None
    assert answer.content.startswith("Hello Mateo, open Settings")


async def test_the_customer_context_is_that_of_the_customer(told: Engine) -> None:
    context = await told.conversations.customer_context(OPERATOR, ConversationId(17))

    assert context.state == "ready"
    assert [title for title, _ in context.sections] == [
        "Active Plan",
        "Recent Charges",
        "User Details",
    ]


async def test_a_customer_without_context_is_there_too(told: Engine) -> None:
    row = await row_of(told, "demo-24")
    context = await told.conversations.customer_context(OPERATOR, row.id)

    assert context.state == "empty"


async def test_the_trail_of_a_conversation_runs_forward(told: Engine) -> None:
    for row in await every_row(told):
        page = await told.audit.events(
            OPERATOR, filter=AuditFilter(conversation_id=row.id), limit=100
        )
        times = [event.occurred_at for event in reversed(page.items)]
        assert times == sorted(times)


async def test_some_conversations_belong_to_the_operator(told: Engine) -> None:
    page = await told.conversations.inbox(
        OPERATOR, filter=InboxFilter.parse("who:me", me="demo_operator")
    )

    assert len(page.items) == 2


@pytest.mark.requirement("03-retrieval-drafting:19")
async def test_an_article_of_two_versions_keeps_the_first_and_is_searched_by_the_second(
    told: Engine,
) -> None:
    (row,) = (await told.knowledge.articles(OPERATOR, title="CI run was skipped")).items

    article = await told.knowledge.article(OPERATOR, row.id)
    status = await told.retrieval.status(OPERATOR)

    assert [(one.version, one.state) for one in article.revisions] == [
        (2, RevisionState.PUBLISHED),
        (1, RevisionState.ARCHIVED),
    ]
    assert article.indexed
    assert (status.n_pending, status.n_failed) == (0, 0)


@pytest.mark.requirement("06-demo-fixtures:17")
async def test_verifying_finds_nothing_wrong(told: Engine) -> None:
    checks = [check for part in PARTS for check in await verify.check_part(told, part)]

    assert [check for check in checks if not check.ok] == []


def test_nothing_of_the_story_is_left_to_a_worker(story_settings: Settings) -> None:
    assert story_settings.database_url is not None
    found = counts(story_settings.database_url.get_secret_value())

    assert found["pending_work"] == 0


@pytest.mark.slow
@pytest.mark.requirement("06-demo-fixtures:12")
@pytest.mark.requirement("06-demo-fixtures:19")
def test_loading_again_changes_nothing_and_loading_elsewhere_gives_the_same_rows(
    story_settings: Settings, own_database: str, tmp_path: Path
) -> None:
    assert story_settings.database_url is not None
    url = story_settings.database_url.get_secret_value()
    before = rows(url)

    again = load(story_settings, PARTS)
    load(settings_for(own_database, tmp_path), PARTS)

    assert not any(part.fresh for part in again)
    assert rows(url) == before
    assert rows(own_database) == before
