"""The job queue: how deep, who works on it, and what was put aside for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Shown, Table, listing
from cairnloop_cli.batches import each
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.parameters import LARGEST_ID, Cursor, Limit, Watch
from cairnloop_cli.phrases import at, count, duration, or_dash
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import to_json, view
from cairnloop_cli.watching import serve_watching
from cairnloop_engine.core.errors import JsonObject

if TYPE_CHECKING:
    from cairnloop_engine.operations.reads import DeadLetterView, JobsView

KEY = "dead_letter_id"

Letters = Annotated[
    list[int],
    typer.Argument(metavar="ID...", min=1, max=LARGEST_ID, help="As `cairnloop jobs dead` lists."),
]
Letter = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="As `cairnloop jobs dead` lists.")
]

jobs = plain_typer("The job queue: depth, workers, dead letters.", group=True)


@jobs.command("list")
def list_queues(ctx: typer.Context, watch: Watch = False) -> None:
    """Every queue of the site, and the workers on it."""

    async def load(desk: Desk) -> Answer:
        found = await desk.engine.operations.jobs(desk.caller)
        data = view(found)
        data["items"] = to_json(found.queues)
        data["next"] = None
        return Answer(data, _told(found))

    serve_watching(ctx, load, watch=watch)


@jobs.command("dead")
def list_dead(
    ctx: typer.Context,
    *,
    settled_too: Annotated[
        bool, typer.Option("--all", help="Also those that were redriven or dropped.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Jobs that were put aside, newest first: nothing runs them again by itself."""

    async def work(desk: Desk) -> Answer:
        page = await desk.engine.operations.dead_letters(
            desk.caller, cursor=cursor, limit=limit, settled_too=settled_too
        )
        table = Table(
            ("ID", "SINCE", "TASK", "REASON", "RUNS", "STATUS", "ABOUT", "WHAT HAPPENED"),
            [_row(letter) for letter in page.items],
            empty="Nothing was put aside.",
        )
        return listing([_letter(letter) for letter in page.items], table, following=page.next)

    serve(ctx, work)


@jobs.command("redrive")
def redrive(ctx: typer.Context, ids: Letters) -> None:
    """Run them again, each as a new job; works once for each."""

    async def work(desk: Desk) -> Answer:
        async def one(letter_id: int) -> JsonObject:
            done = await desk.engine.operations.redrive(desk.caller, letter_id)
            return {"job_id": done.job_id}

        return await each(desk, KEY, ids, one)

    serve(ctx, work)


@jobs.command("drop")
def drop(
    ctx: typer.Context,
    letter_id: Letter,
    reason: Annotated[str, typer.Option("--reason", metavar="R", help="Why, in a few words.")],
) -> None:
    """Give one up for good; who did it and why stays readable."""

    async def work(desk: Desk) -> Answer:
        done = await desk.engine.operations.drop(desk.caller, letter_id, reason)
        return Answer(view(done), [f"Dropped dead letter {done.dead_letter_id}."])

    serve(ctx, work)


def _letter(letter: DeadLetterView) -> JsonObject:
    return {**view(letter), "status": letter.status}


def _row(letter: DeadLetterView) -> tuple[str, ...]:
    about = ", ".join(f"{name} {value}" for name, value in letter.ids.items())
    return (
        str(letter.id),
        at(letter.died_at),
        letter.task,
        letter.reason.value,
        str(letter.attempts),
        letter.status,
        or_dash(about),
        f"{letter.error_type}: {letter.error_text}",
    )


def _told(found: JobsView) -> Sequence[Shown]:
    queues = Table(
        ("QUEUE", "DUE", "OLDEST", "LATER", "RUNNING", "PUT ASIDE"),
        [
            (
                depth.queue,
                str(depth.ready),
                duration(depth.oldest_seconds),
                str(depth.scheduled),
                str(depth.running),
                str(depth.aside),
            )
            for depth in found.queues
        ],
    )
    workers = Table(
        ("WORKER", "HEARD OF", "RUNNING", "QUEUES"),
        [
            (
                f"{one.worker_id}" if one.alive else f"{one.worker_id} (silent)",
                f"{one.heartbeat_seconds:.0f}s ago",
                f"{one.running} of {one.concurrency or '?'}",
                ", ".join(one.queues),
            )
            for one in found.workers
        ],
    )
    shown: list[Shown] = [queues, ""]
    shown.append(workers if found.workers else "No worker was heard of lately.")
    if found.dead_letters:
        waiting = count(found.dead_letters, "job")
        shown += ["", f"{waiting} put aside; see `cairnloop jobs dead`."]
    return shown
