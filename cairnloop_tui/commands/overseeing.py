"""Overseeing: the audit trail and the jobs, and the way to both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnloop_engine.audit import labels
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.operations.reads import DeadLetterView
from cairnloop_tui.actions.base import holder
from cairnloop_tui.actions.queue import ActionsScreen
from cairnloop_tui.audit.screen import AuditScreen
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.knowledge import article_id_of
from cairnloop_tui.commands.lifecycle import targets
from cairnloop_tui.commands.registry import (
    ACTION,
    ACTIONS,
    ARTICLE,
    AUDIT,
    CARDS,
    CONVERSATION,
    EDITOR,
    INBOX,
    JOBS,
    KNOWLEDGE,
    Command,
    Takes,
)
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.conversation.screen import ConversationScreen
from cairnloop_tui.dialogs.choose import Choose
from cairnloop_tui.dialogs.reason import Answer, Question, Reason
from cairnloop_tui.jobs import cards as job_cards
from cairnloop_tui.jobs.screen import JobsScreen
from cairnloop_tui.text import one_line
from cairnloop_tui.theme.tokens import Tone

if TYPE_CHECKING:
    from cairnloop_engine.operations.service import Dropped, Redriven

GO = "Go to"
TRAIL = "Trail"
WORK = "Jobs"
WITH_ACTION = frozenset({CARDS, ACTIONS, ACTION})
WITH_ARTICLE = frozenset({KNOWLEDGE, ARTICLE, EDITOR})
NO_LETTER = "Only a job that was put aside can be run again or given up."
RUN_AGAIN = "A job that was run again cannot be called back."
GIVEN_UP = "A job that was given up stays so; what it was for can be asked for anew."


# Where to


def _go_actions(ctx: Context) -> None:
    ctx.app.go_home()
    ctx.app.push_screen(ActionsScreen())


def _go_audit(ctx: Context) -> None:
    ctx.app.go_home()
    ctx.app.push_screen(AuditScreen())


def _go_jobs(ctx: Context) -> None:
    ctx.app.go_home()
    ctx.app.push_screen(JobsScreen())


# The trail


def _about(ctx: Context) -> AuditFilter | None:
    """What of the trail is about the focused thing."""
    screen = ctx.screen
    if isinstance(screen, AuditScreen):
        event = screen.current()
        return (
            None if event is None else AuditFilter(subject=(event.subject_kind, event.subject_id))
        )
    if screen.scope in WITH_ACTION:
        view = holder(ctx).action()
        return None if view is None else AuditFilter(subject=("action", int(view.row.id)))
    if isinstance(screen, ConversationScreen) and screen.rail.decide.has_focus and screen.draft:
        return AuditFilter(subject=("draft", int(screen.draft.id)))
    if screen.scope in WITH_ARTICLE:
        article_id = article_id_of(ctx)
        return None if article_id is None else AuditFilter(subject=("article", int(article_id)))
    rows = targets(ctx)
    return AuditFilter(conversation_id=int(rows[0].id)) if rows else None


def _nothing_focused(ctx: Context) -> str | None:
    return None if _about(ctx) is not None else "Nothing is focused that has a trail."


def _audit(ctx: Context) -> None:
    wanted = _about(ctx)
    assert wanted is not None
    if isinstance(ctx.screen, AuditScreen):
        ctx.screen.narrow_to_subject()
    else:
        ctx.app.push_screen(AuditScreen(wanted))


def _no_thread(ctx: Context) -> str | None:
    if ctx.on(AuditScreen).thread_of_event() is None:
        return "This event belongs to no conversation."
    return None


def _open_thread(ctx: Context) -> None:
    conversation_id = ctx.on(AuditScreen).thread_of_event()
    assert conversation_id is not None
    ctx.app.open_conversation(conversation_id)


def _by_action(ctx: Context) -> None:
    screen = ctx.on(AuditScreen)
    options = [("", "All actions"), *((one.value, one.label) for one in labels.known_actions())]

    def chosen(action: str | None) -> None:
        if action is not None:
            screen.narrow_to_action(action or None)

    ctx.app.push_screen(Choose("Action", options, chosen=screen.wanted.action or ""), chosen)


# The jobs


def _no_letter(ctx: Context) -> str | None:
    return None if ctx.on(JobsScreen).current() is not None else NO_LETTER


def _letter(ctx: Context) -> DeadLetterView:
    letter = ctx.on(JobsScreen).current()
    assert letter is not None
    return letter


def _gone(screen: JobsScreen, letter: DeadLetterView) -> str | None:
    if screen.letter(letter.id) is None:
        return f"Disarmed: {letter.id} was settled elsewhere."
    return None


def _arm_redrive(ctx: Context) -> Armed:
    screen, letter = ctx.on(JobsScreen), _letter(ctx)
    return Armed(
        title=f"Run the job put aside as {letter.id} again?",
        facts=job_cards.letter_facts(letter),
        go="runs it again, as a new job",
        act=lambda: _redrive(ctx, letter),
        still=lambda: _gone(screen, letter),
    )


def _redrive(ctx: Context, letter: DeadLetterView) -> None:
    def redriven(made: Redriven) -> None:
        ctx.app.undo_log.add(Done("Run again.", why_not=RUN_AGAIN))
        ctx.app.say(f"{letter.id} runs again as job {made.job_id}.", Tone.SUCCESS)
        ctx.screen.reload()

    ctx.app.act(
        ctx.screen,
        lambda engine, caller: engine.operations.redrive(caller, letter.id),
        redriven,
        doing="running the job again",
    )


def _drop(ctx: Context) -> None:
    letter = _letter(ctx)
    facts = job_cards.letter_facts(letter)

    def answered(answer: Answer | None) -> None:
        if answer is not None:
            ctx.app.act(
                ctx.screen,
                lambda engine, caller: engine.operations.drop(caller, letter.id, answer.words),
                dropped,
                doing="giving the job up",
            )

    def dropped(made: Dropped) -> None:
        ctx.app.undo_log.add(Done("Given up.", why_not=GIVEN_UP))
        ctx.app.say(f"{letter.id} is given up; the reason is kept.", Tone.SUCCESS)
        ctx.screen.reload()

    question = Question(
        title=f"Give up the job put aside as {letter.id}",
        ask="Why will nobody need it? The reason stays in the trail.",
        go="gives it up for good",
        blocks=job_cards.letter_blocks(letter),
        facts=facts[:2],
        kept_as=f"drop {letter.id}",
        tone=Tone.DANGER,
    )
    ctx.app.push_screen(Reason(question), answered)


def _copy(ctx: Context) -> None:
    screen = ctx.screen
    event = screen.current() if isinstance(screen, AuditScreen | JobsScreen) else None
    assert event is not None
    ctx.app.copy_to_clipboard(str(event.id))
    ctx.app.say(f"Copied {one_line(str(event.id))}.")


def _nothing_to_copy(ctx: Context) -> str | None:
    screen = ctx.screen
    found = isinstance(screen, AuditScreen | JobsScreen) and screen.current() is not None
    return None if found else "Nothing here has a number to copy."


COMMANDS: tuple[Command, ...] = (
    Command(
        "jobs.redrive",
        "Run the job again",
        WORK,
        "What was put aside, as a new job; shows it first.",
        keys=("a",),
        scope=frozenset({JOBS}),
        takes=Takes.ONE,
        writes=True,
        why_not=_no_letter,
        arm=_arm_redrive,
        label="run again",
        undo="Cannot be undone.",
        cli="cairnloop jobs redrive ID",
    ),
    Command(
        "jobs.drop",
        "Give the job up",
        WORK,
        "For good, with a reason.",
        keys=("x",),
        scope=frozenset({JOBS}),
        takes=Takes.ONE,
        writes=True,
        why_not=_no_letter,
        run=_drop,
        label="give up",
        undo="Cannot be undone.",
        cli="cairnloop jobs drop ID --reason WHY",
    ),
    Command(
        "audit.search",
        "Search the trail",
        TRAIL,
        "Actor, action, reason or any detail; Esc shows all again.",
        keys=("/",),
        scope=frozenset({AUDIT}),
        run=lambda ctx: ctx.on(AuditScreen).edit_search(),
        label="search",
    ),
    Command(
        "audit.by_action",
        "Filter by action",
        TRAIL,
        "Lists only one kind of event.",
        keys=("f a",),
        scope=frozenset({AUDIT}),
        run=_by_action,
        label="by action",
    ),
    Command(
        "audit.thread",
        "Open the conversation of it",
        TRAIL,
        "The conversation that the event belongs to.",
        keys=("o",),
        scope=frozenset({AUDIT}),
        why_not=_no_thread,
        run=_open_thread,
        label="conversation",
    ),
    Command(
        "audit.focused",
        "Audit trail of it",
        TRAIL,
        "Everything recorded about the focused thing.",
        keys=("A",),
        scope=frozenset({INBOX, CONVERSATION, AUDIT}) | WITH_ACTION | WITH_ARTICLE,
        why_not=_nothing_focused,
        run=_audit,
        cli="cairnloop audit list --about KIND:ID",
    ),
    Command(
        "oversight.copy",
        "Copy its number",
        TRAIL,
        "To the clipboard of your terminal (OSC 52).",
        keys=("y",),
        scope=frozenset({AUDIT, JOBS}),
        why_not=_nothing_to_copy,
        run=_copy,
    ),
    Command(
        "go.actions",
        "Go to Actions",
        GO,
        "What waits for a decision anywhere.",
        run=_go_actions,
    ),
    Command(
        "go.audit",
        "Go to Audit",
        GO,
        "Who did what, when and why.",
        keys=("g a",),
        run=_go_audit,
        cli="cairnloop audit list",
    ),
    Command(
        "go.jobs",
        "Go to Jobs",
        GO,
        "Queues, workers, and what was put aside.",
        keys=("g j",),
        run=_go_jobs,
        cli="cairnloop jobs",
    ),
)
