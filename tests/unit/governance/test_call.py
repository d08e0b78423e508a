"""What an approval binds: one digest for one call, another for any other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cairnloop_engine.core.errors import JsonValue
from cairnloop_engine.governance.model import (
    Call,
    GovernanceConfig,
    Target,
    canonical,
    differences,
    digest,
    idempotency_key,
    is_overdue,
    run_key,
)

CALL = Call(
    workspace="default",
    tool="refund",
    version="1",
    input={"amount": "82.00", "order": "A-17"},
    targets=[Target("order", "A-17", "3")],
    policy="abc",
    asker="operator:maya",
    account_id="acme",
    conversation_id=7,
    title="Refund an order",
    consequence="Pays 82.00 back.",
)
OTHERS: dict[str, Any] = {
    "workspace": "other",
    "tool": "credit",
    "version": "2",
    "input": {"amount": "820.00", "order": "A-17"},
    "targets": [Target("order", "A-17", "4")],
    "policy": "abd",
    "asker": "operator:noah",
    "account_id": None,
    "conversation_id": 8,
    "title": "Refund",
    "consequence": "Pays 820.00 back.",
}

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
INPUTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def test_every_field_of_a_call_is_bound() -> None:
    assert set(OTHERS) == set(Call.__slots__)
    digests = {CALL.digest, *(replace(CALL, **{name: OTHERS[name]}).digest for name in OTHERS)}

    assert len(digests) == len(OTHERS) + 1


def test_each_part_of_a_target_is_bound() -> None:
    others = [
        [Target("invoice", "A-17", "3")],
        [Target("order", "A-18", "3")],
        [Target("order", "A-17", "4")],
        [],
        [Target("order", "A-17", "3"), Target("order", "A-18", "1")],
    ]

    assert CALL.digest not in {replace(CALL, targets=targets).digest for targets in others}


@settings(max_examples=300)
@given(INPUTS, INPUTS)
def test_two_inputs_have_one_digest_exactly_when_nothing_differs(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    same = canonical(one) == canonical(other)

    assert (replace(CALL, input=one).digest == replace(CALL, input=other).digest) == same
    assert (differences(one, other) == ()) == same


@settings(max_examples=300)
@given(INPUTS, st.data())
def test_changing_any_one_field_of_an_input_changes_the_digest_and_shows_as_a_difference(
    given_: dict[str, Any], data: st.DataObject
) -> None:
    assume(given_)
    field = data.draw(st.sampled_from(sorted(given_)))
    value = data.draw(VALUES)
    assume(canonical(value) != canonical(given_[field]))
    changed = {**given_, field: value}

    assert replace(CALL, input=changed).digest != replace(CALL, input=given_).digest
    named = {one.field for one in differences(given_, changed)}
    assert any(name == field or name.startswith(f"{field}.") for name in named)


@settings(max_examples=300)
@given(VALUES)
def test_a_digest_survives_a_round_trip_through_json_and_any_order_of_keys(value: Any) -> None:
    assert digest(json.loads(json.dumps(value))) == digest(value)
    assert digest(_turned(value)) == digest(value)


def _turned(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (82, 82.0, True),
        (0.0, -0.0, True),
        (1e300, 10**300, True),
        (0.1 + 0.2, 0.3, False),
        (True, 1, False),
        (False, 0, False),
        ("1", 1, False),
        (None, "", False),
        ("é", "e\u0301", False),
    ],
)
def test_numbers_are_compared_as_the_database_keeps_them_and_nothing_else_is(
    one: JsonValue, other: JsonValue, same: bool
) -> None:
    assert (digest({"a": one}) == digest({"a": other})) is same
    assert (differences({"a": one}, {"a": other}) == ()) is same


def test_what_json_cannot_say_has_no_digest() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            digest(value)


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({}, {}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
        ({"a": {}}, {"a": {"b": 1}}, ["a", "a.b"]),
        ({"a": None}, {}, ["a"]),
        ({"a": {"b": 1}}, {"a.b": 1}, ["a.b", "a.b"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a"]),
    ],
)
def test_differences_name_each_field_by_its_path(
    before: dict[str, Any], after: dict[str, Any], fields: list[str]
) -> None:
    assert [one.field for one in differences(before, after)] == fields


def key(**other: Any) -> str:
    arguments: dict[str, Any] = {
        "workspace": "default",
        "tool": "refund",
        "actor": "operator:maya",
        "account_id": None,
        "arguments": {"amount": "82.00"},
        "token": None,
    }
    return idempotency_key(**{**arguments, **other})


@pytest.mark.requirement("02-governance:33")
def test_each_part_of_a_request_changes_its_key() -> None:
    keys = {
        key(),
        key(workspace="other"),
        key(tool="credit"),
        key(actor="operator:noah"),
        key(actor="token:maya"),
        key(account_id="acme"),
        key(arguments={"amount": "82.01"}),
        key(token="again"),
    }

    assert len(keys) == 8
    assert all(len(one) == 64 and set(one) <= set("0123456789abcdef") for one in keys)


@pytest.mark.requirement("02-governance:35")
def test_the_order_of_fields_does_not_change_a_key() -> None:
    assert key(arguments={"a": 1, "b": {"c": 2, "d": 3}}) == key(
        arguments={"b": {"d": 3, "c": 2}, "a": 1}
    )


@pytest.mark.requirement("02-governance:92")
def test_a_run_key_is_stable_for_a_proposal_and_is_not_the_key_of_the_request() -> None:
    assert run_key(key(), 1) == run_key(key(), 1)
    assert run_key(key(), 1) != run_key(key(), 2)
    assert run_key(key(), 1) != key()
    assert len(run_key(key(), 1)) == 64
    assert set(run_key(key(), 1)) <= set("0123456789abcdef")


def test_a_deadline_has_passed_only_after_it() -> None:
    moment = datetime(2026, 6, 26, tzinfo=UTC)

    assert not is_overdue(moment, moment)
    assert is_overdue(moment, moment + timedelta(microseconds=1))


def test_waiting_between_attempts_doubles_up_to_two_minutes() -> None:
    waits = [GovernanceConfig().wait_before(attempt).total_seconds() for attempt in range(1, 12)]

    assert waits[:5] == [2, 2, 4, 8, 16]
    assert waits[-1] == 120
