"""How each screen looks, as text: the files in ``frames/`` are read in a review.

A missing file is written and the test fails once; delete a file to draw it anew.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from difflib import unified_diff
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.conversations.model import Activity
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.wiring import HostParts
from tests.console.driving import MEDIUM, NARROW, open_console
from tests.engine.drafting.desk import open_desk
from tests.engine.governance.desk import Rights
from tests.engine.governance.tools import Credit, Ledger, Refund
from tests.fakes import FixedClock

FRAMES = Path(__file__).parent / "frames"
SIZES = {"80x24": NARROW, "120x34": MEDIUM}
MAYA, NOOR = Caller.operator("maya"), Caller.operator("noor")
PROVIDER = "cairnloop_engine.demo.context:DemoContextProvider"

# Which keys lead to each picture.
PICTURES = {
    "home": (),
    "inbox": ("g", "i", "j"),
    "inbox-marked": ("g", "i", "space", "space", "R"),
    "conversation": ("g", "i", "enter"),
    "draft": ("g", "i", "enter", "shift+tab"),
    "approve": ("g", "i", "enter", "a"),
    "held": ("g", "i", "f", "h", "enter"),
    "resolved": ("g", "i", "f", "r", "enter"),
    "palette": ("g", "i", "enter", "ctrl+p"),
    "actions": ("enter",),
    "action": ("enter", "enter"),
    "action-cards": ("g", "i", "j", "enter", "tab"),
    "action-approve": ("enter", "j", "a"),
    "action-approve-typed": ("enter", "a"),
    "action-reject": ("enter", "x"),
    "tools": ("g", "i", "j", "enter", "t"),
    "form": ("g", "i", "j", "enter", "t", "j", "enter"),
    "audit": ("g", "a"),
    "help": ("g", "i", "?"),
    "hints": ("g", "i", "f"),
}
WORDS_THAT_COME_LATE = {"hints": ("f then",)}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times on screen are those of the terminal's zone; here it is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 6, 1, 9, 0, tzinfo=UTC))


@pytest.fixture
async def engine(database_url: str, home: Path, clock: FixedClock) -> AsyncIterator[Engine]:
    """A desk in the middle of a morning."""
    settings = Settings.load(
        database_url=database_url, home=home, embedder="hashing", context_provider=PROVIDER
    )
    ledger = Ledger()
    host = HostParts(identity_provider=Rights(), tools=[Refund(ledger), Credit(ledger)])
    async with Engine(settings, clock=clock, host=host) as engine:
        await _tell(engine, clock)
        yield engine


async def _tell(engine: Engine, clock: FixedClock) -> None:
    desk = open_desk(engine, clock)
    conversations = engine.conversations

    async def writes(ref: str, subject: str, *texts: str) -> ConversationId:
        conversation_id: ConversationId | None = None
        for text in texts:
            clock.advance(timedelta(minutes=17))
            received = await conversations.ingest(
                Caller.customer(ref),
                customer_ref=ref,
                text=text,
                subject=None if conversation_id else subject,
                conversation_id=conversation_id,
            )
            conversation_id = received.conversation_id
        assert conversation_id is not None
        return conversation_id

    first = await writes(
        "demo_user_hooli_tokens",
        "Rotating our API key without downtime",
        "Our integration key expires in seven days.",
        "How do we rotate it without breaking production?",
    )
    await desk.draft_for(first)
    second = await writes(
        "demo_user_acme_billing",
        "Refund for a double charge",
        "We were charged twice, $48.00 each.",
    )
    await conversations.note(MAYA, second, "Two charges on the 12th, confirmed.")
    await conversations.assign(NOOR, second, "noor")
    await conversations.attend(NOOR, second, Activity.REPLYING)
    refund: JsonObject = {"order": "A-17", "amount": "48.00"}
    await engine.governance.propose(NOOR, "refund", refund, conversation_id=second)
    await engine.governance.propose(NOOR, "credit", {"order": "A-18", "amount": "5.00"})
    third = await writes(
        "demo_user_globex_seats", "Adding a teammate", "Please add Dana to our team."
    )
    done = await writes("demo_user_umbrella_ci", "CI run skipped", "Run 4821 was skipped. Why?")
    await conversations.reply(MAYA, done, "No trigger path matched; add services/**.", hold=0)
    await conversations.resolve(MAYA, done)
    clock.advance(timedelta(minutes=5))
    await conversations.reply(MAYA, third, "Dana has a seat now.", hold=5)


@pytest.mark.parametrize("size", SIZES)
async def test_every_screen_looks_as_reviewed(engine: Engine, clock: FixedClock, size: str) -> None:
    differing: list[str] = []
    for picture, keys in PICTURES.items():
        async with open_console(engine, clock, size=SIZES[size]) as console:
            await console.press(*keys)
            await console.shows("● live", *WORDS_THAT_COME_LATE.get(picture, ()))
            await console.until(_steady(console.frame))
            drawn = console.frame() + "\n"
        differing += _compared(FRAMES / f"{picture}-{size}.txt", drawn)

    assert differing == []


def _compared(kept: Path, drawn: str) -> list[str]:
    if not kept.exists():
        kept.write_text(drawn, encoding="utf-8")
        return [f"{kept.name} was drawn anew; read it, then run again"]
    reviewed = kept.read_text(encoding="utf-8")
    if drawn == reviewed:
        return []
    return [f"{kept.name}:", *unified_diff(reviewed.split("\n"), drawn.split("\n"), lineterm="")]


def _steady(frame: Callable[[], str]) -> Callable[[], bool]:
    """True once several looks in a row saw the same picture."""
    seen: list[str] = []

    def looked() -> bool:
        seen.append(frame())
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    return looked
