"""A knowledge base on real Postgres, and the worker that indexes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import text

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.retrieval.adapters.minilm import MINILM, MiniLM
from cairnloop_engine.retrieval.ports import EmbedderRecord, Purpose, Vector, Vectors

MAYA = Caller.operator("maya")

ARTICLES = {
    "Resetting your API key": (
        "## Reset\nOpen Settings and choose API keys. Press Revoke beside the old key, then press "
        "Generate new key. Copy it into every integration.\n\n"
        "## Notes\nA key is shown once. Keep it in a secrets manager."
    ),
    "Updating your billing email": (
        "Open Settings and choose Billing. Change the invoice address and confirm the link that "
        "we send to the new address. Old invoices stay as they are."
    ),
    "Adding a team seat": (
        "Open Settings and choose Team. Enter the address of your colleague and a role. "
        "An owner confirms the invitation before the seat is charged."
    ),
    "Why a CI run was skipped": (
        "A run is skipped when no file of the push matches a trigger path, or when the same "
        "commit finished before. The run page names the reason. Error E4012 means an empty push."
    ),
}


async def publish(engine: Engine, title: str, content: str, *, caller: Caller = MAYA) -> ArticleId:
    """Write and publish one article."""
    saved = await engine.knowledge.create(caller, title, content)
    await engine.knowledge.publish(caller, saved.article_id)
    return saved.article_id


async def stock(engine: Engine, *, caller: Caller = MAYA) -> dict[str, ArticleId]:
    """Publish the small knowledge base of these tests."""
    return {
        title: await publish(engine, title, content, caller=caller)
        for title, content in ARTICLES.items()
    }


async def index(engine: Engine) -> None:
    """Run every index job that waits."""
    await engine.run_worker(queues=["indexing"], drain=True)


async def duty(engine: Engine, name: str) -> None:
    """What a worker does from time to time without being asked."""
    (found,) = [sweep for sweep in engine._wired.sweeps if sweep.name == name]
    await found.run()


async def scalar(engine: Engine, statement: str, **values: object) -> object:
    """One value straight from the database."""
    async with engine.db.read(MAYA) as read:
        return await read.session.scalar(text(statement), values)


class Remembering:
    """The sentence model; a text that it met before costs nothing."""

    record = MINILM

    def __init__(self) -> None:
        self._model = MiniLM(threads=2)
        self._known: dict[str, Vector] = {}

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            vectors = await self._model.embed(new, purpose=purpose)
            self._known.update(zip(new, vectors, strict=True))
        return np.array([self._known[text] for text in texts])


class Scripted:
    """A host's embedder that answers with what the test gives it, or fails as told."""

    record = EmbedderRecord("scripted", 4, 0.65, None, "a scripted embedder")

    def __init__(self) -> None:
        self.answer: Sequence[Sequence[float]] | None = None
        self.error: Exception | None = None
        self.asked: list[tuple[Purpose, int]] = []

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Sequence[Sequence[float]]:
        self.asked.append((purpose, len(texts)))
        if self.error is not None:
            raise self.error
        if self.answer is not None:
            return self.answer
        return [[1.0, float(len(text)), float(text.count("e")), 1.0] for text in texts]
