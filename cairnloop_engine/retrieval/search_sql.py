"""The search as one statement: both arms, their fusion, and the reasons for each result."""

from __future__ import annotations

from collections.abc import Callable

from cairnloop_engine.retrieval.ports import EmbedderRecord
from cairnloop_engine.retrieval.ranking import Fusion

# The names of our tables, with their schema.
Named = Callable[[str], str]

_SCORES = {
    Fusion.CONVEX: "CASE WHEN cosine IS NULL THEN share"
    " ELSE :alpha * cosine + (1 - :alpha) * share END",
    Fusion.RRF: "(coalesce(:vector_weight / (:rrf_k + vector_rank), 0)"
    " + coalesce(1 / (:rrf_k + keyword_rank), 0)) * (:rrf_k + 1) / (:vector_weight + 1)",
}

# Which words the query has, how telling each is, and what they give every document: BM25F from
# our own postings. The corpus row carries workspace and statistics into both arms.
_KEYWORDS = """
WITH corpus AS MATERIALIZED (
  SELECT id, greatest(n_docs, 1)::float8 AS n,
    greatest(sum_title::float8 / greatest(n_docs, 1), 1) AS mean_title,
    greatest(sum_body::float8 / greatest(n_docs, 1), 1) AS mean_body
  FROM {search_corpora}
  WHERE workspace = :workspace AND source_type = :source_type
), terms AS MATERIALIZED (
  SELECT q.lexeme,
    ln(1 + (c.n - coalesce(l.n_docs, 0) + 0.5) / (coalesce(l.n_docs, 0) + 0.5)) AS weight
  FROM corpus c
  CROSS JOIN unnest(tsvector_to_array(to_tsvector(CAST(:language AS regconfig), :query)))
    AS q(lexeme)
  LEFT JOIN {search_lexemes} l ON l.corpus_id = c.id AND l.lexeme = q.lexeme
  ORDER BY weight DESC, q.lexeme LIMIT :most_lexemes
), words AS MATERIALIZED (
  SELECT p.doc_id, sum(t.weight * f.tf / (f.tf + :k1)) / (SELECT sum(weight) FROM terms) AS share
  FROM corpus c
  CROSS JOIN terms t
  JOIN {search_postings} p ON p.corpus_id = c.id AND p.lexeme = t.lexeme
  CROSS JOIN LATERAL (SELECT
    :title_weight * p.tf_title / (1 - :title_b + :title_b * p.len_title / c.mean_title)
    + :body_weight * p.tf_body / (1 - :body_b + :body_b * p.len_body / c.mean_body) AS tf) f
  GROUP BY p.doc_id
), by_word AS MATERIALIZED (
  SELECT doc_id, share, row_number() OVER (ORDER BY share DESC, doc_id) AS keyword_rank
  FROM words ORDER BY share DESC, doc_id LIMIT :keyword_candidates
)"""

# The nearest vectors of one model; several of them may belong to one document, the best counts.
# The arms meet in a FULL JOIN, which Postgres hashes or merges: a nested loop, which a guess of
# one row invites, would compare every candidate with every document that shares a word.
_VECTORS = """, question AS MATERIALIZED (
  SELECT CAST(:vector AS halfvec({dim})) AS unit
), near AS MATERIALIZED (
  SELECT v.doc_id, v.embedding::halfvec({dim}) <=> (SELECT unit FROM question) AS distance
  FROM {search_vectors} v
  WHERE v.model_id = '{model_id}' AND v.corpus_id = (SELECT id FROM corpus)
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
  SELECT doc_id, NULL::float8 AS cosine, share, NULL::bigint AS vector_rank,
    NULL::bigint AS keyword_rank
  FROM words
)"""

# The winners with what explains them: the cosine of each slot, and the passage to show.
_BEST = """, best AS MATERIALIZED (
  SELECT doc_id, {score} AS score, share FROM scored
  ORDER BY score DESC, doc_id LIMIT :limit
)
SELECT b.doc_id, b.score, b.share, m.lexemes, d.article_id, d.revision_id, d.title,
  d.updated_at, s.cos_title, s.cos_doc, s.cos_chunk, c.id AS chunk_id, c.heading, c.content
FROM best b
JOIN {search_docs} d ON d.id = b.doc_id AND d.workspace = :workspace
CROSS JOIN LATERAL (
  SELECT array_agg(t.lexeme ORDER BY t.weight DESC, t.lexeme) AS lexemes
  FROM terms t JOIN {search_postings} p ON p.doc_id = b.doc_id AND p.lexeme = t.lexeme
) m
CROSS JOIN LATERAL ({slots}) s
CROSS JOIN LATERAL (
  SELECT coalesce(s.chunk_id, (
    SELECT p.id FROM {chunks} p WHERE p.revision_id = d.revision_id
    ORDER BY (
      SELECT count(*) FROM unnest(tsvector_to_array(
        to_tsvector(CAST(:language AS regconfig), p.content))) AS l(lexeme)
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

TABLES = (
    "search_corpora",
    "search_docs",
    "search_lexemes",
    "search_postings",
    "search_vectors",
    "chunks",
)


def search_statement(named: Named, *, record: EmbedderRecord | None, fusion: Fusion) -> str:
    """The text of the search; ``record`` None searches by words alone.

    The model's id and dimension stand in it literally, because only then can Postgres use the
    index of that model. Both are checked when a record is made.
    """
    tables = {table: named(table) for table in TABLES}
    if record is None:
        return (_KEYWORDS + _NO_VECTORS).format(**tables) + _BEST.format(
            **tables, score="share", slots=_NO_SLOTS
        )
    model = {"dim": str(record.dim), "model_id": record.model_id}
    return (_KEYWORDS + _VECTORS).format(**tables, **model) + _BEST.format(
        **tables, score=_SCORES[fusion], slots=_SLOTS.format(**tables, **model)
    )
