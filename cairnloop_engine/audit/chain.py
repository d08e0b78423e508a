"""The arithmetic of the audit chain: one text for one value, salted digests, keyed links.

No IO in this module. The whole recipe, for whoever wants to check an export by other means:

* digest of a personal value: SHA-256 of ``salt:name:value``, the value as :func:`canonical` text;
* mark: HMAC-SHA256, under the mark key, of :func:`mark_text`, made by whoever wrote the event;
* row hash: HMAC-SHA256, under the row key, of :func:`row_text`;
* chain hash: HMAC-SHA256, under the link key, of the previous chain hash, the number, the event
  id, the microseconds of ``sealed_at`` (8 bytes each, big-endian) and the row hash;
* the keys: HMAC-SHA256 of their purpose under the install key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Self

from cairnloop_engine.audit.model import ACTOR, Seal, StoredEvent
from cairnloop_engine.core.errors import JsonObject, JsonValue

ROW_PURPOSE = b"cairnloop audit row"
LINK_PURPOSE = b"cairnloop audit link"
MARK_PURPOSE = b"cairnloop audit mark"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Made once: json.dumps would build an encoder for every value.
_written = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class ChainKeys:
    """What seals rows, and what ties them to each other."""

    rows: bytes = field(repr=False)
    links: bytes = field(repr=False)
    marks: bytes = field(repr=False)

    @classmethod
    def derive(cls, derived: Callable[[bytes], bytes]) -> Self:
        return cls(derived(ROW_PURPOSE), derived(LINK_PURPOSE), derived(MARK_PURPOSE))

    def mark(self, event: StoredEvent) -> bytes:
        """What only a process of this installation can put on an event that it writes."""
        return hmac.digest(self.marks, mark_text(event).encode(), "sha256")

    def is_ours(self, event: StoredEvent) -> bool:
        """Whether an event carries the mark of this installation."""
        return event.mark is not None and hmac.compare_digest(event.mark, self.mark(event))

    def row_hash(self, event: StoredEvent) -> bytes:
        """What one event must always hash to, whatever of its personal values was forgotten."""
        return self.hash_at(event.id, row_text(event))

    def hash_at(self, event_id: int, text: str) -> bytes:
        """The row hash that this content would have under that id."""
        return hmac.digest(self.rows, f"{event_id}\n{text}".encode(), "sha256")

    def open(self, name: bytes, *, at: datetime, unmarked_to: int = 0) -> Seal:
        """The first link of a new chain of this name.

        It also seals up to which id the events of older releases go, which bear no mark.
        """
        opening = Seal(0, -unmarked_to, name, b"", at)
        return Seal(0, -unmarked_to, name, self.chain_hash(b"", opening), at)

    def seal(self, previous: Seal, event: StoredEvent, *, at: datetime) -> Seal:
        """The next link."""
        number, row_hash = previous.number + 1, self.row_hash(event)
        bare = Seal(number, event.id, row_hash, b"", at)
        return Seal(number, event.id, row_hash, self.chain_hash(previous.chain_hash, bare), at)

    def chain_hash(self, previous: bytes, seal: Seal) -> bytes:
        moment = (seal.sealed_at - _EPOCH) // _MICROSECOND
        places = b"".join(
            number.to_bytes(8, "big", signed=True)
            for number in (seal.number, seal.event_id, moment)
        )
        return hmac.digest(self.links, previous + places + seal.row_hash, "sha256")

    def opened(self, seal: Seal) -> bool:
        """Whether this is the first link of a chain that was made with these keys."""
        expected = self.chain_hash(b"", seal)
        return seal.number == 0 and hmac.compare_digest(expected, seal.chain_hash)


def row_text(event: StoredEvent) -> str:
    """Everything about an event that is not its id, with digests in place of personal values."""
    return _written(_fixed(event))


def mark_text(event: StoredEvent) -> str:
    """The same in :func:`canonical` form, which does not change on the way through the database."""
    return canonical(_fixed(event))


def _fixed(event: StoredEvent) -> JsonObject:
    fixed: JsonObject = {
        "workspace": event.workspace,
        "occurred_at": (event.occurred_at - _EPOCH) // _MICROSECOND,
        "actor_kind": event.actor_kind,
        "action": event.action,
        "subject": [event.subject_kind, event.subject_id],
        "conversation": event.conversation_id,
        "facts": event.facts,
        "digests": {**event.digests},
    }
    if ACTOR not in event.digests:
        # Not written by this release: nothing stands for the actor, so the name itself does.
        fixed[ACTOR] = event.actor_id
    return fixed


def digest(salt: str, name: str, value: JsonValue) -> str:
    """The salted digest of one personal value; without the salt it tells nothing about it."""
    return hashlib.sha256(f"{salt}:{name}:{canonical(value)}".encode()).hexdigest()


def canonical(value: JsonValue) -> str:
    """One text for one JSON value: keys in order, no spaces, a number by what it is worth.

    A digest is made before the value goes to the database and checked after it came back, so a
    number must not depend on how it was spelled.
    """
    match value:
        case bool() | None | str():
            return _written(value)
        case int():
            return str(value)
        case float():
            return _number(value)
        case list():
            return f"[{','.join(map(canonical, value))}]"
        case dict():
            pairs = (f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value))
            return f"{{{','.join(pairs)}}}"
    raise TypeError(f"not a JSON value: {type(value).__name__}")


def _number(value: float) -> str:
    exact = Decimal(repr(value))
    return "0" if exact.is_zero() else f"{exact.normalize():f}"
