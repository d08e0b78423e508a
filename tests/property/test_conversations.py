"""Any sequence of events leaves a conversation as a small reference model says it must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairnloop_engine import Caller, Engine, Refused
from cairnloop_engine.conversations import release
from cairnloop_engine.conversations.model import Delivery, Role, State
from cairnloop_engine.core.ids import ConversationId, MessageId
from tests.fakes import FixedClock

STEPS = ("write", "hold", "send", "release", "retract", "note", "resolve", "reopen", "archive")
numbers = count(1)


@dataclass
class Model:
    """What a conversation is, said as plainly as possible."""

    status: str = "open"
    # Everything public in thread order: (role, visible to the customer).
    thread: list[list[object]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def write(self, text: str) -> None:
        self.status = "open"
        self.thread.append(["user", True])
        self.seen.append(text)

    def reply(self, text: str, *, held: bool) -> bool:
        if self.status != "open":
            return False
        self.thread.append(["agent", not held])
        if held:
            self.held.append(len(self.thread) - 1)
        else:
            self.seen.append(text)
        return True

    def release(self, index: int, text: str) -> None:
        self.held.remove(index)
        self.thread[index][1] = True
        self.seen.append(text)

    def retract(self, index: int) -> None:
        self.held.remove(index)

    @property
    def state(self) -> State:
        if self.status != "open":
            return State(self.status)
        visible = [role for role, shown in self.thread if shown]
        if "agent" not in visible:
            return State.NEW
        return State.OPEN if visible[-1] == "user" else State.AWAITING_CUSTOMER


class Desk:
    """Plays each step on the engine and on the model, and compares them."""

    def __init__(self, engine: Engine, clock: FixedClock) -> None:
        workspace = f"property-{next(numbers)}"
        self.engine, self.clock, self.model = engine, clock, Model()
        self.maya = Caller.operator("maya", workspace)
        self.acme = Caller.customer("acme", workspace)
        self.system = Caller.system("send-window", workspace)
        self.conversation_id = ConversationId(0)
        self.on_their_way: dict[int, tuple[MessageId, str]] = {}
        self.texts = count(1)

    async def play(self, step: str) -> None:
        await getattr(self, step)()
        self.clock.advance(timedelta(seconds=1))
        await self.compare()

    async def write(self) -> None:
        if self.model.status == "archived":
            return
        text = f"customer {next(self.texts)}"
        received = await self.engine.conversations.ingest(self.acme, customer_ref="acme", text=text)
        self.conversation_id = received.conversation_id
        self.model.write(text)

    async def hold(self) -> None:
        await self._reply(hold=3600.0)

    async def send(self) -> None:
        await self._reply(hold=0.0)

    async def _reply(self, *, hold: float) -> None:
        text = f"agent {next(self.texts)}"
        allowed = self.model.reply(text, held=hold > 0)
        try:
            replied = await self.engine.conversations.reply(
                self.maya, self.conversation_id, text, hold=hold
            )
        except Refused:
            assert not allowed
            return
        assert allowed
        if hold:
            self.on_their_way[len(self.model.thread) - 1] = (replied.message_id, text)

    async def release(self) -> None:
        if not self.on_their_way:
            return
        index, (message_id, text) = self.on_their_way.popitem()
        self.clock.advance(timedelta(hours=2))
        async with self.engine.db.work(self.system) as work:
            assert await release.release(work, message_id)
        self.model.release(index, text)

    async def retract(self) -> None:
        if not self.on_their_way:
            return
        index, (message_id, _) = self.on_their_way.popitem()
        await self.engine.conversations.retract(self.maya, message_id)
        self.model.retract(index)

    async def note(self) -> None:
        await self.engine.conversations.note(self.maya, self.conversation_id, "between us")

    async def resolve(self) -> None:
        if self.model.status == "archived":
            return
        await self.engine.conversations.resolve(self.maya, self.conversation_id, force=True)
        self.model.status = "resolved"

    async def reopen(self) -> None:
        await self.engine.conversations.reopen(self.maya, self.conversation_id)
        self.model.status = "open"

    async def archive(self) -> None:
        try:
            await self.engine.conversations.archive(self.maya, self.conversation_id)
        except Refused:
            assert self.model.held
            return
        self.model.status = "archived"

    async def compare(self) -> None:
        thread = await self.engine.conversations.thread(self.maya, self.conversation_id)
        _, visible = await self.engine.conversations.customer_messages(
            self.acme, conversation_id=self.conversation_id
        )
        row = thread.conversation
        assert row.state is self.model.state
        assert (row.waiting_since is not None) == (row.state in {State.NEW, State.OPEN})
        assert row.held == bool(self.model.held)
        assert [message.content for message in visible] == self.model.seen
        positions = [message.customer_position for message in visible]
        assert positions == list(range(1, len(positions) + 1))
        assert all(
            message.customer_position is None
            for message in thread.messages
            if message.delivery in {Delivery.HELD, Delivery.RETRACTED, Delivery.INTERNAL}
        )
        assert [message.sequence for message in thread.messages] == list(
            range(1, len(thread.messages) + 1)
        )
        assert Role.INTERNAL_NOTE not in {message.role for message in visible}


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=12))
async def test_every_sequence_of_events_ends_where_the_model_ends(
    engine: Engine, clock: FixedClock, steps: list[str]
) -> None:
    desk = Desk(engine, clock)
    await desk.play("write")
    for step in steps:
        await desk.play(step)
