"""The one place through which texts become vectors: checked, timed, and never in a transaction."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import numpy as np

from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.core.errors import CairnloopError, Misconfigured, Unavailable
from cairnloop_engine.retrieval.ports import (
    Answer,
    Embedder,
    EmbedderRecord,
    Preparing,
    Purpose,
    Vector,
    Vectors,
)

T = TypeVar("T")

# A float16 component has about three digits; a norm below this is noise, not a direction.
SMALLEST_NORM = 1e-6


def checked(record: EmbedderRecord, n_texts: int, answer: Answer) -> Vectors:
    """The embedder's answer as unit vectors, or a refusal that says what was wrong with it.

    Raises:
        Misconfigured: ``embedder_answer_invalid`` with ``problem`` count, dimension,
            not_a_number or zero.
    """
    if len(answer) != n_texts:
        raise _invalid(record, "count", f"{len(answer)} vectors for {n_texts} texts")
    if n_texts == 0:
        return np.empty((0, record.dim), dtype=np.float32)
    if any(len(vector) != record.dim for vector in answer):
        raise _invalid(record, "dimension", f"a vector that is not {record.dim} numbers long")
    vectors = np.asarray(answer, dtype=np.float32)
    if not np.isfinite(vectors).all():
        raise _invalid(record, "not_a_number", "a number that is not finite")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all():
        raise _invalid(record, "not_a_number", "a number that is too large")
    if (norms < SMALLEST_NORM).any():
        raise _invalid(record, "zero", "a vector without direction")
    unit: Vectors = vectors / norms
    return unit


def _invalid(record: EmbedderRecord, problem: str, told: str) -> Misconfigured:
    return Misconfigured(
        "embedder_answer_invalid",
        f"The embedder {record.model_id} returned {told}; nothing was indexed from it.",
        problem=problem,
        model_id=record.model_id,
    )


class Embedding:
    """An embedder behind its checks, with a small memory for questions that repeat."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        query_timeout_s: float,
        passage_timeout_s: float,
        remembered_queries: int,
    ) -> None:
        self._embedder = embedder
        self._query_timeout_s = query_timeout_s
        self._passage_timeout_s = passage_timeout_s
        self._remembered_queries = remembered_queries
        self._queries: OrderedDict[str, Vector] = OrderedDict()
        self._prepared = not isinstance(embedder, Preparing)

    @property
    def record(self) -> EmbedderRecord:
        return self._embedder.record

    async def query(self, text: str) -> Vector:
        """The vector of one question.

        Raises:
            Unavailable: ``embedder_timeout`` or ``embedder_failed``.
            Misconfigured: ``embedder_answer_invalid`` or whatever the embedder says of itself.
        """
        known = self._queries.get(text)
        if known is not None:
            self._queries.move_to_end(text)
            return known
        vectors = await self._embed([text], Purpose.QUERY, self._query_timeout_s)
        vector: Vector = vectors[0]
        self._queries[text] = vector
        while len(self._queries) > self._remembered_queries:
            self._queries.popitem(last=False)
        return vector

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of an article's texts, in order. Raises what :meth:`query` raises."""
        return await self._embed(texts, Purpose.PASSAGE, self._passage_timeout_s)

    async def _embed(self, texts: Sequence[str], purpose: Purpose, limit_s: float) -> Vectors:
        assert_no_transaction("an embedding")
        record = self._embedder.record
        if not self._prepared:
            # Loading a model is slow once; counted against a question it would cost its vector.
            await self._bounded(self._prepare(), self._passage_timeout_s)
            self._prepared = True
        answer = await self._bounded(self._embedder.embed(texts, purpose=purpose), limit_s)
        return checked(record, len(texts), answer)

    async def _prepare(self) -> None:
        if isinstance(self._embedder, Preparing):
            await self._embedder.prepare()

    async def _bounded(self, answer: Awaitable[T], limit_s: float) -> T:
        record = self._embedder.record
        try:
            async with asyncio.timeout(limit_s):
                return await answer
        except TimeoutError as error:
            raise Unavailable(
                "embedder_timeout",
                f"The embedder {record.model_id} did not answer within {limit_s:g} s.",
                model_id=record.model_id,
            ) from error
        except CairnloopError:
            raise
        # A host may plug in any embedder; what it raises must cost the vectors, not the search.
        except Exception as error:
            raise Unavailable(
                "embedder_failed",
                f"The embedder {record.model_id} failed with {type(error).__name__}.",
                model_id=record.model_id,
            ) from error
