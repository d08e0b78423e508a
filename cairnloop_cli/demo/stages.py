"""Stages 1 to 4 and 7 of the golden path, each tried on the real processes."""

from __future__ import annotations

import asyncio
import signal

from cairnloop_cli.demo.processes import LOOPBACK, await_ready
from cairnloop_cli.demo.report import check
from cairnloop_cli.demo.scene import LOOK_EVERY_S, WITHIN_S, Scene
from cairnloop_cli.demo.stage import START_WITHIN_S
from cairnloop_cli.demo.visitor import Frame, Visitor, visiting
from cairnloop_engine import Conflict
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import Delivery, Role, State, Status
from cairnloop_engine.core.changes import ChangeFeed, FeedState
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.model import ProposalType
from cairnloop_engine.drafting.reads import DraftView
from cairnloop_engine.retrieval.model import Hit, Trust

QUESTION = (
    "How often do we have to rotate our integration tokens, and is there a grace period in which "
    "both tokens are valid?"
)
FOLLOW_UP = "It is about the token of our webhooks integration."
ARTICLE = "Rotating an expired token"
# Only the replaced revision says so.
OUTDATED = "Integration tokens expire 30 days after they are made"
HOLD_S = 1.0


async def arrives(scene: Scene) -> str:
    """1: what was acknowledged is in the database, also when the server dies right then."""
    async with visiting(scene.place.socket_address, scene.token) as visitor:
        accepted = await _said(visitor, "smoke-1", QUESTION)
        # Nothing of the server runs on: what it acknowledged has to be durable by now.
        scene.crew.child("widget").signal_group(signal.SIGKILL)
    scene.conversation_id = ConversationId(accepted["conversation_id"])
    await _recorded_once(scene, accepted)

    await asyncio.to_thread(_restart_widget, scene)
    async with visiting(
        scene.place.socket_address,
        scene.token,
        conversation_id=scene.conversation_id,
        after=accepted["position"],
    ) as visitor:
        again = await _said(visitor, "smoke-1", QUESTION)
    check(again["duplicate"] is True, "the same client id made a second message")
    await _recorded_once(scene, accepted)
    return (
        f"message {accepted['message_id']} was in the database when it was acknowledged: the chat "
        "server was killed in that moment, and sending the message again made no second one"
    )


async def is_listed(scene: Scene) -> str:
    """2: the inbox hears of a message at once, and shows the conversation where it belongs."""
    async with scene.engine.changes(scene.operator.workspace) as feed:
        await _is_live(feed)
        async with visiting(scene.place.socket_address, scene.token) as visitor:
            await _said(visitor, "smoke-2", FOLLOW_UP)
        await _hears(feed, scene.conversation_id)

    page = await scene.engine.conversations.inbox(
        scene.operator, filter=InboxFilter.parse("is:waiting"), limit=100
    )
    rows = {row.id: row for row in page.items}
    row = rows.get(scene.conversation_id)
    if row is None:
        return _fail("the conversation is not among those that wait")
    waited = row.waiting_seconds(scene.engine.clock.now())
    check(row.state is State.NEW, f"its state is {row.state.value}, not new")
    check(waited is not None, "it does not say how long the customer waits")
    check(bool({"reply", "draft"}.intersection(row.needs)), "it asks for nothing")
    starts = [one.waiting_since for one in page.items if one.waiting_since is not None]
    check(starts == sorted(starts), "those who wait longest do not come first")
    check(page.items[-1].id == row.id, "who came last does not stand last")
    return (
        f"heard live; place {len(page.items)} of {len(page.items)} who wait, state new, waiting "
        f"{waited} s, needs {', '.join(row.needs)}. Not built yet: SLA"
    )


async def is_understood(scene: Scene) -> str:
    """3: the workspace holds thread, context and knowledge; a hit becomes a citation."""
    messages = await scene.messages(scene.conversation_id)
    said = [message.content for message in messages]
    check(said == [QUESTION, FOLLOW_UP], "the thread does not hold what the customer wrote")
    context = await scene.engine.conversations.customer_context(
        scene.operator, scene.conversation_id
    )
    check(context.state == "ready", f"the customer context is {context.state}")
    check(len(context.sections) == 3, "the customer context lacks a section")
    hit = await _found(scene)
    await _cited(scene, hit)
    names = ", ".join(title for title, _ in context.sections)
    return (
        f"thread of {len(messages)}; context {names}; search found “{hit.title}” and not its "
        "replaced revision; the hit is a citation on a reply. Not built yet: resolved cases, SLA"
    )


