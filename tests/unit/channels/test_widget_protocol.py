"""Frames: every text becomes a frame or an honest answer that quotes nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnloop_engine.channels.widget.protocol import (
    BadFrame,
    Hello,
    Ping,
    Send,
    Welcome,
    encode,
    parse,
)
from cairnloop_engine.channels.widget.protocol import Limits as WelcomeLimits

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TYPED = st.fixed_dictionaries(
    {"type": st.sampled_from(["hello", "message", "ping", "welcome", ""])},
    optional={
        "v": JSON_VALUES,
        "token": JSON_VALUES,
        "conversation_id": JSON_VALUES,
        "after": JSON_VALUES,
        "client_id": JSON_VALUES,
        "text": JSON_VALUES,
    },
)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_answered(raw: str) -> None:
    assert isinstance(parse(raw), Hello | Send | Ping | BadFrame)


@settings(deadline=None)
@given(JSON_VALUES | TYPED)
def test_any_json_is_answered(value: object) -> None:
    assert isinstance(parse(json.dumps(value)), Hello | Send | Ping | BadFrame)


@settings(deadline=None)
@given(st.text(min_size=1))
def test_a_text_survives_the_frame_unless_it_is_half_a_character(text: str) -> None:
    whole = text.encode("utf-8", "replace").decode("utf-8", "replace")

    frame = parse(json.dumps({"type": "message", "client_id": "a-1", "text": whole}))

    assert frame == Send(type="message", client_id="a-1", text=whole)


def test_a_hello_needs_only_version_and_token() -> None:
    frame = parse('{"type":"hello","v":1,"token":"t"}')

    assert frame == Hello(type="hello", v=1, token="t")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "frame_invalid"),
        ("{", "frame_invalid"),
        ("[]", "frame_invalid"),
        ("null", "frame_invalid"),
        ("7", "frame_invalid"),
        ("[" * 50_000, "frame_invalid"),
        ('{"type":' * 5_000, "frame_invalid"),
        ("{}", "type_unknown"),
        ('{"type":"shout"}', "type_unknown"),
        ('{"type":7}', "type_unknown"),
        ('{"type":"welcome"}', "type_unknown"),
        ('{"type":"ping","more":1}', "frame_invalid"),
        ('{"type":"hello","v":"1","token":"t"}', "frame_invalid"),
        ('{"type":"hello","v":true,"token":"t"}', "frame_invalid"),
        ('{"type":"hello","v":1,"token":""}', "frame_invalid"),
        ('{"type":"hello","v":1,"token":"t","after":-1}', "frame_invalid"),
        ('{"type":"hello","v":1,"token":"t","conversation_id":0}', "frame_invalid"),
        ('{"type":"hello","v":1,"token":"t","conversation_id":9007199254740993}', "frame_invalid"),
        ('{"type":"hello","v":1,"token":"t","conversation_id":1e3}', "frame_invalid"),
        ('{"type":"message","text":"x"}', "frame_invalid"),
        ('{"type":"message","client_id":"a b","text":"x"}', "frame_invalid"),
        ('{"type":"message","client_id":"a\\n","text":"x"}', "frame_invalid"),
        ('{"type":"message","client_id":"a","text":7}', "frame_invalid"),
        ('{"type":"message","client_id":"a","text":"\\ud800"}', "frame_invalid"),
        ('{"type":"message","client_id":"a","text":"x","conversation_id":1}', "frame_invalid"),
    ],
)
def test_what_is_wrong_with_a_frame_is_said(raw: str, code: str) -> None:
    answer = parse(raw)

    assert isinstance(answer, BadFrame)
    assert answer.code == code


@settings(deadline=None)
@given(st.text(min_size=8, alphabet=st.characters(categories=["Lu", "Nd"])))
def test_the_answer_quotes_nothing_of_the_frame(secret: str) -> None:
    raws = [
        json.dumps({"type": secret}),
        json.dumps({"type": "ping", secret: secret}),
        json.dumps({"type": "hello", "v": secret, "token": secret}),
        json.dumps({"type": "message", "client_id": secret + " ", "text": 1}),
    ]

    for raw in raws:
        answer = parse(raw)
        assert isinstance(answer, BadFrame)
        assert secret not in answer.message


def test_a_frame_shows_neither_token_nor_text_in_its_repr() -> None:
    hello = parse('{"type":"hello","v":1,"token":"hush-hush"}')
    message = parse('{"type":"message","client_id":"a","text":"hush-hush"}')

    assert "hush-hush" not in repr(hello)
    assert "hush-hush" not in repr(message)


def test_a_welcome_tells_also_what_there_is_not() -> None:
    welcome = Welcome(
        conversation_id=None,
        cursor=0,
        after=0,
        status=None,
        name=None,
        scope="s",
        limits=WelcomeLimits(message_chars=1, frame_bytes=2, messages_per_minute=3),
    )

    assert json.loads(encode(welcome)) == {
        "type": "welcome",
        "v": 1,
        "conversation_id": None,
        "cursor": 0,
        "after": 0,
        "status": None,
        "name": None,
        "scope": "s",
        "limits": {"message_chars": 1, "frame_bytes": 2, "messages_per_minute": 3},
    }
