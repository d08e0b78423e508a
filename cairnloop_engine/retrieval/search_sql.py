"""The search as one statement: both arms, their fusion, and the reasons for each result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cairnloop_engine.retrieval.lexicon_queries import CONFIGURATION
from cairnloop_engine.retrieval.model import SourceType
from cairnloop_engine.retrieval.ranking import Fusion

# The names of our tables, with their schema.
Named = Callable[[str], str]
# A model's id and its dimension, as a record has checked them.
Model = tuple[str, int]

_SCORES = {
    Fusion.CONVEX: "CASE WHEN cosine IS NULL THEN share"
    " ELSE :alpha * cosine + (1 - :alpha) * share END",
    Fusion.RRF: "(coalesce(:vector_weight / (:rrf_k + vector_rank), 0)"
    " + coalesce(1 / (:rrf_k + keyword_rank), 0)) * (:rrf_k + 1) / (:vector_weight + 1)",
}


@dataclass(frozen=True, slots=True)
class _Source:
    """What is different about the documents of one corpus."""

    chunks: str
    # How a chunk knows its document.
    owner: str
    owned: str
    columns: str
    joins: str = ""
    # What multiplies the score; the documents of a corpus without it need no join to be ranked.
    factor: str = ""


_SOURCES = {
    SourceType.KNOWLEDGE_BASE: _Source(
        chunks="chunks",
        owner="revision_id",
        owned="d.revision_id",
        columns="d.article_id, d.revision_id",
    ),
    SourceType.RESOLVED_CASE: _Source(
        chunks="case_chunks",
        owner="case_id",
        owned="d.case_id",
        columns="k.conversation_id, k.issue_summary, k.resolution_note, k.actions_taken,"
        " k.resolved_at",
        joins="JOIN {resolved_cases} k ON k.id = d.case_id AND k.workspace = :workspace",
        factor=" * (1 - :recency_weight * (1 - power(0.5, greatest("
        "extract(epoch FROM :now - d.resolved_at)::float8, 0) / :half_life_s)))",
    ),
}

# What the telling words of the question give every document: BM25F from our own postings.
_KEYWORDS = """
WITH terms AS MATERIALIZED (
  SELECT t.lexeme, t.weight
  FROM unnest(CAST(:lexemes AS text[]), CAST(:weights AS float8[])) AS t(lexeme, weight)
), words AS MATERIALIZED (
  SELECT p.doc_id, sum(t.weight * f.tf / (f.tf + :k1)) / :reach AS share
  FROM terms t
  JOIN {search_postings} p ON p.corpus_id = :corpus_id AND p.lexeme = t.lexeme
  CROSS JOIN LATERAL (SELECT
    :title_weight * p.tf_title / (1 - :title_b + :title_b * p.len_title / :mean_title)
    + :body_weight * p.tf_body / (1 - :body_b + :body_b * p.len_body / :mean_body) AS tf) f
  GROUP BY p.doc_id
), by_word AS MATERIALIZED (
  SELECT doc_id, share, row_number() OVER (ORDER BY share DESC, doc_id) AS keyword_rank
  FROM (
    SELECT doc_id, share FROM words ORDER BY share DESC, doc_id LIMIT :keyword_candidates
  ) AS first
)"""

# The nearest vectors of one model; several of them may belong to one document, the best counts.
# The arms meet in a FULL JOIN, which Postgres hashes or merges: a nested loop, which a guess of
# one row invites, would compare every candidate with every document that shares a word.
_VECTORS = """, question AS MATERIALIZED (
  SELECT CAST(:vector AS halfvec({dim})) AS unit
), near AS MATERIALIZED (
  SELECT v.doc_id, v.embedding::halfvec({dim}) <=> (SELECT unit FROM question) AS distance
  FROM {search_vectors} v
  WHERE v.model_id = '{model_id}' AND v.corpus_id = :corpus_id
  ORDER BY v.embedding::halfvec({dim}) <=> (SELECT unit FROM question)
  LIMIT :nearest_vectors
), by_vector AS MATERIALIZED (
  SELECT doc_id, 1 - min(distance) AS cosine,
    row_number() OVER (ORDER BY min(distance), doc_id) AS vector_rank
  FROM near GROUP BY doc_id
), candidates AS MATERIALIZED (
  SELECT doc_id, v.cosine, v.vector_rank, coalesce(w.share, 0) AS share
  FROM by_vector v
  FULL JOIN words w USING (doc_id)
  WHERE v.doc_id IS NOT NULL
    OR (w.share >= (SELECT min(share) FROM by_word)
      AND w.doc_id = ANY (CAST((SELECT array_agg(doc_id) FROM by_word) AS bigint[])))
), scored AS (
  SELECT c.doc_id, coalesce(c.cosine, exact.cosine) AS cosine, c.share, c.vector_rank,
    k.keyword_rank
  FROM candidates c
  LEFT JOIN by_word k USING (doc_id)
  LEFT JOIN LATERAL (
    SELECT 1 - min(x.embedding::halfvec({dim}) <=> (SELECT unit FROM question)) AS cosine
    FROM {search_vectors} x
    WHERE c.cosine IS NULL AND x.doc_id = c.doc_id AND x.model_id = '{model_id}'
  ) exact ON true
)"""

_NO_VECTORS = """, scored AS (
  SELECT doc_id, NULL::float8 AS cosine, share, NULL::bigint AS vector_rank, keyword_rank
  FROM by_word
)"""

_BEST = """, best AS MATERIALIZED (
  SELECT doc_id, {score} AS score, share FROM scored
  ORDER BY score DESC, doc_id LIMIT :limit
)"""

_BEST_WITH_FACTOR = """, best AS MATERIALIZED (
  SELECT s.doc_id, ({score}){factor} AS score, s.share
  FROM scored s JOIN {search_docs} d ON d.id = s.doc_id AND d.workspace = :workspace
  ORDER BY score DESC, s.doc_id LIMIT :limit
)"""

# The winners with what explains them: the cosine of each slot, and the passage to show. That is
# the one which names the identifier that was asked for, else the nearest, else the one that shares
# most words.
_SHOWN = """
SELECT b.doc_id, b.score, b.share, m.lexemes, d.title, d.updated_at, {columns},
  s.cos_title, s.cos_doc, s.cos_chunk, c.id AS chunk_id, c.heading, c.content
