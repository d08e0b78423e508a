"""Every SQL statement of governed actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from cairnloop_engine.core.actors import Actor
from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import ApprovalId, ConversationId, ProposalId
from cairnloop_engine.core.paging import LARGEST_ID
from cairnloop_engine.governance.model import (
    IN_FLIGHT,
    WAITING,
    ApprovalStatus,
    AttemptState,
    ProposalStatus,
)
from cairnloop_engine.governance.tables import ApprovalRow, ExecutionRow, ProposalRow


async def proposal(read: Read, proposal_id: ProposalId) -> ProposalRow | None:
    """One proposal of the workspace; None also for a number that no row can have."""
    if not 0 < proposal_id <= LARGEST_ID:
        return None
    found: ProposalRow | None = await read.session.scalar(
        select(ProposalRow).where(
            ProposalRow.id == proposal_id, ProposalRow.workspace == read.workspace
        )
    )
    return found


async def lock_proposal(work: Work, proposal_id: ProposalId) -> ProposalRow | None:
    found: ProposalRow | None = await work.session.scalar(
        select(ProposalRow)
        .where(ProposalRow.id == proposal_id, ProposalRow.workspace == work.workspace)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found


async def latest_approval(
    read: Read, proposal_id: ProposalId, *, lock: bool = False
) -> ApprovalRow | None:
    """The newest approval of a proposal, whatever its state."""
    statement = (
        select(ApprovalRow)
        .where(ApprovalRow.proposal_id == proposal_id, ApprovalRow.workspace == read.workspace)
        .order_by(ApprovalRow.number.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    found: ApprovalRow | None = await read.session.scalar(
        statement.with_for_update() if lock else statement
    )
    return found


async def approval(read: Read, approval_id: ApprovalId) -> ApprovalRow | None:
    found: ApprovalRow | None = await read.session.scalar(
        select(ApprovalRow).where(
            ApprovalRow.id == approval_id, ApprovalRow.workspace == read.workspace
        )
    )
    return found


async def approvals_of(read: Read, proposal_id: ProposalId) -> list[ApprovalRow]:
    """Every approval of a proposal, oldest first."""
    found = await read.session.scalars(
        select(ApprovalRow)
        .where(ApprovalRow.workspace == read.workspace, ApprovalRow.proposal_id == proposal_id)
        .order_by(ApprovalRow.number)
    )
    return list(found)


async def superseding(read: Read, proposal_id: ProposalId) -> int | None:
    """The proposal that took this one's place."""
    found: int | None = await read.session.scalar(
        select(ProposalRow.id)
        .where(ProposalRow.workspace == read.workspace, ProposalRow.supersedes_id == proposal_id)
        .order_by(ProposalRow.id.desc())
        .limit(1)
    )
    return found


async def approvals_of_all(read: Read, proposal_ids: Sequence[int]) -> list[ApprovalRow]:
    """Every approval of these proposals; each proposal's oldest first."""
    found = await read.session.scalars(
        select(ApprovalRow)
        .where(ApprovalRow.workspace == read.workspace, ApprovalRow.proposal_id.in_(proposal_ids))
        .order_by(ApprovalRow.number)
    )
    return list(found)


async def attempts_of_all(read: Read, proposal_ids: Sequence[int]) -> list[ExecutionRow]:
    """The ledger of these proposals; each proposal's oldest attempt first."""
    found = await read.session.scalars(
        select(ExecutionRow)
        .where(ExecutionRow.workspace == read.workspace, ExecutionRow.proposal_id.in_(proposal_ids))
        .order_by(ExecutionRow.attempt)
    )
    return list(found)


async def successors(read: Read, proposal_ids: Sequence[int]) -> dict[int, int]:
    """Which proposal took the place of which of these."""
    found = await read.session.execute(
        select(ProposalRow.supersedes_id, ProposalRow.id)
        .where(ProposalRow.workspace == read.workspace, ProposalRow.supersedes_id.in_(proposal_ids))
        .order_by(ProposalRow.id)
    )
    return {before: after for before, after in found if before is not None}


async def live_with_key(read: Read, idempotency_key: str) -> ProposalRow | None:
    found: ProposalRow | None = await read.session.scalar(
        select(ProposalRow).where(
            ProposalRow.workspace == read.workspace,
            ProposalRow.idempotency_key == idempotency_key,
            ProposalRow.live,
        )
    )
    return found


async def live_with_business_key(read: Read, tool: str, business_key: str) -> ProposalRow | None:
    found: ProposalRow | None = await read.session.scalar(
        select(ProposalRow).where(
            ProposalRow.workspace == read.workspace,
            ProposalRow.tool_ref == tool,
            ProposalRow.business_key == business_key,
            ProposalRow.live,
        )
    )
    return found


