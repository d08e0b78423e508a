"""Tokens: one algorithm, three claims, a deadline, and refusal as the only failure."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnloop_engine.channels.widget.config import WidgetConfig
from cairnloop_engine.channels.widget.ports import WidgetIdentity
from cairnloop_engine.channels.widget.tokens import JwtVerifier, mint_token
from cairnloop_engine.channels.widget.verify import identify, verifier_for
from cairnloop_engine.core.errors import Forbidden, Misconfigured

SECRET = "a secret that only tests know, 32+"
VERIFIER = JwtVerifier(SECRET)


def claims(**changes: Any) -> dict[str, Any]:
    whole = {"sub": "ada", "workspace": "default", "exp": datetime.now(UTC) + timedelta(hours=1)}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def signed(key: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


def unsigned() -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    body = claims(exp=4_000_000_000)
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(body)}."


async def refusal(token: str, verifier: Any = VERIFIER, timeout: float = 3.0) -> str:
    with pytest.raises(Forbidden) as refused:
        await identify(verifier, token, timeout=timeout)
    return refused.value.code


async def test_a_minted_token_names_its_customer() -> None:
    token = mint_token(SECRET, customer_ref="ada", workspace="north", name="Ada", email="a@b.c")

    identity = await identify(VERIFIER, token, timeout=3)

    assert (identity.customer_ref, identity.workspace) == ("ada", "north")
    assert (identity.name, identity.email) == ("Ada", "a@b.c")
    assert identity.expires_at is not None
    assert timedelta(minutes=59) < identity.expires_at - datetime.now(UTC) < timedelta(hours=1.1)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "not a token",
        "a.b.c",
        unsigned(),
        signed(key="another secret, also thirty-two bytes"),
        signed(sub=None),
        signed(workspace=None),
        signed(exp=None),
        signed(sub=""),
        signed(sub=" \u200b "),
        signed(sub="a\0b"),
        signed(sub="x" * 201),
        signed(workspace="\u202e"),
        signed(workspace=7),
        signed(nbf=datetime.now(UTC) + timedelta(hours=1)),
        signed(aud="somebody else"),
        signed(exp="soon"),
        "é" * 300,
        "\0",
    ],
)
async def test_a_wrong_token_is_unauthorized(token: str) -> None:
    assert await refusal(token) == "unauthorized"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_a_token_cannot_choose_its_algorithm(algorithm: str) -> None:
    long = SECRET * 2
    token = signed(key=long, algorithm=algorithm)

    assert await refusal(token, JwtVerifier(long)) == "unauthorized"


async def test_an_expired_token_says_so_past_a_small_leeway() -> None:
    just = mint_token(SECRET, customer_ref="ada", workspace="w", ttl=timedelta(seconds=-2))
    past = mint_token(SECRET, customer_ref="ada", workspace="w", ttl=timedelta(seconds=-60))

    assert (await identify(VERIFIER, just, timeout=3)).customer_ref == "ada"
    assert await refusal(past) == "token_expired"


@pytest.mark.parametrize("exp", [10**11, 10**18, 2**63])
async def test_a_token_for_ever_is_understood(exp: int) -> None:
    identity = await identify(VERIFIER, signed(exp=exp), timeout=3)

    assert identity.expires_at is not None
    assert identity.expires_at.year >= 5000


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
async def test_no_text_is_a_token(text: str) -> None:
    assert await refusal(text) == "unauthorized"


@pytest.mark.requirement("01-conversations:125")
async def test_without_a_secret_everybody_is_refused() -> None:
    closed = verifier_for(WidgetConfig(secret=None))

    assert await refusal(signed(), closed) == "not_configured"


def test_a_short_secret_stops_the_server_from_starting() -> None:
    with pytest.raises(Misconfigured) as refused:
        verifier_for(WidgetConfig(secret="short"))

    assert refused.value.code == "widget_secret_short"


class Broken:
    async def verify(self, token: str) -> WidgetIdentity:
        raise RuntimeError(token)


class Slow:
    async def verify(self, token: str) -> WidgetIdentity:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class Nobody:
    async def verify(self, token: str) -> Any:
        return {"customer_ref": "ada"}


class Chatty:
    async def verify(self, token: str) -> WidgetIdentity:
        raise Forbidden("account_blocked", "Ada owes us money.")


@pytest.mark.requirement("01-conversations:138")
@pytest.mark.parametrize("verifier", [Broken(), Slow(), Nobody(), Chatty()])
async def test_a_verifier_that_fails_admits_nobody_and_tells_nothing(
    verifier: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Forbidden) as refused:
        await identify(verifier, "hush-hush", timeout=0.05)

    assert refused.value.code == "unauthorized"
    assert "money" not in refused.value.message
    assert "hush-hush" not in caplog.text