FROM best b
JOIN {search_docs} d ON d.id = b.doc_id AND d.workspace = :workspace
{joins}
CROSS JOIN LATERAL (
  SELECT array_agg(t.lexeme ORDER BY t.weight DESC, t.lexeme) AS lexemes,
    array_agg(translate(t.lexeme, :joints, '')) FILTER (WHERE t.lexeme LIKE :marked) AS codes
  FROM terms t JOIN {search_postings} p ON p.doc_id = b.doc_id AND p.lexeme = t.lexeme
) m
CROSS JOIN LATERAL ({slots}) s
CROSS JOIN LATERAL (
  SELECT coalesce((
    SELECT p.id FROM {chunks} p
    CROSS JOIN LATERAL (
      SELECT count(*) AS n FROM unnest(m.codes) AS o(code)
      WHERE position(o.code IN translate(lower(p.heading || ' ' || p.content), :joints, '')) > 0
    ) named
    WHERE m.codes IS NOT NULL AND p.{owner} = {owned} AND named.n > 0
    ORDER BY named.n DESC, (p.id = s.chunk_id) DESC NULLS LAST, p.position
    LIMIT 1), s.chunk_id, (
    SELECT p.id FROM {chunks} p WHERE p.{owner} = {owned}
    ORDER BY (
      SELECT count(*) FROM unnest(tsvector_to_array(
        to_tsvector({configuration}, p.content))) AS l(lexeme)
      WHERE l.lexeme = ANY (m.lexemes)) DESC, p.position
    LIMIT 1)) AS id
) chosen
JOIN {chunks} c ON c.id = chosen.id AND c.workspace = :workspace
ORDER BY b.score DESC, b.doc_id"""

_SLOTS = """
  SELECT max(1 - distance) FILTER (WHERE slot = 0) AS cos_doc,
    max(1 - distance) FILTER (WHERE slot = 1) AS cos_title,
    max(1 - distance) FILTER (WHERE slot = 2) AS cos_chunk,
    (array_agg(chunk_id ORDER BY distance, position) FILTER (WHERE slot = 2))[1] AS chunk_id
  FROM (
    SELECT x.slot, x.chunk_id, x.position,
      x.embedding::halfvec({dim}) <=> (SELECT unit FROM question) AS distance
    FROM {search_vectors} x WHERE x.doc_id = b.doc_id AND x.model_id = '{model_id}'
  ) one"""

_NO_SLOTS = """
  SELECT NULL::float8 AS cos_doc, NULL::float8 AS cos_title, NULL::float8 AS cos_chunk,
    NULL::bigint AS chunk_id"""

# Every table that a search reads, also while it reads the question.
TABLES = (
    "search_corpora",
    "search_docs",
    "search_lexemes",
    "search_postings",
    "search_vectors",
    "chunks",
    "case_chunks",
    "resolved_cases",
)


def search_statement(
    named: Named, *, source_type: SourceType, model: Model | None, fusion: Fusion
) -> str:
    """The text of the search in one corpus; ``model`` None searches by words alone.

    The model's id and dimension stand in it literally, because only then can Postgres use the
    index of that model. Both are checked when a record is made.
    """
    source = _SOURCES[source_type]
    tables = {table: named(table) for table in TABLES}
    literal = {} if model is None else {"model_id": model[0], "dim": str(model[1])}
    own = {
        "chunks": tables[source.chunks],
        "owner": source.owner,
        "owned": source.owned,
        "columns": source.columns,
        "joins": source.joins.format(**tables),
        "factor": source.factor,
        "configuration": CONFIGURATION,
        "score": "share" if model is None else _SCORES[fusion],
        "slots": _NO_SLOTS if model is None else _SLOTS.format(**tables, **literal),
    }
    parts = (
        _KEYWORDS,
        _NO_VECTORS if model is None else _VECTORS,
        _BEST_WITH_FACTOR if source.factor else _BEST,
        _SHOWN,
    )
    return "".join(part.format(**{**tables, **literal, **own}) for part in parts)
