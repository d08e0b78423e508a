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
from cairnloop_engine.core.ids import ArticleId, ConversationId
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
    "evidence": ("g", "i", "enter", "o", "v"),
    "knowledge": ("g", "k"),
    "article": ("g", "k", "j", "enter"),
    "publish": ("g", "k", "j", "enter", "a"),
    "editor": ("g", "k", "j", "e"),
    "search": ("g", "i", "enter", "ctrl+f", *"rotate"),
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
WORDS_THAT_COME_LATE = {
    "hints": ("f then",),
    "editor": ("Open Settings, then API keys",),
    "search": ("Create the new key first",),
}
ROTATION = """## Before you begin

Open **Settings**, then *API keys*. See [who may do this](article:1).

## Steps

1. Create the new key first.
2. Change your pipeline, then revoke the old key:

```
cairn keys revoke OLD
```

> Both keys work for 24 hours, so nothing breaks.
"""


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
    """Before the articles were written; the morning that is shown begins at nine."""
    return FixedClock(datetime(2026, 5, 30, 23, 15, tzinfo=UTC))


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


async def _publish(engine: Engine, title: str, content: str) -> ArticleId:
    made = await engine.knowledge.create(MAYA, title, content)
    await engine.knowledge.publish(MAYA, made.article_id)
    return made.article_id


async def _write_articles(engine: Engine, clock: FixedClock) -> None:
    """One of each: published, published with a draft beside it, archived, never published."""
    await _publish(engine, "Who may do what", "Owners may do everything.")
    clock.advance(timedelta(hours=3))
    old = await _publish(engine, "Fax support", "We answer by fax.")
    await engine.knowledge.archive(NOOR, old)
    clock.advance(timedelta(hours=30))
    rotation = await _publish(engine, "Rotating an API key", ROTATION)
    await engine.run_worker(queues=["indexing"], drain=True)
    clock.advance(timedelta(minutes=40))
    view = await engine.knowledge.article(NOOR, rotation)
    newer = ROTATION + "\nAsk us when a key was stolen.\n"
    await engine.knowledge.save_draft(NOOR, rotation, newer, expected_version=view.edit_version)
    clock.advance(timedelta(minutes=5))
    await engine.knowledge.create(NOOR, "Refunds of double charges", "To be written.")


async def _tell(engine: Engine, clock: FixedClock) -> None:
    await _write_articles(engine, clock)
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