async def is_answered(scene: Scene) -> str:
    """4: the worker's draft waits; only its approval reaches the customer, and only once."""
    draft = await _drafted(scene)
    async with visiting(scene.place.socket_address, scene.token) as visitor:
        await visitor.round_trip()
        check(not visitor.answers(), "the customer saw an answer before anybody approved one")
        decided = await scene.engine.drafting.approve(
            scene.operator,
            draft.id,
            hold=HOLD_S,
            expected_version=draft.version,
            expected_revision=draft.conversation_revision,
        )
        check(decided.delivery is Delivery.HELD, "the send window was not kept")
        answer = await visitor.until(lambda frame: frame in visitor.answers())
        check(answer["text"] == draft.customer_reply, "the customer saw other words")
        await _approved_again(scene, draft)
        await visitor.round_trip()
        check(len(visitor.answers()) == 1, "the customer saw the answer twice")
    async with visiting(scene.place.socket_address, scene.token) as returned:
        await returned.until(lambda frame: frame in returned.answers())
        await returned.round_trip()
        check(len(returned.answers()) == 1, "a returning customer sees another number of answers")
    cited = [passage for passage in draft.evidence if passage.cited]
    return (
        f"draft {draft.id} by the worker, grounding {draft.grounding.status.value} on "
        f"“{cited[0].title}”; approved by {_name(scene)}, released after {HOLD_S:.0f} s, seen once"
    )


async def is_resolved(scene: Scene) -> str:
    """7: a named operator resolves; the trail says who, and the customer sees it."""
    async with visiting(scene.place.socket_address, scene.token) as visitor:
        await scene.engine.conversations.resolve(scene.operator, scene.conversation_id)
        await visitor.until(
            lambda frame: (
                frame["type"] == "status"
                and frame["conversation_id"] == scene.conversation_id
                and frame["status"] == Status.RESOLVED
            )
        )
    row = await scene.row()
    check(row.state is State.RESOLVED, f"its state is {row.state.value}")
    check(row.resolved_by == _name(scene), f"resolved by {row.resolved_by}")
    trail = await scene.engine.audit.events(
        scene.operator,
        filter=AuditFilter(action="conversations.resolved", conversation_id=scene.conversation_id),
    )
    check([event.actor for event in trail.items] == [_name(scene)], "the trail does not say who")
    return (
        f"resolved by {row.resolved_by}, audited as event {trail.items[0].id}, and the customer's "
        "page was told. Not built yet: CSAT, SLA, notifying the host"
    )


async def _said(visitor: Visitor, client_id: str, text: str) -> Frame:
    frame = await visitor.say(client_id, text)
    check(frame["type"] == "accepted", f"the message was refused: {frame.get('code')}")
    return frame


async def _recorded_once(scene: Scene, accepted: Frame) -> None:
    messages = await scene.messages(scene.conversation_id)
    check(
        [(message.id, message.content, message.role) for message in messages]
        == [(accepted["message_id"], QUESTION, Role.USER)],
        "the database does not hold the acknowledged message exactly once",
    )


def _restart_widget(scene: Scene) -> None:
    scene.crew.child("widget").process.wait()
    port = str(scene.place.widget_port)
    again = scene.crew.start("widget", ["serve-widget", "--host", LOOPBACK, "--port", port])
    await_ready(again, scene.place.widget_port, "/ready", within=START_WITHIN_S)


async def _is_live(feed: ChangeFeed) -> None:
    async with asyncio.timeout(WITHIN_S):
        async for _ in feed:
            # It asks for a reload whenever it has connected.
            if feed.state is FeedState.LIVE:
                return


async def _hears(feed: ChangeFeed, conversation_id: ConversationId) -> None:
    async with asyncio.timeout(WITHIN_S):
        async for change in feed:
            if (change.kind, change.id) == ("conversation", conversation_id):
                return


async def _found(scene: Scene) -> Hit:
    found = await scene.engine.retrieval.search(scene.operator, QUESTION)
    check(bool(found.items), "the search found nothing")
    best = found.items[0]
    check(best.title == ARTICLE, f"the search found “{best.title}” first")
    check(best.trust is Trust.CANONICAL, "the hit is not canon")
    old = await scene.engine.retrieval.search(scene.operator, OUTDATED)
    check(
        all(OUTDATED not in hit.content for hit in old.items),
        "a replaced revision is still found",
    )
    return best


async def _cited(scene: Scene, hit: Hit) -> None:
    replied = await scene.engine.conversations.reply(
        scene.operator,
        scene.neighbour,
        "Here is our guidance on rotating tokens, as we discussed.",
        hold=0,
        citations=[hit.citation],
    )
    messages = await scene.messages(scene.neighbour)
    (reply,) = [message for message in messages if message.id == replied.message_id]
    check(reply.citations == (hit.citation,), "the reply does not carry the citation")


async def _drafted(scene: Scene) -> DraftView:
    async with asyncio.timeout(WITHIN_S):
        while True:
            draft = await scene.engine.drafting.pending_for(scene.operator, scene.conversation_id)
            if draft is not None and not draft.stale:
                break
            await asyncio.sleep(LOOK_EVERY_S)
    check(
        draft.proposal_type is ProposalType.REPLY,
        f"the draft is a {draft.proposal_type.value} ({draft.grounding.reason}, embedder "
        f"{draft.grounding.embedder}); grounding needs the sentence model of cairnloop[local]",
    )
    check(any(passage.cited for passage in draft.evidence), "the draft cites nothing")
    return draft


async def _approved_again(scene: Scene, draft: DraftView) -> None:
    try:
        await scene.engine.drafting.approve(scene.operator, draft.id)
    except Conflict:
        return
    _fail("the same draft could be approved twice")


def _name(scene: Scene) -> str:
    return scene.operator.acting().id


def _fail(why: str) -> str:
    check(False, why)
    return why
