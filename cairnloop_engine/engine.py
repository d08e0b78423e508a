"""The engine: opens the database, holds one facade for each slice, runs the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType

from sqlalchemy.ext.asyncio import AsyncEngine

from cairnloop_engine.audit.facade import Audit
from cairnloop_engine.conversations.facade import Conversations
from cairnloop_engine.core.changes import ChangeFeed
from cairnloop_engine.core.clock import Clock, SystemClock
from cairnloop_engine.core.connections import Address
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.embedded import EmbeddedPostgres
from cairnloop_engine.core.installkey import KeyHolder
from cairnloop_engine.core.jobs import Enqueuer, Queues
from cairnloop_engine.core.rescue import PRODUCTION, Windows
from cairnloop_engine.core.supervisor import Supervisor, WorkerPlan, WorkerReport
from cairnloop_engine.drafting.facade import Drafting
from cairnloop_engine.drafting.making import Maker
from cairnloop_engine.drafting.rehearsal import Rehearsal
from cairnloop_engine.governance.facade import Governance
from cairnloop_engine.knowledge.facade import Knowledge
from cairnloop_engine.migrations import runner
from cairnloop_engine.migrations.runner import MigrateReport
from cairnloop_engine.operations.doctor import Site
from cairnloop_engine.operations.facade import Operations
from cairnloop_engine.retrieval.evaluation_facade import Evaluation
from cairnloop_engine.retrieval.facade import Retrieval
from cairnloop_engine.retrieval.gap_facade import Gaps
from cairnloop_engine.settings import Settings
from cairnloop_engine.wiring import HostParts, Parts, choose, handlers, wire


class Engine:
    """One process's hold on Cairnloop. Use it as an asynchronous context manager.

    Without a ``database_url`` the embedded Postgres is started, and brought to this release's
    schema. A database that is away does not stop an engine from opening: each call then says
    ``database_unavailable``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        host: HostParts | None = None,
        windows: Windows = PRODUCTION,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self._windows = windows
        self._parts = choose(settings, host or HostParts())
        self._embedded: EmbeddedPostgres | None = None

    async def __aenter__(self) -> Engine:
        address = await self._address()
        self._open(address)
        if self._embedded is not None:
            await self._migrate_embedded()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._parts.embedding.close()
        await self._sql.dispose()
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.stop_if_last)

    async def migrate(self) -> MigrateReport:
        """Bring the database to this release's schema. Raises as :func:`runner.migrate`."""
        return await runner.migrate(self._sql, schema=self.settings.schema_prefix)

    async def schema_version(self) -> str | None:
        """The migration that the database is at; None when it was never migrated."""
        return await runner.current(self._sql, schema=self.settings.schema_prefix)

    def changes(self, workspace: str | None = None) -> ChangeFeed:
        """The live feed of one workspace, or of all with None."""
        connect = None if self.settings.pgbouncer else self._where.listener
        return ChangeFeed(connect, workspace=workspace, poll_interval=self.settings.poll_interval)

    async def run_worker(
        self,
        *,
        queues: Sequence[str] = (),
        concurrency: int | None = None,
        drain: bool = False,
        stop: asyncio.Event | None = None,
        ready: Callable[[], None] | None = None,
    ) -> WorkerReport:
        """Run jobs until ``stop`` is set, or, draining, until nothing is due.

        Raises:
            ValueError: a queue that does not exist.
        """
        plan = WorkerPlan(
            queues=tuple(Queues(name) for name in queues),
            concurrency=concurrency or self.settings.worker_concurrency,
            drain=drain,
            drain_timeout=timedelta(seconds=self.settings.drain_timeout),
        )
        supervisor = Supervisor(
            connection=self._where.driver_arguments(pgbouncer=self.settings.pgbouncer),
            specs=list(self._wired.tasks.values()),
            sweeps=self._wired.sweeps,
            plan=plan,
            listen=not self.settings.pgbouncer,
            schema=self.settings.schema_prefix,
            windows=self._windows,
        )
        return await supervisor.run(stop or asyncio.Event(), ready=ready)

    async def serve_widget(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        stop: asyncio.Event | None = None,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Serve the customer chat until ``stop`` is set, or SIGTERM or SIGINT without it.

        ``ready`` hears the address of the chat page once the port is open.

        Raises:
            Misconfigured: ``widget_secret_short``, ``widget_origin_invalid`` or
                ``widget_port_taken``.
        """
        # deferred: only the chat server needs websockets
        from cairnloop_engine.channels.widget.config import WidgetConfig
        from cairnloop_engine.channels.widget.facade import serve_widget

        settings = self.settings
        secret = settings.widget_secret
        config = WidgetConfig(
            host=settings.widget_host if host is None else host,
            port=settings.widget_port if port is None else port,
            secret=None if secret is None else secret.get_secret_value(),
            origins=settings.widget_origins,
            max_message_length=settings.max_message_length,
            messages_per_minute=settings.widget_rate_per_minute,
            max_connections=settings.widget_max_connections,
            max_connections_per_customer=settings.widget_connections_per_customer,
            allow_missing_origin=settings.widget_allow_missing_origin,
            drain_timeout=settings.drain_timeout,
        )
        verifier = self._parts.widget_verifier
        await serve_widget(self, config, verifier=verifier, stop=stop, ready=ready)

    async def _address(self) -> Address:
        if self.settings.database_url is not None:
            return Address.parse(self.settings.database_url.get_secret_value())
        self._embedded = EmbeddedPostgres(self.settings.home_dir)
        started = await asyncio.to_thread(self._embedded.start)
        return Address(started.url())

    def _open(self, address: Address) -> None:
        settings = self.settings
        self._where = address
        self._sql: AsyncEngine = address.engine(
            schema=settings.schema_prefix,
            pool_size=settings.pool_size,
            pgbouncer=settings.pgbouncer,
        )
        enqueuer = Enqueuer()
        self.db = Database(
            self._sql,
            enqueuer=enqueuer,
            clock=self.clock,
            schema=settings.schema_prefix,
            handlers=handlers(self._parts),
            keys=KeyHolder(self._parts.audit.home, self._parts.audit.key),
        )
        self._open_facades(self._parts)
        self._wired = wire(
            self.db, self._parts, ground=self.retrieval.evidence_for, windows=self._windows
        )
        enqueuer.know(self._wired.tasks)

    def _open_facades(self, parts: Parts) -> None:
        db = self.db
        self.audit = Audit(db, parts.audit)
        self.conversations = Conversations(db, parts.conversations, parts.context_provider)
        self.knowledge = Knowledge(db, parts.knowledge)
        self.retrieval = Retrieval(db, parts.embedding, parts.retrieval, reranker=parts.reranker)
        self.gaps = Gaps(db)
        self.evaluation = Evaluation(db, self.retrieval)
        self.drafting = Drafting(db, parts.drafting)
        self.rehearsal = Rehearsal(
            db,
            Maker(self.retrieval.evidence_for, parts.draft_generator, parts.drafting),
            self.evaluation,
        )
        self.governance = Governance(db, parts.gates, parts.gates.config)
        site = Site(
            db,
            self.settings,
            self.clock,
            self.audit,
            parts.gates,
            self.retrieval,
            runner.versions(),
            self.schema_version,
            type(parts.draft_generator).__name__,
        )
        self.operations = Operations(site, self.conversations)

    async def _migrate_embedded(self) -> None:
        if await self.schema_version() != runner.versions()[-1]:
            await self.migrate()
