"""What can be asked of the audit trail, and what its chain consists of. No IO in this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cairnloop_engine.core.errors import JsonObject, Misconfigured

# The actor is a personal value too: it may be a customer's reference.
ACTOR = "actor"
FORGOTTEN = "audit.forgotten"


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to list; None means any. ``action`` is its name or its label."""

    action: str | None = None
    actor: str | None = None
    subject: tuple[str, int] | None = None
    conversation_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    subject_kind: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as the database holds it, word for word, in the order of its columns."""

    id: int
    workspace: str
    occurred_at: datetime
    actor_kind: str
    actor_id: str | None
    action: str
    subject_kind: str
    subject_id: int
    conversation_id: int | None
    facts: JsonObject
    personal: JsonObject
    salts: dict[str, str]
    digests: dict[str, str]
    mark: bytes | None = None


# The mark of events that a release without marks wrote.
OLD_MARK = b""


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain. Number 0 opens it: its row hash is the name of the chain, and its
    event id, below zero, says up to where older releases wrote without marks."""

    number: int
    event_id: int
    row_hash: bytes
    chain_hash: bytes
    sealed_at: datetime


class Fault(StrEnum):
    """What is wrong with the first bad row."""

    CHANGED = "changed"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CHAIN = "chain"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class FirstBad:
    """The first row, in the order of the trail, that is not as it was sealed.

    ``number`` is its place in the chain, None for a row that has none.
    """

    event_id: int
    what: Fault
    number: int | None
    detail: str


class OutsideHead(StrEnum):
    """What the file outside the database says of the chain."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNKNOWN_HERE = "unknown_here"


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk along the whole chain found.

    ``unsealed`` events are too young to be in the chain, or nobody seals; ``forgotten`` ones lost
    a personal value by a recorded erasure.
    """

    ok: bool
    first_bad: FirstBad | None
    sealed: int
    unsealed: int
    forgotten: int
    chain: str | None
    head: str | None
    last_id: int | None
    outside_head: OutsideHead
    seconds: float


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """``waiting`` events are not sealed yet, the first of them since ``lag``.

    ``problem`` says why this host cannot seal or check the chain; ``holds`` is then None.
    """

    sealed: int
    waiting: int
    lag: timedelta
    holds: bool | None
    problem: Misconfigured | None
    key_exposed: bool
