"""Drafts and the decisions on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Block, Shown, Table, listing
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.parameters import LARGEST_ID, Cursor, Hold, Limit, words
from cairnloop_cli.phrases import at
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import to_json, view
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import DraftId
from cairnloop_engine.core.text import humanise

if TYPE_CHECKING:
    from cairnloop_engine.drafting.decisions import Decided
    from cairnloop_engine.drafting.reads import DraftView, SuggestedView

DraftArg = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The draft.")]

approve = plain_typer("Approve: a draft is sent, exactly as it reads.", group=True)
discard = plain_typer("Discard: a draft is dropped, and nothing is sent.", group=True)


def drafts(
    ctx: typer.Context,
    status: Annotated[
        str | None,
        typer.Option(
            "--status", metavar="S", help="Such as waiting, pending, approved, discarded."
        ),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Drafts, newest first."""

    async def work(desk: Desk) -> Answer:
        page = await desk.engine.drafting.drafts(
            desk.caller, status=status, cursor=cursor, limit=limit
        )
        rows = [
            (
                str(row.id),
                str(row.conversation_id),
                humanise(row.status.value) + (" (stale)" if row.stale else ""),
                humanise(row.proposal_type.value),
                humanise(row.grounding.value),
                row.excerpt,
            )
            for row in page.items
        ]
        table = Table(
            ("ID", "CONVERSATION", "STATUS", "TYPE", "GROUNDING", "TEXT"),
            rows,
            empty="No draft fits.",
        )
        return listing([view(row) for row in page.items], table, following=page.next)

    serve(ctx, work)


def show_draft(ctx: typer.Context, draft_id: DraftArg) -> None:
    """One draft: what would be sent, what it rests on, what may be done with it."""

    async def work(desk: Desk) -> Answer:
        draft = await desk.engine.drafting.draft(desk.caller, DraftId(draft_id))
        return Answer(view(draft), _draft(draft))

    serve(ctx, work)


@approve.command("draft")
def approve_draft(
    ctx: typer.Context,
    draft_id: DraftArg,
    *,
    edit: Annotated[
        str | None,
        typer.Option("--edit", metavar="TEXT|-", help="Send these words in its place."),
    ] = None,
    even_if_stale: Annotated[
        bool, typer.Option("--even-if-stale", help="Also when the customer has written since.")
    ] = False,
    hold: Hold = None,
    expected_version: Annotated[
        int | None,
        typer.Option("--expected-version", metavar="N", help="Refuse if the draft is another one."),
    ] = None,
    expected_revision: Annotated[
        int | None,
        typer.Option("--expected-revision", metavar="N", help="Refuse if the thread moved on."),
    ] = None,
) -> None:
    """Send exactly this draft, once."""
    said = None if edit is None else words(edit)

    async def work(desk: Desk) -> Answer:
        done = await desk.engine.drafting.approve(
            desk.caller,
            DraftId(draft_id),
            edit=said,
            even_if_stale=even_if_stale,
            hold=hold,
            expected_version=expected_version,
            expected_revision=expected_revision,
        )
        return Answer(_decided(done), [_sent(done)])

    serve(ctx, work)


@discard.command("draft")
def discard_draft(
    ctx: typer.Context,
    draft_id: DraftArg,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="A note for people.")
    ] = None,
) -> None:
    """Drop a draft; nothing is sent."""

    async def work(desk: Desk) -> Answer:
        done = await desk.engine.drafting.discard(desk.caller, DraftId(draft_id), reason=reason)
        return Answer(_decided(done), [f"Draft {done.draft_id} was dropped."])

    serve(ctx, work)


def _decided(done: Decided) -> JsonObject:
    return {
        "draft_id": done.draft_id,
        "conversation_id": done.conversation_id,
        "message_id": done.message_id,
        "status": done.status.value,
        "delivery": None if done.delivery is None else done.delivery.value,
        "visible_at": to_json(done.visible_at),
    }


def _sent(done: Decided) -> str:
    if done.delivery is not None and done.delivery.value == "held":
        return (
            f"Draft {done.draft_id} is held until {at(done.visible_at)} as message "
            f"{done.message_id}; `cairnloop retract {done.message_id}` takes it back."
        )
    return f"Draft {done.draft_id} is with the customer, as message {done.message_id}."


def suggestion_line(suggested: SuggestedView, command: str) -> str:
    """What a draft suggests to do, and the command that tells more about it."""
    stopped = f" ({suggested.code})" if suggested.code else ""
    number = suggested.action_id
    more = "" if number is None else f": `cairnloop {command} {number}`"
    return f"It suggests {suggested.tool}, {humanise(suggested.state.value).lower()}{stopped}{more}"


def _draft(draft: DraftView) -> list[Shown]:
    stale = " · the customer has written since" if draft.stale else ""
    grounding = draft.grounding
    shown: list[Shown] = [
        f"Draft {draft.id} for conversation {draft.conversation_id}"
        f" · {humanise(draft.proposal_type.value)} · {humanise(draft.status.value)}{stale}",
        f"Grounding {humanise(grounding.status.value)}: {humanise(grounding.reason)}"
        f" · confidence {grounding.confidence:.2f}"
        + ("" if grounding.calibrated else " (not calibrated)"),
        draft.operator_summary,
        f"May be done: {', '.join(draft.can) or 'nothing'} · version {draft.version}"
        f" · thread revision {draft.revision}, now {draft.conversation_revision}",
    ]
    if draft.suggested is not None:
        shown.append(suggestion_line(draft.suggested, "show-action"))
    if draft.hidden_characters:
        shown.append("▲ hidden characters")
    if draft.customer_reply is not None:
        shown += ["", "To the customer:", Block(draft.customer_reply)]
    for one in draft.evidence:
        cited = " · cited" if one.cited else ""
        shown += ["", f"[{one.number}] {humanise(one.source_type.value)} · {one.title}{cited}"]
        shown.append(Block(one.excerpt))
    return shown
