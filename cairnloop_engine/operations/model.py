"""Checks and what they conclude from what was measured. No IO in this module.

A summary begins with Ready, Blocked, Look or Not checked, and says what was proven. It never
holds a secret, an address with a password, or what a customer wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from cairnloop_engine.audit.model import ChainStatus
from cairnloop_engine.core.errors import CairnloopError, Unavailable

OLDEST_POSTGRES = 150_000

# A job that has been due for longer than this waits for a worker that is not coming.
DUE_FOR_TOO_LONG = timedelta(seconds=60)
# Holds, resends and token lifetimes are told by the clock; a second more or less is normal.
SKEW_TO_LOOK_AT = timedelta(seconds=2)
SKEW_THAT_BLOCKS = timedelta(seconds=60)
# Events are sealed within seconds; a writer may hold them up for as long as a transaction may last.
UNSEALED_FOR_TOO_LONG = timedelta(seconds=60)
# Two triggers on the trail, two on its seals.
AUDIT_GUARDS = 4


class CheckStatus(StrEnum):
    """How a check ended; only ``fail`` makes the doctor exit with 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``remedy`` is what to do next; ``promise`` the one that the check stands for."""

    id: str
    status: CheckStatus
    summary: str
    remedy: str | None = None
    promise: str | None = None


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """All findings, in the order in which they were made."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return not any(check.status is CheckStatus.FAIL for check in self.checks)

    def tally(self, status: CheckStatus) -> int:
        """How many checks ended like this."""
        return sum(check.status is status for check in self.checks)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """One queue of the whole site: a worker serves every workspace.

    ``ready`` jobs are due, ``scheduled`` have a later date; ``oldest_seconds`` is how long the
    oldest ready job has been due. ``dead`` were put aside and wait for a person.
    """

    queue: str
    ready: int
    scheduled: int
    running: int
    failed: int
    oldest_seconds: int | None
    dead: int = 0

    @property
    def aside(self) -> int:
        """Jobs that nobody will run again unless a person says so."""
        return self.failed + self.dead


@dataclass(frozen=True, slots=True)
class Workers:
    """Worker processes with a recent heartbeat, and the age of the youngest heartbeat there is."""

    alive: int
    youngest_heartbeat_seconds: float | None


@dataclass(frozen=True, slots=True)
class Schema:
    """The version that the database is at, and the one that this release needs."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        return self.current == self.head


@dataclass(frozen=True, slots=True)
class Server:
    """What the database says of itself. ``skew`` is its clock minus ours."""

    version_number: int
    version: str
    skew: timedelta
    answered_in: timedelta
    vector: str | None
    has_queue: bool
    audit_guards: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served; ``reason`` is a code, None when ready."""

    ready: bool
    reason: str | None = None


def ok(check_id: str, summary: str, *, promise: str | None = None) -> Check:
    return Check(check_id, CheckStatus.OK, f"Ready: {summary}", promise=promise)


def look(check_id: str, summary: str, remedy: str, *, promise: str | None = None) -> Check:
    return Check(check_id, CheckStatus.WARN, f"Look: {summary}", remedy, promise)


def blocked(check_id: str, summary: str, remedy: str, *, promise: str | None = None) -> Check:
    return Check(check_id, CheckStatus.FAIL, f"Blocked: {summary}", remedy, promise)


def unchecked(check_id: str, summary: str, *, promise: str | None = None) -> Check:
    return Check(check_id, CheckStatus.SKIPPED, f"Not checked: {summary}", promise=promise)


def judge_version(server: Server) -> Check:
    major = server.version_number // 10_000
    if server.version_number < OLDEST_POSTGRES:
        return blocked(
            "postgres_version",
            f"this is PostgreSQL {major}.",
            "Use PostgreSQL 15 or newer.",
            promise="P10",
        )
    return ok("postgres_version", f"PostgreSQL {server.version}.", promise="P10")


