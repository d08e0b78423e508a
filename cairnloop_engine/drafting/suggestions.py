"""The action that a draft suggests: asking for it, keeping it, and handing it to governance.

A suggestion is stored with its draft, together with the job that proposes it. The job proposes
under the draft's own key, so that a kill between proposing and writing that down makes no second
action. Nothing here decides about an action, and nothing here can run one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import timedelta

from cairnloop_engine.audit import service as audit
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, Work, assert_no_transaction
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import DraftId
from cairnloop_engine.core.jobs import Job, JobContext
from cairnloop_engine.core.text import is_blank, storable
from cairnloop_engine.drafting import queries
from cairnloop_engine.drafting.model import SuggestionState
from cairnloop_engine.drafting.ports import (
    ActionSuggester,
    Outcome,
    Proposer,
    SuggestedAction,
    SuggestionContext,
)
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.drafting.tables import DraftActionRecord, DraftRecord

log = logging.getLogger(__name__)

PROPOSE_TASK = "drafting.propose_action"
DRAFTER = "drafting"
LONGEST_TOOL = 64
LARGEST_INPUT = 64_000
DEEPEST_INPUT = 20


async def suggested(
    suggester: ActionSuggester, proposal: Proposal, context: SuggestionContext, *, within: timedelta
) -> SuggestedAction | None:
    """What the host would do about it; every failure of the host's code means nothing."""
    assert_no_transaction("an action suggester")
    try:
        async with asyncio.timeout(within.total_seconds()):
            answer = await suggester.suggest(proposal, context)
        return None if answer is None else _usable(answer)
    except Exception as error:
        # Host code may fail in any way; the class says enough, its words may hold anything.
        log.warning(
            "an action suggester failed, nothing is suggested",
            extra={"suggester": type(suggester).__name__, "error": type(error).__name__},
        )
        return None


async def keep(work: Work, draft: DraftRecord, action: SuggestedAction) -> None:
    """Store a suggestion with its fresh draft, and have it proposed once both are committed."""
    work.session.add(
        DraftActionRecord(
            draft_id=draft.id,
            workspace=work.workspace,
            tool=action.tool,
            input=action.input,
            state=SuggestionState.WAITING,
            created_at=work.now,
        )
    )
    await work.session.flush()
    await audit.record(
        work,
        "drafting.action_suggested",
        subject=("draft", draft.id),
        conversation_id=draft.conversation_id,
        tool=action.tool,
    )
    await work.enqueue(Job(PROPOSE_TASK, {"workspace": work.workspace, "draft_id": draft.id}))


@dataclass(frozen=True, slots=True)
class Handing:
    """Runs the job that proposes what a draft suggests."""

    db: Database
    propose: Proposer

    async def run(self, job: JobContext) -> None:
        caller = Caller.system(DRAFTER, job.workspace)
        draft_id = DraftId(job.integer("draft_id"))
        async with self.db.read(caller) as read:
            action = await queries.suggested_action(read, draft_id)
            conversation_id = await queries.conversation_of(read, draft_id)
        if action is None or conversation_id is None or action.state is not SuggestionState.WAITING:
            return
        crashpoint("drafting.before_propose")
        outcome = await self.propose(
            caller, draft_id, conversation_id, SuggestedAction(action.tool, action.input)
        )
        crashpoint("drafting.proposed")

        async def settle(work: Work) -> None:
            await _settle(work, draft_id, outcome)
            crashpoint("drafting.before_settle_commit")

        await self.db.retrying(caller, settle)
        crashpoint("drafting.settled")


async def _settle(work: Work, draft_id: DraftId, outcome: Outcome) -> None:
    """Write down what became of a suggestion; the first run to do so has the last word."""
    action = await queries.lock_suggested_action(work, draft_id)
    if action is None or action.state is not SuggestionState.WAITING:
        return
    action.state = outcome.state
    action.proposal_id = outcome.proposal_id
    action.code = outcome.code
    action.settled_at = work.now
    await work.session.flush()
    await audit.record(
        work,
        "drafting.action_settled",
        subject=("draft", draft_id),
        conversation_id=await queries.conversation_of(work, draft_id),
        tool=action.tool,
        outcome=outcome.state.value,
        proposal_id=outcome.proposal_id,
        code=outcome.code,
    )
    work.changed("draft", draft_id)


def _usable(answer: object) -> SuggestedAction:
    """The suggestion as it can be stored.

    Raises:
        ValueError or TypeError: it is none.
    """
    if not isinstance(answer, SuggestedAction) or is_blank(answer.tool):
        raise TypeError("not a suggestion")
    given = _plain(answer.input, depth=0)
    if not isinstance(given, dict) or len(answer.tool) > LONGEST_TOOL:
        raise ValueError("not an input of a tool")
    if len(json.dumps(given, allow_nan=False)) > LARGEST_INPUT:
        raise ValueError("too large")
    return SuggestedAction(storable(answer.tool), given)


def _plain(value: JsonValue | JsonObject, *, depth: int) -> JsonValue:
    """The value without anything that the database could not keep."""
    if depth > DEEPEST_INPUT:
        raise ValueError("nested too deeply")
    match value:
        case dict():
            return {storable(key): _plain(one, depth=depth + 1) for key, one in value.items()}
        case list():
            return [_plain(one, depth=depth + 1) for one in value]
        case str():
            return storable(value)
        case None | bool() | int() | float():
            return value
    raise TypeError("not a plain value")
