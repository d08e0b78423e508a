"""The chat page and the embed script, put together from ``static/`` once at the start.

The page is one response: its style and script are inline and named by hash in its content
security policy, so that nothing else can run in it and nothing is fetched from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files

STATIC = files("cairnloop_engine.channels.widget") / "static"

# In the order in which they build on each other.
SCRIPTS = ("store.js", "thread.js", "connection.js", "page.js")


@dataclass(frozen=True, slots=True)
class Pages:
    """Ready bytes, and the policy that belongs to the page."""

    page: bytes
    policy: str
    script: bytes

    @classmethod
    def load(cls, origins: tuple[str, ...]) -> Pages:
        style = _text("page.css")
        code = "".join(_text(name) for name in SCRIPTS)
        markup = _text("page.html").replace("/*style*/", style).replace("/*script*/", code)
        ancestors = " ".join(("'self'", *origins))
        policy = "; ".join(
            (
                "default-src 'none'",
                f"script-src '{_hash(code)}'",
                f"style-src '{_hash(style)}'",
                "img-src data:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                f"frame-ancestors {ancestors}",
            )
        )
        return cls(markup.encode(), policy, _text("widget.js").encode())


def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _hash(inline: str) -> str:
    digest = hashlib.sha256(inline.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()
