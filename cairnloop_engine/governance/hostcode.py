"""Calling what a host wrote: whatever it raises or answers, the engine gets a value it can trust.

Nothing here lets a failure pass for a yes: a broken policy denies, a broken look-up postpones, a
broken run is an unknown outcome, and a target that does not answer clearly has not answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from cairnloop_engine.core.database import Contended, Work, assert_no_transaction, translated
from cairnloop_engine.core.errors import JsonObject, Refused, Unavailable
from cairnloop_engine.core.text import is_blank, safe
from cairnloop_engine.governance.tools import (
    Done,
    Permanent,
    Reconciled,
    Run,
    Tool,
    Trace,
    TransactionalTool,
    Transient,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_SUMMARY = 2_000
MOST_FACTS = 50
# What a JSON number may be so that every reader of it sees the same one.
LARGEST_FACT = 2**53
COMPLETED = "Completed."
NO_TRACE = Reconciled(Trace.UNCLEAR)


class Outcome(StrEnum):
    """What one call of a tool came to."""

    CONFIRMED = "confirmed"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has to say about its attempt."""

    outcome: Outcome
    code: str
    done: Done = field(default_factory=Done)
    words: str | None = None
    took_ms: int = 0


class Seam(StrEnum):
    """What a host is asked, and cannot be done without."""

    IDENTITY = "identity"
    TARGETS = "targets"


async def asked(question: Callable[[], Awaitable[T]], *, within: float, seam: Seam) -> T:
    """The answer of a host's seam, which may be anything.

    Raises:
        Unavailable: ``identity_unavailable`` or ``targets_unavailable``: it failed or was late.
    """
    assert_no_transaction("a host's seam")
    try:
        async with asyncio.timeout(within):
            return await question()
    except Unavailable:
        raise
    except Exception as error:
        # The class says enough; the words of host code may hold anything.
        away = _away(seam)
        log.warning("a seam failed", extra={"code": away.code, "error": type(error).__name__})
        raise away from error


def _away(seam: Seam) -> Unavailable:
    if seam is Seam.IDENTITY:
        return Unavailable(
            "identity_unavailable",
            "Rights could not be checked, so nothing was done. Try again.",
            retry_after=2.0,
        )
    return Unavailable(
        "targets_unavailable",
        "What the action is about could not be looked up, so nothing was done. Try again.",
        retry_after=2.0,
    )


def attempted(tool: Tool[Any], what: str, question: Callable[[], T]) -> T | None:
    """The answer of a pure hook of a tool; None also when it failed."""
    try:
        return question()
    except Exception as error:
        log.warning(
            "a tool's hook failed",
            extra={"tool": tool.spec.name, "hook": what, "error": type(error).__name__},
        )
        return None


async def called(tool: Tool[Any], typed: Any, run: Run) -> Report:
    """Call the tool; only what the tool itself says is known."""
    assert_no_transaction("a tool")
    try:
        async with asyncio.timeout(tool.spec.timeout.total_seconds()):
            done: object = await tool.run(typed, run)
    except Transient as error:
        return Report(Outcome.TRANSIENT, "transient", words=said(error))
    except Permanent as error:
        return Report(Outcome.PERMANENT, "permanent", words=said(error))
    except TimeoutError:
        return Report(Outcome.UNKNOWN, "timeout", words="The tool did not answer in time.")
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled this run: the tool let go of something of its own.
        return _unclassified(tool, error)
    except Exception as error:
        return _unclassified(tool, error)
    if not isinstance(done, Done):
        return Report(Outcome.UNKNOWN, "no_result", words="The tool gave no clear result.")
    return Report(Outcome.CONFIRMED, "confirmed", done)


