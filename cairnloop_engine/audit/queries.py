"""Every SQL statement of the audit trail and its chain."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, text
from sqlalchemy.orm import aliased

from cairnloop_engine.audit import labels
from cairnloop_engine.audit.model import ACTOR, OLD_MARK, AuditFilter, Seal, StoredEvent
from cairnloop_engine.audit.tables import AuditEventRow, AuditSealRow
from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.errors import JsonObject

# Any constant will do, as long as every version of Cairnloop uses the same one.
SEALING_LOCK = 0x6175_6469

_EVENT: tuple[Any, ...] = (
    AuditEventRow.id,
    AuditEventRow.workspace,
    AuditEventRow.occurred_at,
    AuditEventRow.actor_kind,
    AuditEventRow.actor_id,
    AuditEventRow.action,
    AuditEventRow.subject_kind,
    AuditEventRow.subject_id,
    AuditEventRow.conversation_id,
    AuditEventRow.facts,
    AuditEventRow.personal,
    AuditEventRow.salts,
    AuditEventRow.digests,
    AuditEventRow.mark,
)
_SEAL: tuple[Any, ...] = (
    AuditSealRow.number,
    AuditSealRow.event_id,
    AuditSealRow.row_hash,
    AuditSealRow.chain_hash,
    AuditSealRow.sealed_at,
)


async def events(
    read: Read, wanted: AuditFilter, *, before_id: int | None, limit: int
) -> list[StoredEvent]:
    """Newest first, strictly older than ``before_id``."""
    statement = _wanted(select(*_EVENT), read, wanted, before_id)
    return [_event(row) for row in await read.session.execute(statement.limit(limit))]


async def about(
    read: Read, subject_kind: str, subject_ids: Sequence[int], *, limit: int
) -> list[StoredEvent]:
    """The events of several subjects of one kind, newest first."""
    statement = (
        select(*_EVENT)
        .where(
            AuditEventRow.workspace == read.workspace,
            AuditEventRow.subject_kind == subject_kind,
            AuditEventRow.subject_id.in_(subject_ids),
        )
        .order_by(AuditEventRow.id.desc())
        .limit(limit)
    )
    return [_event(row) for row in await read.session.execute(statement)]


async def tells(read: Read, action: str, *, subject: tuple[str, int], facts: JsonObject) -> bool:
    """Whether the trail holds such an event about this subject, with at least these facts."""
    kind, subject_id = subject
    found = await read.session.scalar(
        select(AuditEventRow.id)
        .where(
            AuditEventRow.workspace == read.workspace,
            AuditEventRow.subject_kind == kind,
            AuditEventRow.subject_id == subject_id,
            AuditEventRow.action == action,
            AuditEventRow.facts.contains(facts),
        )
        .limit(1)
    )
    return found is not None


async def exported(
    read: Read, wanted: AuditFilter, *, before_id: int | None, limit: int
) -> list[tuple[StoredEvent, Seal | None, bytes | None]]:
    """Newest first: each event with its seal and the chain hash before it."""
    previous = aliased(AuditSealRow)
    statement = (
        select(*_EVENT, *_SEAL, previous.chain_hash)
        .outerjoin(AuditSealRow, AuditSealRow.event_id == AuditEventRow.id)
        .outerjoin(previous, previous.number == AuditSealRow.number - 1)
    )
    found = await read.session.execute(_wanted(statement, read, wanted, before_id).limit(limit))
    size = len(_EVENT)
    return [
        (
            StoredEvent(*row[:size]),
            None if row[size] is None else Seal(*row[size : size + len(_SEAL)]),
            row[-1],
        )
        for row in found
    ]


def _wanted(
    statement: Select[*tuple[Any, ...]], read: Read, wanted: AuditFilter, before_id: int | None
) -> Select[*tuple[Any, ...]]:
    row = AuditEventRow
    conditions: list[ColumnElement[bool]] = [row.workspace == read.workspace]
    if wanted.action is not None:
        conditions.append(row.action.in_(labels.actions_meant(wanted.action)))
    if wanted.actor is not None:
        conditions.append(row.actor_id == wanted.actor)
    if wanted.subject is not None:
        kind, subject_id = wanted.subject
        conditions += [row.subject_kind == kind, row.subject_id == subject_id]
    if wanted.subject_kind is not None:
        conditions.append(row.subject_kind == wanted.subject_kind)
    if wanted.conversation_id is not None:
        conditions.append(row.conversation_id == wanted.conversation_id)
    if wanted.since is not None:
        conditions.append(row.occurred_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(row.occurred_at < wanted.until)
    if wanted.text is not None and wanted.text.strip():
        conditions.append(_holding(wanted.text.strip()))
    if before_id is not None:
        conditions.append(row.id < before_id)
    return statement.where(and_(*conditions)).order_by(row.id.desc())


def _holding(part: str) -> ColumnElement[bool]:
    """Events that say this somewhere: in action, actor, reason, or a detail's name or value."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    spaced = escaped.replace(" ", "_")
    details = text(
        "EXISTS (SELECT FROM (SELECT * FROM jsonb_each_text(facts)"
        "  UNION ALL SELECT * FROM jsonb_each_text(personal)) AS detail(name, value)"
        " WHERE detail.value ILIKE :part OR detail.name ILIKE :spaced)"
    ).bindparams(part=f"%{escaped}%", spaced=f"%{spaced}%")
    return or_(
        AuditEventRow.action.in_(labels.actions_matching(part)),
        AuditEventRow.action.ilike(f"%{spaced}%"),
        AuditEventRow.actor_id.ilike(f"%{escaped}%"),
        details,
    )


