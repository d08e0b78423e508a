"""Governed actions: the tools, proposing, looking, and approving."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.actions import (
    action_json,
    action_lines,
    detail_json,
    queue_table,
    status_of,
)
from cairnloop_cli.answers import Answer, Shown, Table, listing
from cairnloop_cli.batches import reported
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.commands.drafting import approve
from cairnloop_cli.inputs import json_object
from cairnloop_cli.parameters import LARGEST_ID, Cursor, Limit, Watch
from cairnloop_cli.phrases import duration
from cairnloop_cli.values import view
from cairnloop_cli.watching import serve_watching
from cairnloop_engine.core.errors import JsonObject, Refused, Unavailable
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.governance.labels import mode_label, risk_label
from cairnloop_engine.governance.presenter import row_chip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cairnloop_engine.governance.approvals import DecidedAction
    from cairnloop_engine.governance.proposals import Proposed

ActionArg = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The action's proposal_id.")
]
ActionsArg = Annotated[
    list[int],
    typer.Argument(metavar="ID...", min=1, max=LARGEST_ID, help="One action, or equal ones."),
]
InputOption = Annotated[
    str, typer.Option("--input", metavar="JSON|-", help="The tool's input; - reads a pipe.")
]
DigestOption = Annotated[
    str | None,
    typer.Option("--digest", metavar="D", help="Refuse unless it still is what was shown."),
]

# What an approved action can be by the time somebody approves it again.
APPROVED = frozenset({"approved", "execution_pending", "executed"})


def tools(ctx: typer.Context) -> None:
    """The tools of this site, with their risk and what they need."""

    async def work(desk: Desk) -> Answer:
        found = await desk.engine.governance.tools(desk.caller)
        rows = [
            (
                tool.name,
                risk_label(tool.risk_tier).words,
                mode_label(tool.approval_mode) + (" (loosened)" if tool.loosened else ""),
                ", ".join(tool.scopes) or "-",
                "yes" if tool.available else "no",
                tool.title,
            )
            for tool in found
        ]
        headings = ("NAME", "RISK", "MODE", "NEEDS", "FOR YOU", "TITLE")
        return listing(
            [view(tool) for tool in found], Table(headings, rows, empty="No tool is registered.")
        )

    serve(ctx, work)


def propose(
    ctx: typer.Context,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="Its name; see `cairnloop tools`.")],
    *,
    given: InputOption,
    conversation: Annotated[
        int | None,
        typer.Option("--conversation", metavar="ID", min=1, max=LARGEST_ID, help="About which."),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="The customer's account.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option("--idempotency-key", metavar="K", help="The same key is one request, ever."),
    ] = None,
) -> None:
    """Ask for an action. Nothing runs before it was decided."""
    asked = json_object(given)

    async def work(desk: Desk) -> Answer:
        made = await desk.engine.governance.propose(
            desk.caller,
            tool,
            asked,
            conversation_id=None if conversation is None else ConversationId(conversation),
            account_id=account,
            idempotency_key=idempotency_key,
        )
        return await proposed(desk, made)

    serve(ctx, work)


async def proposed(desk: Desk, made: Proposed) -> Answer:
    """What became of a wish, as the row stands now."""
    found = await desk.engine.governance.action(desk.caller, made.proposal_id)
    row = found.row
    said = "was proposed before" if made.duplicate else "is proposed"
    shown: list[Shown] = [f"Action {row.id} {said}: {row.title} · {row_chip(row).words}"]
    if row.consequence:
        shown.append(row.consequence)
    if status_of(row) == "pending":
        shown.append(f"To decide: cairnloop approve action {row.id} --digest {row.digest}")
    return Answer({**action_json(row), "duplicate": made.duplicate}, shown)


def actions(
    ctx: typer.Context,
    *,
    status: Annotated[
        str | None,
        typer.Option(
            "--status", metavar="S", help="waiting, blocked, unknown, or one such as pending."
        ),
    ] = None,
    conversation: Annotated[
        int | None,
        typer.Option("--conversation", metavar="ID", min=1, max=LARGEST_ID, help="In which one."),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    watch: Watch = False,
) -> None:
    """Governed actions, newest first."""

    async def load(desk: Desk) -> Answer:
        page = await desk.engine.governance.actions(
            desk.caller,
            status=status,
            conversation_id=None if conversation is None else ConversationId(conversation),
            cursor=cursor,
            limit=limit,
        )
        table = queue_table(page.items, desk.engine.clock.now())
        return listing([action_json(row) for row in page.items], table, following=page.next)

    serve_watching(ctx, load, watch=watch)


def show_action(ctx: typer.Context, proposal_id: ActionArg, watch: Watch = False) -> None:
    """One action: what would run, who decided, what was tried, what came of it."""

    async def load(desk: Desk) -> Answer:
        found = await desk.engine.governance.action(desk.caller, ProposalId(proposal_id))
        return Answer(detail_json(found), action_lines(found, desk.engine.clock.now()))

    serve_watching(ctx, load, watch=watch)


def approvers(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How far to look back.")] = 7,
) -> None:
    """How much each operator decides, and how fast; a queue that is waved through shows here."""

    async def work(desk: Desk) -> Answer:
        loads = await desk.engine.governance.approver_load(desk.caller, within=timedelta(days=days))
        rows = [
            (
                str(load.decisions),
                str(load.approved),
                str(load.rejected),
                duration(load.median_seconds),
                duration(load.fastest_seconds),
                str(load.busiest_minute),
                load.operator,
            )
            for load in loads
        ]
        headings = ("DECIDED", "YES", "NO", "MEDIAN", "FASTEST", "IN A MINUTE", "OPERATOR")
        table = Table(headings, rows, empty="Nobody decided on an action.")
        return listing([view(load) for load in loads], table)

    serve(ctx, work)


@approve.command("action")
def approve_action(
    ctx: typer.Context,
    proposal_ids: ActionsArg,
    *,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="Why, for the record.")
    ] = None,
    digest: Annotated[
        list[str] | None,
        typer.Option(
            "--digest",
            metavar="D",
            help="Refuse unless it still is what was shown; once for each ID, in their order.",
        ),
    ] = None,
) -> None:
    """Let exactly this call run, once. Equal actions may be approved together."""
    ids = tuple(dict.fromkeys(proposal_ids))
    seen = tuple(digest or ())
    if seen and len(seen) != len(proposal_ids):
        raise typer.BadParameter("say --digest once for each ID, or not at all")
    shown = dict(zip(proposal_ids, seen, strict=True)) if seen else {}

    async def one(desk: Desk) -> Answer:
        done = await desk.engine.governance.approve(
            desk.caller, ProposalId(ids[0]), note=note, expected_digest=shown.get(ids[0])
        )
        return Answer(
            decided_json(done),
            [f"Action {done.proposal_id} is approved; a worker checks it again and runs it once."],
        )

    async def several(desk: Desk) -> Answer:
        return await _approve_all(desk, ids, shown, note)

    serve(ctx, one if len(ids) == 1 else several)


def decided_json(done: DecidedAction) -> JsonObject:
    """Where an action stands after a decision."""
    return {
        "proposal_id": done.proposal_id,
        "approval_id": done.approval_id,
        "status": done.status.value,
        "digest": done.digest,
    }


async def _approve_all(
    desk: Desk, ids: Sequence[int], shown: dict[int, str], note: str | None
) -> Answer:
    """Each as it stands, bound to its own digest; what was approved before is as wanted.

    Raises:
        Forbidden: ``operator_missing`` before anything is tried.
        Conflict: ``proposals_differ``, and nothing was approved.
        Unavailable: when that kept all of them from being approved.
    """
    desk.caller.acting_operator()
    items: dict[int, JsonObject] = {}
    open_ones: list[tuple[ProposalId, str]] = []
    for one in ids:
        try:
            found = await desk.engine.governance.action(desk.caller, ProposalId(one))
        except Refused as refusal:
            items[one] = _refused(refusal)
            continue
        digest = shown.get(one) or found.row.digest or ""
        if status_of(found.row) in APPROVED and digest == found.row.digest:
            items[one] = {**action_json(found.row), "ok": True, "changed": False}
        else:
            open_ones.append((ProposalId(one), digest))
    if open_ones:
        outcomes = await desk.engine.governance.approve_many(desk.caller, open_ones, note=note)
        for one, outcome in outcomes:
            if isinstance(outcome, Refused | Unavailable):
                items[one] = _refused(outcome)
            else:
                items[one] = {**decided_json(outcome), "ok": True, "changed": True}
        away = next((one for _, one in outcomes if isinstance(one, Unavailable)), None)
        if away is not None and not any(item["ok"] for item in items.values()):
            raise away
    return reported("proposal_id", [{"proposal_id": one, **items[one]} for one in ids])


def _refused(refusal: Refused | Unavailable) -> JsonObject:
    return {
        "ok": False,
        "code": refusal.code,
        "message": refusal.message,
        "facts": refusal.facts,
    }
