"""Reads sets of questions in the BEIR layout, and makes harder ones of them.

A folder holds ``corpus.jsonl {_id, title, text}``, ``queries.jsonl {_id, text}`` and ``qrels.tsv``
(query-id, corpus-id, score). A query without qrels has no answer in the corpus.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Sets that are too large or not ours to keep lie beside the checkout; ours lie in it.
OUTSIDE = Path(__file__).parents[2] / "shared" / "data"
INSIDE = Path(__file__).parent / "data"

HELD_OUT = 0.3
# How many articles one long document is made of.
ARTICLES_EACH = 5

# What customers write when the first answer was not enough: it names nothing by itself.
FOLLOW_UPS = (
    "Thanks, but how exactly do I do that?",
    "That did not help. Is there another way?",
    "I tried this twice and nothing happened.",
    "OK. And where do I find it?",
    "Can you explain the steps, please?",
    "Does that also work on my phone?",
    "Hello? Is anybody there?",
    "It still does not work for me.",
    "And is that free?",
    "I am not very technical, sorry. What does that mean?",
)


@dataclass(frozen=True, slots=True)
class Document:
    """One article."""

    id: str
    title: str
    text: str

    @property
    def whole(self) -> str:
        """Title and text as the peers store them."""
        return f"{self.title}\n{self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Query:
    """What a customer wrote, oldest turn first, and the documents that answer it."""

    id: str
    turns: tuple[str, ...]
    relevant: frozenset[str]

    @property
    def answerable(self) -> bool:
        return bool(self.relevant)


@dataclass(frozen=True, slots=True)
class Dataset:
    name: str
    documents: tuple[Document, ...]
    queries: tuple[Query, ...]
    # Long documents are cut into passages for the peers too.
    long: bool = False
    # For each query what a resampling keeps together: paraphrases of one question.
    clusters: tuple[str, ...] = ()

    @property
    def answerable(self) -> list[Query]:
        return [query for query in self.queries if query.answerable]

    @property
    def unanswerable(self) -> list[Query]:
        return [query for query in self.queries if not query.answerable]


def folders() -> list[Path]:
    """Every set that this machine has."""
    return sorted(path.parent for home in (OUTSIDE, INSIDE) for path in home.glob("*/qrels.tsv"))


def read(folder: Path) -> Dataset:
    """A whole set; its name is the folder's."""
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query_id, document_id, score = line.split("\t")
        if float(score) > 0:
            relevant[query_id].add(document_id)
    return clustered(
        Dataset(
            folder.name,
            tuple(
                Document(row["_id"], row.get("title", ""), row["text"])
                for row in _rows(folder / "corpus.jsonl")
            ),
            tuple(
                Query(row["_id"], (row["text"],), frozenset(relevant.get(row["_id"], ())))
                for row in _rows(folder / "queries.jsonl")
            ),
        )
    )


def sampled(data: Dataset, most: int, *, seed: int) -> Dataset:
    """At most so many answerable and as many unanswerable queries; every document stays."""
    chosen = random.Random(seed)
    parts = [
        chosen.sample(part, min(most, len(part))) for part in (data.answerable, data.unanswerable)
    ]
    return clustered(replace(data, queries=tuple(parts[0] + parts[1])))


def smaller(data: Dataset, documents_each: int, *, seed: int) -> Dataset:
    """Of documents that answer the same queries, so many; no query loses every answer."""
    groups: dict[frozenset[str], list[str]] = {
        query.relevant: sorted(query.relevant) for query in data.answerable
    }
    chosen = random.Random(seed)
    kept = {
        name
        for _, names in sorted(groups.items(), key=lambda group: group[1])
        for name in chosen.sample(names, min(documents_each, len(names)))
    }
    return clustered(
        replace(
            data,
            documents=tuple(one for one in data.documents if one.id in kept),
            queries=tuple(replace(q, relevant=q.relevant & kept) for q in data.queries),
        )
    )


def held_out(data: Dataset, gone: frozenset[str]) -> Dataset:
    """The same questions when some articles were never written."""
    return replace(
        data,
        name=f"{data.name}, {len(gone)} articles missing",
        documents=tuple(one for one in data.documents if one.id not in gone),
        queries=tuple(replace(query, relevant=query.relevant - gone) for query in data.queries),
    )


def to_hold_out(data: Dataset, *, seed: int) -> frozenset[str]:
    """Which documents to take away."""
    names = sorted(one.id for one in data.documents)
    return frozenset(random.Random(seed).sample(names, round(len(names) * HELD_OUT)))


def long_documents(data: Dataset, *, seed: int) -> Dataset:
    """Every five articles, shuffled, as one document with a heading each and an empty title."""
    shuffled = list(data.documents)
    random.Random(seed).shuffle(shuffled)
    home: dict[str, str] = {}
    documents: list[Document] = []
    for start in range(0, len(shuffled), ARTICLES_EACH):
        parts = shuffled[start : start + ARTICLES_EACH]
        name = f"long{len(documents) + 1}"
        home.update({part.id: name for part in parts})
        text = "\n\n".join(f"## {part.title}\n\n{part.text}" for part in parts)
        documents.append(Document(name, f"Handbook, part {len(documents) + 1}", text))
    queries = tuple(
        replace(query, relevant=frozenset(home[one] for one in query.relevant))
        for query in data.queries
    )
    return Dataset(f"{data.name}, long documents", tuple(documents), queries, True, data.clusters)


def conversations(data: Dataset, *, seed: int) -> Dataset:
    """Every question followed by a turn that names nothing by itself."""
    chosen = random.Random(seed)
    queries = tuple(
        replace(query, turns=(*query.turns, chosen.choice(FOLLOW_UPS))) for query in data.queries
    )
    return replace(data, name=f"{data.name}, with a follow-up", queries=queries)


def clustered(data: Dataset) -> Dataset:
    """Queries with the same first answer belong together; the others stand alone."""
    return replace(
        data, clusters=tuple(min(query.relevant, default=query.id) for query in data.queries)
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield json.loads(line)
