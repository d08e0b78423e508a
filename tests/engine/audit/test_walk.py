"""Whatever is done to a sealed trail, walking along it finds the first row that suffered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.audit.chain import ChainKeys, canonical, digest
from cairnloop_engine.audit.model import FirstBad, Seal, StoredEvent
from cairnloop_engine.audit.walk import Walk

NOW = datetime(2026, 6, 26, 12, tzinfo=UTC)
KEYS = ChainKeys(b"r" * 32, b"l" * 32, b"m" * 32)
OTHER_KEYS = ChainKeys(b"R" * 32, b"L" * 32, b"M" * 32)

WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
FIELDS = (
    "workspace",
    "occurred_at",
    "actor_kind",
    "actor_id",
    "action",
    "subject_kind",
    "subject_id",
    "conversation_id",
    "facts",
    "personal",
    "salts",
    "digests",
)


def event(event_id: int, reason: str, facts: dict[str, object]) -> StoredEvent:
    salts = {"actor": f"{event_id:032x}", "reason": f"{event_id + 1000:032x}"}
    values = {"actor": "maya", "reason": reason}
    bare = StoredEvent(
        id=event_id,
        workspace="default",
        occurred_at=NOW + timedelta(seconds=event_id),
        actor_kind="operator",
        actor_id="maya",
        action="governance.approved",
        subject_kind="action",
        subject_id=event_id,
        conversation_id=None,
        facts=facts,  # type: ignore[arg-type]
        personal={"reason": reason},
        salts=salts,
        digests={name: digest(salts[name], name, value) for name, value in values.items()},
    )
    return replace(bare, mark=KEYS.mark(bare))


@st.composite
def trails(draw: st.DrawFn) -> list[StoredEvent]:
    """Some events; their ids have gaps, as rollbacks leave them."""
    ids = sorted(draw(st.sets(st.integers(1, 60), min_size=2, max_size=12)))
    facts = st.dictionaries(WORDS, VALUES, max_size=2)
    return [event(one, draw(WORDS), draw(facts)) for one in ids]  # type: ignore[arg-type]


def sealed(events: list[StoredEvent], keys: ChainKeys = KEYS) -> list[Seal]:
    links = [keys.open(b"n" * 32, at=NOW)]
    for one in events:
        links.append(keys.seal(links[-1], one, at=NOW))
    return links


def walked(links: list[Seal], events: list[StoredEvent]) -> FirstBad | None:
    walk = Walk(KEYS, {}, links[0].number, links[0].chain_hash, -links[0].event_id)
    return walk.step(links[1:], sorted(events, key=lambda one: one.id), {})


@given(trails())
def test_a_trail_that_nobody_touched_holds(events: list[StoredEvent]) -> None:
    assert walked(sealed(events), events) is None


@given(trails(), st.data())
def test_a_change_of_any_column_is_found(events: list[StoredEvent], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(events) - 1))
    name = data.draw(st.sampled_from(FIELDS))
    old = getattr(events[place], name)
    new: object = {"x": "y"} if isinstance(old, dict) else None
    if isinstance(old, datetime):
        new = old + timedelta(microseconds=1)
    elif isinstance(old, int) or old is None:
        new = (old or 0) + 1
    elif isinstance(old, str):
        new = f"{old}x"
    spoilt = [*events]
    spoilt[place] = replace(events[place], **{name: new})

    found = walked(sealed(events), spoilt)

    if old != new:
        assert found is not None
        assert (found.event_id, found.what) == (events[place].id, "changed")


@given(trails(), st.data())
def test_a_missing_row_is_found(events: list[StoredEvent], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(events) - 1))

    found = walked(sealed(events), events[:place] + events[place + 1 :])

    assert found is not None
    assert (found.event_id, found.what) == (events[place].id, "deleted")


@given(trails(), st.data())
def test_a_row_in_a_gap_is_found(events: list[StoredEvent], data: st.DataObject) -> None:
    taken = {one.id for one in events}
    free = [one for one in range(-1, events[-1].id) if one not in taken]
    added = event(data.draw(st.sampled_from(free)), "late", {})

    found = walked(sealed(events), [*events, added])

    assert found is not None
    assert (found.event_id, found.what) == (added.id, "inserted")


@given(trails(), st.data())
def test_two_swapped_rows_are_found_at_the_first(
    events: list[StoredEvent], data: st.DataObject
) -> None:
    one, other = data.draw(
        st.lists(st.integers(0, len(events) - 1), min_size=2, max_size=2, unique=True)
    )
    swapped = [*events]
    swapped[one] = replace(events[other], id=events[one].id)
    swapped[other] = replace(events[one], id=events[other].id)

    found = walked(sealed(events), swapped)

    assert found is not None
    assert found.event_id == min(events[one].id, events[other].id)


@given(trails(), st.data())
def test_a_chain_that_is_made_without_the_key_is_found(
    events: list[StoredEvent], data: st.DataObject
) -> None:
    place = data.draw(st.integers(1, len(events)))
    links = sealed(events)

    found = walked(links[:place] + sealed(events, OTHER_KEYS)[place:], events)

    assert found is not None
    assert (found.event_id, found.what) == (events[place - 1].id, "chain")


@given(VALUES)
def test_equal_values_have_one_text_and_it_has_no_lines(value: object) -> None:
    text = canonical(value)  # type: ignore[arg-type]

    assert canonical(value) == text  # type: ignore[arg-type]
    assert "\n" not in text
