"""Looking at conversations: the queue, one thread, the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.actions import action_json, queue_table
from cairnloop_cli.answers import Answer, Block, Shown, Table, listing
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.parameters import ConversationArg, Cursor, Limit, Watch
from cairnloop_cli.phrases import at, count, duration, or_dash
from cairnloop_cli.values import to_json, view
from cairnloop_cli.watching import serve_watching
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import Delivery, Role, Sort
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.text import humanise, truncate

if TYPE_CHECKING:
    from datetime import datetime

    from cairnloop_engine.conversations.reads import ContextView, InboxRow, MessageView, Thread
    from cairnloop_engine.drafting.reads import DraftView
    from cairnloop_engine.operations.reads import Stats

SPEAKERS = {
    Role.USER: "Customer",
    Role.AGENT: "Agent",
    Role.SYSTEM: "System",
    Role.INTERNAL_NOTE: "Internal note",
    Role.SYSTEM_OUTBOUND: "Outbound recovery",
}
NOTE_GUTTER = "┆ "


def inbox(
    ctx: typer.Context,
    *,
    wanted: Annotated[
        str,
        typer.Option("--filter", metavar="EXPR", help="Such as: is:open who:me has:draft refund"),
    ] = "",
    sort: Annotated[Sort, typer.Option("--sort", help="Which come first.")] = Sort.WAITING,
    limit: Limit = 50,
    cursor: Cursor = None,
    watch: Watch = False,
) -> None:
    """The queue: who waits, for how long, and what each conversation needs."""

    async def load(desk: Desk) -> Answer:
        name = desk.caller.actor.id if desk.caller.actor else None
        chosen = InboxFilter.parse(wanted, me=name)
        page = await desk.engine.conversations.inbox(
            desk.caller, filter=chosen, sort=sort, cursor=cursor, limit=limit
        )
        now = desk.engine.clock.now()
        return listing(
            [conversation(row, now) for row in page.items],
            _queue(page.items, now),
            following=page.next,
        )

    serve_watching(ctx, load, watch=watch)


def show(
    ctx: typer.Context,
    conversation_id: ConversationArg,
    limit: Limit = 200,
    before: Annotated[
        str | None, typer.Option("--before", metavar="CURSOR", help="Show older messages.")
    ] = None,
) -> None:
    """One thread, with its draft and what is known of the customer."""

    async def load(desk: Desk) -> Answer:
        wanted = ConversationId(conversation_id)
        thread = await desk.engine.conversations.thread(
            desk.caller, wanted, limit=limit, before=before
        )
        draft = await desk.engine.drafting.pending_for(desk.caller, wanted)
        context = await desk.engine.conversations.customer_context(desk.caller, wanted)
        actions = await desk.engine.governance.actions(desk.caller, conversation_id=wanted)
        now = desk.engine.clock.now()
        drafts: list[JsonValue] = [] if draft is None else [view(draft)]
        data: JsonObject = {
            "conversation": conversation(thread.conversation, now),
            "messages": to_json(thread.messages),
            "older": thread.older,
            "drafts": drafts,
            "actions": [action_json(row) for row in actions.items],
            "sla": None,
            "follow_ups": [],
            "context": view(context),
            "presence": to_json(thread.presence),
        }
        shown = list(_thread(thread, draft, context, now))
        if actions.items:
            shown += ["", queue_table(actions.items, now)]
        return Answer(data, shown)

    serve(ctx, load)


def stats(ctx: typer.Context, watch: Watch = False) -> None:
    """Counts and ages: conversations of the workspace, jobs and workers of the site."""

    async def load(desk: Desk) -> Answer:
        found = await desk.engine.operations.stats(desk.caller)
        counts = await desk.engine.governance.counts(desk.caller)
        data = view(found)
        data["actions"] = view(counts)
        data["conversations"] = {
            **asdict(found.conversations),
            "waiting": found.conversations.waiting,
        }
        waiting = f"{counts.pending} to decide, {counts.unknown} with an unknown outcome."
        return Answer(data, [*_numbers(found), f"Actions: {waiting}"])

    serve_watching(ctx, load, watch=watch)


def conversation(row: InboxRow, now: datetime) -> JsonObject:
    """A conversation with what is derived from it, as every command prints it."""
    return {
        **view(row),
        "waiting_seconds": row.waiting_seconds(now),
        "sla": None,
        "needs": [*row.needs],
    }


def _queue(rows: Sequence[InboxRow], now: datetime) -> Table:
    return Table(
        ("ID", "STATE", "WAITS", "NEEDS", "CUSTOMER", "SUBJECT"),
        [
            (
                str(row.id),
                humanise(row.state.value),
                duration(row.waiting_seconds(now)),
                ", ".join(row.needs) or "-",
                truncate(or_dash(row.customer_ref), 20),
                row.subject or row.last_excerpt,
            )
            for row in rows
        ],
        empty="No conversation fits.",
    )


def _thread(
    thread: Thread, draft: DraftView | None, context: ContextView, now: datetime
) -> Sequence[Shown]:
    head = thread.conversation
    waited = _waits(head, now)
    shown: list[Shown] = [
        f"Conversation {head.id} · {humanise(head.state.value)}{waited}",
        f"Customer {or_dash(head.customer_ref)} · assigned to {or_dash(head.assignee)}"
        f" · {count(head.message_count, 'message')}",
    ]
    if head.subject:
        shown.append(f"Subject {head.subject}")
    for title, facts in context.sections:
        shown.append(f"{title}: " + "; ".join(f"{label} {value}".strip() for label, value in facts))
    if thread.older:
        shown.append(f"Older messages: --before {thread.older}")
    for message in thread.messages:
        shown += ["", *_message(message)]
    if draft is not None:
        shown += ["", *_draft(draft)]
    return shown


def _waits(row: InboxRow, now: datetime) -> str:
    seconds = row.waiting_seconds(now)
    return "" if seconds is None else f" · waits for {duration(seconds)}"


def _message(message: MessageView) -> list[Shown]:
    fate = {
        Delivery.HELD: f" · held until {at(message.visible_at)}",
        Delivery.RETRACTED: " · taken back, never seen by the customer",
    }.get(message.delivery, "")
    flag = " · ▲ hidden characters" if message.hidden_characters else ""
    gutter = NOTE_GUTTER if message.role is Role.INTERNAL_NOTE else "│ "
    who = f"{SPEAKERS[message.role]} {message.author_id}"
    cited = "; ".join(citation.title for citation in message.citations)
    shown: list[Shown] = [
        f"[{message.id}] {who} · {at(message.inserted_at)}{fate}{flag}",
        Block(message.content, gutter),
    ]
    return [*shown, f"Rests on: {cited}"] if cited else shown


def _draft(draft: DraftView) -> list[Shown]:
    stale = " · the customer has written since" if draft.stale else ""
    head = f"Draft {draft.id} · {humanise(draft.proposal_type.value)} · {draft.status.value}{stale}"
    shown: list[Shown] = [head, draft.operator_summary]
    if draft.customer_reply is not None:
        shown.append(Block(draft.customer_reply))
    return shown


def _numbers(found: Stats) -> Sequence[Shown]:
    counted = [(humanise(name), str(n)) for name, n in asdict(found.conversations).items()]
    busy = [
        (
            depth.queue,
            str(depth.ready),
            str(depth.scheduled),
            str(depth.running),
            str(depth.failed),
            duration(depth.oldest_seconds),
        )
        for depth in found.queues
    ]
    waited = duration(found.oldest_waiting_seconds)
    return [
        Table(("CONVERSATIONS", "COUNT"), counted),
        f"The longest wait is {waited}." if found.oldest_waiting_seconds else "Nobody waits.",
        "",
        Table(("QUEUE", "DUE", "LATER", "RUNNING", "FAILED", "OLDEST"), busy),
        f"{count(found.workers.alive, 'worker')} at work.",
    ]
