"""The guard against accidents: type-ahead and pasted keys never arm or confirm anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

# A key this soon after a screen or a strip opened was meant for what was there before.
SETTLING_S = 0.25
# Nobody types two keys within this time; a paste without brackets does.
BURST_GAP_S = 0.02
# As many keys as this within one gap are a paste, whatever they would mean.
PASTE_KEYS = 8


@dataclass(frozen=True, slots=True)
class Press:
    """When a key arrived, and whether it came as fast as only a paste comes."""

    at: float
    in_burst: bool = False
    is_paste: bool = False


class Guard:
    """Remembers when things opened and how fast keys come."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._opened_at = monotonic()
        self._last_key_at = float("-inf")
        self._recent: deque[float] = deque(maxlen=PASTE_KEYS)
        self._judged = Press(float("-inf"))

    def opened(self) -> None:
        """Something new stands before the operator."""
        self._opened_at = self._monotonic()

    def pressed(self, at: float | None = None) -> Press:
        """A key arrived, now unless it says when. Call once for every key, in their order."""
        now = self._monotonic() if at is None else at
        self._recent.append(now)
        full = len(self._recent) == PASTE_KEYS
        press = Press(
            now,
            in_burst=now - self._last_key_at < BURST_GAP_S,
            is_paste=full and now - self._recent[0] < BURST_GAP_S,
        )
        self._last_key_at = now
        return press

    def judge(self, press: Press) -> None:
        """This is the key that is being handled; others may have arrived behind it."""
        self._judged = press

    @property
    def is_paste(self) -> bool:
        """Whether the key that is handled came among so many that nobody typed them."""
        return self._judged.is_paste

    def why_not(self) -> str | None:
        """Why the key that is handled may not arm or confirm, or None when it may."""
        if self._judged.in_burst:
            return "Those keys came too fast for fingers, so nothing was done. Press the key again."
        if self._judged.at - self._opened_at < SETTLING_S:
            return "That key came before this could be read, so nothing was done. Press it again."
        return None