async def stored(read: Read, *, after_id: int, up_to_id: int, limit: int) -> list[StoredEvent]:
    """Events of every workspace in the order of their ids."""
    statement = (
        select(*_EVENT)
        .where(AuditEventRow.id > after_id, AuditEventRow.id <= up_to_id)
        .order_by(AuditEventRow.id)
        .limit(limit)
    )
    return [_event(row) for row in await read.session.execute(statement)]


async def seals(read: Read, *, after: int, up_to: int, limit: int) -> list[Seal]:
    """Links of the chain in their order."""
    statement = (
        select(*_SEAL)
        .where(AuditSealRow.number > after, AuditSealRow.number <= up_to)
        .order_by(AuditSealRow.number)
        .limit(limit)
    )
    return [Seal(*row) for row in await read.session.execute(statement)]


async def seal(read: Read, number: int) -> Seal | None:
    """The link of this number; 0 is the one that opens the chain."""
    found = await read.session.execute(select(*_SEAL).where(AuditSealRow.number == number))
    row = found.one_or_none()
    return None if row is None else Seal(*row)


async def head(read: Read) -> Seal | None:
    """The newest link; the one that opens the chain when nothing is sealed yet."""
    statement = select(*_SEAL).order_by(AuditSealRow.number.desc()).limit(1)
    row = (await read.session.execute(statement)).one_or_none()
    return None if row is None else Seal(*row)


async def add_seals(work: Work, made: Sequence[Seal]) -> None:
    """Append links, all in one statement."""
    statement = text(
        f"INSERT INTO {work.qualified('audit_seals')}"  # noqa: S608 - our own name
        " (number, event_id, row_hash, chain_hash, sealed_at)"
        " SELECT * FROM unnest(CAST(:numbers AS bigint[]), CAST(:events AS bigint[]),"
        " CAST(:rows AS bytea[]), CAST(:chain AS bytea[]), CAST(:moments AS timestamptz[]))"
    )
    names = ("numbers", "events", "rows", "chain", "moments")
    columns: Iterable[tuple[object, ...]] = zip(*map(astuple, made), strict=True)
    values = {name: list(column) for name, column in zip(names, columns, strict=True)}
    await work.session.execute(statement, values)


async def alone(work: Work) -> bool:
    """Take the one seat of the sealer until this Work ends; False when somebody has it."""
    found = await work.session.scalar(
        text("SELECT pg_try_advisory_xact_lock(:lock, hashtext(:schema))"),
        {"lock": SEALING_LOCK, "schema": work.schema},
    )
    return bool(found)


async def newest_id(read: Read) -> int | None:
    """The largest id that can be seen."""
    found: int | None = await read.session.scalar(
        select(AuditEventRow.id).order_by(AuditEventRow.id.desc()).limit(1)
    )
    return found


async def given_out(read: Read) -> int:
    """The largest id that any transaction has been given, finished or not."""
    found = await read.session.scalar(
        text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, 'id')::regclass)"),
        {"table": read.qualified("audit_events")},
    )
    return int(found or 0)


