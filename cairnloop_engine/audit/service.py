"""Writing the audit trail, inside the transaction of the change that it tells of."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import insert

from cairnloop_engine.audit import queries
from cairnloop_engine.audit.chain import ChainKeys, digest
from cairnloop_engine.audit.model import ACTOR, FORGOTTEN, StoredEvent
from cairnloop_engine.audit.tables import AuditEventRow
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import JsonValue
from cairnloop_engine.core.installkey import InstallKey
from cairnloop_engine.core.text import storable

SALT_BYTES = 16
# One record of an erasure lists at most so many events.
MOST_FORGOTTEN_AT_ONCE = 500


async def record(
    work: Work,
    action: str,
    *,
    subject: tuple[str, int],
    conversation_id: int | None = None,
    personal: Mapping[str, JsonValue] | None = None,
    **facts: JsonValue,
) -> None:
    """Append one audit event in the name of the Work's actor.

    ``action`` is ``slice.past_verb``. ``facts`` hold ids, words and counts; never a message
    body, a secret or an address (P7). ``personal`` holds words that may name or quote a person,
    such as the reason of a decision: kept apart, so that they can be forgotten later while the
    chain of the trail still proves the rest.
    """
    kept = {name: _storable(value) for name, value in (personal or {}).items() if value is not None}
    if ACTOR in kept:
        raise ValueError("the actor of an event is the actor of its Work")
    named: dict[str, JsonValue] = {**kept, ACTOR: work.actor.id}
    salts = {name: secrets.token_hex(SALT_BYTES) for name in named}
    event = StoredEvent(
        id=0,
        workspace=work.workspace,
        occurred_at=work.now,
        actor_kind=work.actor.kind.value,
        actor_id=work.actor.id,
        action=action,
        subject_kind=subject[0],
        subject_id=subject[1],
        conversation_id=conversation_id,
        facts=facts,
        personal=kept,
        salts=salts,
        digests={name: digest(salts[name], name, value) for name, value in named.items()},
    )
    values = asdict(event) | {"mark": await _mark(work, event)}
    del values["id"]
    await work.session.execute(insert(AuditEventRow).values(**values))
    work.changed("audit", subject[1])


async def install_key(work: Work) -> InstallKey | None:
    """The key of this installation; None on a host that lacks it.

    Made only for an installation whose trail was never sealed: another key could not vouch for it.
    """
    if work.keys is None:
        return None
    key = work.keys.find()
    if key is None and await queries.head(work) is None:
        key = work.keys.make()
    return key


async def _mark(work: Work, event: StoredEvent) -> bytes | None:
    """The mark of this installation; None on a host that lacks its key, which verify tells.

    The actor's salt is random, so no two events bear the same mark.
    """
    key = await install_key(work)
    return None if key is None else ChainKeys.derive(key.derived).mark(event)


async def forget(
    work: Work, event_ids: Sequence[int], *, names: Collection[str] | None = None
) -> int:
    """Drop personal values, each with its salt, from events of the Work's workspace.

    ``names`` are the fields to drop, ``actor`` among them; None means all that there are. What
    was dropped is itself recorded, so that the chain can tell an erasure from a theft. Returns
    how many events lost something.
    """
    count = 0
    wanted = sorted(set(event_ids))
    for start in range(0, len(wanted), MOST_FORGOTTEN_AT_ONCE):
        batch = wanted[start : start + MOST_FORGOTTEN_AT_ONCE]
        for fields, lost in (await queries.drop_values(work, batch, names)).items():
            count += len(lost)
            await record(
                work,
                FORGOTTEN,
                subject=("audit_event", lost[0]),
                events=[*lost],
                fields=[*fields],
            )
    return count


def _storable(value: JsonValue) -> JsonValue:
    """The same words without what Postgres cannot hold."""
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(one) for one in value]
        case dict():
            return {storable(key): _storable(one) for key, one in value.items()}
    return value
