"""The scenario as data: it reads, it is whole, and it says how each conversation ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from cairnloop_engine.conversations.model import State
from cairnloop_engine.core.text import has_hidden
from cairnloop_engine.demo import files
from cairnloop_engine.demo.context import DemoContextProvider
from cairnloop_engine.demo.scenario import ConversationSeed, Mark, Person, Step, StepKind

NOW = datetime(2026, 6, 26, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def conversation(*kinds: str) -> ConversationSeed:
    steps = tuple(Step(StepKind(kind), "words", MINUTE) for kind in kinds)
    return ConversationSeed("key", "subject", Person("p", "ref", "Name"), MINUTE, steps)


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ("20s", timedelta(seconds=20)),
        ("1h52m", timedelta(hours=1, minutes=52)),
        ("2d", timedelta(days=2)),
    ],
)
def test_a_duration_reads_as_people_write_it(words: str, length: timedelta) -> None:
    assert files.duration(words) == length


@pytest.mark.parametrize("words", ["", "5", "m", "5 m", "5w", "-5m"])
def test_anything_else_is_no_duration(words: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        files.duration(words)


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (("customer", "note"), State.NEW),
        (("customer", "agent"), State.AWAITING_CUSTOMER),
        (("customer", "draft", "approve"), State.AWAITING_CUSTOMER),
        (("customer", "agent", "customer"), State.OPEN),
        (("customer", "agent", "resolve"), State.RESOLVED),
        (("customer", "agent", "resolve", "archive"), State.ARCHIVED),
    ],
)
def test_the_last_step_decides_the_state(kinds: tuple[str, ...], state: State) -> None:
    assert conversation(*kinds).state is state


def test_a_conversation_ends_when_it_says() -> None:
    moments = conversation("customer", "agent", "resolve").moments(NOW)

    assert moments == (NOW - 3 * MINUTE, NOW - 2 * MINUTE, NOW - MINUTE)


def test_a_load_goes_on_from_the_mark_where_it_stopped() -> None:
    seed = conversation("customer", "note", "draft", "discard", "agent", "resolve")

    # Draft and discard move nothing on the row; both look for themselves whether they are done.
    assert [seed.next_step(Mark(*mark)) for mark in [(0, 0), (1, 1), (1, 2), (2, 3), (3, 3)]] == [
        0,
        1,
        2,
        5,
        6,
    ]
    assert seed.next_step(Mark(2, 2)) is None


def test_a_draft_waits_until_it_is_decided_or_answered() -> None:
    assert conversation("customer", "draft", "assign").has_pending_draft
    assert not conversation("customer", "draft", "discard").has_pending_draft
    assert not conversation("customer", "draft", "agent").has_pending_draft


@pytest.mark.requirement("06-demo-fixtures:1")
def test_the_story_has_its_numbers() -> None:
    story = files.story()
    states = [conversation.state for conversation in story.conversations]

    assert [c.key for c in story.conversations] == [f"demo-{n:02}" for n in range(1, 21)]
    assert len(story.articles) == 6
    assert sum(len(article.revisions) for article in story.articles) == 9
    assert {state: states.count(state) for state in states} == {
        State.NEW: 6,
        State.OPEN: 4,
        State.AWAITING_CUSTOMER: 5,
        State.RESOLVED: 5,
    }
    assert 48 <= sum(conversation.message_count for conversation in story.conversations) <= 95


def test_every_subject_carries_its_key() -> None:
    for conversation in (*files.story().conversations, *files.states().conversations):
        assert (conversation.subject or "").startswith(f"[{conversation.key}] ")


def test_every_citation_names_an_article() -> None:
    known = {article.key for article in files.story().articles}
    told = [*files.story().conversations, *files.states().conversations]

    assert {key for seed in told for step in seed.steps for key in step.cites} <= known


def test_messages_of_a_conversation_lie_minutes_apart() -> None:
    written = {StepKind.CUSTOMER, StepKind.AGENT, StepKind.NOTE, StepKind.APPROVE}
    for seed in (*files.story().conversations, *files.states().conversations):
        times = [
            moment
            for moment, step in zip(seed.moments(NOW), seed.steps, strict=True)
            if step.kind in written
        ]
        assert all(later - earlier >= MINUTE for earlier, later in pairwise(times)), seed.key


def test_nobody_is_told_another_companys_addresses() -> None:
    companies = {"acme", "globex", "initech", "umbrella", "hooli"}
    for seed in (*files.story().conversations, *files.states().conversations):
        words = " ".join(step.text for step in seed.steps).casefold()
        for stranger in companies - {seed.person.key}:
            assert f"@{stranger}" not in words, seed.key


def test_what_is_shown_by_default_holds_nothing_hidden() -> None:
    for part in (files.story(), files.states()):
        for article in part.articles:
            assert not any(has_hidden(revision.content) for revision in article.revisions)
        for seed in part.conversations:
            assert not any(has_hidden(step.text) for step in seed.steps), seed.key


def test_the_hostile_pack_is_hostile() -> None:
    pack = files.hostile()
    words = [step.text + (seed.subject or "") for seed in pack.conversations for step in seed.steps]

    assert {seed.person.key for seed in pack.conversations} == set(files.hostile_cast())
    for hazard in ("\x1b]52;", "\x9b", "\x00", "[@click=", "[/b]", "\u202e", "\U000e0049", "╭"):
        assert any(hazard in text for text in words), ascii(hazard)
    assert max(len(text) for text in words) >= 1_000_000
    assert max(text.count("\n") for text in words) >= 10_000
    assert None in {seed.subject for seed in pack.conversations}


@pytest.mark.requirement("06-demo-fixtures:13")
async def test_the_context_of_five_people_is_known_and_of_nobody_else() -> None:
    provider = DemoContextProvider()

    for person in files.cast().customers.values():
        sections = await provider.context(person.ref, actor=None)
        assert len(sections) == (3 if person.context else 0), person.ref
        assert set(sections) >= ({"User Details", "Active Plan"} if person.context else set())
    for stranger in ("demo_operator", "demo_customer", "", "anybody else"):
        assert await provider.context(stranger, actor=None) == {}