async def writers(read: Read) -> frozenset[str]:
    """The transactions that write to the trail at this moment, by a name that is never reused."""
    found = await read.session.scalars(
        text(
            "SELECT virtualtransaction FROM pg_locks"
            " WHERE locktype = 'relation' AND granted AND mode = 'RowExclusiveLock'"
            " AND relation = CAST(:table AS regclass)"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        {"table": read.qualified("audit_events")},
    )
    return frozenset(found)


async def newest_unmarked(read: Read) -> int:
    """The last event that an older release wrote, which knew no marks; 0 when there is none."""
    found = await read.session.scalar(
        select(func.max(AuditEventRow.id)).where(AuditEventRow.mark == OLD_MARK)
    )
    return int(found or 0)


async def copied(read: Read) -> int | None:
    """The first event that bears the mark of an earlier one; None when every mark is alone."""
    found: int | None = await read.session.scalar(
        text(
            "SELECT min(copy) FROM (SELECT max(id) AS copy"  # noqa: S608 - our own name
            f" FROM {read.qualified('audit_events')} WHERE mark <> '' GROUP BY mark"
            " HAVING count(*) > 1) AS copies"
        )
    )
    return found


async def unsealed(read: Read, *, after_id: int) -> tuple[int, datetime | None]:
    """How many events come after the last sealed one, and when the first of them happened."""
    table = read.qualified("audit_events")
    statement = text(
        f"SELECT count(*), min(occurred_at) FROM {table} WHERE id > :after"  # noqa: S608 - our own
    )
    row = (await read.session.execute(statement, {"after": after_id})).one()
    return row[0], row[1]


async def database_name(read: Read) -> str:
    """What tells this database from every other, also from one of the same name elsewhere."""
    oid, may_ask = (
        await read.session.execute(
            text(
                "SELECT oid, has_function_privilege('pg_control_system()', 'execute')"
                " FROM pg_database WHERE datname = current_database()"
            )
        )
    ).one()
    cluster = "unknown"
    if may_ask:
        # Some hosts of managed databases keep it to themselves.
        asked = text("SELECT system_identifier::text FROM pg_control_system()")
        cluster = str(await read.session.scalar(asked))
    return f"{cluster}/{oid}/{read.schema}"


async def erased(read: Read, lost: Collection[StoredEvent]) -> dict[int, set[str]]:
    """The fields of each of these events whose forgetting is on record."""
    if not lost:
        return {}
    table = read.qualified("audit_events")
    statement = text(
        "SELECT event.id, record.fields FROM unnest(CAST(:ids AS bigint[]),"  # noqa: S608 - our own
        "  CAST(:workspaces AS text[])) AS event(id, workspace) JOIN ("
        "  SELECT workspace, facts -> 'fields' AS fields, jsonb_array_elements("
        "   CASE jsonb_typeof(facts -> 'events') WHEN 'array' THEN facts -> 'events' END) AS id"
        f"  FROM {table} WHERE action = 'audit.forgotten'"
        "   AND workspace = ANY (CAST(:workspaces AS text[]))) AS record"
        " ON record.id = to_jsonb(event.id) AND record.workspace = event.workspace"
    )
    values = {"ids": [one.id for one in lost], "workspaces": [one.workspace for one in lost]}
    found: dict[int, set[str]] = {}
    for event_id, fields in await read.session.execute(statement, values):
        if isinstance(fields, list):
            found.setdefault(event_id, set()).update(map(str, fields))
    return found


async def drop_values(
    work: Work, event_ids: Sequence[int], names: Collection[str] | None
) -> dict[tuple[str, ...], list[int]]:
    """Drop personal values with their salts; the events by what each of them lost."""
    table = work.qualified("audit_events")
    statement = text(
        "WITH wanted AS (SELECT id,"  # noqa: S608 - our own name
        "  ARRAY(SELECT name FROM jsonb_object_keys(salts) AS name"
        "   WHERE (CAST(:names AS text[]) IS NULL OR name = ANY (CAST(:names AS text[])))"
        "   AND digests ? name ORDER BY name) AS fields"
        f"  FROM {table} WHERE workspace = :workspace AND id = ANY (:ids)"
        "  ORDER BY id FOR UPDATE)"
        f" UPDATE {table} AS event SET personal = personal - fields, salts = salts - fields,"
        "  actor_id = CASE WHEN :actor = ANY (fields) THEN NULL ELSE actor_id END"
        " FROM wanted WHERE event.id = wanted.id AND cardinality(fields) > 0"
        " RETURNING event.id, fields"
    )
    rows = await work.session.execute(
        statement,
        {
            "names": None if names is None else list(names),
            "workspace": work.workspace,
            "ids": list(event_ids),
            "actor": ACTOR,
        },
    )
    lost: dict[tuple[str, ...], list[int]] = {}
    for event_id, fields in sorted(rows.all(), key=lambda row: row[0]):
        lost.setdefault(tuple(fields), []).append(event_id)
    return lost


def _event(row: Row[*tuple[Any, ...]]) -> StoredEvent:
    return StoredEvent(*row)
