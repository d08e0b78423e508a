"""Transactions: ``Work`` is the only thing that can write, ``Database`` the only one to commit."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import psycopg
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cairnloop_engine.core.actors import Actor, Caller
from cairnloop_engine.core.clock import Clock
from cairnloop_engine.core.errors import CairnloopError, Misconfigured, Unavailable
from cairnloop_engine.core.installkey import KeyHolder
from cairnloop_engine.core.jobs import Enqueuer, Job
from cairnloop_engine.core.tables import SCHEMA, qualified

log = logging.getLogger(__name__)

T = TypeVar("T")

CHANGES_CHANNEL = "cairnloop_changes"

# Postgres refuses a notification of 8000 bytes; past this many ids a screen reloads anyway.
MOST_CHANGES_NAMED = 100

_WRITE_LIMITS = text(
    "SELECT set_config('statement_timeout', '10s', true), set_config('lock_timeout', '2s', true),"
    " set_config('idle_in_transaction_session_timeout', '15s', true)"
)
_READ_LIMITS = text(
    "SELECT set_config('transaction_read_only', 'on', true),"
    " set_config('statement_timeout', '5s', true),"
    " set_config('idle_in_transaction_session_timeout', '15s', true)"
)

_SCRATCH_LIMITS = text(
    "SELECT set_config('statement_timeout', '0', true),"
    " set_config('idle_in_transaction_session_timeout', '0', true)"
)
# Postgres's name for the temporary tables of the connection that asks.
TEMPORARY = "pg_temp"

_open_transaction: ContextVar[str | None] = ContextVar("cairnloop_open_transaction", default=None)


def assert_no_transaction(what: str) -> None:
    """Refuse an outside call while this task holds a transaction open.

    The first line of every adapter that leaves the process: a slow provider must never hold
    locks, and a rollback must never follow an effect that cannot be rolled back.
    """
    holder = _open_transaction.get()
    if holder is not None:
        raise RuntimeError(f"{what} inside an open transaction ({holder})")


class Contended(Unavailable):
    """Another transaction held what this one needed; running the whole Work again is safe."""


@dataclass(slots=True)
class Read:
    """One open read-only transaction."""

    session: AsyncSession
    caller: Caller
    now: datetime
    schema: str

    @property
    def workspace(self) -> str:
        return self.caller.workspace

    def qualified(self, name: str) -> str:
        """One of our tables, by its full name, for raw SQL."""
        return qualified(self.schema, name)


EventHandler = Callable[["Work", object], Awaitable[None]]


@dataclass(slots=True)
class Work(Read):
    """One open transaction that may write. Services take it; only ``Database.work`` commits."""

    actor: Actor
    enqueuer: Enqueuer
    handlers: Mapping[type, Sequence[EventHandler]]
    # What this installation marks its own rows with; None writes them unmarked.
    keys: KeyHolder | None = None
    changes: dict[tuple[str, int], None] = field(default_factory=dict)
    effects: list[Callable[[], None]] = field(default_factory=list)

    async def enqueue(self, job: Job) -> int:
        """Enqueue a job that exists if and only if this Work commits; returns its number."""
        return await self.enqueuer.put(self.session, job)

    async def debounce(self, *, kind: str, key: str, due_at: datetime) -> None:
        """Ask for ``kind`` to run once for ``key``, at ``due_at``; asking again moves the date.

        Each request makes the row's generation grow and enqueues a job that carries it; only
        the job of the newest generation finds itself current (see :mod:`core.pending`).
        """
        statement = text(
            f"INSERT INTO {self.qualified('pending_work')} AS p"  # noqa: S608 - our own name
            " (workspace, kind, key, due_at, generation)"
            " VALUES (:workspace, :kind, :key, :due_at, 1)"
            " ON CONFLICT (workspace, kind, key) DO UPDATE"
            " SET due_at = excluded.due_at, generation = p.generation + 1"
            " RETURNING generation"
        )
        row = await self.session.execute(
            statement,
            {"workspace": self.workspace, "kind": kind, "key": key, "due_at": due_at},
        )
        args = {"workspace": self.workspace, "key": key, "generation": row.scalar_one()}
        await self.enqueue(Job(kind, args, at=due_at))

    async def emit(self, event: object) -> None:
        """Run the in-transaction handlers of an event, in the order that wiring lists them."""
        for handler in self.handlers.get(type(event), ()):
            await handler(self, event)

    def changed(self, kind: str, row_id: int) -> None:
        """Tell the screens, once this Work has committed, that this row is different."""
        self.changes[(kind, row_id)] = None

    def after_commit(self, effect: Callable[[], None]) -> None:
        """Run ``effect`` after the commit; it must not block, write or raise."""
        self.effects.append(effect)

    async def publish_changes(self) -> None:
        """The last statement of a Work: one notification, delivered only if it commits."""
        if not self.changes:
            return
        named: list[list[str | int]] = [["resync", 0]]
        if len(self.changes) <= MOST_CHANGES_NAMED:
            named = [[kind, row_id] for kind, row_id in self.changes]
        payload = json.dumps({"w": self.workspace, "c": named}, separators=(",", ":"))
        await self.session.flush()
        await self.session.execute(
            text("SELECT pg_notify(:channel, :payload)"),
            {"channel": CHANGES_CHANNEL, "payload": payload},
        )


class Database:
    """Opens transactions. Commit and rollback happen here and nowhere else."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        enqueuer: Enqueuer,
        clock: Clock,
        schema: str,
        handlers: Mapping[type, Sequence[EventHandler]],
        keys: KeyHolder | None = None,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.schema = schema
        self._enqueuer = enqueuer
        self._handlers = handlers
        self.keys = keys
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def work(self, caller: Caller) -> AsyncIterator[Work]:
        """One transaction in the name of the caller's actor; commits when the block ends.

        Raises:
            Forbidden: ``operator_missing`` when the caller has no actor.
            Unavailable: ``database_unavailable``, ``database_busy`` or ``database_timeout``.
        """
        actor = caller.acting()
        with _holding(f"work by {actor.kind}"), translated():
            async with self._sessions.begin() as session:
                await session.execute(_WRITE_LIMITS)
                work = Work(
                    session=session,
                    caller=caller,
                    now=self.clock.now(),
                    schema=self.schema,
                    actor=actor,
                    enqueuer=self._enqueuer,
                    handlers=self._handlers,
                    keys=self.keys,
                )
                yield work
                await work.publish_changes()
        for effect in work.effects:
            try:
                effect()
            except Exception:
                log.exception("after-commit effect failed")

    @asynccontextmanager
    async def read(self, caller: Caller) -> AsyncIterator[Read]:
        """One read-only transaction; the database itself refuses a write in it.

        Raises:
            Unavailable: ``database_unavailable`` or ``database_timeout``.
        """
        with _holding("read"), translated():
            async with self._sessions.begin() as session:
                await session.execute(_READ_LIMITS)
                yield Read(session, caller, self.clock.now(), self.schema)

    @asynccontextmanager
    async def scratch(
        self, caller: Caller, tables: Sequence[str], *, unindexed: Sequence[str] = ()
    ) -> AsyncIterator[Work]:
        """A Work on empty, temporary copies of these tables, which never commits.

        Nobody else sees the copies, and nothing of them outlives the block: the transaction is
        rolled back, by this process or, when it was killed, by Postgres. The copies have the
        columns, checks and indexes of the tables, but no foreign keys; those of ``unindexed``
        have no indexes either, so that many rows can be written before they are made.

        Raises:
            Unavailable: ``database_unavailable``.
            Misconfigured: ``temporary_tables_forbidden`` or ``schema_missing``.
        """
        with _holding("scratch"), translated():
            # Leaving a session without a commit rolls back.
            async with self._sessions() as session:
                await session.connection(
                    execution_options={"schema_translate_map": {SCHEMA: TEMPORARY}}
                )
                await session.execute(_SCRATCH_LIMITS)
                for table in tables:
                    await session.execute(text(self._copied(table, table not in unindexed)))
                yield Work(
                    session=session,
                    caller=caller,
                    now=self.clock.now(),
                    schema=TEMPORARY,
                    actor=caller.acting(),
                    enqueuer=self._enqueuer,
                    handlers={},
                )

    def _copied(self, table: str, indexed: bool) -> str:
        copied, original = qualified(TEMPORARY, table), qualified(self.schema, table)
        kept = "INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS"
        if indexed:
            kept += " INCLUDING INDEXES"
        return f"CREATE TEMPORARY TABLE {copied} (LIKE {original} {kept})"

    async def retrying(
        self, caller: Caller, run: Callable[[Work], Awaitable[T]], *, tries: int = 5
    ) -> T:
        """Run a whole Work again when it lost a race for locks; ``run`` must take ids, not rows.

        Raises:
            Unavailable: ``database_busy`` when every try met contention.
        """
        for attempt in range(1, tries + 1):
            try:
                async with self.work(caller) as work:
                    return await run(work)
            except Contended:
                if attempt == tries:
                    raise
                # Spreads the contenders; not a secret.
                await asyncio.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311
        raise AssertionError("unreachable")


