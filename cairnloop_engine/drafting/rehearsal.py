"""Drafting for the sake of looking at it: past drafts made again, and exams. Nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Read
from cairnloop_engine.core.errors import CairnloopError
from cairnloop_engine.core.ids import ConversationId, DraftId
from cairnloop_engine.core.paging import checked_limit
from cairnloop_engine.core.text import safe
from cairnloop_engine.drafting import queries, transcripts
from cairnloop_engine.drafting.evaluating import ExamReport, Graded, grade, report
from cairnloop_engine.drafting.exam import Exam, Item
from cairnloop_engine.drafting.making import Asked, Maker
from cairnloop_engine.drafting.model import DraftStatus
from cairnloop_engine.drafting.proposal import GroundingSnapshot
from cairnloop_engine.drafting.query import build_query
from cairnloop_engine.drafting.replaying import Replayed, Shape, changed, diff, shape, shape_of
from cairnloop_engine.drafting.tables import DraftRecord
from cairnloop_engine.retrieval.datasets import Dataset, Query
from cairnloop_engine.retrieval.evaluation_facade import EVALUATOR, Evaluation, Progress
from cairnloop_engine.retrieval.model import GroundingBundle, evidence_from_json

QUERY_LENGTH = 2_000

# An exam has no conversation.
NOWHERE = ConversationId(0)

Step = Callable[[int, int], None]


def _silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class _Past:
    """A stored draft, and what it was asked."""

    draft_id: DraftId
    status: DraftStatus
    created_at: datetime
    asked: Asked
    then: Shape


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What may be tried with drafting, without a trace."""

    db: Database
    maker: Maker
    evaluation: Evaluation

    async def evaluate(self, exam: Exam, *, progress: Progress = _silent) -> ExamReport:
        """Draft for every question of an exam, and count what came of it.

        The articles are searched by the real retrieval, in copies that are rolled back, and the
        configured generator drafts. Nothing of it is stored, and nothing can be sent.

        Raises:
            Unavailable: the database or the embedder is away.
            Misconfigured: the embedder is not installed, or ``temporary_tables_forbidden``.
        """
        asked = [_query(item) for item in exam.items]
        dataset = Dataset(exam.documents, tuple(asked))
        grounded = await self.evaluation.grounded(dataset, progress=progress)
        graded: list[Graded] = []
        for item, query, bundle in zip(exam.items, asked, grounded.bundles, strict=True):
            ready = _Ready(bundle)
            maker = replace(self.maker, ground=ready)
            made = await maker.make(EVALUATOR, Asked(NOWHERE, query.text, thread=item.thread))
            graded.append(grade(item, query.text, made, grounded.names))
            progress("Drafting", len(graded), len(exam.items))
        async with self.db.read(EVALUATOR) as read:
            n_actions = await queries.actions_of_workspace(read)
        return report(graded, generator=type(self.maker.generator).__name__, n_actions=n_actions)

    async def replay(
        self, caller: Caller, *, last: int = 20, step: Step | None = None
    ) -> tuple[Replayed, ...]:
        """The last drafts, made again from their stored questions under today's settings.

        Each question is searched for in today's knowledge and answered by today's generator; a
        model that is configured is asked, which may cost money. ``step`` hears how many of how
        many are done.

        Raises:
            Invalid: ``limit_invalid``.
            Unavailable: ``database_unavailable``.
        """
        past = await self._past(caller, checked_limit(last))
        replayed: list[Replayed] = []
        for one in past:
            replayed.append(await self._again(caller, one))
            if step is not None:
                step(len(replayed), len(past))
        return tuple(replayed)

    async def _past(self, caller: Caller, limit: int) -> list[_Past]:
        async with self.db.read(caller) as read:
            return [
                await _read_back(read, record) for record in await queries.newest(read, limit=limit)
            ]

    async def _again(self, caller: Caller, past: _Past) -> Replayed:
        try:
            made = await self.maker.make(caller, past.asked)
        except CairnloopError as error:
            if error.code == "database_unavailable":
                raise
            return _told(past, None, error=error.code)
        return _told(past, shape(made.proposal))


@dataclass(frozen=True, slots=True)
class _Ready:
    """Grounding that was made beforehand, in the place of a search."""

    bundle: GroundingBundle

    async def __call__(self, caller: Caller, query: str, *, attempts: int) -> GroundingBundle:
        return self.bundle


def _query(item: Item) -> Query:
    """What drafting would search for at the end of this thread."""
    text = build_query(transcripts.turn(None, item.thread))
    relevant = {} if item.article is None else {item.article: 1.0}
    return Query(item.id, text, relevant)


async def _read_back(read: Read, record: DraftRecord) -> _Past:
    conversation_id = ConversationId(record.conversation_id)
    snapshot = GroundingSnapshot.from_json(record.grounding_metadata)
    thread = await transcripts.recent(read, conversation_id, until=record.source_sequence)
    return _Past(
        draft_id=DraftId(record.id),
        status=record.status,
        created_at=record.created_at,
        asked=Asked(conversation_id, snapshot.query, snapshot.attempts, thread),
        then=shape_of(
            snapshot,
            record.proposal_type,
            record.content,
            evidence_from_json(record.evidence_snapshot),
            generator=record.generator,
            fallback_reason=record.fallback_reason,
        ),
    )


def _told(past: _Past, now: Shape | None, *, error: str | None = None) -> Replayed:
    return Replayed(
        draft_id=past.draft_id,
        conversation_id=past.asked.conversation_id,
        status=past.status,
        created_at=past.created_at,
        query=safe(past.asked.query, multiline=True, limit=QUERY_LENGTH),
        then=past.then,
        now=now,
        changed=() if now is None else changed(past.then, now),
        diff=() if now is None else diff(past.then, now),
        error=error,
    )
