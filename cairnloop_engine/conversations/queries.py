"""Every SQL statement of the conversations slice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, delete, false, func, literal, select, tuple_, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, aliased

from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import Activity, Delivery, Role, Sort, State, Status
from cairnloop_engine.conversations.tables import (
    ConversationRow,
    MessageRow,
    PresenceRow,
    ResolutionRow,
)
from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import ConversationId, MessageId
from cairnloop_engine.core.tables import UtcTime

# Keeps our advisory locks apart from each other's: the seed of the hash.
CUSTOMER_LOCK = 7


async def lock_customer(work: Work, customer_ref: str) -> None:
    """Let one message of a customer in at a time, also when no conversation exists yet."""
    await work.session.execute(
        select(
            func.pg_advisory_xact_lock(
                func.hashtextextended(f"{work.workspace}\n{customer_ref}", CUSTOMER_LOCK)
            )
        )
    )


async def message_by_client_id(
    read: Read, customer_ref: str, client_message_id: str
) -> MessageRow | None:
    found = await read.session.scalars(
        select(MessageRow).where(
            MessageRow.workspace == read.workspace,
            MessageRow.customer_ref == customer_ref,
            MessageRow.client_message_id == client_message_id,
        )
    )
    return found.first()


async def lock_conversation(work: Work, conversation_id: ConversationId) -> ConversationRow | None:
    """The conversation, locked until the transaction ends; first in the lock order."""
    found = await work.session.scalars(
        select(ConversationRow)
        .where(ConversationRow.workspace == work.workspace, ConversationRow.id == conversation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.first()


async def conversation(read: Read, conversation_id: ConversationId) -> ConversationRow | None:
    found = await read.session.scalars(
        select(ConversationRow).where(
            ConversationRow.workspace == read.workspace, ConversationRow.id == conversation_id
        )
    )
    return found.first()


async def newest_of_customer(read: Read, customer_ref: str) -> ConversationRow | None:
    """The customer's latest conversation, open ones before closed ones."""
    found = await read.session.scalars(
        select(ConversationRow)
        .where(
            ConversationRow.workspace == read.workspace,
            ConversationRow.customer_ref == customer_ref,
        )
        .order_by((ConversationRow.status == Status.OPEN).desc(), ConversationRow.id.desc())
        .limit(1)
    )
    return found.first()


