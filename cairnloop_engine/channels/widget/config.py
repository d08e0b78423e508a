"""The knobs of the chat server, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

# The worst case of a JSON string: each character escaped as two halves, \uXXXX\uXXXX.
_ESCAPED_CHARACTER = 12
_ENVELOPE = 4096


@dataclass(frozen=True, slots=True)
class WidgetConfig:
    """Limits and deadlines of one chat server. Durations are seconds.

    ``secret`` None means that no token can be right: everybody is refused (``not_configured``).
    ``origins`` are web origins such as ``https://shop.example`` that may embed the page or open
    sockets from their own pages; the server's own page is always allowed.
    ``allow_missing_origin`` admits clients that are no browser; they need a token all the same.
    """

    host: str = "127.0.0.1"
    port: int = 8101

    secret: str | None = None
    origins: tuple[str, ...] = ()
    allow_missing_origin: bool = True
    token_leeway: float = 5.0
    verify_timeout: float = 3.0

    max_message_length: int = 10_000
    messages_per_minute: int = 30
    message_burst: int = 10
    frames_per_second: float = 10.0
    frame_burst: int = 60
    bad_frames_allowed: int = 10

    max_connections: int = 5_000
    max_connections_per_customer: int = 8
    max_waiting_for_hello: int = 500

    hello_deadline: float = 5.0
    commit_timeout: float = 15.0
    read_timeout: float = 6.0
    send_timeout: float = 10.0
    ping_interval: float = 20.0
    poll_interval: float = 60.0
    drain_timeout: float = 20.0
    concurrent_reads: int = 4

    @property
    def frame_bytes(self) -> int:
        """The largest frame: 64 KiB, or what the longest message may need."""
        longest = self.max_message_length * _ESCAPED_CHARACTER + _ENVELOPE
        return max(64 * 1024, longest)