def judge_vector(server: Server) -> Check:
    if server.vector is None:
        return blocked(
            "vector",
            "the extension pgvector is not in this database.",
            "Install pgvector on the server, then run `cairnloop migrate`.",
        )
    return ok("vector", f"pgvector {server.vector}.")


def judge_schema(schema: Schema, known: Sequence[str]) -> Check:
    if schema.is_current:
        return ok("schema", f"the schema is at {schema.head}.", promise="P10")
    if schema.current is None:
        return blocked(
            "schema", "the database was never migrated.", "Run `cairnloop migrate`.", promise="P10"
        )
    if schema.current not in known:
        return blocked(
            "schema",
            f"the database is at version {schema.current}, which this release does not know.",
            "Install the newer release.",
            promise="P10",
        )
    return blocked(
        "schema",
        f"the database is at {schema.current}, this release needs {schema.head}.",
        "Run `cairnloop migrate`.",
        promise="P10",
    )


def judge_queue(server: Server) -> Check:
    if not server.has_queue:
        return blocked(
            "queue", "the job queue has no tables in this database.", "Run `cairnloop migrate`."
        )
    return ok("queue", "the job queue has its tables.")


def judge_audit(server: Server) -> Check:
    if server.audit_guards < AUDIT_GUARDS:
        return blocked(
            "audit",
            "the database does not refuse changes to the audit trail.",
            "A trigger was removed: find out who did, and restore it from migration 0005.",
            promise="P7",
        )
    return ok("audit", "the database refuses changes to the audit trail.", promise="P7")


def judge_chain(chain: ChainStatus) -> Check:
    """Whether the trail is sealed, and can be believed as far as a short look tells."""
    name, promise = "audit_chain", "P7"
    if chain.problem is not None:
        remedy = "Set CAIRNLOOP_AUDIT_KEY, or copy install.key, from a host that seals the trail."
        return blocked(name, chain.problem.message, remedy, promise=promise)
    if not chain.holds:
        remedy = "`cairnloop audit verify` names the first bad row. Find out who changed it."
        said = "the newest rows of the audit trail are not as they were sealed."
        return blocked(name, said, remedy, promise=promise)
    if chain.key_exposed:
        said = "other users of this machine may read the install key."
        return look(name, said, "chmod 600 install.key in the home folder.", promise=promise)
    waiting = (
        f"{chain.waiting} events are not sealed, the oldest for {chain.lag.total_seconds():.0f} s."
    )
    if chain.lag > UNSEALED_FOR_TOO_LONG:
        return look(name, waiting, "A worker seals them: `cairnloop worker`.", promise=promise)
    said = f"{chain.sealed} events are sealed, {chain.waiting} wait; the newest hold."
    return ok(name, said, promise=promise)


def judge_clock(server: Server) -> Check:
    off = abs(server.skew)
    said = f"our clock and the database's are {off.total_seconds():.1f} s apart."
    if off >= SKEW_THAT_BLOCKS:
        return blocked("clock", said, "Synchronise the clocks of both machines (NTP).")
    if off >= SKEW_TO_LOOK_AT:
        return look("clock", said, "Synchronise the clocks of both machines (NTP).")
    return ok("clock", said)


def judge_workers(workers: Workers, queues: Sequence[QueueDepth]) -> Check:
    """No worker is a worry; no worker while work has been due for a minute is a failure."""
    if workers.alive:
        age = workers.youngest_heartbeat_seconds or 0.0
        alive = f"{workers.alive} at work" if workers.alive > 1 else "one at work"
        return ok("workers", f"{alive}, last heard of {age:.0f} s ago.", promise="P3")
    due = [depth.oldest_seconds for depth in queues if depth.ready and depth.oldest_seconds]
    seen = workers.youngest_heartbeat_seconds
    last = "none was ever seen" if seen is None else f"the last was heard of {seen:.0f} s ago"
    remedy = "Start one: `cairnloop worker`."
    if max(due, default=0) > DUE_FOR_TOO_LONG.total_seconds():
        return blocked(
            "workers", f"no worker runs ({last}), and work is waiting.", remedy, promise="P3"
        )
    return look("workers", f"no worker runs ({last}); nothing is overdue.", remedy, promise="P3")


