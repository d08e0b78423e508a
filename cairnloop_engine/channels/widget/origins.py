"""Which web pages may open a chat socket. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from cairnloop_engine.core.errors import Misconfigured

DEFAULT_PORTS = {"http": 80, "https": 443}


def normalised(origin: str) -> str | None:
    """``scheme://host[:port]`` in one spelling; None when it is no web origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return None
    if any(character in parts.hostname for character in " ;,'\"*\\"):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is None or port == DEFAULT_PORTS[parts.scheme]:
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{port}"


def checked(origins: Sequence[str]) -> tuple[str, ...]:
    """The configured origins in one spelling.

    Raises:
        Misconfigured: ``widget_origin_invalid`` for one that is no origin; there are no wildcards.
    """
    known: list[str] = []
    for origin in origins:
        one = normalised(origin)
        if one is None:
            raise Misconfigured(
                "widget_origin_invalid",
                f"Not a web origin such as https://shop.example: {origin}",
                origin=origin,
            )
        known.append(one)
    return tuple(known)


def may_connect(
    given: Sequence[str], *, host: str | None, allowed: Sequence[str], missing_ok: bool
) -> bool:
    """Whether the page that sent these Origin headers may open a socket.

    The server's own page is told by the Host header: behind a proxy that ends TLS the scheme
    differs, so only host and port are compared. A browser always sends Origin; a client without
    one is no browser, and has to bring a token like everybody.
    """
    if not given:
        return missing_ok
    if len(given) > 1:
        return False
    origin = normalised(given[0])
    if origin is None:
        return False
    if origin in allowed:
        return True
    if host is None:
        return False
    scheme = urlsplit(origin).scheme
    return normalised(f"{scheme}://{host}") == origin
