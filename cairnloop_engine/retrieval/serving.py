"""Which model answers searches while the vectors of another one are being made.

A corpus is served by the model that last covered it. A new model makes its vectors beside the old
ones; searches change over in the transaction that finds nothing missing, so no article is ever
without the vectors that searches compare, if it had them before.
"""

from __future__ import annotations

import logging
from time import monotonic

from cairnloop_engine.audit import service as audit
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.errors import Unavailable
from cairnloop_engine.retrieval import index_queries
from cairnloop_engine.retrieval.embedding import Embedding

log = logging.getLogger(__name__)

# Seconds for which an answer is relied on. The vectors of a model that was replaced stay for a
# day, so a search that has not heard of the change finds by them all the same.
REMEMBERED_S = 2.0


class Serving:
    """Knows, for the searches of one process, whose vectors to compare."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self._known: dict[str, tuple[float, str | None]] = {}

    async def embedding(self, db: Database, caller: Caller) -> Embedding:
        """The embedding whose vectors answer the searches of this workspace now.

        That of the settings, unless another model still covers what it does not cover yet and
        can be made on this host.

        Raises:
            Unavailable: ``database_unavailable``.
        """
        model_id = await self._model_id(db, caller)
        if model_id is None:
            return self._embedding
        return self._embedding.of(model_id) or self._embedding

    async def _model_id(self, db: Database, caller: Caller) -> str | None:
        asked_at, known = self._known.get(caller.workspace, (-REMEMBERED_S, None))
        if monotonic() - asked_at < REMEMBERED_S:
            return known
        try:
            async with db.read(caller) as read:
                found = await index_queries.serving_model(read)
        except Unavailable as error:
            if error.code == "database_unavailable":
                raise
            log.warning("the serving model is not known", extra={"code": error.code})
            return known
        self._known[caller.workspace] = (monotonic(), found)
        return found


async def take_over(work: Work, model_id: str) -> bool:
    """Let this model answer the workspace's searches, if its vectors cover all that can be found.

    Locks the corpora first: a publication either is counted, or waits and comes after.
    """
    before = await index_queries.lock_served_otherwise(work, model_id)
    if not before or not await index_queries.is_covered(work, model_id):
        return False
    await index_queries.serve(work, model_id)
    replaced = sorted({model for model in before if model is not None})
    if replaced:
        await audit.record(
            work,
            "retrieval.model_switched",
            subject=("workspace", 0),
            model=model_id,
            replaced=", ".join(replaced),
        )
    return True
