"""The one place through which texts become vectors: checked, timed, and never in a transaction."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import monotonic
from typing import TypeVar

import numpy as np

from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.core.errors import CairnloopError, Misconfigured, Unavailable
from cairnloop_engine.retrieval.ports import (
    Answer,
    Closing,
    Embedder,
    EmbedderRecord,
    Preparing,
    Purpose,
    Vector,
    Vectors,
)

T = TypeVar("T")

# Seconds for which no question is asked after one that was not answered in time: whoever searches
# shall wait for a silent embedder once, and not with every letter.
REST_S = 10.0

# A float16 component has about three digits; a norm below this is noise, not a direction.
SMALLEST_NORM = 1e-6


def checked(record: EmbedderRecord, n_texts: int, answer: Answer) -> Vectors:
    """The embedder's answer as unit vectors, or a refusal that says what was wrong with it.

    Raises:
        Misconfigured: ``embedder_answer_invalid`` with ``problem`` count, dimension, format,
            not_a_number or zero.
    """
    try:
        vectors = _numbers(record, n_texts, answer)
    except (TypeError, ValueError) as error:
        raise invalid_answer(record, "format", "something else than numbers") from error
    if not np.isfinite(vectors).all():
        raise invalid_answer(record, "not_a_number", "a number that is not finite")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all():
        raise invalid_answer(record, "not_a_number", "a number that is too large")
    if (norms < SMALLEST_NORM).any():
        raise invalid_answer(record, "zero", "a vector without direction")
    unit: Vectors = vectors / norms
    return unit


def _numbers(record: EmbedderRecord, n_texts: int, answer: Answer) -> Vectors:
    if len(answer) != n_texts:
        raise invalid_answer(record, "count", f"{len(answer)} vectors for {n_texts} texts")
    if n_texts == 0:
        return np.empty((0, record.dim), dtype=np.float32)
    if any(len(vector) != record.dim for vector in answer):
        raise invalid_answer(record, "dimension", f"a vector that is not {record.dim} numbers long")
    return np.asarray(answer, dtype=np.float32)


def invalid_answer(record: EmbedderRecord, problem: str, told: str) -> Misconfigured:
    return Misconfigured(
        "embedder_answer_invalid",
        f"The embedder {record.model_id} returned {told}; nothing was indexed from it.",
        problem=problem,
        model_id=record.model_id,
    )


class Unusable:
    """Stands for an embedder whose settings are not enough to make it: says so to each text.

    The desk opens and searches find by words; whoever looks at the state of the index is told.
    """

    record = EmbedderRecord("unusable", 1, 0.0, None, "no embedder")

    def __init__(self, problem: Misconfigured) -> None:
        self.problem = problem

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Answer:
        # One error for every text; without this it would keep the stack of each.
        raise self.problem.with_traceback(None)


# Makes the embedder of a stored model id; None when this host cannot.
Making = Callable[[str], Embedder | None]


def _cannot(model_id: str) -> None:
    return None


class Embedding:
    """An embedder behind its checks, with a small memory for questions that repeat.

    It knows how to come by the embedders of other models, for the time in which their vectors
    are replaced. ``alpha`` None takes the embedder's own.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        query_timeout_s: float,
        passage_timeout_s: float,
        remembered_queries: int,
        alpha: float | None = None,
        making: Making = _cannot,
    ) -> None:
        self._embedder = embedder
        own = embedder.record
        self.record = own if alpha is None else replace(own, alpha=alpha)
        self._making = making
        self._others: dict[str, Embedding | None] = {}
        self._query_timeout_s = query_timeout_s
        self._passage_timeout_s = passage_timeout_s
        self._remembered_queries = remembered_queries
        self._queries: OrderedDict[str, Vector] = OrderedDict()
        self._prepared = not isinstance(embedder, Preparing)
        self._rests_until = 0.0

    @property
    def usable(self) -> bool:
        """False when the settings do not even say which model it is."""
        return not isinstance(self._embedder, Unusable)

    def of(self, model_id: str) -> Embedding | None:
        """The embedding of exactly this model; None when this host cannot make it."""
        if model_id == self.record.model_id:
            return self
        if model_id not in self._others:
            made = self._making(model_id)
            self._others[model_id] = None if made is None else self._beside(made)
        return self._others[model_id]

    def _beside(self, embedder: Embedder) -> Embedding:
        return Embedding(
            embedder,
            query_timeout_s=self._query_timeout_s,
            passage_timeout_s=self._passage_timeout_s,
            remembered_queries=self._remembered_queries,
        )

    async def close(self) -> None:
        """Give back what the embedders hold open; they open it again when they are needed."""
        if isinstance(self._embedder, Closing):
            await self._embedder.close()
        for other in self._others.values():
            if other is not None:
                await other.close()

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
        if monotonic() < self._rests_until:
            raise self._late(self._query_timeout_s)
        try:
            vectors = await self._embed([text], Purpose.QUERY, self._query_timeout_s)
        except Unavailable as away:
            if away.code == "embedder_timeout":
                self._rests_until = monotonic() + REST_S
            raise
        vector: Vector = vectors[0]
        self._queries[text] = vector
        while len(self._queries) > self._remembered_queries:
            self._queries.popitem(last=False)
        return vector

    async def probe(self) -> None:
        """Find out whether a question would get its vector now; a remembered one tells nothing.

        Raises what :meth:`query` raises.
        """
        await self._embed(["status"], Purpose.QUERY, self._query_timeout_s)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of an article's texts, in order. Raises what :meth:`query` raises."""
        return await self._embed(texts, Purpose.PASSAGE, self._passage_timeout_s)

    async def _embed(self, texts: Sequence[str], purpose: Purpose, limit_s: float) -> Vectors:
        assert_no_transaction("an embedding")
        if not self._prepared:
            # Loading a model is slow once; counted against a question it would cost its vector.
            await self._bounded(self._prepare(), self._passage_timeout_s)
            self._prepared = True
        answer = await self._bounded(self._embedder.embed(texts, purpose=purpose), limit_s)
        return checked(self.record, len(texts), answer)

    async def _prepare(self) -> None:
        if isinstance(self._embedder, Preparing):
            await self._embedder.prepare()

    async def _bounded(self, answer: Awaitable[T], limit_s: float) -> T:
        record = self.record
        try:
            async with asyncio.timeout(limit_s):
                return await answer
        except TimeoutError as error:
            raise self._late(limit_s) from error
        except CairnloopError:
            raise
        # A host may plug in any embedder; what it raises must cost the vectors, not the search.
        except Exception as error:
            raise Unavailable(
                "embedder_failed",
                f"The embedder {record.model_id} failed with {type(error).__name__}.",
                model_id=record.model_id,
            ) from error

    def _late(self, limit_s: float) -> Unavailable:
        return Unavailable(
            "embedder_timeout",
            f"The embedder {self.record.model_id} did not answer within {limit_s:g} s.",
            model_id=self.record.model_id,
        )
