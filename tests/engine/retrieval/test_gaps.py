"""Gap events on real Postgres: recorded once, counted, told to operators, pruned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Invalid, Settings
from cairnloop_engine.retrieval import gap_jobs
from cairnloop_engine.retrieval.gap_model import (
    FINGERPRINT_PURPOSE,
    OutcomeClass,
    Surface,
    UiSurface,
    fingerprint,
)
from cairnloop_engine.retrieval.gaps import REPEATED_WITHIN
from cairnloop_engine.retrieval.model import (
    Grounding,
    GroundingStatus,
    Hit,
    Reason,
    SearchResult,
    Trust,
)
from tests.engine.retrieval.desk import MAYA, Scripted, publish
from tests.fakes import FixedClock
from tests.unit.retrieval.hits import hit

NOBODY = Caller(None)
ELSEWHERE = Caller.operator("noor", "elsewhere")
INBOX = UiSurface.INBOX
ASSISTIVE = hit(trust=Trust.ASSISTIVE)


@pytest.fixture
def engine(scripted: Engine) -> Engine:
    """No test here embeds anything."""
    return scripted


def found(*items: Hit, query: str = "refund policy", reason: Reason | None = None) -> SearchResult:
    """What a search answered, as the console hands it over once it has settled."""
    usual = Reason.ASSISTIVE_ONLY_RESULTS if items else Reason.NO_CANONICAL_RESULTS
    grounding = Grounding(GroundingStatus.ESCALATION, reason or usual, 0.0)
    return SearchResult(query, items, grounding)


async def rows(engine: Engine) -> Sequence[Any]:
    async with engine.db.engine.connect() as connection:
        statement = text("SELECT * FROM cairnloop.gap_events ORDER BY id")
        return (await connection.execute(statement)).mappings().all()


@pytest.mark.requirement("03-retrieval-drafting:54")
@pytest.mark.requirement("03-retrieval-drafting:57")
async def test_a_search_that_found_nothing_is_told_at_once_redacted_and_keyed(
    engine: Engine, clock: FixedClock
) -> None:
    clock.advance(timedelta(microseconds=123_456))
    query = "Refund for jane@example.com, order 1234567"
    near = replace(ASSISTIVE, excerpt="Ask jane@example.com")

    noted = await engine.gaps.note_search(MAYA, found(near, query=query), ui_surface=INBOX)

    [event] = (await engine.gaps.recent(MAYA)).items
    assert event.id == noted
    assert event.excerpt == "Refund for [redacted-email], order [redacted-number]"
    assert (event.surface, event.ui_surface) == (Surface.SEARCH_MODAL, INBOX)
    assert (event.outcome_class, event.reason) == (
        OutcomeClass.WEAK_GROUNDING,
        "assistive_only_results",
    )
    assert (event.canonical_hits, event.assistive_hits) == (0, 1)
    assert [one.excerpt for one in event.evidence] == ["Ask [redacted-email]"]
    assert event.occurred_at == event.last_seen_at == clock.now()
    assert event.occurrences == 1
    [row] = await rows(engine)
    assert engine.db.keys is not None
    key = engine.db.keys.find()
    assert key is not None
    assert row["query_fingerprint"] == fingerprint(
        key.derived(FINGERPRINT_PURPOSE), "default", query
    )
    assert "jane" not in str(dict(row))


@pytest.mark.requirement("03-retrieval-drafting:58")
@pytest.mark.requirement("03-retrieval-drafting:59")
@pytest.mark.requirement("03-retrieval-drafting:111")
async def test_the_same_question_a_minute_later_is_the_same_event_whoever_asks(
    engine: Engine, clock: FixedClock
) -> None:
    first = await engine.gaps.note_search(NOBODY, found(ASSISTIVE), ui_surface=INBOX)
    clock.advance(timedelta(seconds=60))
    again = found(ASSISTIVE, query="  REFUND\u00a0Policy ")
    second = await engine.gaps.note_search(NOBODY, again, ui_surface=INBOX)
    third = await engine.gaps.note_search(MAYA, again, ui_surface=INBOX)

    [event] = (await engine.gaps.recent(MAYA)).items
    assert first == second == third == event.id
    assert event.occurrences == 3
    assert event.excerpt == "refund policy"
    assert event.last_seen_at - event.occurred_at == timedelta(seconds=60)


async def test_another_screen_outcome_question_or_workspace_is_an_event_of_its_own(
    engine: Engine,
) -> None:
    noted = [
        await engine.gaps.note_search(MAYA, found(ASSISTIVE), ui_surface=INBOX),
        await engine.gaps.note_search(MAYA, found(ASSISTIVE), ui_surface=UiSurface.CONVERSATION),
        await engine.gaps.note_search(MAYA, found(), ui_surface=INBOX),
        await engine.gaps.note_search(MAYA, found(query="refunds"), ui_surface=INBOX),
        await engine.gaps.note_search(ELSEWHERE, found(ASSISTIVE), ui_surface=INBOX),
    ]

    assert len(set(noted)) == len(noted)
    assert len((await engine.gaps.recent(MAYA)).items) == 4
    assert [e.id for e in (await engine.gaps.recent(ELSEWHERE)).items] == noted[-1:]


async def test_after_a_day_the_same_question_is_a_new_event(
    engine: Engine, clock: FixedClock
) -> None:
    first = await engine.gaps.note_search(MAYA, found(), ui_surface=INBOX)
    clock.advance(REPEATED_WITHIN - timedelta(seconds=1))
    counted = await engine.gaps.note_search(MAYA, found(), ui_surface=INBOX)
    clock.advance(timedelta(seconds=1))
    second = await engine.gaps.note_search(MAYA, found(), ui_surface=INBOX)
    third = await engine.gaps.note_search(MAYA, found(), ui_surface=INBOX)

    assert (counted, third) == (first, second)
    assert [(e.id, e.occurrences) for e in (await engine.gaps.recent(MAYA)).items] == [
        (second, 2),
        (first, 2),
    ]


@pytest.mark.requirement("03-retrieval-drafting:110")
async def test_what_is_typed_on_the_way_to_a_question_leaves_nothing(engine: Engine) -> None:
    await publish(engine, "Adding a seat", "Open Settings and choose Team.")

    for typed in ("r", " r ", ""):
        assert await engine.gaps.note_search(MAYA, found(query=typed), ui_surface=INBOX) is None
    # The console hands over what has settled: once, however often "refund" was searched.
    settled = await engine.retrieval.search(MAYA, "refund")
    noted = await engine.gaps.note_search(MAYA, settled, ui_surface=INBOX)

    assert noted is not None
    assert [(e.excerpt, e.occurrences) for e in (await engine.gaps.recent(MAYA)).items] == [
        ("refund", 1)
    ]


async def test_a_search_that_brought_an_article_leaves_nothing(engine: Engine) -> None:
    mixed = found(hit(), ASSISTIVE, reason=Reason.CANONICAL_INSUFFICIENT_DETAIL)

    assert await engine.gaps.note_search(MAYA, mixed, ui_surface=INBOX) is None
    assert await rows(engine) == []


async def test_without_the_install_key_nothing_is_recorded_and_nothing_fails(
    settings: Settings, clock: FixedClock, embedder: Scripted
) -> None:
    # A key that is too short is refused, as one that cannot be read.
    settings.home_dir.mkdir(parents=True)
    (settings.home_dir / "install.key").write_text("short")
    async with Engine(settings, clock=clock) as engine:
        assert await engine.gaps.note_search(MAYA, found(), ui_surface=INBOX) is None
        assert await rows(engine) == []


async def test_pages_of_gap_events_are_complete_and_in_order(
    engine: Engine, clock: FixedClock
) -> None:
    for n in range(5):
        await engine.gaps.note_search(MAYA, found(query=f"question {n}"), ui_surface=INBOX)
        clock.advance(timedelta(seconds=n % 2))
    first = await engine.gaps.recent(MAYA, limit=2)
    second = await engine.gaps.recent(MAYA, limit=2, cursor=first.next)
    third = await engine.gaps.recent(MAYA, limit=2, cursor=second.next)

    told = [event.excerpt for page in (first, second, third) for event in page.items]
    assert told == [f"question {n}" for n in (4, 3, 2, 1, 0)]
    assert third.next is None
    with pytest.raises(Invalid) as refused:
        await engine.gaps.recent(MAYA, cursor="nonsense")
    assert refused.value.code == "cursor_invalid"


@pytest.mark.requirement("03-retrieval-drafting:60")
@pytest.mark.requirement("03-retrieval-drafting:61")
async def test_old_events_are_pruned_in_batches_and_exactly_at_the_limit(
    engine: Engine, clock: FixedClock
) -> None:
    ages = (91, 91, 91, 90, 10)
    for n, age in enumerate(ages):
        await engine.gaps.note_search(MAYA, found(query=f"question {n}"), ui_surface=INBOX)
        async with engine.db.work(MAYA) as work:
            await work.session.execute(
                text(
                    f"UPDATE {work.qualified('gap_events')} SET occurred_at = :moment"
                    " WHERE excerpt = :excerpt"
                ),
                {"moment": clock.now() - timedelta(days=age), "excerpt": f"question {n}"},
            )

    default = engine.settings.gap_retention_days
    pruned = await gap_jobs.prune(engine.db, timedelta(days=default), batch=2)

    assert default == 90
    assert pruned == 3
    assert sorted(row["excerpt"] for row in await rows(engine)) == ["question 3", "question 4"]
    assert await gap_jobs.prune(engine.db, timedelta(days=9)) == 2


async def test_a_worker_prunes_by_the_setting(settings: Settings, clock: FixedClock) -> None:
    changed = settings.with_changes(gap_retention_days=30.0, embedder="hashing")
    async with Engine(changed, clock=clock) as engine:
        await engine.gaps.note_search(MAYA, found(), ui_surface=INBOX)
        clock.advance(timedelta(days=30))
        [duty] = [one for one in engine._wired.sweeps if one.name == "prune gap events"]
        await duty.run()
        kept = len(await rows(engine))
        clock.advance(timedelta(seconds=1))
        await duty.run()

        assert (kept, len(await rows(engine))) == (1, 0)
        assert duty.every == timedelta(days=1)
