"""How long a search takes, and how well its vector index finds, at sizes that nobody has at hand.

Run it with ``python -m benchmarks.search_scale [--articles FOLDER] [--sizes 5000,100000] [--out
FILE]``. The articles of a folder of Markdown files (default: the seeds of the demo) go through the
real publication and the sentence model once. Then they are copied until the wanted number of
vectors is there: text and postings as they are, vectors with noise, all by INSERT … SELECT inside
a scratch database. Nothing is embedded for the copies. A million vectors takes about half an hour
and 4 GB, so it is measured only when asked for: ``--sizes 1000000``.

Engine overhead is what the facade takes beyond the embedding and the same statements sent by the
bare driver on a warm connection. Recall compares the vector arm over its index with a scan of all
vectors, for the ten nearest. Noise in every direction is the hardest case for such an index: the
nearest are then some of a hundred copies at nearly the same distance.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event, text

from benchmarks.machine import described
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.retrieval.adapters.minilm import MINILM
from cairnloop_engine.retrieval.queries import vector_literal
from cairnloop_engine.retrieval.ranking import Recipe

WHO = Caller.operator("bench")
SEEDS = Path(__file__).parents[1] / "seeds"
# How far a copy's vector lies from the real one: the cosine between them is about .94.
NOISE = 0.018
RECALL_AT = 10
RECALL_QUESTIONS = 100
# How many candidates a search lets the index look at, and what more of them would find.
LOOKED_AT = Recipe().nearest_vectors
WIDER = (400, 1000)

# What tells the statement of the search from those around it.
_ARMS = "by_vector"
_INDEX = "ix_search_vectors_minilm_int8"


async def load(engine: Engine, folder: Path) -> int:
    """Publish and index the real articles; returns how many vectors they have."""
    report = await engine.knowledge.import_folder(WHO, folder)
    assert not report.failed
    await engine.run_worker(queues=["indexing"], drain=True)
    status = await engine.retrieval.status(WHO)
    assert status.n_pending == 0
    return int(status.n_vectors)


async def multiply(engine: Engine, real: int, done: int, wanted: int) -> dict[str, float]:
    """Copy the real documents until the corpus has that many vectors, then build its index.

    ``done`` copies are there already, under the ids that they have for every size.
    """
    copies = copies_for(real, wanted)
    schema = engine.settings.schema_prefix
    began = time.perf_counter()
    async with engine.db.engine.connect() as opened:
        connection = await opened.execution_options(isolation_level="AUTOCOMMIT")

        async def run(statement: str, **values: object) -> None:
            await connection.execute(text(statement.replace("{s}", schema)), values)

        await run("SET session_replication_role = replica")
        await run("SET maintenance_work_mem = '1GB'")
        await run("SET statement_timeout = 0")
        await run(f"DROP INDEX {schema}.{_INDEX}")
        for statement in _COPIES:
            await run(statement, done=done, copies=copies, noise=NOISE)
        copied = time.perf_counter()
        await run(
            f"CREATE INDEX {_INDEX} ON {{s}}.search_vectors USING hnsw"
            " ((embedding::halfvec(384)) halfvec_cosine_ops) WITH (m = 16, ef_construction = 64)"
            " WHERE model_id = 'minilm-int8'"
        )
        await run("VACUUM ANALYZE")
    return {"copy_s": round(copied - began, 1), "index_s": round(time.perf_counter() - copied, 1)}


def copies_for(real: int, wanted: int) -> int:
    """How many copies of the real vectors it takes, beside the real ones."""
    return max(0, -(-(wanted - real) // real))


# Ids of a copy are those of the original, moved by the number of the copy times the largest id.
_COPIES = (
    # Articles and revisions are not copied: their largest ids are those of the real ones.
    """CREATE TABLE IF NOT EXISTS {s}.bench_real AS
    SELECT (SELECT max(id) FROM {s}.search_docs) AS docs,
      (SELECT max(id) FROM {s}.chunks) AS chunks, (SELECT max(id) FROM {s}.articles) AS articles,
      (SELECT max(id) FROM {s}.revisions) AS revisions""",
    """CREATE TEMPORARY TABLE moved AS
    SELECT r.*, n FROM {s}.bench_real r, generate_series(CAST(:done AS int) + 1, :copies) n""",
    """INSERT INTO {s}.chunks (id, workspace, revision_id, position, heading, content)
    OVERRIDING SYSTEM VALUE
    SELECT c.id + m.n * m.chunks, c.workspace, c.revision_id + m.n * m.revisions, c.position,
      c.heading, c.content
    FROM moved m JOIN {s}.chunks c ON c.id <= m.chunks""",
    """INSERT INTO {s}.search_docs (id, workspace, corpus_id, article_id, revision_id, title,
      len_title, len_body, language, queued_at, updated_at)
    OVERRIDING SYSTEM VALUE
    SELECT d.id + m.n * m.docs, d.workspace, d.corpus_id, d.article_id + m.n * m.articles,
      d.revision_id + m.n * m.revisions, d.title, d.len_title, d.len_body, d.language,
      d.queued_at, d.updated_at
    FROM moved m JOIN {s}.search_docs d ON d.id <= m.docs""",
    """INSERT INTO {s}.search_postings (doc_id, lexeme, corpus_id, tf_title, tf_body, len_title,
      len_body)
    SELECT p.doc_id + m.n * m.docs, p.lexeme, p.corpus_id, p.tf_title, p.tf_body, p.len_title,
      p.len_body
    FROM moved m JOIN {s}.search_postings p ON p.doc_id <= m.docs""",
    """UPDATE {s}.search_lexemes 
    SET n_docs = n_docs / (1 + CAST(:done AS int)) * (1 + :copies)""",
    """UPDATE {s}.search_corpora 
    SET n_docs = n_docs / (1 + CAST(:done AS int)) * (1 + :copies),
      sum_title = sum_title / (1 + CAST(:done AS int)) * (1 + :copies),
      sum_body = sum_body / (1 + CAST(:done AS int)) * (1 + :copies)""",
    # The sum of four uniform numbers is close enough to a normal one, and quick.
    """INSERT INTO {s}.search_vectors (doc_id, model_id, slot, position, corpus_id, chunk_id,
      embedding)
    SELECT v.doc_id + m.n * m.docs, v.model_id, v.slot, v.position, v.corpus_id,
      v.chunk_id + m.n * m.chunks, CAST(l2_normalize(CAST(e.noisy AS vector)) AS halfvec)
    FROM moved m JOIN {s}.search_vectors v ON v.doc_id <= m.docs
    CROSS JOIN LATERAL (
      SELECT array_agg(x + :noise * 1.73 * (random() + random() + random() + random() - 2)
        ORDER BY place) AS noisy
      FROM unnest(CAST(CAST(v.embedding AS vector) AS real[])) WITH ORDINALITY AS u(x, place)
      WHERE m.n IS NOT NULL
    ) e""",
    "DROP TABLE moved",
)


async def measure(engine: Engine, questions: Sequence[str]) -> dict[str, Any]:
    """The same questions end to end, by the statements alone, and by the vector arm alone."""
    sent: dict[str, list[tuple[str, Any]]] = {}
    current: list[tuple[str, Any]] = []

    def remember(*given: Any) -> None:
        current.append((given[2], given[3]))

    times: dict[str, list[float]] = {name: [] for name in ("total", "embed", "search", "beyond")}
    for question in questions[:20]:
        await engine.retrieval.search(WHO, question)
    # Twenty questions were remembered: the measured ones are embedded for themselves.
    sql = engine.db.engine.sync_engine
    event.listen(sql, "before_cursor_execute", remember)
    for question in questions[20:]:
        current = sent[question] = []
        began = time.perf_counter()
        found = await engine.retrieval.search(WHO, question, explain=True)
        total = (time.perf_counter() - began) * 1000
        assert found.trace is not None
        assert not found.degraded
        times["total"].append(total)
        times["embed"].append(found.trace.embed_ms)
        times["search"].append(found.trace.search_ms)
    event.remove(sql, "before_cursor_execute", remember)
    raw = await asyncio.to_thread(bare, engine, sent)
    beyond = [
        total - embed - alone
        for total, embed, alone in zip(
            times["total"], times["embed"], raw["statements"], strict=True
        )
    ]
    vectors = [await engine.retrieval.embedding.query(q) for q in questions[20:]]
    literals = [vector_literal(vector) for vector in vectors[:RECALL_QUESTIONS]]
    return {
        "end_to_end_ms": spread(times["total"]),
        "embedding_ms": spread(times["embed"]),
        "sql_ms": spread(raw["statements"]),
        "vector_arm_ms": spread(raw["vector arm"]),
        "overhead_ms": spread(beyond),
        "overhead_to_sql": round(
            statistics.median(beyond) / statistics.median(raw["statements"]), 2
        ),
        f"recall@{RECALL_AT}": {
            f"ef_search {ef}": await asyncio.to_thread(recall, engine, literals, ef)
            for ef in (LOOKED_AT, *WIDER)
        },
    }


def bare(engine: Engine, sent: Mapping[str, Sequence[tuple[str, Any]]]) -> dict[str, list[float]]:
    """The statements of each search once more, in one transaction each, by the bare driver."""
    taken: dict[str, list[float]] = {"statements": [], "vector arm": []}
    with psycopg.connect(_url(engine), prepare_threshold=2) as connection:
        for warm, statements in [(warm, one) for warm in (True, False) for one in sent.values()]:
            began = time.perf_counter()
            for statement, values in statements:
                connection.execute(statement, values).fetchall()
            took = (time.perf_counter() - began) * 1000
            [values] = [values for statement, values in statements if _ARMS in statement]
            arm = _arm(connection, engine, values)
            connection.rollback()
            if not warm:
                taken["statements"].append(took)
                taken["vector arm"].append(arm)
    return taken


def _arm(connection: psycopg.Connection[Any], engine: Engine, values: Any) -> float:
    began = time.perf_counter()
    connection.execute(
        _nearest(engine, LOOKED_AT),
        {"vector": values["vector"], "corpus_id": values["corpus_id"]},
    ).fetchall()
    return (time.perf_counter() - began) * 1000


def recall(engine: Engine, literals: Sequence[str], ef_search: int) -> float:
    """The share of the ten nearest vectors that the index finds, of those a scan of all finds."""
    shares: list[float] = []
    statement = _nearest(engine, RECALL_AT)
    with psycopg.connect(_url(engine)) as connection:
        [(corpus_id,)] = connection.execute(
            f"SELECT id FROM {engine.settings.schema_prefix}.search_corpora"
        ).fetchall()
        for literal in literals:
            values = {"vector": literal, "corpus_id": corpus_id}
            connection.execute("SET LOCAL enable_indexscan = off")
            exact = {row[:3] for row in connection.execute(statement, values)}
            connection.execute("SET LOCAL enable_indexscan = on")
            connection.execute("SET LOCAL enable_sort = off")
            connection.execute(f"SET LOCAL hnsw.ef_search = {ef_search}")
            connection.execute("SET LOCAL hnsw.iterative_scan = 'relaxed_order'")
            found = {row[:3] for row in connection.execute(statement, values)}
            connection.rollback()
            shares.append(len(exact & found) / len(exact))
    return round(statistics.fmean(shares), 4)


def _nearest(engine: Engine, number: int) -> str:
    distance = "embedding::halfvec(384) <=> CAST(%(vector)s AS halfvec(384))"
    return (
        f"SELECT doc_id, slot, position, {distance} AS distance"
        f" FROM {engine.settings.schema_prefix}.search_vectors"
        f" WHERE model_id = 'minilm-int8' AND corpus_id = %(corpus_id)s"
        f" ORDER BY {distance} LIMIT {number}"
    )


def _url(engine: Engine) -> str:
    return engine.db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def spread(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(len(ordered) * 0.95)], 2),
    }


def questions_of(data: Path | None, folder: Path, *, number: int) -> list[str]:
    """Real questions where there are some, else sentences of the articles."""
    if data is not None:
        lines = data.read_text().splitlines()
        asked = [json.loads(line)["text"] for line in lines]
    else:
        written = "\n".join(path.read_text() for path in sorted(folder.rglob("*.md")))
        asked = [line.strip("#*- ") for line in written.splitlines() if len(line.split()) > 5]
    return random.Random(1).sample(asked, min(number, len(asked)))


async def sizes(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """The table, one row for each size."""
    assert MINILM.model_id == "minilm-int8"
    asked = questions_of(chosen.questions, chosen.articles, number=chosen.number)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="cairnloop-bench-") as home:
        async with Engine(Settings.load(home=Path(home), embedder="minilm")) as engine:
            real = await load(engine, chosen.articles)
            done = 0
            for size in sorted(int(size) for size in chosen.sizes.split(",")):
                built = await multiply(engine, real, done, size)
                done = max(done, copies_for(real, size))
                status = await engine.retrieval.status(WHO)
                found = await measure(engine, asked)
                rows.append(
                    {
                        "vectors": status.n_vectors,
                        "documents": status.n_documents,
                        "real_vectors": real,
                        **built,
                        **found,
                    }
                )
                print(json.dumps(rows[-1]), flush=True)
    return rows


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=Path, default=SEEDS)
    parser.add_argument("--questions", type=Path, help="a file of JSON lines with `text`")
    parser.add_argument("--number", type=int, default=220)
    parser.add_argument("--sizes", default="5000,100000")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rows = await sizes(chosen)
    found: dict[str, Any] = {"sizes": rows}
    if len(rows) > 1:
        first, last = rows[0]["vector_arm_ms"]["p50"], rows[-1]["vector_arm_ms"]["p50"]
        found |= {"vector_arm_ratio": round(last / first, 2)}
    print(json.dumps(found, indent=2))
    if chosen.out:
        chosen.out.write_text(json.dumps({"machine": described(), **found}, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
