"""What host code tells about a run: trusted only where it is clear, and always storable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cairnloop_engine import Done, Permanent, Reconciled, Run, Trace, Transient
from cairnloop_engine.core.errors import Unavailable
from cairnloop_engine.governance.hostcode import (
    Outcome,
    Report,
    called,
    facts_of,
    said,
    summary_of,
    traced,
)
from cairnloop_engine.governance.model import canonical
from cairnloop_engine.governance.tools import Unknown
from tests.unit.governance.test_tool_contract import MAYA, Nothing, declared

RUN = Run("key", 1, MAYA, "noah")


def does(what: object) -> Callable[..., Any]:
    """A hook that raises or answers this."""

    async def hook(*_: object) -> Any:
        if isinstance(what, BaseException):
            raise what
        return what

    return hook


async def report_of(what: object) -> Report:
    return await called(declared(run=does(what))(), Nothing(), RUN)


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (Transient("busy"), Outcome.TRANSIENT),
        (Permanent("closed"), Outcome.PERMANENT),
        (Unknown("lost"), Outcome.UNKNOWN),
        (RuntimeError("secret-4711"), Outcome.UNKNOWN),
        (TimeoutError(), Outcome.UNKNOWN),
        (Unavailable("away", "Away."), Outcome.UNKNOWN),
        (ConnectionResetError(), Outcome.UNKNOWN),
        (asyncio.CancelledError(), Outcome.UNKNOWN),
        (None, Outcome.UNKNOWN),
        ("done", Outcome.UNKNOWN),
        ({"ok": True}, Outcome.UNKNOWN),
        (Done("Paid."), Outcome.CONFIRMED),
    ],
)
async def test_only_what_the_tool_says_clearly_is_known(
    raised: object, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    report = await report_of(raised)

    assert report.outcome is outcome
    assert "4711" not in summary_of(report) + caplog.text


async def test_a_tool_that_is_late_has_an_unknown_outcome() -> None:
    async def run(*_: object) -> Done:
        await asyncio.Event().wait()
        return Done()

    tool = declared(run=run, timeout=timedelta(seconds=0.01))()

    report = await called(tool, Nothing(), RUN)

    assert (report.outcome, report.code) == (Outcome.UNKNOWN, "timeout")


async def test_a_run_that_is_cancelled_from_outside_is_cancelled() -> None:
    entered = asyncio.Event()

    async def run(*_: object) -> Done:
        entered.set()
        await asyncio.Event().wait()
        return Done()

    task = asyncio.create_task(called(declared(run=run)(), Nothing(), RUN))
    await entered.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        "absent",
        Trace.ABSENT,
        Reconciled("absent"),  # type: ignore[arg-type]
        Reconciled("confirmed"),  # type: ignore[arg-type]
        Reconciled(None),  # type: ignore[arg-type]
        Reconciled(False),  # type: ignore[arg-type]
        RuntimeError("secret"),
    ],
)
async def test_a_target_that_does_not_answer_clearly_has_not_answered(answer: object) -> None:
    found = await traced(declared(reconcile=does(answer))(), "key")

    assert found.trace is Trace.UNCLEAR


@pytest.mark.parametrize("trace", Trace)
async def test_a_clear_answer_of_the_target_counts(trace: Trace) -> None:
    found = await traced(declared(reconcile=does(Reconciled(trace, None)))(), "key")  # type: ignore[arg-type]

    assert found == Reconciled(trace, Done())


@pytest.mark.parametrize(
    "facts",
    [
        None,
        "text",
        [1],
        {"\x00": "\ud800"},
        {1: 2},
        {"n": float("nan"), "i": float("inf"), "huge": 10**5000, "deep": {"a": 1}, "none": None},
        {f"f{n}": "x" * 10_000 for n in range(1000)},
        {"x" * 5000: 1},
    ],
)
def test_facts_of_any_kind_can_be_kept_and_told(facts: Any) -> None:
    kept = facts_of(Done(None, facts))
    told = summary_of(Report(Outcome.CONFIRMED, "confirmed", Done(None, facts)))

    assert len(canonical(kept).encode()) < 40_000
    assert "\x00" not in canonical(kept)
    assert 0 < len(told) <= 2_050


@pytest.mark.requirement("02-governance:B11")
@pytest.mark.parametrize(
    ("summary", "told"),
    [
        ("Paid 82.00 back.", "Paid 82.00 back."),
        (None, "Completed."),
        ("", "Completed."),
        (" \x00\u200b ", "Completed."),
        (7, "Completed."),
        ({"a": 1}, "Completed."),
    ],
)
def test_a_summary_is_a_sentence_whatever_the_tool_said(summary: Any, told: str) -> None:
    assert summary_of(Report(Outcome.CONFIRMED, "confirmed", Done(summary))) == told


def test_a_summary_lists_plain_facts_and_never_a_structure() -> None:
    facts = {"order": "A-17", "paid": True, "inner": {"a": [1]}, "count": 2}

    told = summary_of(Report(Outcome.CONFIRMED, "confirmed", Done(None, facts)))

    assert told == "order: A-17, paid: True, count: 2"


@pytest.mark.requirement("02-governance:B11")
def test_a_summary_of_ten_thousand_characters_is_cut() -> None:
    told = summary_of(Report(Outcome.CONFIRMED, "confirmed", Done("word " * 2_000)))

    assert len(told) <= 2_050
    assert told.endswith("… +8000 chars")


def test_an_error_that_cannot_even_be_read_says_nothing() -> None:
    class Mute(Permanent):
        def __str__(self) -> str:
            raise RuntimeError

    assert said(Mute()) is None
    assert said(Permanent("Closed\x1b[31m.")) != "Closed\x1b[31m."
