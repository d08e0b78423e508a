"""Errors become calm words, and a crash tells nobody what the customer wrote."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
from rich.console import Console

from cairnloop_engine import (
    CairnloopError,
    Conflict,
    Forbidden,
    Misconfigured,
    Settings,
    Unavailable,
    UnknownOutcome,
)
from cairnloop_engine.core.telemetry import JsonLines
from cairnloop_tui.commands.undo import Done, UndoLog
from cairnloop_tui.crash import frames_of, log_bug, show_crash
from cairnloop_tui.notices import Notice, Notices
from cairnloop_tui.start import console_for
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import trouble_of

SECRET = "the customer's own words"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def _bug() -> Exception:
    body = SECRET
    try:
        raise ValueError(f"cannot use {body}")
    except ValueError as error:
        return error


def test_a_database_that_is_away_is_told_apart_from_a_busy_one() -> None:
    away = trouble_of(Unavailable("database_unavailable", "Away."), "reading", reference="")
    busy = trouble_of(Unavailable("database_busy", "Busy."), "reading", reference="")

    assert away.database_away
    assert not busy.database_away
    assert "Retrying" in away.text


@pytest.mark.parametrize(
    ("error", "reload", "lasting"),
    [
        (Conflict("thread_changed", "Something arrived."), True, False),
        (Forbidden("operator_missing", "Nobody is named."), False, False),
        (UnknownOutcome("lost", "It may have happened."), True, True),
        (Misconfigured("schema_missing", "Run migrate."), False, False),
    ],
)
def test_a_refusal_keeps_its_words(error: CairnloopError, reload: bool, lasting: bool) -> None:
    trouble = trouble_of(error, "sending", reference="")

    assert trouble.text == error.message
    assert (trouble.reload, trouble.lasting) == (reload, lasting)


def test_a_message_with_escapes_is_said_harmlessly() -> None:
    trouble = trouble_of(Conflict("x", "bad \x1b]0;t\x07 name"), "reading", reference="")

    assert "\x1b" not in trouble.text


def test_a_bug_says_a_reference_and_never_its_own_words() -> None:
    trouble = trouble_of(_bug(), "sending the reply", reference="abc123")

    assert "abc123" in trouble.text
    assert SECRET not in trouble.text


def test_the_frames_of_a_bug_name_places_and_no_values() -> None:
    frames = frames_of(_bug())

    assert "test_trouble.py" in frames
    assert "ValueError" in frames
    assert SECRET not in frames


def test_the_log_of_a_bug_holds_no_values(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reference = log_bug(_bug(), "drawing")

    (record,) = caplog.records
    line = JsonLines().format(record)
    assert reference in line
    assert SECRET not in line


def test_what_was_said_fades_but_stays_in_the_log() -> None:
    notices = Notices()
    first, lasting = Notice("one", Tone.INFO, NOW), Notice("two", Tone.DANGER, NOW, lasting=True)
    notices.say(first)
    assert notices.fade(first)
    notices.say(lasting)
    assert not notices.fade(lasting)
    assert notices.settle()

    assert [notice.text for notice in notices.log] == ["one", "two"]


def test_the_last_action_is_undone_first_and_only_once() -> None:
    log = UndoLog()
    one, two = Done("one"), Done("two")
    log.add(one)
    log.add(two)

    assert log.last() is two
    log.drop(two)
    assert log.last() is one


def test_the_crash_screen_shows_a_reference_and_nothing_that_a_customer_wrote() -> None:
    app = console_for(
        lambda: nullcontext(None),  # type: ignore[arg-type]
        Settings.load(embedder="hashing"),
        operator="maya",
        workspace="default",
    )
    app._exception = _bug()

    show_crash(app)

    console = Console(width=200)
    with console.capture() as captured:
        for part in app._exit_renderables:
            console.print(part)
    shown = captured.get()
    assert "reference" in shown
    assert "kept and offered again" in shown
    assert SECRET not in shown