@contextmanager
def _holding(what: str) -> Iterator[None]:
    assert_no_transaction("a second transaction")
    token = _open_transaction.set(what)
    try:
        yield
    finally:
        _open_transaction.reset(token)


_CONTENTION = frozenset({"40001", "40P01", "55P03"})
_SCHEMA_MISSING = frozenset({"42P01", "3F000", "42703", "42883"})
_AWAY = frozenset({"53300", "57P01", "57P02", "57P03", "25P03"})


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours; what is not understood rises as the bug it is."""
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, psycopg.Error) as error:
        known = _translation(error)
        if known is None:
            raise
        raise known from error


def _translation(error: BaseException) -> CairnloopError | None:
    state = sqlstate(error)
    if state in _CONTENTION:
        return Contended(
            "database_busy",
            "Somebody else is changing the same thing right now; try again.",
            retry_after=1.0,
        )
    if state == "57014":
        return Unavailable(
            "database_timeout",
            "The database took too long to answer; nothing was changed. Try again.",
            retry_after=2.0,
        )
    if state in _SCHEMA_MISSING:
        return Misconfigured(
            "schema_missing",
            "The database schema is missing or older than this version. Run `cairnloop migrate`.",
        )
    if state == "42501" and "temporary tables" in str(error):
        return Misconfigured(
            "temporary_tables_forbidden",
            "An evaluation needs temporary tables: GRANT TEMPORARY ON DATABASE … TO the user of"
            " the database URL.",
        )
    if state in _AWAY or (state or "").startswith("08") or _never_connected(error, state):
        return Unavailable(
            "database_unavailable",
            "The database cannot be reached; nothing was changed. It is safe to try again.",
            retry_after=2.0,
        )
    return None


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE behind a driver or SQLAlchemy error, when the server gave one."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    return getattr(original, "sqlstate", None)


def _never_connected(error: BaseException, state: str | None) -> bool:
    if isinstance(error, exc.TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    return state is None and isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
