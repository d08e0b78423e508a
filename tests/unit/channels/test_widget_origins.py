"""Origins: our own page and those that are listed, in one spelling, and nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnloop_engine.channels.widget.origins import checked, may_connect, normalised
from cairnloop_engine.core.errors import Misconfigured

ALLOWED = checked(["https://Shop.example", "http://localhost:3000/"])


def allowed(*given: str, host: str | None = "chat.example", missing_ok: bool = True) -> bool:
    return may_connect(given, host=host, allowed=ALLOWED, missing_ok=missing_ok)


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example",
        "http://chat.example",
        "https://shop.example",
        "https://shop.example:443",
        "HTTPS://SHOP.EXAMPLE",
        "http://localhost:3000",
    ],
)
def test_our_own_page_and_listed_origins_may_connect(origin: str) -> None:
    assert allowed(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://chat.example.evil.example",
        "https://chat.example:8443",
        "http://shop.example",
        "https://shop.example@evil.example",
        "https://shop.example/path",
        "null",
        "",
        "file://",
        "javascript:alert(1)",
        "https://[::1",
    ],
)
def test_others_may_not(origin: str) -> None:
    assert not allowed(origin)


def test_two_origins_are_one_too_many() -> None:
    assert not allowed("https://shop.example", "https://evil.example")


def test_a_client_without_an_origin_depends_on_the_setting() -> None:
    assert allowed(missing_ok=True)
    assert not allowed(missing_ok=False)


def test_without_a_host_only_listed_origins_count() -> None:
    assert allowed("https://shop.example", host=None)
    assert not allowed("https://chat.example", host=None)


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://*", "https://a b", "https://a;b"])
def test_a_configured_origin_is_an_origin(origin: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        checked([origin])

    assert refused.value.code == "widget_origin_invalid"


@settings(deadline=None)
@given(st.text())
def test_any_text_is_an_origin_or_not(text: str) -> None:
    spelling = normalised(text)

    assert spelling is None or normalised(spelling) == spelling
