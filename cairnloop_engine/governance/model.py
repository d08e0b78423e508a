"""The words of governed actions, and the decisions about them that need no database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from cairnloop_engine.core.errors import JsonObject, JsonValue


class RiskTier(StrEnum):
    """How much harm a tool can do, least first."""

    READ_ONLY = "read_only"
    LOW_WRITE = "low_write"
    HIGH_WRITE = "high_write"
    DESTRUCTIVE = "destructive"


class ApprovalMode(StrEnum):
    """What stands between a valid proposal and its execution, least strict first."""

    AUTO = "auto"
    REQUIRES_APPROVAL = "requires_approval"
    ALWAYS_BLOCK = "always_block"


class ProposalStatus(StrEnum):
    """What the gates said when the action was proposed; it never changes afterwards."""

    PROPOSED = "proposed"
    NEEDS_INPUT = "needs_input"
    SCOPE_INVALID = "scope_invalid"
    POLICY_DENIED = "policy_denied"


class ResultState(StrEnum):
    """What is known of the effect."""

    NOT_EXECUTED = "not_executed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class ApprovalStatus(StrEnum):
    """Where one decision process stands."""

    PENDING = "pending"
    APPROVED = "approved"
    EXECUTION_PENDING = "execution_pending"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    RETURNED = "returned"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    SUPERSEDED = "superseded"
    EXECUTED = "executed"
    EXECUTION_FAILED = "execution_failed"
    EXECUTION_UNKNOWN = "execution_unknown"


class AttemptState(StrEnum):
    """Where one attempt to bring about the effect stands.

    ``prepared``: claimed, the tool was not called. ``started``: the tool may have been called.
    ``confirmed``: the effect happened. ``failed``: it is known not to have happened.
    ``unknown``: nobody knows, and nothing repeats it by itself unless the tool allows it.
    """

    PREPARED = "prepared"
    STARTED = "started"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Origin(StrEnum):
    """By which way a proposal came."""

    OPERATOR = "operator"
    AI = "ai"
    MCP = "mcp"


# At most one approval of a proposal may be in one of these: a partial unique index says so.
ACTIVE = frozenset(
    {
        ApprovalStatus.PENDING,
        ApprovalStatus.APPROVED,
        ApprovalStatus.EXECUTION_PENDING,
        ApprovalStatus.EXECUTION_UNKNOWN,
    }
)
# What still may lead to an effect; an equal proposal meets this one instead of a second row.
LIVE = ACTIVE | {ApprovalStatus.DEFERRED, ApprovalStatus.RETURNED}
# From here an operator may open a fresh approval of the same proposal.
REOPENABLE = frozenset(
    {
        ApprovalStatus.DEFERRED,
        ApprovalStatus.RETURNED,
        ApprovalStatus.EXPIRED,
        ApprovalStatus.INVALIDATED,
    }
)
# What waits for a person.
WAITING = frozenset({ApprovalStatus.PENDING, ApprovalStatus.EXECUTION_UNKNOWN})
IN_FLIGHT = frozenset({AttemptState.PREPARED, AttemptState.STARTED})

DERIVED_MODE: Mapping[RiskTier, ApprovalMode] = {
    RiskTier.READ_ONLY: ApprovalMode.AUTO,
    RiskTier.LOW_WRITE: ApprovalMode.REQUIRES_APPROVAL,
    RiskTier.HIGH_WRITE: ApprovalMode.REQUIRES_APPROVAL,
    RiskTier.DESTRUCTIVE: ApprovalMode.ALWAYS_BLOCK,
}
_STRICTNESS = list(ApprovalMode)
_RISK = list(RiskTier)


def strictest(*modes: ApprovalMode) -> ApprovalMode:
    """The one that lets least through."""
    return max(modes, key=_STRICTNESS.index)


def is_stricter(now: ApprovalMode, then: ApprovalMode) -> bool:
    return _STRICTNESS.index(now) > _STRICTNESS.index(then)


def is_riskier(now: RiskTier, then: RiskTier) -> bool:
    return _RISK.index(now) > _RISK.index(then)


@dataclass(frozen=True, slots=True)
class GovernanceConfig:
    """The knobs of governed actions.

    ``approval_ttl`` covers the whole way from request to execution (spec/02 §8). ``attempts``
    bounds how often the effect of one approval is attempted (spec/02 §9.3: three).
    """

    approval_ttl: timedelta = timedelta(hours=48)
    overrides: Mapping[RiskTier, ApprovalMode] = field(default_factory=dict)
    loosening: bool = False
    distinct_approver_for: frozenset[RiskTier] = frozenset({RiskTier.HIGH_WRITE})
    attempts: int = 3
    reconcile_tries: int = 5
    first_wait: timedelta = timedelta(seconds=2)
    seam_timeout: timedelta = timedelta(seconds=5)
    most_input_bytes: int = 64_000
    longest_reason: int = 10_000

    def wait_before(self, attempt: int) -> timedelta:
        """How long to wait before this attempt: doubling, at most two minutes."""
        doublings = float(2 ** max(0, attempt - 2))
        return min(self.first_wait * doublings, timedelta(minutes=2))


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a tool declared about itself; immutable, and no row."""

    name: str
    version: str
    title: str
    description: str
    risk_tier: RiskTier
    approval_mode: ApprovalMode
    declared_mode: ApprovalMode | None
    scopes: frozenset[str]
    idempotent: bool
    reconciles: bool
    transactional: bool
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Target:
    """Something of the host that an action is about, at the revision that was looked at."""

    kind: str
    id: str
    revision: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a gate stopped an action: a stable code, what it found, a sentence for people."""

    code: str
    text: str
    details: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not what was approved."""

    field: str
    before: JsonValue
    after: JsonValue

    def as_json(self) -> JsonObject:
        return {"field": self.field, "before": self.before, "after": self.after}


