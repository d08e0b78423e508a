"""A host's rewriter may word a follow-up; it can never cost the question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from cairnloop_engine.drafting.ports import Line, Speaker
from cairnloop_engine.drafting.rewriting import rewritten

QUERY = "and on Android?\nexport invoices"
THREAD = [
    Line(Speaker.CUSTOMER, "How do I export invoices?"),
    Line(Speaker.AGENT, "Open Billing."),
    Line(Speaker.CUSTOMER, "and on Android?"),
]
PATIENT = timedelta(minutes=1)
AT_ONCE = timedelta(milliseconds=20)


class Rewriter:
    """Answers, or raises, as told; with None it never answers."""

    def __init__(self, answer: str | Exception | None) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def rewrite(self, query: str, thread: Sequence[Line]) -> str:
        self.asked.append(query)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        return str(self.answer)


async def test_a_follow_up_is_searched_in_its_words() -> None:
    rewriter = Rewriter(" How do I export\ninvoices on Android? ")

    found = await rewritten(rewriter, QUERY, THREAD, within=PATIENT)

    assert found == "How do I export invoices on Android?"
    assert rewriter.asked == [QUERY]


async def test_a_first_message_is_never_rewritten() -> None:
    rewriter = Rewriter("something else")

    assert await rewritten(rewriter, "How?", THREAD[:2], within=PATIENT) == "How?"
    assert rewriter.asked == []


@pytest.mark.parametrize("answer", [ValueError("no"), "", " \u200b ", "x" * 501, None])
async def test_whatever_fails_keeps_the_question(answer: str | Exception | None) -> None:
    within = AT_ONCE if answer is None else PATIENT

    assert await rewritten(Rewriter(answer), QUERY, THREAD, within=within) == QUERY


async def test_without_a_rewriter_nothing_changes() -> None:
    assert await rewritten(None, QUERY, THREAD, within=PATIENT) == QUERY