async def called_within(work: Work, tool: Tool[Any], typed: Any, run: Run) -> Report:
    """Let a tool write in this Work; the savepoint takes back what a failing one wrote.

    Raises:
        Unavailable: the database is away or contended; the whole Work is to be run again.
    """
    if not isinstance(tool, TransactionalTool):
        raise TypeError(f"{tool.spec.name} does not run inside the database")
    try:
        with translated():
            async with work.session.begin_nested():
                done = await _done_within(work, tool, typed, run)
    except (Permanent, Refused) as error:
        return Report(Outcome.PERMANENT, "refused_by_tool", words=said(error))
    except Unavailable as error:
        if isinstance(error, Contended) or error.code == "database_unavailable":
            raise
        return Report(Outcome.TRANSIENT, "tool_failed", words="The tool took too long.")
    except Exception as error:
        log.warning("a tool failed", extra={"tool": tool.spec.name, "error": type(error).__name__})
        return Report(Outcome.TRANSIENT, "tool_failed", words="The tool failed; nothing happened.")
    return Report(Outcome.CONFIRMED, "confirmed", done)


async def _done_within(work: Work, tool: TransactionalTool[Any], typed: Any, run: Run) -> Done:
    done: object = await tool.run_within(work, typed, run)
    if not isinstance(done, Done):
        raise Permanent("The tool gave no clear result, so nothing was kept.")
    return done


def written_in(tool: Tool[Any], typed: Any) -> tuple[int, ...]:
    """The conversations that a tool inside the database is going to write in."""
    if not isinstance(tool, TransactionalTool):
        return ()
    found = attempted(tool, "writes_in", lambda: [*tool.writes_in(typed)])
    return tuple(one for one in found or () if isinstance(one, int))


async def traced(tool: Tool[Any], run_key: str) -> Reconciled:
    """What the target says about a run key. Only a plain word of :class:`Trace` counts."""
    assert_no_transaction("a reconcile hook")
    try:
        async with asyncio.timeout(tool.spec.timeout.total_seconds()):
            answer: object = await tool.reconcile(run_key)
    except Exception as error:
        log.warning(
            "reconciling failed", extra={"tool": tool.spec.name, "error": type(error).__name__}
        )
        return NO_TRACE
    if not isinstance(answer, Reconciled) or not isinstance(answer.trace, Trace):
        return NO_TRACE
    return answer if isinstance(answer.done, Done) else Reconciled(answer.trace)


def said(error: BaseException) -> str | None:
    """What a tool's own refusal says, cut and safe; None when it says nothing."""
    try:
        words = str(error)
    except Exception:
        return None
    return safe(words, multiline=True, limit=LONGEST_SUMMARY) or None


def facts_of(done: Done) -> JsonObject:
    """The flat, short part of what a tool reports; the rest is not kept."""
    told: object = done.facts
    if not isinstance(told, Mapping):
        return {}
    kept: JsonObject = {}
    for key, value in list(told.items())[:MOST_FACTS]:
        name = safe(key, limit=80) if isinstance(key, str) else ""
        if name and isinstance(value, str):
            kept[name] = safe(value, limit=500)
        elif name and isinstance(value, bool | int | float) and _is_plain(value):
            kept[name] = value
    return kept


def summary_of(report: Report) -> str:
    """A sentence about the outcome that never fails and never shows a structure."""
    told = report.words if report.words is not None else report.done.summary
    if isinstance(told, str) and not is_blank(told):
        return safe(told, multiline=True, limit=LONGEST_SUMMARY)
    facts = facts_of(report.done)
    listed = ", ".join(f"{key}: {value}" for key, value in facts.items())
    return safe(listed, limit=LONGEST_SUMMARY) or COMPLETED


def _unclassified(tool: Tool[Any], error: BaseException) -> Report:
    log.warning(
        "a tool failed with an unknown outcome",
        extra={"tool": tool.spec.name, "error": type(error).__name__},
    )
    return Report(Outcome.UNKNOWN, "unclassified", words="The tool failed midway.")


def _is_plain(value: float) -> bool:
    # Neither infinite nor no number at all, either.
    return abs(value) <= LARGEST_FACT
