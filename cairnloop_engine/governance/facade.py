"""Governed actions as an edge sees them: judge first, then one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.errors import Blocked as BlockedError
from cairnloop_engine.core.errors import (
    Conflict,
    JsonObject,
    Refused,
    Unavailable,
)
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.core.paging import Page
from cairnloop_engine.governance import approvals, cards, outcomes, proposals, reads
from cairnloop_engine.governance.approvals import DecidedAction, Lapsed
from cairnloop_engine.governance.gates import Blocked, Gates
from cairnloop_engine.governance.judging import Bench
from cairnloop_engine.governance.model import (
    REOPENABLE,
    ApprovalStatus,
    GovernanceConfig,
)
from cairnloop_engine.governance.proposals import Proposed
from cairnloop_engine.governance.records import wish_of
from cairnloop_engine.governance.views import (
    ActionCounts,
    ActionRow,
    ActionView,
    ApproverLoad,
    ToolView,
)

MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Governance:
    """What an edge may do with governed actions. No method of it runs a tool."""

    db: Database
    gates: Gates
    config: GovernanceConfig

    async def tools(self, caller: Caller) -> tuple[ToolView, ...]:
        """Every registered tool, with whether the caller holds its scopes."""
        held: frozenset[str] = frozenset()
        if caller.actor is not None:
            held = await self.gates.scopes_of(caller.actor, caller.workspace)
        return reads.tools(self.gates.registry, self.config, held)

    async def propose(
        self,
        caller: Caller,
        tool: str,
        given: JsonObject,
        *,
        conversation_id: ConversationId | None = None,
        account_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Proposed:
        """Ask for an action, whoever asks. Nothing runs here; what was blocked is kept, too.

        Raises:
            Forbidden: ``operator_missing`` or ``actor_cannot_propose``.
            NotFound: ``tool_unknown`` or ``conversation_not_found``.
            Blocked: ``needs_input``, ``scope_invalid`` or ``policy_denied``; facts name the row,
                the reason's code and its details.
            Conflict: ``idempotency_key_reused`` or ``already_proposed``.
            Invalid: ``input_invalid``, ``input_too_large``, ``account_invalid`` or
                ``idempotency_key_invalid``.
            Unavailable: ``identity_unavailable`` or ``targets_unavailable``.
        """
        wish = proposals.wish_from(
            caller, tool, given, account_id=account_id, conversation_id=conversation_id
        )
        judged = await self._bench.judged(wish)

        async def run(work: Work) -> Proposed:
            return await proposals.propose(
                work, wish, judged, config=self.config, token=idempotency_key
            )

        return proposals.unblocked(await self.db.retrying(caller, run))

    async def amend(
        self,
        caller: Caller,
        proposal_id: ProposalId,
        given: JsonObject,
        *,
        expected_digest: str | None = None,
    ) -> Proposed:
        """Put your own version in the place of an action that waits; you are its proposer then.

        Raises as :meth:`propose`, and:
            NotFound: ``action_not_found``.
            Conflict: ``already_decided`` or ``action_changed``.
        """
        caller.acting_operator()
        before = await self._bench.stored(caller, proposal_id)
        await self._bench.check_right(caller, before)
        wish = proposals.wish_from(
            caller,
            before.tool_ref,
            given,
            account_id=before.account_id,
            conversation_id=before.conversation_id,
        )
        judged = await self._bench.judged(wish)

        async def run(work: Work) -> Proposed:
            if isinstance(judged, Blocked):
                return await proposals.propose(work, wish, judged, config=self.config)
            return await proposals.amend(
                work, proposal_id, wish, judged, config=self.config, expected_digest=expected_digest
            )

        return proposals.unblocked(await self.db.retrying(caller, run))

    async def approve(
        self,
        caller: Caller,
        proposal_id: ProposalId,
        *,
        note: str | None = None,
        expected_digest: str | None = None,
    ) -> DecidedAction:
        """Let exactly what was shown run, once. Raises as :func:`approvals.approve`, and:

        Forbidden: ``operator_missing``, ``operator_required`` or ``may_not_decide``.
        Conflict: ``approval_expired`` or ``digest_mismatch``.
        """
        caller.acting_operator()
        row = await self._bench.stored(caller, proposal_id)
        await self._bench.check_right(caller, row)
        anew = await self._bench.anew(caller, row)

        async def run(work: Work) -> DecidedAction | Lapsed:
            return await approvals.approve(
                work,
                proposal_id,
                note=note,
                expected_digest=expected_digest,
                config=self.config,
                anew=anew,
            )

        return approvals.kept(await self.db.retrying(caller, run))

    async def approve_many(
        self, caller: Caller, shown: Sequence[tuple[ProposalId, str]], *, note: str | None = None
    ) -> tuple[tuple[ProposalId, DecidedAction | Refused | Unavailable], ...]:
        """Approve equal proposals, each bound to the digest that was shown for it.

        Each is its own transaction; what is refused or fails does not stop the others.

        Raises:
            Forbidden: ``operator_missing`` or ``operator_required``.
            NotFound: ``action_not_found``.
            Conflict: ``proposals_differ`` unless all are of one tool and one version.
            Blocked: ``too_many``.
        """
        caller.acting_operator()
        if len(shown) > MOST_AT_ONCE:
            raise BlockedError(
                "too_many", f"At most {MOST_AT_ONCE} actions at once.", limit=MOST_AT_ONCE
            )
        rows = [await self._bench.stored(caller, proposal_id) for proposal_id, _ in shown]
        if len({(row.tool_ref, row.tool_version) for row in rows}) > 1:
            raise Conflict(
                "proposals_differ",
                "Only actions of the same tool can be approved together. Nothing was approved.",
            )
        done: list[tuple[ProposalId, DecidedAction | Refused | Unavailable]] = []
        for proposal_id, digest in shown:
            try:
                decided: DecidedAction | Refused | Unavailable = await self.approve(
                    caller, proposal_id, note=note, expected_digest=digest
                )
            except (Refused, Unavailable) as refusal:
                decided = refusal
            done.append((proposal_id, decided))
        return tuple(done)

    async def reject(
        self,
        caller: Caller,
        proposal_id: ProposalId,
        *,
        reason: str,
        expected_digest: str | None = None,
    ) -> DecidedAction:
        """Say no, for good. Raises as :func:`approvals.refuse`."""
        return await self._refuse(
            caller, proposal_id, ApprovalStatus.REJECTED, reason, digest=expected_digest
        )

    async def defer(
        self,
        caller: Caller,
        proposal_id: ProposalId,
        *,
        reason: str,
        until: datetime | None = None,
        expected_digest: str | None = None,
    ) -> DecidedAction:
        """Not now; with ``until`` it waits again by itself. Raises as :func:`approvals.refuse`."""
        return await self._refuse(
            caller,
            proposal_id,
            ApprovalStatus.DEFERRED,
            reason,
            until=until,
            digest=expected_digest,
        )

    async def ask_back(
        self,
        caller: Caller,
        proposal_id: ProposalId,
        *,
        question: str,
        expected_digest: str | None = None,
    ) -> DecidedAction:
        """Return it with a question; it waits again once answered. Raises as
        :func:`approvals.refuse`."""
        return await self._refuse(
            caller, proposal_id, ApprovalStatus.RETURNED, question, digest=expected_digest
        )

    async def answer(
        self, caller: Caller, proposal_id: ProposalId, *, answer: str
    ) -> DecidedAction:
        """Answer the question with which an action was returned; it waits for a decision again.

        Raises as :meth:`reopen`, and Invalid: ``reason_missing``.
        """
        words = approvals.needed_reason(answer, self.config)
        return await self._reopen(
            caller, proposal_id, answer=words, only=frozenset({ApprovalStatus.RETURNED})
        )

    async def reopen(self, caller: Caller, proposal_id: ProposalId) -> DecidedAction:
        """Open a deferred, returned, expired or invalidated action again, judged anew.

        Raises:
            Forbidden: ``operator_missing`` or ``operator_required``.
            NotFound: ``action_not_found`` or ``tool_unknown``.
            Conflict: ``not_reopenable`` or ``already_proposed``.
            Blocked: as :meth:`propose`.
        """
        return await self._reopen(caller, proposal_id, answer=None, only=REOPENABLE)

    async def settle(
        self, caller: Caller, proposal_id: ProposalId, *, outcome: str, note: str
    ) -> DecidedAction:
        """Say what became of an effect that nobody could be sure of: ``confirmed`` or ``failed``.

        Raises as :func:`outcomes.settle`, and:
            Forbidden: ``operator_missing``, ``operator_required`` or ``may_not_decide``.
            Invalid: ``outcome_invalid``.
        """
        caller.acting_operator()
        happened = outcomes.check_outcome(outcome)
        await self._bench.check_right(caller, await self._bench.stored(caller, proposal_id))

        async def run(work: Work) -> DecidedAction:
            return await outcomes.settle(
                work, proposal_id, happened=happened, note=note, config=self.config
            )

        return await self.db.retrying(caller, run)

    async def actions(
        self,
        caller: Caller,
        *,
        status: str | None = None,
        conversation_id: ConversationId | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ActionRow]:
        """A page of actions, newest first. ``status`` is an approval's, ``waiting`` or
        ``blocked``. Raises as :func:`reads.actions`."""
        async with self.db.read(caller) as read:
            return await reads.actions(
                read, status=status, conversation_id=conversation_id, cursor=cursor, limit=limit
            )

    async def queue(
        self, caller: Caller, *, cursor: str | None = None, limit: int = 50
    ) -> Page[ActionRow]:
        """What waits for a person anywhere in the workspace, the soonest deadline first."""
        async with self.db.read(caller) as read:
            return await reads.queue(read, cursor=cursor, limit=limit)

    async def action(self, caller: Caller, proposal_id: ProposalId) -> ActionView:
        """One action with everything that was decided and done about it.

        Raises:
            NotFound: ``action_not_found``.
        """
        async with self.db.read(caller) as read:
            return await reads.action(read, proposal_id, self.gates.registry)

    async def cards(
        self,
        caller: Caller,
        conversation_id: ConversationId,
        *,
        cursor: str | None = None,
        limit: int = 10,
    ) -> Page[ActionView]:
        """A conversation's actions, each with everything about it, newest first."""
        async with self.db.read(caller) as read:
            return await cards.cards(
                read, conversation_id, self.gates.registry, cursor=cursor, limit=limit
            )

    async def counts(self, caller: Caller) -> ActionCounts:
        """How many actions wait for a person."""
        async with self.db.read(caller) as read:
            return await reads.counts(read)

    async def approver_load(
        self, caller: Caller, *, within: timedelta = timedelta(days=7)
    ) -> tuple[ApproverLoad, ...]:
        """How much each operator decides, and how fast; the busiest first."""
        async with self.db.read(caller) as read:
            return await reads.approver_load(read, within)

    @property
    def _bench(self) -> Bench:
        return Bench(self.db, self.gates)

    async def _refuse(
        self,
        caller: Caller,
        proposal_id: ProposalId,
        to: ApprovalStatus,
        reason: str,
        *,
        until: datetime | None = None,
        digest: str | None = None,
    ) -> DecidedAction:
        caller.acting_operator()
        approvals.needed_reason(reason, self.config)
        await self._bench.check_right(caller, await self._bench.stored(caller, proposal_id))

        async def run(work: Work) -> DecidedAction | Lapsed:
            return await approvals.refuse(
                work,
                proposal_id,
                to,
                reason,
                config=self.config,
                expected_digest=digest,
                until=until,
            )

        return approvals.kept(await self.db.retrying(caller, run))

    async def _reopen(
        self,
        caller: Caller,
        proposal_id: ProposalId,
        *,
        answer: str | None,
        only: frozenset[ApprovalStatus],
    ) -> DecidedAction:
        caller.acting_operator()
        judged = await self._bench.judged(wish_of(await self._bench.stored(caller, proposal_id)))
        if isinstance(judged, Blocked):
            raise proposals.refusal(judged.status, judged.reason, proposal_id)

        async def run(work: Work) -> DecidedAction:
            return await approvals.reopen(
                work, proposal_id, judged, config=self.config, answer=answer, only=only
            )

        return await self.db.retrying(caller, run)