def judge_jobs(queues: Sequence[QueueDepth]) -> Check:
    aside = sum(depth.aside for depth in queues)
    ready = sum(depth.ready for depth in queues)
    running = sum(depth.running for depth in queues)
    oldest = max((depth.oldest_seconds or 0 for depth in queues), default=0)
    said = f"{ready} due, {running} running, oldest due for {oldest} s."
    if aside:
        where = ", ".join(depth.queue for depth in queues if depth.aside)
        return look(
            "jobs",
            f"{aside} put aside ({where}); {said}",
            "See `cairnloop jobs dead`; redrive each, or drop it with a reason.",
            promise="P2",
        )
    if oldest > 5 * DUE_FOR_TOO_LONG.total_seconds():
        return look("jobs", said, "Start more workers: `cairnloop worker`.", promise="P2")
    return ok("jobs", said, promise="P2")


def judge_secret(secret_bytes: int | None, *, shortest: int) -> Check:
    """The length of the chat's signing secret is all that is ever looked at."""
    remedy = f"Set CAIRNLOOP_WIDGET_SECRET to {shortest} random bytes or more."
    if secret_bytes is None:
        return look(
            "widget_secret",
            "no signing secret is set, so the chat lets nobody in.",
            remedy,
            promise="P5",
        )
    if secret_bytes < shortest:
        return blocked("widget_secret", "the signing secret is too short.", remedy, promise="P5")
    return ok("widget_secret", "the chat has a signing secret.", promise="P5")


def judge_operator(operator: str | None) -> Check:
    if operator is None or not operator.strip():
        return look(
            "operator",
            "no operator is named, so nothing can be changed from here.",
            "Pass --operator NAME or set CAIRNLOOP_OPERATOR.",
            promise="P7",
        )
    return ok("operator", "changes are made in an operator's name.", promise="P7")


def judge_auto_send(enabled: bool) -> Check:
    if enabled:
        return look(
            "auto_send",
            "a policy that answers `allow` sends drafts without an operator.",
            "Unset auto_send_enabled to have an operator decide each draft.",
            promise="P8",
        )
    return ok("auto_send", "no draft is sent without an operator's decision.", promise="P8")


def judge_drafting(generator: str, *, model: str, keyed: bool) -> Check:
    """Who words the replies: ours, a model of Anthropic's, or a class of the host's."""
    if generator == "Scoria":
        return ok("drafting", "replies are quoted from the articles; no model is asked.")
    if generator != "Anthropic":
        return ok("drafting", f"replies are worded by {generator}.")
    if not keyed:
        return look(
            "drafting",
            f"{model} is to word the replies and has no key, so they are quoted instead.",
            "Set anthropic_api_key, or drafting_model to scoria.",
        )
    return ok("drafting", f"replies are worded by {model} and checked against their sources.")


def judge_unreachable(error: CairnloopError) -> Check:
    """Why the database could not even be asked; never its address."""
    if isinstance(error, Unavailable):
        return blocked(
            "database",
            "the database cannot be reached.",
            "Start it, or correct CAIRNLOOP_DATABASE_URL.",
        )
    return blocked("database", error.message, "Settle this first, then look again.")


def without_settings(error: CairnloopError) -> DoctorReport:
    """The report when the settings cannot even be read: one finding, and nothing else proven."""
    found = blocked("settings", error.message, "Correct the settings, then look again.")
    return DoctorReport((found, unchecked("database", "the settings come first.")))


def without_engine(error: CairnloopError) -> DoctorReport:
    """The report when no engine could be opened on these settings."""
    return DoctorReport((ok("settings", "the settings are valid."), judge_unreachable(error)))
