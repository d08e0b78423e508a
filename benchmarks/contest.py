"""One set of questions put to every system: our search, its parts alone, and the peers.

All of them see the same texts, the same vectors and the same Postgres.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import library, plain
from benchmarks.beir import Dataset, Document
from benchmarks.peers.__main__ import NOT_INSTALLED, PEERS
from benchmarks.peers.task import Task
from benchmarks.scoring import Found
from cairnloop_engine import Caller, Engine
from cairnloop_engine.knowledge.chunking import chunk
from cairnloop_engine.knowledge.markdown import parse
from cairnloop_engine.retrieval.ports import Embedder, Purpose, Vectors

# How many texts a search is asked for: places are documents, unless a document has many texts.
MOST = 10
MOST_PASSAGES = 40
TEXTS_AT_ONCE = 1_000
# What is reported of a peer that is not installed.
ABSENT = "absent"

Answered = dict[str, list[Found]]


class Noting:
    """An embedder that keeps what it was asked to embed, so that it can be asked again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.record = embedder.record
        self.noted: list[str] = []

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Any:
        if purpose is Purpose.PASSAGE:
            self.noted.extend(texts)
        return await self._embedder.embed(texts, purpose=purpose)

    async def seconds_for(self, texts: Sequence[str]) -> float:
        """How long the model alone takes for these texts, all at once."""
        began = perf_counter()
        await self._embedder.embed(texts, purpose=Purpose.PASSAGE)
        return perf_counter() - began


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a contest takes place. ``python`` is the interpreter of the peers; None without."""

    engine: Engine
    embedder: Noting
    peers_url: str
    python: Path | None

    def caller(self, workspace: str) -> Caller:
        return Caller.operator("bench", workspace)


@dataclass(frozen=True, slots=True)
class Texts:
    """What the peers store: one text a document, or its passages when documents are long."""

    of: Mapping[str, str]
    home: Mapping[str, str]
    vectors: Vectors
    most: int


async def load(desk: Desk, caller: Caller, data: Dataset) -> tuple[library.Names, dict[str, Any]]:
    """Publish and index a set, and what that took beside the model alone."""
    began = perf_counter()
    names = await library.stock(desk.engine, caller, data.documents)
    published = perf_counter()
    # Loading the model is no part of embedding with it.
    await desk.engine.retrieval.embedding.passages(["ready"])
    desk.embedder.noted.clear()
    began_index = perf_counter()
    n_vectors = await library.index(desk.engine, caller)
    indexed = perf_counter()
    alone = await desk.embedder.seconds_for(desk.embedder.noted[:])
    return names, {
        "documents": len(names),
        "vectors": n_vectors,
        "publish_s": round(published - began, 2),
        "index_s": round(indexed - began_index, 2),
        "embedder_alone_s": round(alone, 2),
        "vectors_per_s": round(n_vectors / (indexed - began_index), 1),
        "share_of_embedder": round(alone / (indexed - began_index), 3),
    }


async def ours(desk: Desk, caller: Caller, names: library.Names, data: Dataset) -> Answered:
    """Our search and its variants, in turns, so that each of them meets the same machine."""
    variants = library.variants(desk.engine.retrieval)
    answered: Answered = {name: [] for name in variants}
    for query in data.queries:
        for name, retrieval in variants.items():
            answered[name].append(await library.ask(retrieval, caller, names, query))
    return answered


async def texts_of(desk: Desk, data: Dataset) -> Texts:
    """The texts for the peers, with the vectors of our model."""
    of: dict[str, str] = {}
    home: dict[str, str] = {}
    for document in data.documents:
        for number, text in enumerate(_texts(document) if data.long else [document.whole]):
            name = f"{document.id}#{number}"
            of[name], home[name] = text, document.id
    vectors = await embedded(desk, list(of.values()))
    return Texts(of, home, vectors, MOST_PASSAGES if data.long else MOST)


def _texts(document: Document) -> list[str]:
    passages = chunk(parse(document.text, title=document.title))
    return [". ".join(filter(None, (document.title, p.heading, p.content))) for p in passages]


async def embedded(desk: Desk, texts: Sequence[str]) -> Vectors:
    parts = [
        await desk.engine.retrieval.embedding.passages(texts[start : start + TEXTS_AT_ONCE])
        for start in range(0, len(texts), TEXTS_AT_ONCE)
    ]
    return np.concatenate(parts)


async def theirs(desk: Desk, data: Dataset, texts: Texts) -> tuple[Answered, dict[str, Any]]:
    """The plain statements and the peers; which versions answered, and who was not there."""
    questions = ["\n".join(query.turns) for query in data.queries]
    vectors = await embedded(desk, questions)
    answered = await asyncio.to_thread(_plain, desk, texts, questions, vectors)
    present: dict[str, Any] = {}
    for peer in PEERS if desk.python is not None else ():
        with tempfile.TemporaryDirectory(prefix="cairnloop-peer-") as folder:
            Task(
                list(texts.of), list(texts.of.values()), texts.vectors, questions, vectors,
                texts.most,
            ).write(Path(folder))  # fmt: skip
            told = await _peer(desk, peer, Path(folder))
        present[peer] = told["versions"] if told else ABSENT
        for name, answer in (told or {"systems": {}})["systems"].items():
            pairs = zip(answer["found"], answer["ms"], strict=True)
            answered[name] = [_folded(texts, found, ms) for found, ms in pairs]
    return answered, present or dict.fromkeys(PEERS, ABSENT)


def _plain(desk: Desk, texts: Texts, questions: Sequence[str], vectors: Vectors) -> Answered:
    plain.fill(desk.peers_url, texts.of, texts.vectors)
    return {
        name: [
            _folded(texts, found, ms)
            for found, ms in plain.answers(
                desk.peers_url, statement, questions, vectors, most=texts.most
            )
        ]
        for name, statement in plain.SEARCHES.items()
    }


async def _peer(desk: Desk, peer: str, folder: Path) -> dict[str, Any] | None:
    """What one peer answers, in a process of its own environment; None when it is absent."""
    process = await asyncio.create_subprocess_exec(
        str(desk.python), "-m", "benchmarks.peers", peer, str(folder), desk.peers_url,
        cwd=Path(__file__).parents[1], stdout=sys.stderr,
    )  # fmt: skip
    code = await process.wait()
    if code == NOT_INSTALLED:
        return None
    if code != 0:
        raise SystemExit(f"The peer {peer} failed with code {code}; its own words stand above.")
    told: dict[str, Any] = json.loads((folder / f"{peer}.json").read_text())
    return told


def _folded(texts: Texts, found: Sequence[tuple[str, float]], ms: float) -> Found:
    """Texts as the documents that they belong to, each at its best place."""
    ranking = tuple(dict.fromkeys(texts.home[name] for name, _ in found))[:MOST]
    return Found(ranking, found[0][1] if found else 0.0, ms)
