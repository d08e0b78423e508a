"""Finds the right article, and knows when there is none: our search beside its peers.

Run it with ``python -m benchmarks.retrieval [--data FOLDER ...] [--sample N] [--peers PYTHON]
[--harder] [--out FILE]``. Every folder is a set in the BEIR layout (see ``benchmarks.beir``);
without ``--data`` it takes every set that it finds. Each set is published and indexed by the real
services, and every system then answers the same questions, over the same vectors, in the same
Postgres:

- our search, and what it would be with rank fusion, or by words alone;
- one vector a document and nothing else; the hybrid of pgvector's guide;
- LangChain, LlamaIndex and Haystack over Postgres, when ``--peers`` names an interpreter that has
  them (``benchmarks/peers/requirements.txt``); what is not installed is reported as absent.

A set without unanswerable questions is asked again with 30 % of its articles archived.
``--harder`` makes two more sets of each set of titled articles: five articles at a time as one
long document (the peers then store passages), and every question followed by a turn that names
nothing (the peers then see both turns). Differences carry the 95 % interval of a bootstrap over
articles. Recall is capped: twenty answers do not fit into ten places.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import beir, contest, library, plain, scoring
from benchmarks.beir import Dataset
from benchmarks.contest import ABSENT, Answered, Desk
from benchmarks.machine import described
from cairnloop_engine import Engine, Settings
from cairnloop_engine.core.embedded import EmbeddedAddress, EmbeddedPostgres
from cairnloop_engine.retrieval.adapters.minilm import MiniLM
from cairnloop_engine.wiring import HostParts

OURS = "cairnloop"
PEERS_DATABASE = "peers"


async def measured(desk: Desk, data: Dataset, *, seed: int, harder: bool) -> list[dict[str, Any]]:
    """Every report about one set, and about what is made of it."""
    print(f"\n{data.name}: {len(data.documents)} documents, {len(data.queries)} questions")
    caller = desk.caller(_workspace(data))
    names, loading = await contest.load(desk, caller, data)
    print(
        f"  indexed {loading['vectors']} vectors at {loading['vectors_per_s']}/s,"
        f" {loading['share_of_embedder']:.2f} of what the model does alone"
    )
    reports = [{**await _contest(desk, names, data, seed=seed), "loading": loading}]
    titled = all(document.title for document in data.documents)
    if harder and titled and not data.unanswerable:
        reports += await _harder(desk, names, data, seed=seed)
    if not data.unanswerable:
        reports.append(await _with_gaps(desk, names, data, seed=seed))
    return reports


async def _contest(desk: Desk, names: library.Names, data: Dataset, *, seed: int) -> dict[str, Any]:
    answered = await contest.ours(desk, desk.caller(_workspace(data)), names, data)
    others, present = await contest.theirs(desk, data, await contest.texts_of(desk, data))
    told = report(data, {**answered, **others}, seed=seed)
    absent = [peer for peer, versions in present.items() if versions == ABSENT]
    if absent:
        print(f"  absent, because they are not installed: {', '.join(absent)}")
    return {**told, "peers": present}


async def _harder(
    desk: Desk, names: library.Names, data: Dataset, *, seed: int
) -> list[dict[str, Any]]:
    talks = beir.conversations(data, seed=seed)
    long = beir.long_documents(data, seed=seed)
    print(f"\n{talks.name}")
    reports = [await _contest(desk, names, talks, seed=seed)]
    print(f"\n{long.name}: {len(long.documents)} documents")
    long_names, loading = await contest.load(desk, desk.caller(_workspace(long)), long)
    reports.append({**await _contest(desk, long_names, long, seed=seed), "loading": loading})
    return reports


async def _with_gaps(
    desk: Desk, names: library.Names, data: Dataset, *, seed: int
) -> dict[str, Any]:
    """The same questions when a third of the knowledge is gone: can it tell?"""
    gone = beir.to_hold_out(data, seed=seed)
    less = beir.held_out(data, gone)
    caller = desk.caller(_workspace(data))
    for article_id, document_id in names.items():
        if document_id in gone:
            await desk.engine.knowledge.archive(caller, article_id)
    print(f"\n{less.name}")
    return await _contest(desk, names, less, seed=seed)


def report(data: Dataset, answered: Answered, *, seed: int) -> dict[str, Any]:
    """The tables of one set, printed and returned."""
    told: dict[str, Any] = {"set": data.name, "systems": {}}
    ours = answered[OURS]
    print(f"  {'':36}nDCG@10   P@1   R@5  R@10   MRR  empty  p50/p95 ms   ours less this")
    for name, found in answered.items():
        row = scoring.ranked(data, found)
        if name != OURS:
            row["ours_less_this"] = scoring.difference(data, ours, found, seed=seed)
        if data.unanswerable:
            row["grounding"] = scoring.refused(data, found)
        told["systems"][name] = row
        print(_line(name, row))
    totals = [one.total_ms for one in ours if one.total_ms is not None]
    told["end_to_end_ms"] = scoring.spread(totals)
    print(f"  end to end p50 {told['end_to_end_ms']['p50']}, p95 {told['end_to_end_ms']['p95']} ms")
    if data.unanswerable:
        _print_refusals(told["systems"])
    return told


def _line(name: str, row: dict[str, Any]) -> str:
    took = row["search_ms"]
    line = (
        f"  {name:36}{row['ndcg@10']:7.3f} {row['p@1']:5.3f} {row['recall@5']:5.3f}"
        f" {row['recall@10']:5.3f} {row['mrr@10']:5.3f}  {row['empty']:5.3f}"
        f"  {took['p50']:5.1f}/{took['p95']:5.1f}"
    )
    gap = row.get("ours_less_this")
    if gap is None:
        return line
    return f"{line}  {gap['mean']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"


def _print_refusals(systems: dict[str, Any]) -> None:
    print("  can it tell what it cannot answer?   AUROC of its first score")
    for name, row in systems.items():
        told = row["grounding"]
        print(f"  {name:36}{told['auroc']:7.3f}")
    told = systems[OURS]["grounding"]
    print(
        f"  strong, uncalibrated: wrongly {told['false_strong']:.3f} of {told['unanswerable']}"
        f" unanswerable, {told['strong_coverage']:.3f} of {told['answerable']} answerable,"
        f" right {told['strong_precision']}; AUROC of the fused score {told['auroc_fused']:.3f}"
    )


def _workspace(data: Dataset) -> str:
    """Conversations and gaps are asked of the set that they were made from."""
    name = data.name.partition(",")[0]
    return f"{name}-long" if data.long else name


@asynccontextmanager
async def opened(chosen: argparse.Namespace) -> AsyncIterator[Desk]:
    """A cluster with a database for us and one for the peers, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cairnloop-bench-") as home:
        server = EmbeddedPostgres(Path(home))
        address = server.start()
        plain.create_database(_url(address), PEERS_DATABASE)
        noting = contest.Noting(MiniLM(threads=chosen.threads))
        settings = Settings.load(database_url=_url(address), home=Path(home))
        try:
            async with Engine(settings, host=HostParts(embedder=noting)) as engine:
                await engine.migrate()
                peers_url = _url(replace(address, dbname=PEERS_DATABASE))
                yield Desk(engine, noting, peers_url, chosen.peers)
        finally:
            await asyncio.to_thread(server.erase)


def _url(address: EmbeddedAddress) -> str:
    return address.url().set(drivername="postgresql").render_as_string(hide_password=False)


async def run(chosen: argparse.Namespace) -> dict[str, Any]:
    reports: list[dict[str, Any]] = []
    async with opened(chosen) as desk:
        for folder in chosen.data or beir.folders():
            data = beir.sampled(beir.read(folder), chosen.sample, seed=chosen.seed)
            reports += await measured(desk, data, seed=chosen.seed, harder=chosen.harder)
    return {"machine": described(), "sample": chosen.sample, "seed": chosen.seed, "sets": reports}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="*", help="folders in the BEIR layout")
    parser.add_argument("--sample", type=int, default=600, help="questions of each kind, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="of the sentence model")
    parser.add_argument("--peers", type=Path, help="the interpreter that has the peers")
    parser.add_argument("--harder", action="store_true", help="long documents, conversations")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.peers is not None and not chosen.peers.exists():
        print(f"There is no interpreter at {chosen.peers}, so the peers are absent.")
        chosen.peers = None
    logging.basicConfig(level="ERROR")
    result = asyncio.run(run(chosen))
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