def canonical(value: JsonValue) -> str:
    """The one way to write a JSON value down, so that equal values have equal digests.

    A whole number is the same whether it came as 82 or as 82.0: the database keeps no difference.
    """
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _plain(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        # By its digits, as the database reads it: 1e300 is a one and 300 zeros.
        return int(Decimal(repr(value)))
    return value


def digest(value: JsonValue) -> str:
    """SHA-256 of the canonical form, 64 lowercase hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """Exactly what would run, where, and under which rules: what an approval binds (P4)."""

    workspace: str
    tool: str
    version: str
    input: JsonObject
    targets: Sequence[Target]
    policy: str
    asker: str
    account_id: str | None
    conversation_id: int | None
    title: str
    consequence: str | None

    def as_json(self) -> JsonObject:
        return {
            "workspace": self.workspace,
            "tool": self.tool,
            "version": self.version,
            "input": self.input,
            "targets": [[one.kind, one.id, one.revision] for one in self.targets],
            "policy": self.policy,
            "asker": self.asker,
            "account": self.account_id,
            "conversation": self.conversation_id,
            "title": self.title,
            "consequence": self.consequence,
        }

    @property
    def digest(self) -> str:
        return digest(self.as_json())


def differences(before: JsonObject, after: JsonObject) -> tuple[Difference, ...]:
    """Every field whose value differs, by its dotted path; an absent one shows as None.

    There is none exactly when both have the same digest.
    """
    old, new = dict(_flat(before, ())), dict(_flat(after, ()))
    return tuple(
        Difference(".".join(path), old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if _written(old, path) != _written(new, path)
    )


def _written(flat: Mapping[tuple[str, ...], JsonValue], path: tuple[str, ...]) -> str | None:
    # As the digest sees it: true is not 1, and a field without a value is not a missing one.
    return canonical(flat[path]) if path in flat else None


def _flat(value: JsonValue, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], JsonValue]]:
    if isinstance(value, dict) and (value or not path):
        for key, inner in value.items():
            yield from _flat(inner, (*path, key))
    else:
        yield path, value


def idempotency_key(
    *,
    workspace: str,
    tool: str,
    actor: str,
    account_id: str | None,
    arguments: JsonObject,
    token: str | None,
) -> str:
    """What makes two proposals the same request (spec/02 §5).

    The conversation is left out on purpose: it is where the request came from, not what it is.
    """
    return digest(
        {
            "workspace": workspace,
            "tool_ref": tool,
            "actor_id": actor,
            "account_id": account_id,
            "input": arguments,
            "dedupe_token": token,
        }
    )


def run_key(idempotency_key: str, proposal_id: int) -> str:
    """The key under which a tool makes its effect happen at most once.

    The same for every attempt of one proposal (spec/02 W-7), and another for a later proposal of
    the same thing, which is a new wish.
    """
    return hashlib.sha256(f"{idempotency_key}::{proposal_id}::run".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Lapse:
    """Why a pending approval cannot be decided as the person wished."""

    code: str
    message: str


def is_overdue(expires_at: datetime, now: datetime) -> bool:
    """Past the deadline; exactly at it still counts as in time (spec/02 §9.2)."""
    return expires_at < now
