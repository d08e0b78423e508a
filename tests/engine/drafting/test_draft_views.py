"""Drafts as front ends see them."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest

from cairnloop_engine import Caller, Engine, Invalid
from cairnloop_engine.core.ids import DraftId
from cairnloop_engine.retrieval.model import GroundingStatus, Reason
from tests.engine.drafting.builders import bundle, evidence
from tests.engine.drafting.desk import MAYA, Desk


async def five(desk: Desk) -> list[DraftId]:
    """Five drafts about five questions of one thread; all but the last are superseded."""
    return [(await desk.drafted(f"Question {number}")).id for number in range(5)]


async def test_pages_run_from_new_to_old_and_cover_every_draft_once(desk: Desk) -> None:
    made = await five(desk)
    met: list[DraftId] = []
    cursor: str | None = None
    while True:
        page = await desk.drafting.drafts(MAYA, cursor=cursor, limit=2)
        met.extend(row.id for row in page.items)
        cursor = page.next
        if cursor is None:
            break

    assert met == made[::-1]


async def test_drafts_are_found_by_status(desk: Desk) -> None:
    made = await five(desk)

    waiting = await desk.drafting.drafts(MAYA, status="waiting")
    discarded = await desk.drafting.drafts(MAYA, status="discarded")

    assert [row.id for row in waiting.items] == made[-1:]
    assert [row.id for row in discarded.items] == made[:-1][::-1]
    assert (await desk.drafting.drafts(MAYA, status="approved")).items == ()


@pytest.mark.parametrize("wrong", [{"status": "sent"}, {"cursor": "nonsense"}, {"limit": 0}])
async def test_a_wrong_question_is_refused_by_name(desk: Desk, wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        await desk.drafting.drafts(MAYA, **wrong)  # type: ignore[arg-type]


@pytest.mark.requirement("03-retrieval-drafting:108")
async def test_a_draft_read_back_holds_all_that_the_decision_saw(desk: Desk) -> None:
    seen = (
        evidence(1, title="Rotating an API key"),
        evidence(2, title="Revoking an API key", heading="Keys > Danger"),
    )
    desk.ground.answer = bundle(*seen, attempts=0)

    draft = await desk.drafted()

    assert [one.number for one in draft.evidence] == [1, 2]
    assert [one.cited for one in draft.evidence] == [True, False]
    second = draft.evidence[1]
    assert (second.title, second.heading) == ("Revoking an API key", "Keys > Danger")
    assert (second.article_id, second.revision_id, second.chunk_id) == (2, 12, 102)
    assert second.content == seen[1].content
    assert second.why == seen[1].why
    assert (draft.grounding.status, draft.grounding.reason) == (
        GroundingStatus.STRONG,
        Reason.CANONICAL_RESULTS,
    )
    assert (draft.grounding.confidence, draft.grounding.calibrated) == (0.72, False)
    assert draft.grounding.embedder == "test-embedder"
    assert json.dumps(dataclasses.asdict(draft), default=str)


async def test_evidence_of_another_version_still_draws(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.write(
        """UPDATE cairnloop.drafts SET grounding_metadata = '{"v": 9}',"""
        """ evidence_snapshot = '{"v": 9, "evidence": [{"title": 3}, "odd", {"number": 1}]}'"""
    )

    shown = await desk.drafting.draft(MAYA, draft.id)

    assert shown.grounding.status is GroundingStatus.ESCALATION
    assert [one.number for one in shown.evidence] == [0, 1]


async def test_outside_words_are_safe_in_every_view(desk: Desk) -> None:
    nasty = "\x1b]52;c;ZXZpbA==\x07 [red]\u202e"
    hostile = evidence(content=f"Rotate {nasty} the API key.", title=f"T {nasty}", heading=nasty)
    desk.ground.answer = bundle(hostile)

    draft = await desk.drafted()
    row = (await desk.drafting.drafts(MAYA)).items[0]

    drawn = json.dumps([dataclasses.asdict(draft), dataclasses.asdict(row)], default=str)
    assert "\\u001b" not in drawn
    assert "\\u202e" not in drawn
    assert draft.hidden_characters


async def test_reading_needs_no_operator_and_writes_nothing(desk: Desk) -> None:
    draft = await desk.drafted()
    anybody = Caller.operator(None)

    assert (await desk.drafting.draft(anybody, draft.id)).id == draft.id
    assert await desk.drafting.pending_for(anybody, draft.conversation_id) is not None
    assert len((await desk.drafting.drafts(anybody)).items) == 1


@pytest.mark.requirement("03-retrieval-drafting:82")
async def test_screens_hear_of_a_new_draft_and_of_what_becomes_of_it(
    engine: Engine, desk: Desk
) -> None:
    heard: list[tuple[str, int]] = []

    async def hear(kind: str, row_id: int) -> None:
        async with asyncio.timeout(5):
            async for change in feed:
                heard.append((change.kind, change.id))
                if heard[-1] == (kind, row_id):
                    return

    async with engine.changes("default") as feed:
        await anext(aiter(feed))  # The first word of a feed: load everything.
        draft = await desk.drafted()
        await hear("draft", draft.id)
        assert ("conversation", draft.conversation_id) in heard

        heard.clear()
        await desk.drafting.discard(MAYA, draft.id)
        await hear("draft", draft.id)
