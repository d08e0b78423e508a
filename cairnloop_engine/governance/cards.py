"""Whole cards of a conversation's actions, in as few statements for ten as for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

from cairnloop_engine.audit import queries as trail
from cairnloop_engine.audit.model import StoredEvent
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.paging import Page, checked_limit, decode_number, encode_cursor
from cairnloop_engine.governance import queries, reads
from cairnloop_engine.governance.records import SUBJECT
from cairnloop_engine.governance.registry import Registry
from cairnloop_engine.governance.tables import ApprovalRow, ExecutionRow
from cairnloop_engine.governance.views import ActionView

RowT = TypeVar("RowT", ApprovalRow, ExecutionRow)


async def cards(
    read: Read,
    conversation_id: ConversationId,
    registry: Registry,
    *,
    cursor: str | None,
    limit: int,
) -> Page[ActionView]:
    """A page of a conversation's actions with everything about each, newest first.

    Raises:
        Invalid: ``limit_invalid`` or ``cursor_invalid``.
    """
    found = await queries.actions(
        read,
        statuses=(),
        blocked=False,
        conversation_id=conversation_id,
        before_id=decode_number(cursor) if cursor else None,
        limit=checked_limit(limit) + 1,
    )
    shown = [proposal for proposal, _ in found[:limit]]
    following = encode_cursor([shown[-1].id]) if len(found) > limit else None
    ids = [one.id for one in shown]
    approvals = _by_proposal(await queries.approvals_of_all(read, ids))
    attempts = _by_proposal(await queries.attempts_of_all(read, ids))
    successors = await queries.successors(read, ids)
    events: dict[int, list[StoredEvent]] = defaultdict(list)
    for event in await trail.about(read, SUBJECT, ids, limit=reads.MOST_HISTORY * limit):
        events[event.subject_id].append(event)
    return Page(
        tuple(
            reads.view_of(
                proposal,
                approvals[proposal.id],
                attempts[proposal.id],
                events[proposal.id],
                registry=registry,
                superseded_by=successors.get(proposal.id),
            )
            for proposal in shown
        ),
        following,
    )


def _by_proposal(rows: Iterable[RowT]) -> dict[int, list[RowT]]:
    found: dict[int, list[RowT]] = defaultdict(list)
    for row in rows:
        found[row.proposal_id].append(row)
    return found
