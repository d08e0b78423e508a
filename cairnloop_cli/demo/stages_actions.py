"""Stages 5 and 6: a governed action is proposed and decided, and it runs at most once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from cairnloop_cli.demo.report import check
from cairnloop_cli.demo.scene import LOOK_EVERY_S, WITHIN_S, Scene
from cairnloop_cli.demo.visitor import visiting
from cairnloop_engine import Conflict, Forbidden
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.demo import files
from cairnloop_engine.demo.sink import Mode
from cairnloop_engine.demo.tampering import change_stored_input
from cairnloop_engine.governance import presenter
from cairnloop_engine.governance.model import ApprovalStatus, Origin, RiskTier
from cairnloop_engine.governance.views import ActionView

# Writes of something that a draft cannot answer, but that a tool can do.
CLAIMANT = "umbrella"
CLAIM = "Please refund order TM-2041: we paid the $48.00 for it twice."
OWN: JsonObject = {"order": "TM-2042", "amount": "82.00", "currency": "USD"}
TAMPERED = "820.00"
SEATS: JsonObject = {"account": "globex", "seats": 5}
MOVE: JsonObject = {"account": "umbrella", "to": "umbrella-labs"}
# A dead worker is believed dead after half a minute, and looked for every ten seconds.
RESCUED_WITHIN_S = 100.0
# How long billing leaves a request without its answer; the worker does not live to hear it.
SILENCE_S = 300.0


async def is_decided(scene: Scene) -> str:
    """5: what would happen is plain before anybody decides, and nobody decides alone."""
    before = await scene.billing.counts()
    scene.refund, claim = await _suggested(scene)
    own = await _propose(scene, "refund", OWN)
    await _cannot_approve_own(scene, own)
    difference = await _tampered_goes_back(scene, own)
    await scene.engine.governance.reject(
        scene.colleague, own, reason="Nobody asked for that much. Propose it again."
    )
    risky: JsonObject = {"conversation_id": scene.conversation_id, "reason": "To see it deferred."}
    deferred = await _propose(scene, "high_risk_demo", risky)
    await scene.engine.governance.defer(
        scene.colleague, deferred, reason="Not before the customer has confirmed it."
    )
    check(await _status(scene, own) is ApprovalStatus.REJECTED, "the rejected action is not so")
    check(await _status(scene, deferred) is ApprovalStatus.DEFERRED, "the deferred one is not so")
    check(await scene.billing.counts() == before, "billing was touched before anybody approved")
    await scene.engine.governance.approve(
        scene.operator, scene.refund, note="Two payments on one day.", expected_digest=claim
    )
    await _approved_once(scene)
    name = scene.colleague.acting().id
    return (
        f"the drafting flow proposed action {scene.refund} because a customer asked; the proposer "
        f"of refund {own} could not approve it, {name} could; changed by SQL afterwards it came "
        f"back with {difference}; rejected and deferred ones left billing untouched"
    )


async def runs_once(scene: Scene) -> str:
    """6: one effect for each approval, also when the worker dies in the middle of it."""
    refunded = await _until(scene, scene.refund, lambda status: status is ApprovalStatus.EXECUTED)
    said = presenter.outlook(
        refunded.row.approval_mode, refunded.row.approval_status, outcome=refunded.row.outcome
    )
    check((said or "").startswith("Action completed"), f"the card says: {said}")
    await _happened_once(scene, refunded, arrivals=1)

    await scene.billing.order_weather(Mode.DROP_AFTER, kind="change_seats")
    seats = await _propose(scene, "change_seats", SEATS)
    await scene.engine.governance.approve(scene.operator, seats)
    changed = await _until(scene, seats, lambda status: status is ApprovalStatus.EXECUTED)
    check(len(changed.attempts) == 2, "the idempotent tool was not tried again")
    await _happened_once(scene, changed, arrivals=2)

    moved = await _killed_in_the_middle(scene)
    return (
        f"“{said}” One refund at billing; seats changed once in two attempts, because billing hung "
        f"up on the first; action {moved.row.id} is unknown after a kill in the middle, was not "
        "repeated, and a person settled it"
    )


async def _suggested(scene: Scene) -> tuple[ProposalId, str]:
    """A refund that the drafting flow proposes because a customer asks for it."""
    customer = files.cast().customers[CLAIMANT]
    token = scene.place.chat_link(customer).partition("#token=")[2]
    async with visiting(scene.place.socket_address, token) as visitor:
        accepted = await visitor.say("smoke-refund", CLAIM)
    check(accepted["type"] == "accepted", "the message was refused")
    conversation_id = ConversationId(accepted["conversation_id"])
    async with asyncio.timeout(WITHIN_S):
        while True:
            draft = await scene.engine.drafting.pending_for(scene.operator, conversation_id)
            if draft is not None and draft.action_id is not None:
                break
            await asyncio.sleep(LOOK_EVERY_S)
    found = await scene.engine.governance.action(scene.operator, draft.action_id)
    row = found.row
    check(row.approval_status is ApprovalStatus.PENDING, "the suggested action does not wait")
    check((row.origin, row.proposed_by) == (Origin.AI, "drafting"), "it does not say who proposed")
    check(row.risk_tier is RiskTier.HIGH_WRITE, f"its risk is {row.risk_tier.value}")
    check("48.00 USD back for order TM-2041" in (row.consequence or ""), "it hides what it does")
    check(len(found.inputs) == 3 and bool(found.targets), "its inputs or targets are missing")
    check("action" in (await _needs(scene, conversation_id)), "the inbox does not show it")
    return row.id, row.digest or ""


async def _needs(scene: Scene, conversation_id: ConversationId) -> tuple[str, ...]:
    row = await scene.engine.conversations.conversation(scene.operator, conversation_id)
    return row.needs


async def _cannot_approve_own(scene: Scene, proposal_id: ProposalId) -> None:
    try:
        await scene.engine.governance.approve(scene.operator, proposal_id)
    except Forbidden as refusal:
        check(refusal.code == "own_proposal", f"it was refused for another reason: {refusal.code}")
        return
    check(False, "the proposer of a refund could approve it")


async def _tampered_goes_back(scene: Scene, proposal_id: ProposalId) -> str:
    """Approve 82.00, make it 820.00 in the database before the worker runs, and let it run."""
    worker = scene.crew.child("worker")
    worker.signal_group(signal.SIGSTOP)
    try:
        await scene.engine.governance.approve(scene.colleague, proposal_id)
        await change_stored_input(scene.engine, proposal_id, "amount", TAMPERED)
    finally:
        worker.signal_group(signal.SIGCONT)
    back = await _until(scene, proposal_id, lambda status: status is ApprovalStatus.PENDING)
    changed = [one for one in back.changes if one.field == "input.amount"]
    check(bool(changed), "the changed amount is not among the differences")
    check(back.approvals[0].outcome_code == "digest_mismatch", "it was refused for another reason")
    return f"“{changed[0].before} → {changed[0].after}”"


async def _approved_once(scene: Scene) -> None:
    try:
        await scene.engine.governance.approve(scene.colleague, scene.refund)
    except Conflict:
        return
    check(False, "the same action could be approved twice")


async def _killed_in_the_middle(scene: Scene) -> ActionView:
    """Kill the worker after billing did it and before anybody could write that down."""
    await scene.billing.order_weather(Mode.SLOW, kind="move_subscription", seconds=SILENCE_S)
    moving = await _propose(scene, "move_subscription", MOVE)
    effects = await _effects(scene)
    await scene.engine.governance.approve(scene.colleague, moving)
    async with asyncio.timeout(WITHIN_S):
        while True:
            if await _effects(scene) > effects:
                break
            await asyncio.sleep(LOOK_EVERY_S)
    scene.crew.child("worker").signal_group(signal.SIGKILL)
    await asyncio.to_thread(scene.crew.restart, "worker")

    found = await _until(
        scene,
        moving,
        lambda status: status is ApprovalStatus.EXECUTION_UNKNOWN,
        within=RESCUED_WITHIN_S,
    )
    await _happened_once(scene, found, arrivals=1)
    check(found.row.waits, "nobody is asked to look at it")
    # A person looks it up at billing, and says what is true.
    await scene.engine.governance.settle(
        scene.operator, moving, outcome="confirmed", note="Billing shows the new account."
    )
    settled = await scene.engine.governance.action(scene.operator, moving)
    check(settled.row.approval_status is ApprovalStatus.EXECUTED, "settling did not settle it")
    await _happened_once(scene, settled, arrivals=1)
    return settled


async def _propose(scene: Scene, tool: str, given: JsonObject) -> ProposalId:
    made = await scene.engine.governance.propose(
        scene.operator, tool, given, conversation_id=scene.conversation_id
    )
    return made.proposal_id


async def _status(scene: Scene, proposal_id: ProposalId) -> ApprovalStatus | None:
    return (await scene.engine.governance.action(scene.operator, proposal_id)).row.approval_status


async def _until(
    scene: Scene,
    proposal_id: ProposalId,
    wanted: Callable[[ApprovalStatus | None], bool],
    *,
    within: float = WITHIN_S,
) -> ActionView:
    """The action once its approval stands as wanted; the worker process brings it there."""
    async with asyncio.timeout(within):
        while True:
            found = await scene.engine.governance.action(scene.operator, proposal_id)
            if wanted(found.row.approval_status):
                return found
            await asyncio.sleep(LOOK_EVERY_S)


async def _effects(scene: Scene) -> int:
    """How much ever happened at billing."""
    counts = await scene.billing.counts()
    return sum(counts["effects"].values())


async def _happened_once(scene: Scene, found: ActionView, *, arrivals: int) -> None:
    """Whether billing itself counts one effect, from as many requests as there were attempts."""
    key = found.attempts[0].run_key
    counts = await scene.billing.counts()
    effects, arrived = counts["effects"].get(key, 0), counts["arrivals"].get(key, 0)
    check(effects == 1, f"billing did it {effects} times")
    check(arrived == arrivals, f"billing was asked {arrived} times")
    check(not counts["doubled"], "something happened twice at billing")
