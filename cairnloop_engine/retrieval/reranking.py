"""Asks a host's reranker for another order, and keeps the first one when it does not answer."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence

from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.retrieval.model import Hit
from cairnloop_engine.retrieval.ports import Reranker

log = logging.getLogger(__name__)


async def reranked(
    reranker: Reranker, question: str, hits: Sequence[Hit], *, limit_s: float
) -> tuple[Hit, ...] | None:
    """The hits in the reranker's order, ties as they were; None when it gave no usable one.

    Scores stay those of the search: they are what grounding was measured on.
    """
    assert_no_transaction("a reranking")
    passages = [f"{hit.title}. {hit.content}" for hit in hits]
    try:
        async with asyncio.timeout(limit_s):
            scores = [float(score) for score in await reranker.rerank(question, passages)]
    # A host may plug in anything; what it raises must cost the order, not the search.
    except Exception as error:
        log.warning("the reranker failed", extra={"error": type(error).__name__})
        return None
    if len(scores) != len(hits) or not all(map(math.isfinite, scores)):
        log.warning("the reranker failed", extra={"error": "scores"})
        return None
    order = sorted(range(len(hits)), key=lambda place: (-scores[place], place))
    return tuple(hits[place] for place in order)
