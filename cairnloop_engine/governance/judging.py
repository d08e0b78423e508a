"""Judging stored actions before anybody decides: host code is asked with no transaction open."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.errors import Forbidden, Refused, Unavailable
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance import queries
from cairnloop_engine.governance.gates import Blocked, Gates, Passed, Wish
from cairnloop_engine.governance.records import (
    decision_about,
    not_found,
    stored_call,
    unknown_tool,
    wish_of,
)
from cairnloop_engine.governance.tables import ProposalRow


@dataclass(frozen=True, slots=True)
class Bench:
    """Asks the gates about wishes and about what is stored."""

    db: Database
    gates: Gates

    async def judged(self, wish: Wish) -> Passed | Blocked:
        """What the gates say. Raises as :meth:`Gates.judge`, and NotFound: ``tool_unknown``."""
        judged = await self.gates.judge(wish)
        if judged is None:
            raise unknown_tool()
        return judged

    async def anew(self, caller: Caller, row: ProposalRow) -> Passed | None:
        """The judgement of an action whose rows are not what waits for a decision."""
        async with self.db.read(caller) as read:
            newest = await queries.latest_approval(read, ProposalId(row.id))
        if newest is None or stored_call(row).digest == newest.digest:
            return None
        try:
            judged = await self.gates.judge(wish_of(row))
        except (Refused, Unavailable):
            return None
        return judged if isinstance(judged, Passed) else None

    async def stored(self, caller: Caller, proposal_id: ProposalId) -> ProposalRow:
        """The proposal. Raises NotFound: ``action_not_found``."""
        async with self.db.read(caller) as read:
            row = await queries.proposal(read, proposal_id)
        if row is None:
            raise not_found(proposal_id)
        return row

    async def check_right(self, caller: Caller, row: ProposalRow) -> None:
        """Ask the host whether this operator may decide. Raises Forbidden: ``may_not_decide``."""
        if not await self.gates.may_decide(caller.acting_operator(), decision_about(row)):
            raise Forbidden(
                "may_not_decide",
                "You may not decide about actions of this kind. Nothing was changed.",
                proposal_id=row.id,
            )
