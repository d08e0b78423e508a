"""The life of a chat server: open, serve, drain."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from websockets.asyncio.server import Server, ServerConnection, serve

from cairnloop_engine.channels.widget import origins
from cairnloop_engine.channels.widget.audience import Desk
from cairnloop_engine.channels.widget.config import WidgetConfig
from cairnloop_engine.channels.widget.pages import Pages
from cairnloop_engine.channels.widget.ports import WidgetVerifier
from cairnloop_engine.channels.widget.protocol import Close
from cairnloop_engine.channels.widget.readiness import Readiness
from cairnloop_engine.channels.widget.routes import Routes
from cairnloop_engine.channels.widget.sessions import Session
from cairnloop_engine.channels.widget.shared import Shared
from cairnloop_engine.core.errors import Misconfigured

log = logging.getLogger(__name__)

# A request comes right after its connection; browsers also open some that they never use.
OPEN_TIMEOUT_S = 3.0
# Between two lives of a duty that broke.
PAUSE_S = 1.0

# The library logs whole frames when its logger is at DEBUG; this one never is.
_library_log = logging.getLogger("cairnloop_engine.channels.widget.websockets")


@dataclass(slots=True)
class WidgetServer:
    """One chat server. Use it as an asynchronous context manager; leaving it drains."""

    shared: Shared
    routes: Routes
    sessions: set[Session] = field(default_factory=set)
    _server: Server | None = None
    _duties: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, desk: Desk, config: WidgetConfig, verifier: WidgetVerifier) -> WidgetServer:
        """Put a server together.

        Raises:
            Misconfigured: ``widget_origin_invalid``.
        """
        allowed = origins.checked(config.origins)
        shared = Shared.of(desk, config, verifier)
        return cls(shared, Routes(shared, Pages.load(allowed), Readiness(shared), allowed))

    async def __aenter__(self) -> WidgetServer:
        """Listen.

        Raises:
            Misconfigured: ``widget_port_taken`` when the address cannot be opened.
        """
        config = self.shared.config
        _library_log.setLevel(logging.WARNING)
        try:
            self._server = await serve(
                self._handle,
                config.host,
                config.port,
                compression=None,
                process_request=self.routes.answer,
                process_response=self.routes.harden,
                server_header=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=2.0,
                ping_interval=config.ping_interval,
                ping_timeout=config.ping_interval,
                max_size=config.frame_bytes,
                # A client that sends faster than we store waits in the network, not in memory.
                max_queue=4,
                logger=_library_log,
            )
        except (OSError, OverflowError) as error:
            raise Misconfigured(
                "widget_port_taken",
                f"The chat server cannot listen on {config.host} port {config.port}.",
                host=config.host,
                port=config.port,
            ) from error
        self._duties = asyncio.create_task(self._keep_duties(), name="chat duties")
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await self.drain()

    @property
    def port(self) -> int:
        """The port that was opened; of use when 0 was asked for."""
        if self._server is None:
            return self.shared.config.port
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def url(self) -> str:
        """Where the chat page is."""
        host = self.shared.config.host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/"

    async def drain(self) -> None:
        """Take nothing new, finish what is being stored, say goodbye, close."""
        if self._server is None:
            return
        server, self._server = self._server, None
        self.shared.draining = True
        log.info("chat server drains", extra={"count": len(self.sessions)})
        server.close(close_connections=False)
        # Frees the listening socket now: a successor may already wait for the port.
        await asyncio.gather(*(session.say_draining() for session in list(self.sessions)))
        await self._wait_for_messages()
        await asyncio.gather(
            *(session.socket.close(Close.GOING_AWAY, "draining") for session in list(self.sessions))
        )
        if self._duties is not None:
            self._duties.cancel()
            await asyncio.wait([self._duties])
        await server.wait_closed()

    async def _keep_duties(self) -> None:
        """Hear changes for as long as the server lives; a duty that breaks starts again."""
        audience = self.shared.audience
        while True:
            duties = [
                asyncio.create_task(audience.follow(), name="chat changes"),
                asyncio.create_task(audience.look_up(), name="chat lookups"),
            ]
            try:
                done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
                for duty in done:
                    log.error("a chat duty broke", exc_info=duty.exception())
            finally:
                for duty in duties:
                    duty.cancel()
                await asyncio.gather(*duties, return_exceptions=True)
            await asyncio.sleep(PAUSE_S)
            audience.wake_all()

    async def _wait_for_messages(self) -> None:
        waiting = list(self.shared.in_flight)
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=self.shared.config.drain_timeout)
        if late:
            # Not lost: without an answer their senders ask again with the same client id.
            log.warning("messages were still being stored", extra={"count": len(late)})

    async def _handle(self, socket: ServerConnection) -> None:
        session = Session(socket, self.shared)
        self.sessions.add(session)
        try:
            await session.run()
        finally:
            self.sessions.discard(session)
