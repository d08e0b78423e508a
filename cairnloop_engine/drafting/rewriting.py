"""Asking a host to word a follow-up as a question of its own; every failure keeps the words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.core.text import is_blank, storable
from cairnloop_engine.drafting.ports import Line, QueryRewriter, Speaker
from cairnloop_engine.drafting.query import QUERY_LENGTH

log = logging.getLogger(__name__)


async def rewritten(
    rewriter: QueryRewriter | None, query: str, thread: Sequence[Line], *, within: timedelta
) -> str:
    """The question in the rewriter's words; unchanged without one, and for a first message.

    An exception, a late, blank or overlong answer counts as no answer.
    """
    assert_no_transaction("a query rewriter")
    asked = sum(line.speaker is Speaker.CUSTOMER for line in thread)
    if rewriter is None or asked < 2:
        return query
    try:
        async with asyncio.timeout(within.total_seconds()):
            answer = await rewriter.rewrite(query, thread)
        worded = " ".join(storable(answer).split())
    except Exception as error:
        # Host code may fail in any way; the class says enough, its words may hold anything.
        log.warning("a query rewriter failed", extra={"error": type(error).__name__})
        return query
    return query if is_blank(worded) or len(worded) > QUERY_LENGTH else worded
