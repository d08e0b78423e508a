"""The guard against accidents: type-ahead and pasted keys never arm or confirm anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

# A key this soon after a screen or a strip opened was meant for what was there before.
SETTLING_S = 0.25
# Nobody types two keys within this time; a paste without brackets does.
BURST_GAP_S = 0.02
# As many keys as this within one gap are a paste, whatever they would mean.
PASTE_KEYS = 8


class Guard:
    """Remembers when things opened and how fast keys come."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._opened_at = monotonic()
        self._last_key_at = float("-inf")
        self._in_burst = False
        self._recent: deque[float] = deque(maxlen=PASTE_KEYS)

    def opened(self) -> None:
        """Something new stands before the operator."""
        self._opened_at = self._monotonic()

    def pressed(self) -> None:
        """A key arrived. Call once for every key, before asking."""
        now = self._monotonic()
        self._in_burst = now - self._last_key_at < BURST_GAP_S
        self._last_key_at = now
        self._recent.append(now)

    @property
    def is_paste(self) -> bool:
        """Whether so many keys came at once that nobody typed them."""
        full = len(self._recent) == PASTE_KEYS
        return full and self._recent[-1] - self._recent[0] < BURST_GAP_S

    def why_not(self) -> str | None:
        """Why the key that just arrived may not arm or confirm, or None when it may."""
        if self._in_burst:
            return "Those keys came too fast for fingers, so nothing was done. Press the key again."
        if self._last_key_at - self._opened_at < SETTLING_S:
            return "That key came before this could be read, so nothing was done. Press it again."
        return None
