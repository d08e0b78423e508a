"""Why something came out as it did, told from the rows that were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Block, Shown, Table
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.commands.drafting import suggestion_line
from cairnloop_cli.parameters import LARGEST_ID
from cairnloop_cli.phrases import at
from cairnloop_cli.reasons import reasons_json, reasons_lines
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import to_json, view
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import DraftId, ProposalId
from cairnloop_engine.core.text import humanise

if TYPE_CHECKING:
    from cairnloop_engine.audit.reads import AuditEvent
    from cairnloop_engine.drafting.reads import DraftView

MOST_EVENTS = 500

why = plain_typer("Why: a decision, rebuilt from its rows.", group=True)


@why.command("draft")
def why_draft(
    ctx: typer.Context,
    draft_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The draft.")
    ],
) -> None:
    """Why a draft says what it says, and what people did with it."""

    async def work(desk: Desk) -> Answer:
        draft = await desk.engine.drafting.draft(desk.caller, DraftId(draft_id))
        events = await _events(desk, ("draft", draft_id))
        data: JsonObject = {
            "draft_id": draft.id,
            "conversation_id": draft.conversation_id,
            "source_message_id": draft.source_message_id,
            "query": draft.grounding.query,
            "evidence": to_json(draft.evidence),
            "grounding": view(draft.grounding),
            "proposal_type": draft.proposal_type.value,
            "generator": draft.generator,
            "model": draft.model,
            "fallback_reason": draft.fallback_reason,
            "policy": draft.policy.value,
            "status": draft.status.value,
            "decided_by": draft.decided_by,
            "decided_at": to_json(draft.decided_at),
            "message_id": draft.message_id,
            "suggested": to_json(draft.suggested),
            "events": [view(event) for event in events],
        }
        return Answer(data, _told(draft, events))

    serve(ctx, work)


@why.command("action")
def why_action(
    ctx: typer.Context,
    proposal_id: Annotated[
        int,
        typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The action's proposal_id."),
    ],
) -> None:
    """Who asked for an action, which rules held, who decided on what, and what came of it."""

    async def work(desk: Desk) -> Answer:
        found = await desk.engine.governance.action(desk.caller, ProposalId(proposal_id))
        events = await _events(desk, ("action", proposal_id))
        return Answer(reasons_json(found, events), reasons_lines(found, events))

    serve(ctx, work)


async def _events(desk: Desk, subject: tuple[str, int]) -> tuple[AuditEvent, ...]:
    """The trail of one subject, oldest first."""
    trail = await desk.engine.audit.events(
        desk.caller, filter=AuditFilter(subject=subject), limit=MOST_EVENTS
    )
    return tuple(reversed(trail.items))


def _told(draft: DraftView, events: tuple[AuditEvent, ...]) -> list[Shown]:
    grounding = draft.grounding
    sure = "" if grounding.calibrated else " (not calibrated)"
    looked_at = [
        (
            str(one.number),
            f"{one.score:.3f}",
            "yes" if one.groundable else "-",
            "yes" if one.cited else "-",
            one.title,
        )
        for one in draft.evidence
    ]
    by = f"{draft.generator}, {draft.model}" if draft.model else draft.generator
    shown: list[Shown] = [
        f"Draft {draft.id} answers message {draft.source_message_id}"
        f" of conversation {draft.conversation_id}. It was asked:",
        Block(grounding.query),
        "",
        Table(
            ("EVIDENCE", "SCORE", "GROUNDS", "CITED", "TITLE"),
            looked_at,
            empty="No published article was found.",
        ),
        "",
        f"Grounding: {humanise(grounding.status.value)}, because {humanise(grounding.reason)}"
        f" · confidence {grounding.confidence:.2f}{sure}",
        f"So it became: {humanise(draft.proposal_type.value)}, written by {by}"
        f" · policy {humanise(draft.policy.value)}",
    ]
    if grounding.quote:
        shown += ["The model named these words of a source as the answer:", Block(grounding.quote)]
    elif grounding.quote is not None:
        shown.append("The model found no words in the sources that answer.")
    if draft.fallback_reason is not None:
        shown.append(f"Another generator was tried first: {humanise(draft.fallback_reason)}")
    if draft.suggested is not None:
        shown.append(suggestion_line(draft.suggested, "why action"))
    shown += ["", Table(("WHEN", "ACTION", "WHO"), [_event(event) for event in events])]
    if draft.decided_at is None:
        shown.append("Nobody has decided on it yet.")
    return shown


def _event(event: AuditEvent) -> tuple[str, str, str]:
    return at(event.occurred_at), event.action, f"{event.actor} ({event.actor_kind})"
