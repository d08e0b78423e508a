"""The audit trail as front ends see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cairnloop_engine.audit import labels, queries
from cairnloop_engine.audit.model import ACTOR, AuditFilter, Seal, StoredEvent
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Read
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.paging import Page, checked_limit, decode_number, encode_cursor
from cairnloop_engine.core.text import safe

EXPORT_BATCH = 500
# Where the reason of a decision may stand, the best first.
REASONS = ("reason", "note", "question", "answer")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to which row, when.

    ``label`` and ``actor_label`` are for people. ``reason`` holds somebody's own words, ``facts``
    what the engine knows; ``details`` shows both, in rows for people.
    """

    id: int
    occurred_at: datetime
    actor_kind: str
    actor: str
    action: str
    subject_kind: str
    subject_id: int
    conversation_id: int | None
    facts: JsonObject
    label: str = labels.UNKNOWN_ACTION
    actor_label: str = labels.SYSTEM
    reason: str | None = None
    personal: JsonObject = field(default_factory=dict)
    forgotten: tuple[str, ...] = ()

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        return labels.detail_rows({**self.facts, **self.personal})


@dataclass(frozen=True, slots=True)
class ExportedEvent:
    """One event word for word, with all that is needed to check it against the install key.

    Moments are written to the microsecond, because that is what was hashed.
    """

    id: int
    workspace: str
    occurred_at: str
    actor_kind: str
    actor: str | None
    action: str
    subject_kind: str
    subject_id: int
    conversation_id: int | None
    facts: JsonObject
    personal: JsonObject
    salts: dict[str, str]
    digests: dict[str, str]
    mark: str | None
    number: int | None
    row_hash: str | None
    chain_hash: str | None
    previous_hash: str | None
    sealed_at: str | None


async def events(
    read: Read, wanted: AuditFilter, *, cursor: str | None, limit: int
) -> Page[AuditEvent]:
    """A page of events, newest first."""
    before_id = decode_number(cursor) if cursor else None
    rows = await queries.events(read, wanted, before_id=before_id, limit=checked_limit(limit) + 1)
    shown = rows[:limit]
    following = encode_cursor([shown[-1].id]) if len(rows) > limit else None
    return Page(tuple(_event(row) for row in shown), following)


async def export(db: Database, caller: Caller, wanted: AuditFilter) -> AsyncIterator[ExportedEvent]:
    """Every event, newest first, in short transactions."""
    before_id: int | None = None
    while True:
        async with db.read(caller) as read:
            found = await queries.exported(read, wanted, before_id=before_id, limit=EXPORT_BATCH)
        for event, seal, previous in found:
            yield _exported(event, seal, previous)
        if len(found) < EXPORT_BATCH:
            return
        before_id = found[-1][0].id


def _event(row: StoredEvent) -> AuditEvent:
    forgotten = tuple(sorted(set(row.digests) - set(row.salts)))
    personal: JsonObject = {
        name: safe(value, multiline=True) if isinstance(value, str) else value
        for name, value in row.personal.items()
    }
    reason = next((personal[name] for name in REASONS if name in personal), None)
    return AuditEvent(
        id=row.id,
        occurred_at=row.occurred_at,
        actor_kind=row.actor_kind,
        actor=safe(row.actor_id or "", limit=120),
        action=row.action,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        conversation_id=labels.conversation_number(row.conversation_id),
        facts=row.facts,
        label=labels.action_label(row.action),
        actor_label=labels.actor_label(row.actor_id, erased=ACTOR in forgotten),
        reason=reason if isinstance(reason, str) else None,
        personal=personal,
        forgotten=forgotten,
    )


def _exported(event: StoredEvent, seal: Seal | None, previous: bytes | None) -> ExportedEvent:
    return ExportedEvent(
        id=event.id,
        workspace=event.workspace,
        occurred_at=_exactly(event.occurred_at),
        actor_kind=event.actor_kind,
        actor=event.actor_id,
        action=event.action,
        subject_kind=event.subject_kind,
        subject_id=event.subject_id,
        conversation_id=event.conversation_id,
        facts=event.facts,
        personal=event.personal,
        salts=event.salts,
        digests=event.digests,
        mark=None if event.mark is None else event.mark.hex(),
        number=seal.number if seal else None,
        row_hash=seal.row_hash.hex() if seal else None,
        chain_hash=seal.chain_hash.hex() if seal else None,
        previous_hash=previous.hex() if previous else None,
        sealed_at=_exactly(seal.sealed_at) if seal else None,
    )


def _exactly(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