async def with_request_token(read: Read, actor: Actor, token: str) -> ProposalRow | None:
    found: ProposalRow | None = await read.session.scalar(
        select(ProposalRow).where(
            ProposalRow.workspace == read.workspace,
            ProposalRow.actor_kind == actor.kind.value,
            ProposalRow.actor_id == actor.id,
            ProposalRow.request_token == token,
            ProposalRow.status == ProposalStatus.PROPOSED,
        )
    )
    return found


async def blocked_with_key(
    read: Read, idempotency_key: str, status: ProposalStatus
) -> ProposalRow | None:
    found: ProposalRow | None = await read.session.scalar(
        select(ProposalRow).where(
            ProposalRow.workspace == read.workspace,
            ProposalRow.idempotency_key == idempotency_key,
            ProposalRow.status == status,
        )
    )
    return found


async def insert_proposal(work: Work, **values: Any) -> ProposalRow | None:
    """The new row; None when an equal one came first."""
    made = await work.session.scalars(
        insert(ProposalRow)
        .values(workspace=work.workspace, created_at=work.now, updated_at=work.now, **values)
        .on_conflict_do_nothing()
        .returning(ProposalRow)
    )
    row: ProposalRow | None = made.one_or_none()
    return row


async def waiting_in(read: Read, conversation_id: ConversationId) -> int:
    """How many actions of a conversation wait for a person."""
    counted = await read.session.scalar(
        select(func.count())
        .select_from(ApprovalRow)
        .join(ProposalRow, ProposalRow.id == ApprovalRow.proposal_id)
        .where(
            ProposalRow.workspace == read.workspace,
            ProposalRow.conversation_id == conversation_id,
            ApprovalRow.status.in_(WAITING),
        )
    )
    return int(counted or 0)


async def attempts_of(read: Read, proposal_id: ProposalId) -> list[ExecutionRow]:
    """The ledger of a proposal, oldest first."""
    found = await read.session.scalars(
        select(ExecutionRow)
        .where(ExecutionRow.workspace == read.workspace, ExecutionRow.proposal_id == proposal_id)
        .order_by(ExecutionRow.attempt)
        .execution_options(populate_existing=True)
    )
    return list(found)


async def attempt(read: Read, execution_id: int) -> ExecutionRow | None:
    found: ExecutionRow | None = await read.session.scalar(
        select(ExecutionRow)
        .where(ExecutionRow.workspace == read.workspace, ExecutionRow.id == execution_id)
        .execution_options(populate_existing=True)
    )
    return found


async def start_attempt(work: Work, execution_id: int, token: str) -> bool:
    """Prepared to started, if the attempt is still this run's."""
    moved = await work.session.execute(
        update(ExecutionRow)
        .where(
            ExecutionRow.id == execution_id,
            ExecutionRow.token == token,
            ExecutionRow.state == AttemptState.PREPARED,
        )
        .values(state=AttemptState.STARTED, started_at=work.now)
        .returning(ExecutionRow.id)
    )
    return moved.first() is not None


async def finish_attempt(
    work: Work, execution_id: int, token: str | None, state: AttemptState, **values: Any
) -> bool:
    """End an attempt that is in flight; with a token only if it is still that run's."""
    mine = true() if token is None else ExecutionRow.token == token
    moved = await work.session.execute(
        update(ExecutionRow)
        .where(ExecutionRow.id == execution_id, ExecutionRow.state.in_(IN_FLIGHT), mine)
        .values(state=state, finished_at=work.now, **values)
        .returning(ExecutionRow.id)
    )
    return moved.first() is not None


async def settle_attempt(work: Work, execution_id: int, state: AttemptState, **values: Any) -> bool:
    """Say what became of an attempt whose outcome was unknown."""
    moved = await work.session.execute(
        update(ExecutionRow)
        .where(ExecutionRow.id == execution_id, ExecutionRow.state == AttemptState.UNKNOWN)
        .values(state=state, **values)
        .returning(ExecutionRow.id)
    )
    return moved.first() is not None


