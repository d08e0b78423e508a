"""A folder of articles, every question of a set as a chat of its own: what is drafted, how soon.

Run it with ``python -m benchmarks.answers [--data FOLDER] [--questions N] [--out FILE]``. The
folder holds ``articles/<id>-….md`` beside a set in the BEIR layout (see ``benchmarks.beir``).
Everything is done as an operator would do it, by processes of the command line: ``kb import``,
``ingest --jsonl``, ``worker --drain``. Then the books are balanced:

- every conversation has exactly one draft;
- how many drafts cite the right article first, of those that cite and of all.

At last a worker stays, and single messages arrive on the idle system: the time from the message
to the draft that an operator could read, with no debounce.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks import beir
from benchmarks.beir import Query
from benchmarks.machine import described
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.drafting.proposal import citations
from cairnloop_engine.retrieval.model import evidence_from_json

WHO = Caller.operator("bench")
MESSAGES = 20
LOOK_EVERY_S = 0.005
# Long enough that the worker is idle again before the next message.
BETWEEN_S = 0.3


@dataclass(frozen=True, slots=True)
class Drafted:
    """One draft as the books need it; the ids are of articles, None when it cites nothing."""

    conversation_id: int
    kind: str
    cited: int | None
    first_evidence: int | None


class Shell:
    """The command line in processes of its own, on one home."""

    def __init__(self, home: Path) -> None:
        self._environment = {
            "CAIRNLOOP_HOME": str(home),
            "CAIRNLOOP_EMBEDDER": "minilm",
            "CAIRNLOOP_DRAFT_DELAY": "0",
            "PATH": "/usr/bin:/bin",
        }
        self._home = home

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cairnloop_cli",
            "--operator",
            "bench",
            *arguments,
            env=self._environment,
            cwd=Path(__file__).parents[1],
            stdout=asyncio.subprocess.PIPE,
            stderr=(self._home / "commands.log").open("ab"),
        )

    async def run(self, *arguments: str) -> tuple[dict[str, Any], float]:
        """What a command answers as JSON, and the seconds that it took."""
        began = time.perf_counter()
        process = await self.start("--json", *arguments)
        out, _ = await process.communicate()
        taken = time.perf_counter() - began
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}: {out!r}")
        answer: dict[str, Any] = json.loads(out)
        return answer, taken

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        process = await self.start("worker")
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


def lines_of(queries: Sequence[Query]) -> str:
    """Each question from a customer of its own."""
    rows = [
        {"customer": f"customer-{query.id}", "text": query.turns[0], "client_id": query.id}
        for query in queries
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


async def drafted(engine: Engine) -> list[Drafted]:
    """Every draft there is."""
    async with engine.db.read(WHO) as read:
        rows = await read.session.execute(
            text(
                "SELECT conversation_id, proposal_type, customer_reply, evidence_snapshot"
                f" FROM {read.qualified('drafts')}"
            )
        )
        return [_drafted(*row) for row in rows]


def _drafted(
    conversation_id: int, kind: str, reply: str | None, snapshot: Mapping[str, Any]
) -> Drafted:
    evidence = evidence_from_json(snapshot)
    cited = citations(reply or "", evidence)
    return Drafted(
        conversation_id,
        kind,
        cited[0].article_id if cited else None,
        evidence[0].citation.article_id if evidence else None,
    )


def balanced(drafts: Sequence[Drafted], right: Mapping[int, int]) -> dict[str, Any]:
    """The books: ``right`` is the article that answers each conversation."""
    each = Counter(draft.conversation_id for draft in drafts)
    citing = [draft for draft in drafts if draft.cited is not None]
    correct = sum(draft.cited == right[draft.conversation_id] for draft in citing)
    first = sum(draft.first_evidence == right[draft.conversation_id] for draft in drafts)
    return {
        "conversations": len(right),
        "drafts": len(drafts),
        "without_a_draft": sum(1 for one in right if each[one] == 0),
        "with_more_than_one": sum(1 for one in right if each[one] > 1),
        "kinds": dict(Counter(draft.kind for draft in drafts)),
        "citing": len(citing),
        "right_of_citing": round(correct / max(1, len(citing)), 4),
        "right_of_all": round(correct / max(1, len(drafts)), 4),
        "right_evidence_first": round(first / max(1, len(drafts)), 4),
    }


async def answer_all(shell: Shell, engine: Engine, folder: Path, most: int) -> dict[str, Any]:
    queries = beir.read(folder).answerable[:most]
    imported, import_s = await shell.run("kb", "import", str(folder / "articles"))
    articles = {
        Path(item["path"]).name.partition("-")[0]: int(item["article_id"])
        for item in imported["items"]
    }
    _, index_s = await shell.run("worker", "--drain")
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.write(lines_of(queries))
        file.flush()
        taken, ingest_s = await shell.run("ingest", "--jsonl", file.name)
    _, draft_s = await shell.run("worker", "--drain")
    right = {
        int(item["conversation_id"]): articles[min(query.relevant)]
        for item, query in zip(taken["items"], queries, strict=True)
    }
    return {
        "articles": len(articles),
        **balanced(await drafted(engine), right),
        "import_s": round(import_s, 1),
        "index_s": round(index_s, 1),
        "ingest_s": round(ingest_s, 1),
        "draft_s": round(draft_s, 1),
    }


async def soon(engine: Engine, queries: Sequence[Query]) -> dict[str, float]:
    """Milliseconds from a message to its draft, one message after the other."""
    taken = []
    for number, query in enumerate(queries):
        began = time.perf_counter()
        done = await engine.conversations.ingest(
            WHO, customer_ref=f"idle-{number}", text=query.turns[0]
        )
        async with asyncio.timeout(30):
            # An operator looks; nothing tells.
            while await engine.drafting.pending_for(WHO, done.conversation_id) is None:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY_S)
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(BETWEEN_S)
    # The first one finds a worker that has not loaded its model yet.
    return {
        "first_ms": round(taken[0]),
        "median_ms": round(statistics.median(taken[1:])),
        "worst_ms": round(max(taken[1:])),
    }


async def measured(folder: Path, most: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="cairnloop-bench-") as name:
        home = Path(name)
        shell = Shell(home)
        async with Engine(Settings.load(home=home, embedder="minilm", draft_delay=0)) as engine:
            told = await answer_all(shell, engine, folder, most)
            async with shell.worker():
                queries = beir.read(folder).answerable[: MESSAGES + 1]
                told["message_to_draft"] = await soon(engine, queries)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=beir.OUTSIDE / "stackfaq")
    parser.add_argument("--questions", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if not (chosen.data / "articles").is_dir():
        print(f"There is no set with articles at {chosen.data}; nothing was measured.")
        return
    told = asyncio.run(measured(chosen.data, chosen.questions))
    idle = told["message_to_draft"]
    print(
        f"{told['conversations']} questions: {told['drafts']} drafts,"
        f" {told['without_a_draft']} without, {told['with_more_than_one']} with several;"
        f" {told['kinds']}"
    )
    print(
        f"right article cited first: {told['right_of_citing']:.3f} of the drafts that cite"
        f" (goal 0.9), {told['right_of_all']:.3f} of all"
    )
    print(
        f"message to draft on an idle system: median {idle['median_ms']} ms (the promise is 1000)"
    )
    if chosen.out:
        chosen.out.write_text(json.dumps({"machine": described(), **told}, indent=2) + "\n")


if __name__ == "__main__":
    main()
