"""Where the key of a model comes from, and who never sees it."""

from __future__ import annotations

import pytest

from cairnloop_engine import Misconfigured, Settings
from cairnloop_engine.drafting.adapters.anthropic import Anthropic
from cairnloop_engine.drafting.adapters.scoria import Scoria
from cairnloop_engine.wiring import HostParts, choose

THEIRS = "sk-under-the-vendors-name"
OURS = "sk-under-our-name"


def key_of(settings: Settings) -> str | None:
    key = settings.anthropic_api_key
    return None if key is None else key.get_secret_value()


def test_the_vendors_own_name_is_read_where_ours_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert key_of(Settings.load()) is None
    monkeypatch.setenv("ANTHROPIC_API_KEY", f" {THEIRS} ")
    assert key_of(Settings.load()) == THEIRS
    monkeypatch.setenv("CAIRNLOOP_ANTHROPIC_API_KEY", OURS)
    assert key_of(Settings.load()) == OURS
    monkeypatch.setenv("ANTHROPIC_API_KEY", "  ")
    monkeypatch.delenv("CAIRNLOOP_ANTHROPIC_API_KEY")
    assert key_of(Settings.load()) is None


def test_the_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", THEIRS)

    settings = Settings.load(drafting_model="anthropic")

    assert THEIRS not in repr(settings) + str(settings.model_dump())
    assert THEIRS not in repr(choose(settings, HostParts()))


def test_a_model_is_asked_only_when_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", THEIRS)

    plain = choose(Settings.load(), HostParts())
    chosen = choose(Settings.load(drafting_model="anthropic"), HostParts())
    brought = choose(Settings.load(drafting_model="anthropic"), HostParts(draft_generator=Scoria()))

    assert isinstance(plain.draft_generator, Scoria)
    assert isinstance(chosen.draft_generator, Anthropic)
    assert isinstance(brought.draft_generator, Scoria)


@pytest.mark.parametrize(
    "wrong",
    [
        {"anthropic_timeout": 21},
        {"anthropic_timeout": 0},
        {"anthropic_max_tokens": 10},
        {"anthropic_base_url": "ftp://host"},
        {"anthropic_base_url": "https://user:secret@host"},
        {"anthropic_base_url": "https://host/?key=secret"},
        {"anthropic_model": ""},
    ],
)
def test_settings_that_make_no_sense_are_refused_without_being_quoted(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(Misconfigured) as refused:
        Settings.load(**wrong)

    assert "secret" not in str(refused.value)
