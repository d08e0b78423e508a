"""The operations slice as an edge sees it: the doctor, the numbers, and the HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from cairnloop_engine.conversations.facade import Conversations
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.errors import CairnloopError
from cairnloop_engine.core.paging import Page
from cairnloop_engine.operations import doctor, queries, reads, service
from cairnloop_engine.operations.doctor import Site
from cairnloop_engine.operations.model import DoctorReport, Readiness, Schema
from cairnloop_engine.operations.reads import DeadLetterView, JobsView, SiteNumbers, Stats
from cairnloop_engine.operations.service import Dropped, Redriven

READY_DEADLINE_S = 2.5
# The name under which the site looks at itself, across workspaces.
SELF = Caller.system("operations")


@dataclass(frozen=True, slots=True)
class Operations:
    """What an edge may ask about the site."""

    site: Site
    conversations: Conversations

    async def doctor(self, caller: Caller, *, probe: bool = False) -> DoctorReport:
        """Look at every part. Says what it found instead of raising; changes nothing."""
        return await doctor.examine(self.site, caller, probe=probe)

    async def schema(self) -> Schema:
        """Where the database's schema is. Raises ``Unavailable`` when it cannot be asked."""
        return await self.site.schema()

    async def stats(self, caller: Caller) -> Stats:
        """Counts and ages of the caller's workspace, with the site's queues and workers."""
        counts = await self.conversations.counts(caller)
        async with self.site.db.read(caller) as read:
            oldest = await queries.oldest_waiting(read)
            waited = None if oldest is None else max(0, int((read.now - oldest).total_seconds()))
            return Stats(counts, waited, await reads.queues(read), await reads.workers(read))

    async def jobs(self, caller: Caller) -> JobsView:
        """How deep each queue of the site is, who works on it, and what was put aside."""
        async with self.site.db.read(caller) as read:
            return await reads.jobs(read)

    async def dead_letters(
        self,
        caller: Caller,
        *,
        cursor: str | None = None,
        limit: int = 50,
        settled_too: bool = False,
    ) -> Page[DeadLetterView]:
        """Jobs that were put aside, newest first; ``settled_too`` adds what people settled.

        Raises:
            Invalid: ``cursor_invalid`` or ``limit_invalid``.
        """
        async with self.site.db.read(caller) as read:
            return await reads.dead_letters(
                read, cursor=cursor, limit=limit, settled_too=settled_too
            )

    async def redrive(self, caller: Caller, letter_id: int) -> Redriven:
        """Run a job again that was put aside, as a new job; works once.

        Raises:
            Forbidden: ``operator_missing`` or ``operator_required``.
            NotFound: ``dead_letter_not_found``.
            Conflict: ``dead_letter_settled``; the facts say how and by whom.
            Misconfigured: ``task_unknown`` when this release has no such task.
        """
        settling = await self._settling(caller, letter_id)
        async with self.site.db.work(settling) as work:
            return await service.redrive(work, letter_id)

    async def drop(self, caller: Caller, letter_id: int, reason: str) -> Dropped:
        """Give a job up for good, and say why.

        Raises:
            Invalid: ``reason_missing`` or ``reason_too_long``; otherwise as :meth:`redrive`.
        """
        settling = await self._settling(caller, letter_id)
        async with self.site.db.work(settling) as work:
            return await service.drop(work, letter_id, reason)

    async def _settling(self, caller: Caller, letter_id: int) -> Caller:
        """The caller in the workspace whose job it is: the event belongs into that trail."""
        caller.acting_operator()
        async with self.site.db.read(caller) as read:
            row = await queries.dead_letter(read, letter_id)
            workspace = caller.workspace if row is None else row.workspace or caller.workspace
        return replace(caller, workspace=workspace)

    async def numbers(self) -> SiteNumbers:
        """What the metrics tell, over all workspaces; counts only."""
        async with self.site.db.read(SELF) as read:
            return await reads.site(read)

    async def ready(self) -> Readiness:
        """Whether this process can do its work: the database answers at this release's schema."""
        try:
            async with asyncio.timeout(READY_DEADLINE_S):
                schema = await self.site.schema()
        except CairnloopError as error:
            return Readiness(False, error.code)
        except TimeoutError:
            return Readiness(False, "database_timeout")
        return Readiness(True) if schema.is_current else Readiness(False, "schema_outdated")

    async def serve_http(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        stop: asyncio.Event | None = None,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Serve health, readiness and metrics until ``stop`` is set, or SIGTERM or SIGINT.

        ``ready`` hears the server's address once the port is open.

        Raises:
            Misconfigured: ``http_port_taken`` or ``http_host_blank``.
        """
        # deferred: only the HTTP server needs Starlette and uvicorn
        from cairnloop_engine.operations.http import serve

        settings = self.site.settings
        await serve(
            self,
            host=settings.http_host if host is None else host,
            port=settings.http_port if port is None else port,
            drain_seconds=settings.drain_timeout,
            stop=stop,
            ready=ready,
        )