async def actions(
    read: Read,
    *,
    statuses: Sequence[ApprovalStatus],
    blocked: bool,
    conversation_id: ConversationId | None,
    before_id: int | None,
    limit: int,
) -> list[tuple[ProposalRow, ApprovalRow | None]]:
    """Proposals with their newest approval, newest first."""
    newest = (
        select(func.max(ApprovalRow.number))
        .where(ApprovalRow.proposal_id == ProposalRow.id)
        .correlate(ProposalRow)
        .scalar_subquery()
    )
    statement = (
        select(ProposalRow, ApprovalRow)
        .outerjoin(
            ApprovalRow,
            and_(ApprovalRow.proposal_id == ProposalRow.id, ApprovalRow.number == newest),
        )
        .where(ProposalRow.workspace == read.workspace)
    )
    if statuses or blocked:
        wanted: list[ColumnElement[bool]] = []
        if statuses:
            wanted.append(ApprovalRow.status.in_(statuses))
        if blocked:
            wanted.append(ProposalRow.status != ProposalStatus.PROPOSED)
        statement = statement.where(or_(*wanted))
    if conversation_id is not None:
        statement = statement.where(ProposalRow.conversation_id == conversation_id)
    if before_id is not None:
        statement = statement.where(ProposalRow.id < before_id)
    found = await read.session.execute(statement.order_by(ProposalRow.id.desc()).limit(limit))
    return [(row[0], row[1]) for row in found]


async def queue(
    read: Read, *, after: tuple[datetime, int] | None, limit: int
) -> list[tuple[ProposalRow, ApprovalRow]]:
    """What waits for a person, the soonest deadline first."""
    statement = (
        select(ProposalRow, ApprovalRow)
        .join(ApprovalRow, ApprovalRow.proposal_id == ProposalRow.id)
        .where(ApprovalRow.workspace == read.workspace, ApprovalRow.status.in_(WAITING))
    )
    if after is not None:
        expires_at, approval_id = after
        statement = statement.where(
            or_(
                ApprovalRow.expires_at > expires_at,
                and_(ApprovalRow.expires_at == expires_at, ApprovalRow.id > approval_id),
            )
        )
    found = await read.session.execute(
        statement.order_by(ApprovalRow.expires_at, ApprovalRow.id).limit(limit)
    )
    return [(row[0], row[1]) for row in found]


async def counts(read: Read) -> dict[ApprovalStatus, int]:
    """How many actions wait for a person, by state of the approval."""
    found = await read.session.execute(
        select(ApprovalRow.status, func.count())
        .where(ApprovalRow.workspace == read.workspace, ApprovalRow.status.in_(WAITING))
        .group_by(ApprovalRow.status)
    )
    return {row[0]: int(row[1]) for row in found}


async def overdue(read: Read, limit: int) -> list[tuple[str, int]]:
    """Workspace and proposal of every pending approval past its deadline, of all workspaces."""
    found = await read.session.execute(
        select(ApprovalRow.workspace, ApprovalRow.proposal_id)
        .where(ApprovalRow.status == ApprovalStatus.PENDING, ApprovalRow.expires_at < read.now)
        .order_by(ApprovalRow.expires_at)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in found]


async def due_again(read: Read, limit: int) -> list[tuple[str, int]]:
    """Deferred approvals whose time has come and that are still the newest of their proposal."""
    later = exists().where(
        ApprovalRow.proposal_id == text("a.proposal_id"), ApprovalRow.number > text("a.number")
    )
    mine = ApprovalRow.__table__.alias("a")
    found = await read.session.execute(
        select(mine.c.workspace, mine.c.proposal_id)
        .where(
            mine.c.status == ApprovalStatus.DEFERRED.value,
            mine.c.defer_until <= read.now,
            ~later,
        )
        .limit(limit)
    )
    return [(row[0], row[1]) for row in found]


async def stranded(
    read: Read, status: ApprovalStatus, *, task: str, quiet_since: datetime, limit: int
) -> list[tuple[str, int, int]]:
    """Approvals in this state that no job is going to take further.

    ``quiet_since`` leaves the youngest alone. The queue's tables lie outside our schema.
    """
    found = await read.session.execute(
        text(
            "SELECT a.workspace, a.id, a.proposal_id"  # noqa: S608 - our own names
            f" FROM {read.qualified('tool_approvals')} AS a"
            " WHERE a.status = :status AND a.updated_at <= :quiet_since"
            " AND NOT EXISTS (SELECT 1 FROM public.procrastinate_jobs AS job"
            "   WHERE job.task_name = :task AND job.status IN ('todo', 'doing')"
            "   AND (job.args ->> 'approval_id')::bigint = a.id)"
            " ORDER BY a.id LIMIT :limit"
        ),
        {"status": status.value, "task": task, "quiet_since": quiet_since, "limit": limit},
    )
    return [(row[0], row[1], row[2]) for row in found]


async def decisions_since(read: Read, since: datetime) -> list[ApprovalRow]:
    """Every decision of an operator, oldest first."""
    found = await read.session.scalars(
        select(ApprovalRow)
        .where(
            ApprovalRow.workspace == read.workspace,
            ApprovalRow.decided_by_kind == "operator",
            ApprovalRow.decided_at >= since,
        )
        .order_by(ApprovalRow.decided_at)
    )
    return list(found)
