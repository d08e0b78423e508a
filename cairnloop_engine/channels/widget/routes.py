"""What the chat server answers to plain HTTP: the page, its script, health and readiness."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from cairnloop_engine.channels.widget import origins
from cairnloop_engine.channels.widget.pages import Pages
from cairnloop_engine.channels.widget.readiness import Readiness
from cairnloop_engine.channels.widget.shared import Shared

SOCKET_PATH = "/ws"

HEALTHY = b'{"status":"ok"}'

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CLOSED_POLICY = "default-src 'none'; frame-ancestors 'none'"

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Routes:
    """Answers GET and HEAD; a request for the socket is checked here and then let through."""

    shared: Shared
    pages: Pages
    readiness: Readiness
    allowed: tuple[str, ...] = field(default=())

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The response, or None to go on with the websocket handshake."""
        path, _, query = request.path.partition("?")
        if request.method not in ("GET", "HEAD"):
            response = _response(HTTPStatus.METHOD_NOT_ALLOWED, TEXT, b"GET only.\n")
            response.headers["Allow"] = "GET, HEAD"
            return response
        if path == SOCKET_PATH:
            return self._socket(request, query)
        response = await self._get(path)
        if request.method == "HEAD":
            response.body = b""
        return response

    def harden(
        self, connection: ServerConnection, request: Request, response: Response
    ) -> Response:
        """Put the security headers on whatever is sent, also by the websocket library."""
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            return response
        for name, value in SECURITY_HEADERS.items():
            response.headers[name] = value
        if "Content-Security-Policy" not in response.headers:
            response.headers["Content-Security-Policy"] = CLOSED_POLICY
        return response

    async def _get(self, path: str) -> Response:
        match path:
            case "/":
                response = _response(HTTPStatus.OK, "text/html; charset=utf-8", self.pages.page)
                response.headers["Content-Security-Policy"] = self.pages.policy
                response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
                return response
            case "/widget.js":
                kind = "text/javascript; charset=utf-8"
                response = _response(HTTPStatus.OK, kind, self.pages.script)
                # Made to be loaded by pages of other origins; it holds nothing secret.
                response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
                return response
            case "/health":
                return _response(HTTPStatus.OK, JSON, HEALTHY)
            case "/ready":
                return await self._ready()
            case _:
                return _response(HTTPStatus.NOT_FOUND, TEXT, b"There is nothing here.\n")

    async def _ready(self) -> Response:
        reason = "draining" if self.shared.draining else await self.readiness.reason()
        if reason is None:
            body = {"status": "ready", "changes": self.shared.audience.state()}
            return _response(HTTPStatus.OK, JSON, _json(body))
        body = {"status": "unavailable", "reason": reason}
        response = _response(HTTPStatus.SERVICE_UNAVAILABLE, JSON, _json(body))
        response.headers["Retry-After"] = "2"
        return response

    def _socket(self, request: Request, query: str) -> Response | None:
        if query:
            # Proxies log addresses: a token has no business there, so nothing has.
            return _response(
                HTTPStatus.BAD_REQUEST, TEXT, b"The token goes into the first frame.\n"
            )
        hosts = request.headers.get_all("Host")
        welcome = origins.may_connect(
            request.headers.get_all("Origin"),
            host=hosts[0] if len(hosts) == 1 else None,
            allowed=self.allowed,
            missing_ok=self.shared.config.allow_missing_origin,
        )
        if not welcome:
            return _response(HTTPStatus.FORBIDDEN, TEXT, b"This origin may not use the chat.\n")
        if self.shared.draining or self.shared.seats.total >= self.shared.config.max_connections:
            response = _response(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, b"Come back in a moment.\n")
            response.headers["Retry-After"] = "5"
            return response
        return None


def _json(body: dict[str, str]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _response(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers(
        {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-cache" if status is HTTPStatus.OK else "no-store",
            "Connection": "close",
        }
    )
    return Response(status.value, status.phrase, headers, body)
