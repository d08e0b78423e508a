"""Customer messages by hand or by the thousand, through the same service as the chat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from cairnloop_cli.answers import Answer, Table, listing
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.lines import Line, Mistake, Numbered, Splitter
from cairnloop_cli.parameters import LARGEST_ID, words
from cairnloop_cli.phrases import count
from cairnloop_cli.pipes import chunks, opened
from cairnloop_engine.conversations.model import Ingested
from cairnloop_engine.core.errors import CairnloopError, JsonObject, Unavailable
from cairnloop_engine.core.ids import ConversationId

# Messages under way at once. Each customer belongs to one lane, which keeps their order.
LANES = 8
# Lines read ahead of the database.
AHEAD = 16


def ingest(
    ctx: typer.Context,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT|-", help="The message; - reads it from a pipe.")
    ] = None,
    *,
    customer: Annotated[
        str | None, typer.Option("--customer", metavar="REF", help="Who writes.")
    ] = None,
    conversation: Annotated[
        int | None,
        typer.Option("--conversation", metavar="ID", min=1, max=LARGEST_ID, help="Where."),
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", metavar="S")] = None,
    client_id: Annotated[
        str | None,
        typer.Option("--client-id", metavar="K", help="The same one again changes nothing."),
    ] = None,
    jsonl: Annotated[
        str | None,
        typer.Option(
            "--jsonl",
            metavar="FILE|-",
            help="Many: {customer, text, subject?, conversation?, client_id?} a line.",
        ),
    ] = None,
) -> None:
    """Take in a customer's message; when this returns, it is durable."""
    if jsonl is not None:
        if (text, customer, conversation, subject, client_id) != (None,) * 5:
            raise typer.BadParameter("--jsonl takes everything from its lines")
        serve(ctx, lambda desk: _many(desk, jsonl))
        return
    if text is None or customer is None:
        raise typer.BadParameter("name the customer with --customer REF and give the TEXT")
    line = Line(
        customer=customer,
        text=words(text),
        subject=subject,
        conversation=conversation,
        client_id=client_id,
    )
    serve(ctx, lambda desk: _one(desk, line))


async def _one(desk: Desk, line: Line) -> Answer:
    done = await _take(desk, line)
    again = " It was there already." if done.duplicate else ""
    return Answer(
        _kept(done),
        [f"Message {done.message_id} is in conversation {done.conversation_id}.{again}"],
    )


async def _take(desk: Desk, line: Line) -> Ingested:
    place = None if line.conversation is None else ConversationId(line.conversation)
    return await desk.engine.conversations.ingest(
        desk.caller,
        customer_ref=line.customer,
        text=line.text,
        conversation_id=place,
        subject=line.subject,
        client_id=line.client_id,
    )


def _kept(done: Ingested) -> JsonObject:
    return {
        "conversation_id": done.conversation_id,
        "message_id": done.message_id,
        "duplicate": done.duplicate,
        "reopened": done.reopened,
        "conversation_created": done.conversation_created,
    }


async def _many(desk: Desk, name: str) -> Answer:
    desk.caller.acting_operator()
    source = opened(name)
    with desk.out.progress("Taking in") as progress:
        intake = _Intake(desk, progress.step)
        await intake.run(source)
    items = [intake.items[number] for number in sorted(intake.items)]
    failed = [item for item in items if not item["ok"]]
    rows = [(str(item["line"]), str(item["code"]), str(item["message"])) for item in failed]
    new = sum(1 for item in items if item["ok"] and not item["duplicate"])
    summary = f"{count(len(items), 'line')}: {new} new, {len(items) - new - len(failed)} known"
    notes = [f"{summary}, {len(failed)} not taken in."]
    if intake.away is not None:
        notes.append(f"Stopped at line {intake.away}: the database cannot be reached.")
    table = Table(("LINE", "CODE", "WHY"), rows, whole=True, empty="Every line was taken in.")
    answer = listing(items, table, ok=not failed)
    return Answer(answer.data, answer.shown, notes, ok=answer.ok)


class _Intake:
    """Many lines on their way in: one transaction each, in order for each customer."""

    def __init__(self, desk: Desk, tick: Callable[[], None]) -> None:
        self._desk = desk
        self._tick = tick
        self._lanes: list[asyncio.Queue[tuple[int, Line] | None]] = [
            asyncio.Queue(AHEAD) for _ in range(LANES)
        ]
        self.items: dict[int, JsonObject] = {}
        self.away: int | None = None

    async def run(self, source: int) -> None:
        """Read to the end, or to where the database goes away; nothing is read far ahead."""
        async with asyncio.TaskGroup() as workers:
            for lane in self._lanes:
                workers.create_task(self._work(lane))
            await self._read(source)
            for lane in self._lanes:
                await lane.put(None)

    async def _read(self, source: int) -> None:
        splitter = Splitter()
        async for chunk in chunks(source):
            await self._sort(splitter.feed(chunk))
            if self.away is not None:
                return
        await self._sort(splitter.end())

    async def _sort(self, found: Iterable[Numbered]) -> None:
        for number, line in found:
            if self.away is not None:
                return
            if isinstance(line, Mistake):
                self._report(number, {"ok": False, "code": line.code, "message": line.message})
            else:
                await self._lanes[hash(line.customer) % LANES].put((number, line))

    async def _work(self, lane: asyncio.Queue[tuple[int, Line] | None]) -> None:
        while (waiting := await lane.get()) is not None:
            number, line = waiting
            try:
                done = await _take(self._desk, line)
            except CairnloopError as error:
                self._refused(number, error)
            else:
                self._report(number, {"ok": True, **_kept(done)})

    def _refused(self, number: int, error: CairnloopError) -> None:
        if isinstance(error, Unavailable) and error.code == "database_unavailable":
            self.away = min(number, self.away or number)
        self._report(number, {"ok": False, "code": error.code, "message": error.message})

    def _report(self, number: int, outcome: JsonObject) -> None:
        self.items[number] = {"line": number, **outcome}
        self._tick()
