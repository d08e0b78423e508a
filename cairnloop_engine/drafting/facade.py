"""The drafting slice as an edge sees it: one method, one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.ids import ConversationId, DraftId
from cairnloop_engine.core.paging import Page
from cairnloop_engine.drafting import decisions, reads, service
from cairnloop_engine.drafting.decisions import Decided
from cairnloop_engine.drafting.model import Approval, DraftingConfig, DraftRequest
from cairnloop_engine.drafting.reads import DraftRow, DraftView


@dataclass(frozen=True, slots=True)
class Drafting:
    """What an edge may do with drafts."""

    db: Database
    config: DraftingConfig = field(default_factory=DraftingConfig)

    async def drafts(
        self,
        caller: Caller,
        *,
        status: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[DraftRow]:
        """A page of drafts, newest first. Raises as :func:`reads.drafts`."""
        async with self.db.read(caller) as read:
            return await reads.drafts(read, status=status, cursor=cursor, limit=limit)

    async def draft(self, caller: Caller, draft_id: DraftId) -> DraftView:
        """One draft with its evidence.

        Raises:
            NotFound: ``draft_not_found``.
        """
        async with self.db.read(caller) as read:
            return await reads.draft(read, draft_id)

    async def pending_for(
        self, caller: Caller, conversation_id: ConversationId
    ) -> DraftView | None:
        """The draft that waits for a decision in a conversation; None when there is none."""
        async with self.db.read(caller) as read:
            return await reads.waiting(read, conversation_id)

    async def approve(
        self,
        caller: Caller,
        draft_id: DraftId,
        *,
        edit: str | None = None,
        even_if_stale: bool = False,
        hold: float | None = None,
        expected_version: int | None = None,
        expected_revision: int | None = None,
        citations: Sequence[Citation] = (),
    ) -> Decided:
        """Send a draft, or with ``edit`` the operator's words in its place; at most once.

        ``citations`` are what the edit rests on beside the evidence of the draft.
        ``expected_version`` and ``expected_revision`` make sure that draft and thread are still
        what the operator saw. Raises as :func:`decisions.approve`.
        """
        caller.acting_operator()
        window = self.config.default_hold if hold is None else timedelta(seconds=hold)
        wish = Approval(edit, even_if_stale, expected_version, citations=tuple(citations))

        async def run(work: Work) -> Decided:
            return await decisions.approve(
                work,
                draft_id,
                wish,
                hold=window,
                config=self.config,
                expected_revision=expected_revision,
            )

        return await self.db.retrying(caller, run)

    async def edit(
        self,
        caller: Caller,
        draft_id: DraftId,
        text: str,
        *,
        expected_version: int | None = None,
    ) -> Decided:
        """Keep an operator's words on a draft unsent. Raises as :func:`decisions.edit`."""
        caller.acting_operator()

        async def run(work: Work) -> Decided:
            return await decisions.edit(
                work, draft_id, text, config=self.config, expected_version=expected_version
            )

        return await self.db.retrying(caller, run)

    async def discard(
        self,
        caller: Caller,
        draft_id: DraftId,
        *,
        reason: str | None = None,
        expected_version: int | None = None,
    ) -> Decided:
        """Drop a draft; ``reason`` is a note for people. Raises as :func:`decisions.discard`."""
        caller.acting_operator()

        async def run(work: Work) -> Decided:
            return await decisions.discard(
                work, draft_id, note=reason, expected_version=expected_version
            )

        return await self.db.retrying(caller, run)

    async def request(self, caller: Caller, conversation_id: ConversationId) -> DraftRequest:
        """Ask for a new draft now; what waits stays meanwhile. Raises as :func:`service.ask`."""
        caller.acting_operator()

        async def run(work: Work) -> DraftRequest:
            return await service.ask(work, conversation_id)

        return await self.db.retrying(caller, run)
