"""The vectors of one text on their way from an embedder to the index; an article's or a case's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, Read, Work
from cairnloop_engine.core.errors import Misconfigured, Unavailable
from cairnloop_engine.core.jobs import UNAVAILABLE_RETRIES
from cairnloop_engine.retrieval import index_queries, serving
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.ports import Vectors
from cairnloop_engine.retrieval.tables import DocumentRow
from cairnloop_engine.retrieval.texts import Entry

log = logging.getLogger(__name__)


class Place(Protocol):
    """Where the vectors of a text belong, as long as that is what can be found there."""

    async def document(self, read: Read) -> DocumentRow | None:
        """Its place in the index; None when it can be found no longer."""
        ...

    async def record(
        self, work: Work, *, model_id: str, entries: Sequence[Entry], vectors: Vectors
    ) -> bool:
        """Store the vectors; False when another text stands there by now."""
        ...

    async def fail(self, work: Work, code: str) -> None:
        """Remember why there are none."""
        ...

    async def wait(self, work: Work) -> None:
        """Note that the job lives and tries again."""
        ...


@dataclass(frozen=True, slots=True)
class Indexing:
    """One job's way with the vectors of one text."""

    db: Database
    caller: Caller
    place: Place
    entries: Sequence[Entry]
    attempt: int

    async def run(self, embedding: Embedding, *, again: bool) -> None:
        """Make what is missing; ``again`` makes anew what is there.

        Raises:
            Unavailable: what the embedder raised.
        """
        await self._by_the_answering(embedding)
        if embedding.usable and (again or await self._lacks(embedding)):
            await self._by(embedding)

    async def _lacks(self, embedding: Embedding) -> bool:
        """Whether the text can be found and has no vectors of this model."""
        async with self.db.read(self.caller) as read:
            document = await self.place.document(read)
            return document is not None and not await index_queries.has_vectors(
                read, document.id, model_id=embedding.record.model_id
            )

    async def _by_the_answering(self, configured: Embedding) -> None:
        """While another model still answers, a new text gets its vectors too, where it can."""
        async with self.db.read(self.caller) as read:
            model_id = await index_queries.serving_model(read)
        answering = None if model_id is None else configured.of(model_id)
        if answering is None or answering is configured or not await self._lacks(answering):
            return
        try:
            await self._record(answering, await self._vectors(answering))
        except (Misconfigured, Unavailable) as error:
            # The configured model is what counts; until it answers, words find the text.
            log.warning("no vectors of the replaced model", extra={"code": error.code})

    async def _by(self, embedding: Embedding) -> None:
        """Read, embed with no transaction open, record: old vectors stay until new ones are there.

        What trying again cannot mend is written down and ends the job; an embedder that is away
        is waited for, and counts as a failure when the job gives up.
        """
        try:
            vectors = await self._vectors(embedding)
        except Misconfigured as error:
            log.warning("no vectors were made", extra={"code": error.code})
            await self._fail(error.code)
            return
        except Unavailable as error:
            if self.attempt > UNAVAILABLE_RETRIES:
                await self._fail(error.code)
            else:
                await self.db.retrying(self.caller, self.place.wait)
            raise
        crashpoint("retrieval.vectors_made")
        await self._record(embedding, vectors)
        await self._let_answer(embedding.record.model_id)

    async def _vectors(self, embedding: Embedding) -> Vectors:
        return await embedding.passages([entry.text for entry in self.entries])

    async def _record(self, embedding: Embedding, vectors: Vectors) -> None:
        async def run(work: Work) -> bool:
            return await self.place.record(
                work, model_id=embedding.record.model_id, entries=self.entries, vectors=vectors
            )

        await self.db.retrying(self.caller, run)

    async def _let_answer(self, model_id: str) -> None:
        async with self.db.read(self.caller) as read:
            waiting = await index_queries.is_served_otherwise(read, model_id)
        if waiting:
            await take_over(self.db, self.caller, model_id)

    async def _fail(self, code: str) -> None:
        async def run(work: Work) -> None:
            await self.place.fail(work, code)

        await self.db.retrying(self.caller, run)


async def take_over(db: Database, caller: Caller, model_id: str) -> bool:
    """Let a model answer the workspace's searches, if its vectors cover all that can be found."""

    async def run(work: Work) -> bool:
        return await serving.take_over(work, model_id)

    return await db.retrying(caller, run)
