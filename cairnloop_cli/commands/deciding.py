"""What else can be decided about a governed action: no, later, a question, another version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.actions import action_json
from cairnloop_cli.answers import Answer
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.commands.governing import (
    ActionArg,
    DigestOption,
    InputOption,
    decided_json,
    proposed,
)
from cairnloop_cli.inputs import json_object, moment_given
from cairnloop_cli.parameters import TextArg, words
from cairnloop_cli.phrases import at
from cairnloop_cli.registry import plain_typer
from cairnloop_engine.core.ids import ProposalId

if TYPE_CHECKING:
    from cairnloop_engine.governance.approvals import DecidedAction

ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; people will read it.")
]

reject = plain_typer("Reject: say no, for good.", group=True)
defer = plain_typer("Defer: not now.", group=True)


class Settled(StrEnum):
    """What a person found out about an effect."""

    CONFIRMED = "confirmed"
    FAILED = "failed"


@reject.command("action")
def reject_action(
    ctx: typer.Context, proposal_id: ActionArg, *, reason: ReasonOption, digest: DigestOption = None
) -> None:
    """Say no to an action; it never runs."""

    async def decide(desk: Desk) -> DecidedAction:
        return await desk.engine.governance.reject(
            desk.caller, ProposalId(proposal_id), reason=reason, expected_digest=digest
        )

    serve(ctx, _deciding(decide, f"Action {proposal_id} is rejected; it will not run."))


@defer.command("action")
def defer_action(
    ctx: typer.Context,
    proposal_id: ActionArg,
    *,
    reason: ReasonOption,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="T", help="When it waits again: 2026-12-01T09:00 (UTC), or 4h, 2d."
        ),
    ] = None,
    digest: DigestOption = None,
) -> None:
    """Put an action off, until a date or until somebody opens it again."""

    async def work(desk: Desk) -> Answer:
        due = None if until is None else moment_given(until, now=desk.engine.clock.now())
        done = await desk.engine.governance.defer(
            desk.caller, ProposalId(proposal_id), reason=reason, until=due, expected_digest=digest
        )
        back = f"`cairnloop reopen-action {proposal_id}` brings it back."
        said = back if due is None else f"It waits again from {at(due)}."
        return Answer(decided_json(done), [f"Action {proposal_id} is deferred. {said}"])

    serve(ctx, work)


def ask_back(
    ctx: typer.Context,
    proposal_id: ActionArg,
    *,
    question: Annotated[
        str, typer.Option("--question", metavar="TEXT", help="What has to be known first.")
    ],
    digest: DigestOption = None,
) -> None:
    """Return an action with a question; it waits again once that is answered."""

    async def decide(desk: Desk) -> DecidedAction:
        return await desk.engine.governance.ask_back(
            desk.caller, ProposalId(proposal_id), question=question, expected_digest=digest
        )

    said = f"Action {proposal_id} is returned; `cairnloop answer {proposal_id}` answers."
    serve(ctx, _deciding(decide, said))


def answer(ctx: typer.Context, proposal_id: ActionArg, text: TextArg) -> None:
    """Answer the question with which an action was returned."""
    said = words(text)

    async def decide(desk: Desk) -> DecidedAction:
        return await desk.engine.governance.answer(
            desk.caller, ProposalId(proposal_id), answer=said
        )

    serve(ctx, _deciding(decide, f"Action {proposal_id} is answered and waits for a decision."))


def reopen_action(ctx: typer.Context, proposal_id: ActionArg) -> None:
    """Open a deferred, returned, expired or invalidated action again, judged anew."""

    async def decide(desk: Desk) -> DecidedAction:
        return await desk.engine.governance.reopen(desk.caller, ProposalId(proposal_id))

    serve(ctx, _deciding(decide, f"Action {proposal_id} waits for a decision again."))


def amend(
    ctx: typer.Context, proposal_id: ActionArg, *, given: InputOption, digest: DigestOption = None
) -> None:
    """Put your own version in the place of an action that waits; you are its proposer then."""
    asked = json_object(given)

    async def work(desk: Desk) -> Answer:
        made = await desk.engine.governance.amend(
            desk.caller, ProposalId(proposal_id), asked, expected_digest=digest
        )
        return await proposed(desk, made)

    serve(ctx, work)


def settle(
    ctx: typer.Context,
    proposal_id: ActionArg,
    *,
    outcome: Annotated[
        Settled, typer.Option("--outcome", help="confirmed: it happened. failed: it did not.")
    ],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="How you found out.")],
) -> None:
    """Say what became of an effect that nobody could be sure of."""

    async def work(desk: Desk) -> Answer:
        await desk.engine.governance.settle(
            desk.caller, ProposalId(proposal_id), outcome=outcome.value, note=note
        )
        found = await desk.engine.governance.action(desk.caller, ProposalId(proposal_id))
        said = "happened" if outcome is Settled.CONFIRMED else "did not happen"
        return Answer(action_json(found.row), [f"Action {proposal_id} is settled: it {said}."])

    serve(ctx, work)


def _deciding(
    decide: Callable[[Desk], Awaitable[DecidedAction]], said: str
) -> Callable[[Desk], Awaitable[Answer]]:
    async def work(desk: Desk) -> Answer:
        return Answer(decided_json(await decide(desk)), [said])

    return work
