"""Deciding about a draft: approve, edit, discard, look at what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnloop_engine.drafting.reads import DraftView
from cairnloop_tui.commands import sending
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.lifecycle import named
from cairnloop_tui.commands.registry import CONVERSATION, Command, Takes
from cairnloop_tui.commands.sending import screen_of
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.conversation import cards, decide, evidence
from cairnloop_tui.conversation.sources import EvidenceScreen
from cairnloop_tui.labels import draft_type_label
from cairnloop_tui.text import Block, Para, Piece, counted, muted, one_line
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.unsent import Kind, Unsent

if TYPE_CHECKING:
    from cairnloop_engine.drafting.decisions import Decided

GROUP = "Draft"
SCOPE = frozenset({CONVERSATION})


def _no_draft(ctx: Context) -> str | None:
    screen = screen_of(ctx)
    if screen.row is None:
        return sending.NOT_READ
    if screen.sending:
        return sending.ON_ITS_WAY
    return None if screen.draft is not None else "No draft waits here. c writes a reply."


def _cannot_approve(ctx: Context) -> str | None:
    reason = _no_draft(ctx)
    screen = screen_of(ctx)
    if reason is not None or screen.draft is None or screen.row is None:
        return reason
    if not screen.draft.sendable:
        return "This draft hands over to a person; there is nothing to send. c writes a reply."
    if "approve" not in screen.draft.can:
        return sending.closed(screen.row) or _only_edit(screen.row.held)
    if not screen.composer.unsent.is_empty and screen.composer.kind is Kind.REPLY:
        return "Your own text is in the composer: send it with Ctrl+S, or empty it first."
    return None


def _only_edit(held: bool) -> str:
    if held:
        return "A reply is on its way already; u takes it back."
    return "The policy lets this draft out only with your own words; e edits it."


def _arm_approve(ctx: Context) -> Armed:
    screen = screen_of(ctx)
    row, draft = screen.row, screen.draft
    assert row is not None
    assert draft is not None
    warnings = []
    if draft.stale:
        warnings.append("The customer wrote again after this was drafted.")
    if not draft.evidence:
        warnings.append("No evidence was captured for this draft.")
    if draft.hidden_characters:
        warnings.append("The text holds hidden characters; they are shown as ⟨U+…⟩.")
    return Armed(
        title="Approve and send this draft?",
        facts=(
            ("To", cards.customer_of(row)),
            ("About", named(row)),
            ("Rests on", _sources(draft)),
        ),
        text=decide.draft_text(draft),
        warnings=tuple(warnings),
        tone=Tone.WARNING if warnings else Tone.AI,
        go=f"sends exactly this {sending.after_hold(ctx)}",
        act=lambda: sending.send_draft(ctx, row, draft),
        still=lambda: sending.draft_moved(screen, row, draft),
    )


def _sources(draft: DraftView) -> str:
    cited = [f"[{one.number}] {one_line(one.title, 60)}" for one in draft.evidence if one.cited]
    looked_at = counted(len(draft.evidence), "source")
    return "; ".join(cited) or f"nothing cited; {looked_at} looked at"


def _cannot_edit(ctx: Context) -> str | None:
    reason = _no_draft(ctx)
    draft = screen_of(ctx).draft
    if reason is not None or draft is None:
        return reason
    if "edit" not in draft.can:
        return "This draft cannot be edited; c writes a reply of your own."
    return None


def _edit(ctx: Context) -> None:
    """Take the draft into the composer; words that stand there are not overwritten unasked."""
    screen = screen_of(ctx)
    draft, row = screen.draft, screen.row
    assert draft is not None
    assert row is not None
    taken = Unsent(decide.draft_text(draft), Kind.REPLY, draft_id=int(draft.id))
    present = screen.composer.unsent
    if present.is_empty or present.draft_id == taken.draft_id:
        _take(ctx, taken if present.is_empty else present)
        return
    screen.arm(
        Armed(
            title="Replace what you typed by the draft?",
            facts=(("About", named(row)), ("Typed", one_line(present.text, 120))),
            text=taken.text,
            go="replaces your text",
            act=lambda: _take(ctx, taken),
            still=lambda: sending.draft_moved(screen, row, draft),
        )
    )


def _take(ctx: Context, taken: Unsent) -> None:
    screen = screen_of(ctx)
    screen.composer.fill(taken)
    screen.write(Kind.REPLY)


def _arm_discard(ctx: Context) -> Armed:
    screen = screen_of(ctx)
    row, draft = screen.row, screen.draft
    assert row is not None
    assert draft is not None
    return Armed(
        title="Discard this draft?",
        facts=(
            ("Draft", f"{draft.id}, {draft_type_label(str(draft.proposal_type)).words}"),
            ("About", named(row)),
        ),
        warnings=("This is recorded and cannot be undone; a new draft can be asked for.",),
        go="discards it",
        act=lambda: _discard(ctx),
        still=lambda: sending.draft_moved(screen, row, draft),
    )


def _discard(ctx: Context) -> None:
    screen = screen_of(ctx)
    draft = screen.draft
    assert draft is not None

    def discarded(decided: Decided) -> None:
        ctx.app.undo_log.add(
            Done(
                "Draft discarded.",
                why_not="A discarded draft stays discarded. Ctrl+P, Ask for a new draft.",
            )
        )
        ctx.app.say(f"Draft {decided.draft_id} discarded.", Tone.SUCCESS)
        screen.reload()

    ctx.app.act(
        screen,
        lambda engine, caller: engine.drafting.discard(
            caller, draft.id, expected_version=draft.version
        ),
        discarded,
        doing="discarding the draft",
    )


def _no_evidence(ctx: Context) -> str | None:
    screen = screen_of(ctx)
    message = screen.message_under_cursor()
    if screen.draft is not None:
        return None
    if message is not None and message.citations:
        return None
    return "Nothing here rests on a source."


def _evidence(ctx: Context) -> None:
    """What the message under the cursor cites, else what the draft rests on."""
    screen, message = screen_of(ctx), screen_of(ctx).message_under_cursor()
    if message is not None and message.citations and screen.thread.has_focus:
        crumbs, sources = f"Sources of message {message.id}", evidence.sources_of_message
        around = Block((Para((muted(" Enter opens the article of a source."),)), Para()))
        ctx.app.push_screen(EvidenceScreen((crumbs,), sources(message.citations), around))
        return
    draft = screen.draft
    assert draft is not None
    asked = Para((muted(" asked  "), Piece(one_line(draft.grounding.query))), hang=8)
    paras = (*evidence.grounding_paras(draft.grounding, screen.glyphs), asked, Para())
    ctx.app.push_screen(
        EvidenceScreen(
            (f"Evidence of draft {draft.id}",), evidence.sources_of_draft(draft), Block(paras)
        )
    )


def _cannot_request(ctx: Context) -> str | None:
    screen = screen_of(ctx)
    return sending.NOT_READ if screen.row is None else sending.closed(screen.row)


def _request(ctx: Context) -> None:
    conversation_id = screen_of(ctx).conversation_id
    ctx.app.act(
        ctx.screen,
        lambda engine, caller: engine.drafting.request(caller, conversation_id),
        lambda answer: ctx.app.say("A new draft is asked for; it appears here.", Tone.SUCCESS),
        doing="asking for a draft",
    )


COMMANDS: tuple[Command, ...] = (
    Command(
        "draft.approve",
        "Approve the draft",
        GROUP,
        "Shows the exact text and the recipient; Enter then sends it.",
        keys=("a",),
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_approve,
        arm=_arm_approve,
        label="approve",
        undo="u takes it back while it is held.",
        cli="cairnloop approve draft ID",
    ),
    Command(
        "draft.edit",
        "Edit the draft",
        GROUP,
        "Takes its text into the composer.",
        keys=("e",),
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_edit,
        run=_edit,
        label="edit",
        cli="cairnloop approve draft ID --edit -",
    ),
    Command(
        "draft.discard",
        "Discard the draft",
        GROUP,
        "Drops it without sending.",
        keys=("d",),
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_no_draft,
        arm=_arm_discard,
        label="discard",
        undo="Cannot be undone.",
        cli="cairnloop discard draft ID",
    ),
    Command(
        "draft.evidence",
        "Open the evidence",
        GROUP,
        "What the draft or message rests on.",
        keys=("o",),
        scope=SCOPE,
        takes=Takes.ONE,
        why_not=_no_evidence,
        run=_evidence,
        cli="cairnloop show-draft ID",
    ),
    Command(
        "draft.request",
        "Ask for a new draft",
        GROUP,
        "What waits stays meanwhile.",
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_request,
        run=_request,
    ),
)
