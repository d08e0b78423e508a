"""Resolved cases beside the articles: supporting, in their own section, in their own workspace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.retrieval.facade import Retrieval
from cairnloop_engine.retrieval.model import Degraded, GroundingStatus, Reason, SourceType, Trust
from cairnloop_engine.retrieval.ranking import recency
from tests.engine.retrieval.desk import MAYA, index
from tests.fakes import FixedClock

NOOR = Caller.operator("noor", "elsewhere")
QUESTION = "How do I reset my API key?"
ASKED = "I have to reset the API key of our deploy robot, how?"
ANSWERED = "Revoke the key of the robot first, then generate a new one. ERR-5151 is harmless."


async def resolved(
    engine: Engine, asked: str = ASKED, answer: str = ANSWERED, *, caller: Caller = MAYA
) -> ConversationId:
    """A conversation that was answered and resolved, and is evidence from now on."""
    received = await engine.conversations.ingest(
        Caller.customer("acme", caller.workspace), customer_ref="acme", text=asked, start_new=True
    )
    await engine.conversations.reply(caller, received.conversation_id, answer, hold=0)
    await engine.conversations.resolve(caller, received.conversation_id)
    await index(engine)
    return received.conversation_id


@pytest.mark.requirement("03-retrieval-drafting:34")
@pytest.mark.requirement("03-retrieval-drafting:36")
@pytest.mark.requirement("03-retrieval-drafting:37")
async def test_a_case_stands_behind_the_articles_and_never_carries_a_reply(
    stocked: Engine,
) -> None:
    conversation_id = await resolved(stocked)

    found = await stocked.retrieval.search(MAYA, QUESTION)
    again = await stocked.retrieval.search(MAYA, QUESTION)
    bundle = await stocked.retrieval.evidence_for(MAYA, QUESTION)

    article, case = found.items[0], found.items[-1]
    assert (article.source_type, article.trust) == (SourceType.KNOWLEDGE_BASE, Trust.CANONICAL)
    assert (case.source_type, case.trust) == (SourceType.RESOLVED_CASE, Trust.ASSISTIVE)
    assert [hit.trust for hit in found.items].index(Trust.ASSISTIVE) == len(found.items) - 1
    assert case.conversation_id == conversation_id
    assert case.case is not None
    assert "deploy robot" in case.case.issue_summary
    assert (case.article_id, case.revision_id) == (None, None)
    assert article.score > case.score
    assert [(hit.title, hit.score) for hit in again.items] == [
        (hit.title, hit.score) for hit in found.items
    ]
    assert [one.groundable for one in bundle.evidence] == [True, *[False] * len(found.items[1:])][
        : len(bundle.evidence)
    ]
    assert bundle.grounding.status is GroundingStatus.STRONG


@pytest.mark.requirement("03-retrieval-drafting:40")
async def test_a_case_is_found_in_its_workspace_only(stocked: Engine) -> None:
    await resolved(stocked, caller=NOOR)

    mine = await stocked.retrieval.search(MAYA, QUESTION)
    theirs = await stocked.retrieval.search(NOOR, QUESTION)

    assert all(hit.trust is Trust.CANONICAL for hit in mine.items)
    assert [hit.trust for hit in theirs.items] == [Trust.ASSISTIVE]
    assert theirs.grounding.reason is Reason.ASSISTIVE_ONLY_RESULTS


async def test_identifiers_and_typos_work_among_cases_too(stocked: Engine) -> None:
    await resolved(stocked)

    coded = await stocked.retrieval.search(MAYA, "err5151")
    slipped = await stocked.retrieval.search(MAYA, "deplooy robott")

    assert set(coded.items[-1].why.identifiers) == {"err5151", "5151"}
    assert "ERR-5151" in coded.items[-1].content
    assert {one.read for one in slipped.read_as} >= {"robot"}
    assert slipped.items[-1].trust is Trust.ASSISTIVE


async def test_an_older_case_counts_for_less(stocked: Engine, clock: FixedClock) -> None:
    await resolved(stocked)
    fresh = (await stocked.retrieval.search(MAYA, QUESTION)).items[-1]
    article = (await stocked.retrieval.search(MAYA, QUESTION)).items[0]

    recipe = stocked.retrieval.config.recipe
    clock.advance(recipe.case_half_life)
    later = await stocked.retrieval.search(MAYA, QUESTION)

    left = recency(recipe, recipe.case_half_life) / recency(recipe, timedelta(0))
    assert later.items[-1].score == pytest.approx(fresh.score * left, rel=1e-3)
    assert later.items[0].score == pytest.approx(article.score)


async def test_cases_fill_no_more_than_their_section(stocked: Engine) -> None:
    for n in range(4):
        await resolved(stocked, f"{ASKED} It is robot number {n}.")

    found = await stocked.retrieval.search(MAYA, QUESTION)
    one = await stocked.retrieval.search(MAYA, QUESTION, limit=1)

    assert sum(hit.trust is Trust.ASSISTIVE for hit in found.items) == 3
    assert [hit.trust for hit in one.items] == [Trust.CANONICAL, Trust.ASSISTIVE]


async def test_articles_are_found_while_the_cases_are_not_to_be_had(stocked: Engine) -> None:
    await resolved(stocked)
    hasty = _hasty(stocked)
    async with stocked.db.engine.connect() as elsewhere:
        await elsewhere.execute(text(f"LOCK TABLE {_table(stocked, 'case_chunks')}"))
        found = await hasty.search(MAYA, QUESTION)
        await elsewhere.rollback()

    assert found.degraded == (Degraded.CASES_UNAVAILABLE,)
    assert {hit.trust for hit in found.items} == {Trust.CANONICAL}
    assert found.grounding.status is GroundingStatus.STRONG


async def test_cases_are_found_while_the_articles_are_not_to_be_had(stocked: Engine) -> None:
    await resolved(stocked)
    hasty = _hasty(stocked)
    async with stocked.db.engine.connect() as elsewhere:
        await elsewhere.execute(text(f"LOCK TABLE {_table(stocked, 'chunks')}"))
        found = await hasty.evidence_for(MAYA, QUESTION)
        await elsewhere.rollback()

    assert found.degraded == (Degraded.SEARCH_TIMED_OUT,)
    assert [one.trust for one in found.evidence] == [Trust.ASSISTIVE]
    assert found.grounding.status is GroundingStatus.ESCALATION
    assert found.grounding.reason is Reason.PROVIDER_TIMEOUT


async def test_a_missing_table_of_the_cases_costs_only_the_cases(
    stocked: Engine,
) -> None:
    await resolved(stocked)
    table = _table(stocked, "case_chunks")
    async with stocked.db.engine.begin() as elsewhere:
        await elsewhere.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    try:
        found = await stocked.retrieval.search(MAYA, QUESTION)
    finally:
        async with stocked.db.engine.begin() as elsewhere:
            away = _table(stocked, "away")
            await elsewhere.execute(text(f"ALTER TABLE {away} RENAME TO case_chunks"))

    assert found.degraded == (Degraded.CASES_UNAVAILABLE,)
    assert found.items[0].title == "Resetting your API key"


def _hasty(engine: Engine) -> Retrieval:
    retrieval = engine.retrieval
    return Retrieval(
        retrieval.db,
        retrieval.embedding,
        replace(retrieval.config, search_timeout=timedelta(milliseconds=500)),
    )


def _table(engine: Engine, name: str) -> str:
    return f'"{engine.settings.schema_prefix}"."{name}"'
