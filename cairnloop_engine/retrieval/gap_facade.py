"""Gap events as an edge sees them: note a search that found nothing, and read what was noted."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.errors import Misconfigured, Unavailable
from cairnloop_engine.core.ids import GapEventId
from cairnloop_engine.core.paging import Page
from cairnloop_engine.retrieval import gap_reads, gaps
from cairnloop_engine.retrieval.gap_model import UiSurface, gap_of_search
from cairnloop_engine.retrieval.gap_reads import GapEvent
from cairnloop_engine.retrieval.model import SearchResult

log = logging.getLogger(__name__)

RECORDER = "gap-recorder"


@dataclass(frozen=True, slots=True)
class Gaps:
    """What an edge may do with gap events."""

    db: Database

    async def note_search(
        self, caller: Caller, result: SearchResult, *, ui_surface: UiSurface
    ) -> GapEventId | None:
        """Note that a settled search brought no article; the same one within a day is counted.

        For a search that a person watched and gave up: when it was closed, when a supporting
        result was opened, or once nothing was typed for 1.5 seconds. None when there is nothing
        to note, and when it cannot be noted: a screen goes on either way. Who searched is not
        kept, so a caller without a name may do this as well.
        """
        gap = gap_of_search(result, ui_surface=ui_surface)
        if gap is None:
            return None

        async def note(work: Work) -> GapEventId | None:
            return await gaps.note_search(work, gap)

        try:
            return await self.db.retrying(Caller.system(RECORDER, caller.workspace), note)
        except (Unavailable, Misconfigured) as error:
            log.warning("a gap was not recorded", extra={"code": error.code})
            return None

    async def recent(
        self, caller: Caller, *, limit: int = 50, cursor: str | None = None
    ) -> Page[GapEvent]:
        """A page of what the knowledge could not answer, the newest first.

        Raises:
            Invalid: ``limit_invalid`` or ``cursor_invalid``.
        """
        async with self.db.read(caller) as read:
            return await gap_reads.recent(read, cursor=cursor, limit=limit)
