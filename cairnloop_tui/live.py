"""The worker that follows the engine's changes; it talks in messages and touches no widget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.core.changes import Change, ChangeFeed, FeedState
from cairnloop_tui.session import Session
from cairnloop_tui.text import Piece, clock_time
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone

RESYNC = "resync"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the data on screen is."""

    state: FeedState = FeedState.OFFLINE
    away_since: datetime | None = None
    opening: bool = True

    @property
    def is_away(self) -> bool:
        return self.away_since is not None


def freshness_piece(freshness: Freshness, glyphs: Glyphs) -> Piece:
    """The state of the live feed as the title line shows it."""
    if freshness.away_since is not None:
        since = clock_time(freshness.away_since)
        return Piece(f"{glyphs.offline} offline since {since}", Tone.DANGER, bold=True)
    if freshness.opening:
        return Piece(f"{glyphs.polling} opening", Tone.MUTED)
    match freshness.state:
        case FeedState.LIVE:
            return Piece(f"{glyphs.live} live", Tone.SUCCESS)
        case FeedState.POLLING | FeedState.OFFLINE:
            return Piece(f"{glyphs.polling} polling", Tone.WARNING)


class Follower:
    """Follows the feed of one workspace and keeps its state readable meanwhile."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._feed: ChangeFeed | None = None

    @property
    def state(self) -> FeedState:
        return FeedState.OFFLINE if self._feed is None else self._feed.state

    async def follow(self, tell: Callable[[Change], object]) -> None:
        """Tell each change, for ever; ends only by cancellation."""
        engine = await self._session.engine()
        async with engine.changes(self._session.workspace) as feed:
            self._feed = feed
            async for change in feed:
                tell(change)


def concerns(changes: frozenset[Change], kinds: frozenset[str], row_id: int | None = None) -> bool:
    """Whether any change is a resync, or of these kinds (and, when given, of this row)."""
    return any(
        change.kind == RESYNC or (change.kind in kinds and (row_id is None or change.id == row_id))
        for change in changes
    )
