"""The loaded part of a thread: its newest page, and the older ones that were asked for; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cairnloop_engine.conversations.reads import MessageView, Thread


@dataclass(frozen=True, slots=True)
class Window:
    """Messages without a gap, oldest first; ``cursor`` leads further back."""

    messages: tuple[MessageView, ...] = ()
    cursor: str | None = None
    is_read: bool = False

    def refreshed(self, thread: Thread) -> Window:
        """With the newest page read again; what stands before it stays loaded."""
        page = thread.messages
        if not self.is_read or not page:
            return Window(page, thread.older, is_read=True)
        before = tuple(m for m in self.messages if m.sequence < page[0].sequence)
        if not before:
            return Window(page, thread.older, is_read=True)
        if before[-1].sequence + 1 < page[0].sequence:
            # So much arrived at once that the two parts no longer meet.
            return Window(page, thread.older, is_read=True)
        return replace(self, messages=(*before, *page))

    def extended(self, thread: Thread) -> Window:
        """With one page more at the beginning."""
        known = {message.id for message in self.messages}
        fresh = tuple(m for m in thread.messages if m.id not in known)
        return replace(self, messages=(*fresh, *self.messages), cursor=thread.older)
