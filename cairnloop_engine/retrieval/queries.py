"""Every SQL statement of the retrieval slice; the search itself is put together in search_sql."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import TextClause, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import ArticleId, RevisionId
from cairnloop_engine.core.tables import qualified
from cairnloop_engine.retrieval.identifiers import MARK, counted
from cairnloop_engine.retrieval.lexicon_queries import CONFIGURATION
from cairnloop_engine.retrieval.model import SourceType
from cairnloop_engine.retrieval.ports import EmbedderRecord, Vector, Vectors
from cairnloop_engine.retrieval.ranking import Fusion
from cairnloop_engine.retrieval.search_sql import Model, search_statement
from cairnloop_engine.retrieval.tables import CorpusRow, DocumentRow, VectorRow
from cairnloop_engine.retrieval.texts import Entry

# Searching


_LIMITS = text(
    "SELECT set_config('statement_timeout', :timeout, true),"
    " set_config('hnsw.ef_search', :candidates, true),"
    " set_config('hnsw.iterative_scan', 'relaxed_order', true),"
    " set_config('jit', 'off', true)"
)


async def prepare_search(read: Read, *, candidates: int, timeout_ms: int) -> None:
    """Bound this transaction's search, and let the vector index look far enough.

    An index scan that stops at its default of 40 rows, or before the workspace's own rows, would
    return too few; compiling the plan costs more than running it.
    """
    await read.session.execute(
        _LIMITS, {"timeout": str(timeout_ms), "candidates": str(min(1000, candidates))}
    )


async def search(
    read: Read,
    parameters: Mapping[str, Any],
    *,
    source_type: SourceType,
    record: EmbedderRecord | None,
    fusion: Fusion,
) -> Sequence[Mapping[str, Any]]:
    """The best documents of one corpus with their reasons, best first."""
    model = None if record is None else (record.model_id, record.dim)
    found = await read.session.execute(
        _search(read.schema, source_type, model, fusion), dict(parameters)
    )
    return [dict(row) for row in found.mappings()]


# Reading the text of a statement costs as much as sending it.
@lru_cache(maxsize=64)
def _search(
    schema: str, source_type: SourceType, model: Model | None, fusion: Fusion
) -> TextClause:
    return text(
        search_statement(
            partial(qualified, schema), source_type=source_type, model=model, fusion=fusion
        )
    )


def vector_literal(vector: Vector) -> str:
    """A vector as pgvector reads it; more digits than half precision keeps."""
    return "[" + ",".join(f"{number:.6g}" for number in vector.tolist()) + "]"


# Indexing


async def lock_corpus(work: Work, source_type: SourceType) -> int:
    """The corpus of this workspace, made when missing; locked until the transaction ends."""
    statement = insert(CorpusRow).values(
        workspace=work.workspace, source_type=source_type, n_docs=0, sum_title=0, sum_body=0
    )
    found = await work.session.execute(
        statement.on_conflict_do_update(
            index_elements=[CorpusRow.workspace, CorpusRow.source_type],
            set_={"n_docs": CorpusRow.n_docs},
        ).returning(CorpusRow.id)
    )
    return int(found.scalar_one())


async def lock_document(work: Work, article_id: ArticleId) -> DocumentRow | None:
    """The article's place in the index, locked until the transaction ends."""
    found = await work.session.scalars(
        select(DocumentRow)
        .where(DocumentRow.workspace == work.workspace, DocumentRow.article_id == article_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.first()


async def document(read: Read, article_id: ArticleId) -> DocumentRow | None:
    found = await read.session.scalars(
        select(DocumentRow).where(
            DocumentRow.workspace == read.workspace, DocumentRow.article_id == article_id
        )
    )
    return found.first()


async def put_document(
    work: Work, corpus_id: int, article_id: ArticleId, revision_id: RevisionId, title: str
) -> int:
    """Give the article its place in the index; its vectors are to be made."""
    values = {
        "revision_id": revision_id,
        "title": title,
        "len_title": 0,
        "len_body": 0,
        "vectors_error": None,
        "queued_at": work.now,
        "updated_at": work.now,
    }
    found = await work.session.execute(
        insert(DocumentRow)
        .values(workspace=work.workspace, corpus_id=corpus_id, article_id=article_id, **values)
        .on_conflict_do_update(
            index_elements=[DocumentRow.corpus_id, DocumentRow.article_id], set_=values
        )
        .returning(DocumentRow.id)
    )
    return int(found.scalar_one())


# The tables that know of words.
_WORDS = ("search_postings", "search_lexemes", "search_docs", "search_corpora")

_ADD_WORDS = """
WITH configuration AS MATERIALIZED (
  SELECT {configuration} AS used
), found AS (
  SELECT w.lexeme, cardinality(w.positions) AS tf_title, 0 AS tf_body
  FROM unnest(to_tsvector((SELECT used FROM configuration), :title)) w
  UNION ALL
  SELECT w.lexeme, 0, cardinality(w.positions)
  FROM unnest(CAST(:pieces AS text[])) AS piece
  CROSS JOIN unnest(to_tsvector((SELECT used FROM configuration), piece)) w
  UNION ALL
  SELECT c.lexeme, c.tf_title, c.tf_body
  FROM unnest(CAST(:codes AS text[]), CAST(:in_title AS int[]),
    CAST(:in_body AS int[])) AS c(lexeme, tf_title, tf_body)
), counted AS (
  SELECT lexeme, sum(tf_title)::int AS tf_title, sum(tf_body)::int AS tf_body
  FROM found GROUP BY lexeme
), sized AS (
  SELECT coalesce(sum(tf_title), 0)::int AS len_title,
    coalesce(sum(tf_body), 0)::int AS len_body
  FROM counted WHERE NOT starts_with(lexeme, :mark)
), written AS (
  INSERT INTO {search_postings}
    (doc_id, lexeme, corpus_id, tf_title, tf_body, len_title, len_body)
  SELECT :doc_id, c.lexeme, :corpus_id, c.tf_title, c.tf_body, s.len_title, s.len_body
  FROM counted c CROSS JOIN sized s
), frequent AS (
  INSERT INTO {search_lexemes} AS l (corpus_id, lexeme, n_docs)
  SELECT :corpus_id, lexeme, 1 FROM counted
  ON CONFLICT (corpus_id, lexeme) DO UPDATE SET n_docs = l.n_docs + 1
), measured AS (
  UPDATE {search_docs} d
  SET len_title = s.len_title, len_body = s.len_body, language = :language
  FROM sized s WHERE d.id = :doc_id
)
UPDATE {search_corpora} c SET n_docs = c.n_docs + 1,
  sum_title = c.sum_title + s.len_title, sum_body = c.sum_body + s.len_body
FROM sized s WHERE c.id = :corpus_id
"""


async def add_words(
    work: Work, corpus_id: int, doc_id: int, *, language: str, title: str, pieces: Sequence[str]
) -> None:
    """Write the postings of a document and what they add to the statistics of its corpus.

    Identifiers stand beside the words under a mark of their own and make no document longer.
    """
    in_title, in_body = counted([title]), counted(pieces)
    codes = sorted(in_title | in_body)
    await work.session.execute(
        text(
            _ADD_WORDS.format(
                configuration=CONFIGURATION, **{table: work.qualified(table) for table in _WORDS}
            )
        ),
        {
            "language": language,
            "title": title,
            "pieces": list(pieces),
            "codes": codes,
            "in_title": [in_title[code] for code in codes],
            "in_body": [in_body[code] for code in codes],
            "mark": MARK,
            "doc_id": doc_id,
            "corpus_id": corpus_id,
        },
    )


async def remove_words(work: Work, corpus_id: int, doc_id: int) -> None:
    """Take a document's postings out, and what they added to the statistics."""
    q = work.qualified
    await work.session.execute(
        text(
            f"""
            WITH gone AS (
              DELETE FROM {q("search_postings")} WHERE doc_id = :doc_id RETURNING lexeme
            ), rarer AS (
              UPDATE {q("search_lexemes")} l SET n_docs = l.n_docs - 1
              FROM gone WHERE l.corpus_id = :corpus_id AND l.lexeme = gone.lexeme AND l.n_docs > 1
            ), forgotten AS (
              DELETE FROM {q("search_lexemes")} l USING gone
              WHERE l.corpus_id = :corpus_id AND l.lexeme = gone.lexeme AND l.n_docs <= 1
            )
            UPDATE {q("search_corpora")} c SET n_docs = c.n_docs - 1,
              sum_title = c.sum_title - d.len_title, sum_body = c.sum_body - d.len_body
            FROM {q("search_docs")} d WHERE d.id = :doc_id AND c.id = :corpus_id
            """  # noqa: S608 - our own names
        ),
        {"doc_id": doc_id, "corpus_id": corpus_id},
    )


async def recount(work: Work, corpus_id: int) -> None:
    """Derive the statistics of a locked corpus from its rows, whatever was stored before."""
    q = work.qualified
    for statement in (
        f"UPDATE {q('search_corpora')} c SET (n_docs, sum_title, sum_body) ="  # noqa: S608
        " (SELECT count(*), coalesce(sum(d.len_title), 0), coalesce(sum(d.len_body), 0)"
        f" FROM {q('search_docs')} d WHERE d.corpus_id = c.id) WHERE c.id = :corpus_id",
        f"DELETE FROM {q('search_lexemes')} WHERE corpus_id = :corpus_id",  # noqa: S608
        f"INSERT INTO {q('search_lexemes')} (corpus_id, lexeme, n_docs)"  # noqa: S608
        f" SELECT corpus_id, lexeme, count(*) FROM {q('search_postings')}"
        " WHERE corpus_id = :corpus_id GROUP BY corpus_id, lexeme",
    ):
        await work.session.execute(text(statement), {"corpus_id": corpus_id})


async def delete_document(work: Work, doc_id: int) -> None:
    """Take a document out of the index; its vectors go with it."""
    await work.session.execute(delete(DocumentRow).where(DocumentRow.id == doc_id))


async def delete_vectors(work: Work, doc_id: int, *, model_id: str | None = None) -> None:
    """Drop a document's vectors: of one model, or of every model."""
    statement = delete(VectorRow).where(VectorRow.doc_id == doc_id)
    if model_id is not None:
        statement = statement.where(VectorRow.model_id == model_id)
    await work.session.execute(statement)


async def put_vectors(
    work: Work,
    document: DocumentRow,
    model_id: str,
    entries: Sequence[Entry],
    vectors: Vectors,
) -> None:
    """Record a document's vectors of one model in one statement."""
    await work.session.execute(
        text(
            f"INSERT INTO {work.qualified('search_vectors')}"  # noqa: S608 - our own name
            " (doc_id, model_id, slot, position, corpus_id, chunk_id, embedding)"
            " SELECT :doc_id, :model_id, e.slot, e.position, :corpus_id, e.chunk_id,"
            " CAST(e.embedding AS halfvec)"
            " FROM unnest(CAST(:slots AS smallint[]), CAST(:positions AS int[]),"
            " CAST(:chunk_ids AS bigint[]), CAST(:embeddings AS text[]))"
            " AS e(slot, position, chunk_id, embedding)"
        ),
        {
            "doc_id": document.id,
            "model_id": model_id,
            "corpus_id": document.corpus_id,
            "slots": [int(entry.slot) for entry in entries],
            "positions": [entry.position for entry in entries],
            "chunk_ids": [entry.chunk_id for entry in entries],
            "embeddings": [vector_literal(vector) for vector in vectors],
        },
    )
