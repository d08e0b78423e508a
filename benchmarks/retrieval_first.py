"""Finds the right article, and knows when there is none: our own search on a set of questions.

Run it with ``python -m benchmarks.retrieval_first --data FOLDER [--sample N] [--out FILE]``. The
folder holds ``articles/<id>-….md``, ``queries.jsonl {_id, text}`` and ``qrels.tsv``. The articles
go through the real import, publication and indexing. Then 30 % of them are archived, and the
questions that only those could answer must not be grounded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import described
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.retrieval.model import GroundingStatus, SearchResult

WHO = Caller.operator("bench")
HELD_OUT = 0.3


@dataclass(frozen=True, slots=True)
class Query:
    """One question and the article that answers it."""

    text: str
    wanted: str


def read_queries(folder: Path, *, sample: int, seed: int) -> list[Query]:
    wanted: dict[str, str] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query_id, document_id, score = line.split("\t")
        if float(score) > 0:
            wanted.setdefault(query_id, document_id)
    lines = (folder / "queries.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    known = [Query(row["text"], wanted[row["_id"]]) for row in rows if row["_id"] in wanted]
    return random.Random(seed).sample(known, min(sample, len(known)))


def ranks(found: SearchResult, names: Mapping[ArticleId, str], wanted: str) -> int | None:
    """At which place, from 0, the right article stands."""
    order = [names[hit.article_id] for hit in found.items if hit.article_id is not None]
    return order.index(wanted) if wanted in order else None


async def load(engine: Engine, folder: Path) -> tuple[dict[ArticleId, str], dict[str, float]]:
    """Import, publish and index the articles; which article is which document, and how long."""
    began = time.perf_counter()
    report = await engine.knowledge.import_folder(WHO, folder / "articles")
    imported = time.perf_counter()
    await engine.run_worker(queues=["indexing"], drain=True)
    indexed = time.perf_counter()
    status = await engine.retrieval.status(WHO)
    names = {
        item.article_id: item.path.partition("-")[0]
        for item in report.items
        if item.article_id is not None
    }
    assert not report.failed
    assert status.n_pending == 0
    return names, {
        "articles": len(names),
        "vectors": status.n_vectors,
        "import_s": round(imported - began, 2),
        "index_s": round(indexed - imported, 2),
        "vectors_per_s": round(status.n_vectors / (indexed - imported), 1),
    }


async def quality(
    engine: Engine, names: Mapping[ArticleId, str], queries: Sequence[Query]
) -> dict[str, Any]:
    places: list[int | None] = []
    statuses: Counter[str] = Counter()
    right_when_strong = 0
    times: dict[str, list[float]] = {"search_ms": [], "embed_ms": [], "total_ms": []}
    for query in queries:
        began = time.perf_counter()
        found = await engine.retrieval.search(WHO, query.text, limit=10, explain=True)
        times["total_ms"].append((time.perf_counter() - began) * 1000)
        assert found.trace is not None
        times["search_ms"].append(found.trace.search_ms)
        times["embed_ms"].append(found.trace.embed_ms)
        place = ranks(found, names, query.wanted)
        places.append(place)
        statuses[found.grounding.status.value] += 1
        right_when_strong += found.grounding.may_reply and place == 0
    total = len(queries)
    gains = sum(1 / math.log2(place + 2) for place in places if place is not None)
    return {
        "queries": total,
        "ndcg@10": round(gains / total, 4),
        "p@1": round(sum(place == 0 for place in places) / total, 4),
        "recall@5": round(sum(p is not None and p < 5 for p in places) / total, 4),
        "statuses": dict(statuses),
        "strong_precision": round(right_when_strong / max(1, statuses["strong"]), 4),
        **{name: spread(taken) for name, taken in times.items()},
    }


async def refusal(
    engine: Engine, names: Mapping[ArticleId, str], queries: Sequence[Query], *, seed: int
) -> dict[str, Any]:
    """How the questions are graded whose only article is taken away."""
    gone = random.Random(seed).sample(sorted(names), round(len(names) * HELD_OUT))
    for article_id in gone:
        await engine.knowledge.archive(WHO, article_id)
    missing = {names[article_id] for article_id in gone}
    asked = [query for query in queries if query.wanted in missing]
    statuses: Counter[str] = Counter()
    for query in asked:
        found = await engine.retrieval.search(WHO, query.text)
        statuses[found.grounding.status.value] += 1
    false_strong = statuses[GroundingStatus.STRONG.value] / max(1, len(asked))
    return {
        "queries": len(asked),
        "statuses": dict(statuses),
        "false_strong": round(false_strong, 4),
    }


def spread(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(len(ordered) * 0.95)], 2),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    queries = read_queries(chosen.data, sample=chosen.sample, seed=chosen.seed)
    with tempfile.TemporaryDirectory(prefix="cairnloop-bench-") as home:
        async with Engine(Settings.load(home=Path(home), embedder="minilm")) as engine:
            names, loading = await load(engine, chosen.data)
            found = {"loading": loading, "quality": await quality(engine, names, queries)}
            found["refusal"] = await refusal(engine, names, queries, seed=chosen.seed)
    print(json.dumps(found, indent=2))
    if chosen.out:
        chosen.out.write_text(json.dumps({"machine": described(), **found}, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
