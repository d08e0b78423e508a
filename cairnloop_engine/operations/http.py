"""The HTTP server of a site: liveness, readiness and metrics, as a Starlette application."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cairnloop_engine.core.errors import CairnloopError, Misconfigured
from cairnloop_engine.operations.metrics import CONTENT_TYPE, Metrics
from cairnloop_engine.operations.model import Readiness
from cairnloop_engine.operations.reads import SiteNumbers

log = logging.getLogger(__name__)

T = TypeVar("T")

# Asking costs queries: answers are shared for this long, so that asking cannot be an attack.
READY_FRESH_S = 1.0
NUMBERS_FRESH_S = 5.0
# How long a scrape waits for its numbers before it says that the database is down.
NUMBERS_DEADLINE_S = 5.0


class Observed(Protocol):
    """What the server asks of the operations slice."""

    async def ready(self) -> Readiness: ...

    async def numbers(self) -> SiteNumbers: ...


@dataclass(slots=True)
class Shared:
    """One answer for everybody who asks within a moment."""

    fresh_for: float
    _until: float = 0.0
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _answer: object = None

    async def of(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of ``ask``, perhaps from a moment ago."""
        now = asyncio.get_running_loop().time
        async with self._asking:
            if now() >= self._until:
                self._answer = await ask()
                self._until = now() + self.fresh_for
        answer: T = self._answer  # type: ignore[assignment]
        return answer


def build_app(observed: Observed) -> Starlette:
    """The application; further routes (MCP, the mail webhook) join it here."""
    metrics = Metrics()
    readiness, numbers = Shared(READY_FRESH_S), Shared(NUMBERS_FRESH_S)

    async def health(request: Request) -> Response:
        """The process lives and its loop turns; says nothing of the database."""
        return _json({"status": "ok"})

    async def ready(request: Request) -> Response:
        found: Readiness = await readiness.of(observed.ready)
        if found.ready:
            return _json({"ready": True})
        return _json({"ready": False, "reason": found.reason}, status=503)

    async def scrape(request: Request) -> Response:
        found: SiteNumbers | None = await numbers.of(lambda: _numbers(observed))
        return Response(metrics.written(found), headers={"content-type": CONTENT_TYPE})

    routes = {"/health": health, "/ready": ready, "/metrics": scrape}
    app = Starlette(
        routes=[Route(path, endpoint, methods=["GET"]) for path, endpoint in routes.items()],
        exception_handlers={404: _not_found, 405: _not_allowed},
    )
    app.add_middleware(Counted, metrics=metrics, known=frozenset(routes))
    return app


class Counted:
    """Counts each answer by route; what is no route of ours is one label together."""

    def __init__(self, app: ASGIApp, metrics: Metrics, known: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._known else "other"

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(path, message["status"])
            await send(message)

        await self._app(scope, receive, counting)


async def serve(
    observed: Observed,
    *,
    host: str,
    port: int,
    drain_seconds: float,
    stop: asyncio.Event | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until ``stop`` is set, or without it until SIGTERM or SIGINT.

    Raises:
        Misconfigured: ``http_port_taken`` or ``http_host_blank``.
    """
    with _bound(host, port) as listener, _ending(stop) as ended:
        config = uvicorn.Config(
            build_app(observed),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=max(1, int(drain_seconds)),
        )
        async with _running(Quiet(config), listener):
            url = _url(listener)
            log.info("http server listens", extra={"peer": url})
            if ready is not None:
                ready(url)
            await ended.wait()
    log.info("http server stopped")


class Quiet(uvicorn.Server):
    """uvicorn without its own hold on the process's signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _running(server: uvicorn.Server, listener: socket.socket) -> AsyncIterator[None]:
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http server")
    try:
        yield
    finally:
        server.should_exit = True
        await task


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    if not host.strip():
        # An empty address would mean every one that the machine has.
        raise Misconfigured("http_host_blank", "The HTTP server's address is blank.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise Misconfigured(
            "http_port_taken",
            f"The HTTP server cannot listen on {host} port {port} ({error.strerror}). "
            "Choose another with --host and --port.",
            port=port,
        ) from error
    with listener:
        yield listener


@contextmanager
def _ending(stop: asyncio.Event | None) -> Iterator[asyncio.Event]:
    if stop is not None:
        yield stop
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for one in signals:
        loop.add_signal_handler(one, ended.set)
    try:
        yield ended
    finally:
        for one in signals:
            loop.remove_signal_handler(one)


async def _numbers(observed: Observed) -> SiteNumbers | None:
    """None when the database cannot be asked: a scrape still answers, and says so."""
    try:
        async with asyncio.timeout(NUMBERS_DEADLINE_S):
            return await observed.numbers()
    except (CairnloopError, TimeoutError) as error:
        log.info("the numbers could not be read: %s", type(error).__name__)
        return None


async def _not_found(request: Request, error: Exception) -> Response:
    return _json({"error": {"code": "not_found", "message": "There is nothing here."}}, status=404)


async def _not_allowed(request: Request, error: Exception) -> Response:
    message = "Only GET is answered here."
    return _json({"error": {"code": "method_not_allowed", "message": message}}, status=405)


def _json(body: dict[str, object], *, status: int = 200) -> Response:
    return JSONResponse(body, status, headers={"cache-control": "no-store"})


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