async def lock_message(work: Work, message_id: MessageId) -> MessageRow | None:
    """A message, locked; the caller already holds its conversation."""
    found = await work.session.scalars(
        select(MessageRow)
        .where(MessageRow.workspace == work.workspace, MessageRow.id == message_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.first()


async def conversation_of(read: Read, message_id: MessageId) -> ConversationId | None:
    found = await read.session.scalar(
        select(MessageRow.conversation_id).where(
            MessageRow.workspace == read.workspace, MessageRow.id == message_id
        )
    )
    return None if found is None else ConversationId(found)


async def overdue_held(read: Read, *, limit: int = 100) -> Sequence[tuple[str, MessageId]]:
    """Held messages of every workspace whose moment has passed."""
    rows = await read.session.execute(
        select(MessageRow.workspace, MessageRow.id)
        .where(MessageRow.delivery == Delivery.HELD, MessageRow.visible_at <= read.now)
        .order_by(MessageRow.visible_at)
        .limit(limit)
    )
    return [(workspace, MessageId(message_id)) for workspace, message_id in rows]


async def current_resolution(work: Work, conversation_id: ConversationId) -> ResolutionRow | None:
    found = await work.session.scalars(
        select(ResolutionRow)
        .where(
            ResolutionRow.conversation_id == conversation_id, ResolutionRow.reopened_at.is_(None)
        )
        .with_for_update()
    )
    return found.first()


async def messages(
    read: Read, conversation_id: ConversationId, *, before: int | None, limit: int
) -> list[MessageRow]:
    """The last messages before a sequence number, oldest first."""
    statement = select(MessageRow).where(
        MessageRow.workspace == read.workspace, MessageRow.conversation_id == conversation_id
    )
    if before is not None:
        statement = statement.where(MessageRow.sequence < before)
    found = await read.session.scalars(statement.order_by(MessageRow.sequence.desc()).limit(limit))
    return list(found)[::-1]


async def visible_messages(
    read: Read, conversation_id: ConversationId, *, after: int, limit: int
) -> list[MessageRow]:
    """What the customer may see past a position, in the customer's order."""
    found = await read.session.scalars(
        select(MessageRow)
        .where(
            MessageRow.workspace == read.workspace,
            MessageRow.conversation_id == conversation_id,
            MessageRow.customer_position > after,
        )
        .order_by(MessageRow.customer_position)
        .limit(limit)
    )
    return list(found)


async def recent_messages(
    read: Read,
    conversation_id: ConversationId,
    *,
    roles: frozenset[Role],
    limit: int,
    until: int | None = None,
) -> list[MessageRow]:
    """The newest visible messages of some roles, newest first, up to a sequence number."""
    statement = select(MessageRow).where(
        MessageRow.workspace == read.workspace,
        MessageRow.conversation_id == conversation_id,
        MessageRow.role.in_(roles),
        MessageRow.customer_position.is_not(None),
    )
    if until is not None:
        statement = statement.where(MessageRow.sequence <= until)
    found = await read.session.scalars(statement.order_by(MessageRow.sequence.desc()).limit(limit))
    return list(found)


async def counts_by_state(read: Read) -> dict[State, int]:
    rows = await read.session.execute(
        select(ConversationRow.state, func.count().label("rows"))
        .where(ConversationRow.workspace == read.workspace)
        .group_by(ConversationRow.state)
    )
    return {row.state: row.rows for row in rows}


async def waiting_counts(read: Read) -> tuple[int, int, int]:
    """How many conversations hold a draft, a reply on its way, an action for a person."""
    drafts = select(func.count()).where(
        ConversationRow.workspace == read.workspace, ConversationRow.draft_id.is_not(None)
    )
    held = select(func.count(func.distinct(MessageRow.conversation_id))).where(
        MessageRow.workspace == read.workspace, MessageRow.delivery == Delivery.HELD
    )
    actions = select(func.count()).where(
        ConversationRow.workspace == read.workspace, ConversationRow.actions_waiting > 0
    )
    piles = (drafts, held, actions)
    row = (await read.session.execute(select(*(one.scalar_subquery() for one in piles)))).one()
    return row[0], row[1], row[2]


@dataclass(frozen=True, slots=True)
class InboxPosition:
    """Where a page of the inbox begins: after this sort key and id."""

    key: datetime
    id: int


async def inbox(
    read: Read,
    wanted: InboxFilter,
    *,
    sort: Sort,
    after: InboxPosition | None,
    limit: int,
) -> list[ConversationRow]:
    """A page of the inbox in its order.

    With several states each is read along its own index and the results are merged: one index
    range per state costs the page size, whatever the size of the table.
    """
    if not wanted.states:
        statement = _narrowed(select(ConversationRow), read, wanted)
        rows = await read.session.scalars(_paged(statement, sort, after).limit(limit))
        return list(rows)
    arms = [
        _paged(
            _narrowed(select(ConversationRow.id), read, wanted).where(
                ConversationRow.state == state
            ),
            sort,
            after,
        ).limit(limit)
        for state in sorted(wanted.states)
    ]
    merged = union_all(*(select(arm.subquery()) for arm in arms)).subquery()
    page = aliased(ConversationRow)
    key, descending = _order(page, sort)
    statement = select(page).join(merged, page.id == merged.c.id)
    ordered = (key.desc(), page.id.desc()) if descending else (key.asc(), page.id.asc())
    rows = await read.session.scalars(statement.order_by(*ordered).limit(limit))
    return list(rows)


def _order(row: type[ConversationRow], sort: Sort) -> tuple[InstrumentedAttribute[datetime], bool]:
    match sort:
        case Sort.WAITING:
            return row.queue_at, False
        case Sort.RECENT:
            return row.last_message_at, True


Paged = TypeVar("Paged", bound=Select[Any])


def _narrowed(statement: Paged, read: Read, wanted: InboxFilter) -> Paged:
    statement = statement.where(ConversationRow.workspace == read.workspace)
    if wanted.assignee is not None:
        nobody = wanted.assignee == ""
        statement = statement.where(
            ConversationRow.assignee.is_(None)
            if nobody
            else ConversationRow.assignee == wanted.assignee
        )
    if wanted.customer_ref is not None:
        statement = statement.where(ConversationRow.customer_ref == wanted.customer_ref)
    if wanted.has_draft:
        statement = statement.where(ConversationRow.draft_id.is_not(None))
    if wanted.has_held:
        statement = statement.where(ConversationRow.held_count > 0)
    if wanted.has_action:
        statement = statement.where(ConversationRow.actions_waiting > 0)
    if wanted.text:
        # Only letters and digits reach the parser: its operators are data here.
        words = [f"'{word}':*" for word in re.findall(r"\w+", wanted.text)]
        matches = ConversationRow.searchable.bool_op("@@")(
            func.to_tsquery("simple", " & ".join(words))
        )
        statement = statement.where(matches if words else false())
    return statement


def _paged(statement: Paged, sort: Sort, after: InboxPosition | None) -> Paged:
    key, descending = _order(ConversationRow, sort)
    if after is not None:
        position = tuple_(key, ConversationRow.id)
        start = tuple_(literal(after.key, UtcTime), literal(after.id))
        statement = statement.where(position < start if descending else position > start)
    if descending:
        return statement.order_by(key.desc(), ConversationRow.id.desc())
    return statement.order_by(key.asc(), ConversationRow.id.asc())


async def see_operator(
    work: Work, conversation_id: ConversationId, *, operator: str, activity: Activity
) -> bool:
    """Note what an operator is doing; True when that is news to others."""
    before = await work.session.scalar(
        select(PresenceRow.activity).where(
            PresenceRow.conversation_id == conversation_id, PresenceRow.operator == operator
        )
    )
    await work.session.execute(
        insert(PresenceRow)
        .values(
            workspace=work.workspace,
            conversation_id=conversation_id,
            operator=operator,
            activity=activity,
            seen_at=work.now,
        )
        .on_conflict_do_update(
            index_elements=["conversation_id", "operator"],
            set_={"activity": activity, "seen_at": work.now},
        )
    )
    return before != activity


async def forget_operator(work: Work, conversation_id: ConversationId, *, operator: str) -> None:
    await work.session.execute(
        delete(PresenceRow).where(
            PresenceRow.workspace == work.workspace,
            PresenceRow.conversation_id == conversation_id,
            PresenceRow.operator == operator,
        )
    )


async def present(
    read: Read, conversation_id: ConversationId, *, since: datetime
) -> list[PresenceRow]:
    found = await read.session.scalars(
        select(PresenceRow)
        .where(
            PresenceRow.workspace == read.workspace,
            PresenceRow.conversation_id == conversation_id,
            PresenceRow.seen_at >= since,
        )
        .order_by(PresenceRow.operator)
    )
    return list(found)


async def message_of_run(read: Read, run_key: str) -> MessageId | None:
    """The message that a governed action wrote; found by its unique key."""
    found = await read.session.scalar(
        select(MessageRow.id).where(
            MessageRow.workspace == read.workspace, MessageRow.run_key == run_key
        )
    )
    return None if found is None else MessageId(found)
