"""The SQL statements around temporary copies of the index: begin, fill with vectors, complete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from cairnloop_engine.core.database import Work
from cairnloop_engine.retrieval import queries, search_sql
from cairnloop_engine.retrieval.model import SourceType
from cairnloop_engine.retrieval.ports import Vectors
from cairnloop_engine.retrieval.texts import Entry

# What a search reads, and so what an evaluation needs of its own.
TABLES = search_sql.TABLES
VECTORS = "search_vectors"

_ON_TABLE = re.compile(r" ON .*? USING ")


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage of a document, under an id that is unique in the evaluation."""

    id: int
    doc_id: int
    position: int
    heading: str
    content: str


async def begin_loading(work: Work, model_id: str) -> int:
    """Make the one corpus of an evaluation, whose statistics are counted at the end only.

    Within one transaction the rows of common words would grow longer and slower with every
    document that changes them. Returns the id of the corpus.
    """
    q = work.qualified
    for statement in (
        f"CREATE FUNCTION {q('count_later')}() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NULL; END $$",
        f"CREATE TRIGGER count_later BEFORE INSERT OR UPDATE ON {q('search_lexemes')}"
        f" FOR EACH ROW EXECUTE FUNCTION {q('count_later')}()",
        f"CREATE TRIGGER count_later BEFORE UPDATE ON {q('search_corpora')}"
        f" FOR EACH ROW EXECUTE FUNCTION {q('count_later')}()",
    ):
        await work.session.execute(text(statement))
    found = await work.session.execute(
        text(
            f"INSERT INTO {q('search_corpora')}"  # noqa: S608 - our own name
            " (workspace, source_type, n_docs, sum_title, sum_body, serving_model)"
            " VALUES (:workspace, :source_type, 0, 0, 0, :model_id) RETURNING id"
        ),
        {
            "workspace": work.workspace,
            "source_type": SourceType.KNOWLEDGE_BASE.value,
            "model_id": model_id,
        },
    )
    return int(found.scalar_one())


async def end_loading(work: Work, corpus_id: int, *, schema: str) -> None:
    """Count the words, index the vectors as those in ``schema`` are, and measure it all."""
    q = work.qualified
    for table in ("search_lexemes", "search_corpora"):
        await work.session.execute(text(f"DROP TRIGGER count_later ON {q(table)}"))
    await queries.recount(work, corpus_id)
    found = await work.session.scalars(
        text(
            "SELECT indexdef FROM pg_catalog.pg_indexes"
            " WHERE schemaname = :schema AND tablename = :table"
        ),
        {"schema": schema, "table": VECTORS},
    )
    for definition in found.all():
        # Made at once, which is several times faster than row by row.
        copied = _ON_TABLE.sub(f" ON {q(VECTORS)} USING ", definition, count=1)
        await work.session.execute(text(copied))
    for table in TABLES:
        await work.session.execute(text(f"ANALYZE {q(table)}"))


async def put_passages(work: Work, passages: Sequence[Passage]) -> None:
    await work.session.execute(
        text(
            f"INSERT INTO {work.qualified('chunks')}"  # noqa: S608 - our own name
            " (id, workspace, revision_id, position, heading, content)"
            " SELECT id, :workspace, doc_id, position, heading, content"
            " FROM unnest(CAST(:ids AS bigint[]), CAST(:docs AS bigint[]),"
            " CAST(:positions AS int[]), CAST(:headings AS text[]), CAST(:contents AS text[]))"
            " AS p(id, doc_id, position, heading, content)"
        ),
        {
            "workspace": work.workspace,
            "ids": [one.id for one in passages],
            "docs": [one.doc_id for one in passages],
            "positions": [one.position for one in passages],
            "headings": [one.heading for one in passages],
            "contents": [one.content for one in passages],
        },
    )


async def put_vectors(
    work: Work,
    corpus_id: int,
    entries: Sequence[tuple[int, Entry]],
    vectors: Vectors,
    *,
    model_id: str,
) -> None:
    """Write the vectors of many documents; each entry stands behind its document's id."""
    await work.session.execute(
        text(
            f"INSERT INTO {work.qualified('search_vectors')}"  # noqa: S608 - our own name
            " (doc_id, model_id, slot, position, corpus_id, chunk_id, embedding)"
            " SELECT e.doc_id, :model_id, e.slot, e.position, :corpus_id, e.chunk_id,"
            " CAST(e.embedding AS halfvec)"
            " FROM unnest(CAST(:docs AS bigint[]), CAST(:slots AS smallint[]),"
            " CAST(:positions AS int[]), CAST(:chunk_ids AS bigint[]),"
            " CAST(:embeddings AS text[])) AS e(doc_id, slot, position, chunk_id, embedding)"
        ),
        {
            "model_id": model_id,
            "corpus_id": corpus_id,
            "docs": [doc_id for doc_id, _ in entries],
            "slots": [int(entry.slot) for _, entry in entries],
            "positions": [entry.position for _, entry in entries],
            "chunk_ids": [entry.chunk_id for _, entry in entries],
            "embeddings": [queries.vector_literal(vector) for vector in vectors],
        },
    )
