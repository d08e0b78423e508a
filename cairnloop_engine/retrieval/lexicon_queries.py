"""The SQL that reads a question: its lexemes, how common they are, and what typos may mean."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import TextClause, text

from cairnloop_engine.core.database import Read
from cairnloop_engine.core.tables import qualified
from cairnloop_engine.retrieval.identifiers import MARK
from cairnloop_engine.retrieval.model import SourceType
from cairnloop_engine.retrieval.spelling import SURE_LETTERS, Known, variants
from cairnloop_engine.retrieval.terms import Asked, Corpus

# A name that this Postgres does not know reads as plain words; the status says so.
CONFIGURATION = (
    "(SELECT coalesce((SELECT g.oid FROM pg_catalog.pg_ts_config g WHERE g.cfgname = :language"
    " AND pg_catalog.pg_ts_config_is_visible(g.oid)),"
    " CAST('pg_catalog.simple' AS regconfig)::oid)::regconfig)"
)

# How many words with the same beginning are compared with one that has two typos.
MOST_COMPARED = 500
# Sorts behind every letter.
_LAST = "\U0010ffff"

_READING = """
WITH corpus AS MATERIALIZED (
  SELECT id, n_docs, sum_title::float8 AS sum_title, sum_body::float8 AS sum_body
  FROM {search_corpora} WHERE workspace = :workspace AND source_type = :source_type
), configuration AS MATERIALIZED (
  SELECT {configuration} AS used
), asked AS (
  SELECT DISTINCT ON (x.lexeme) x.lexeme, t.token
  FROM (
    SELECT DISTINCT token FROM pg_catalog.ts_parse(
      (SELECT cfgparser FROM pg_catalog.pg_ts_config
       WHERE oid = (SELECT used FROM configuration)), :question)
  ) t
  CROSS JOIN LATERAL unnest(tsvector_to_array(
    to_tsvector((SELECT used FROM configuration), t.token))) AS x(lexeme)
  ORDER BY x.lexeme, length(t.token), t.token
), looked_up AS (
  SELECT lexeme, token FROM asked
  UNION ALL
  SELECT k.lexeme, k.lexeme FROM unnest(CAST(:keys AS text[])) AS k(lexeme)
)
SELECT c.id, c.n_docs, c.sum_title, c.sum_body, a.lexeme, a.token,
  coalesce(l.n_docs, 0) AS found, EXISTS (
    SELECT FROM {search_corpora}
    WHERE workspace = :workspace AND source_type <> :source_type AND n_docs > 0
  ) AS has_others
FROM corpus c
LEFT JOIN looked_up a ON true
LEFT JOIN {search_lexemes} l ON l.corpus_id = c.id AND l.lexeme = a.lexeme
"""

_ONE_EDIT = """
SELECT a.word, v.variant, x.lexeme, l.n_docs
FROM unnest(CAST(:words AS text[]), CAST(:variants AS text[])) AS a(word, variants)
CROSS JOIN LATERAL unnest(string_to_array(a.variants, ' ')) AS v(variant)
CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector({configuration}, v.variant))) AS x(lexeme)
JOIN {search_lexemes} l ON l.corpus_id = :corpus_id AND l.lexeme = x.lexeme
"""

# The operators of a pattern index: a beginning is a range in it, whatever the collation.
_SAME_BEGINNING = """
SELECT l.lexeme, l.n_docs FROM {search_lexemes} l
WHERE l.corpus_id = :corpus_id AND l.lexeme ~>=~ :beginning AND l.lexeme ~<~ :behind
  AND length(l.lexeme) BETWEEN :shortest AND :longest
ORDER BY l.n_docs DESC, l.lexeme LIMIT :most
"""


async def read_question(
    read: Read, source_type: SourceType, question: str, keys: Sequence[str], *, language: str
) -> tuple[Corpus, list[Asked]] | None:
    """The corpus and the question's lexemes with their frequencies; None without such a corpus.

    ``keys`` are identifiers, which are looked up beside what Postgres makes of the question.
    """
    found = await read.session.execute(
        _statement(_READING, read.schema),
        {
            "workspace": read.workspace,
            "source_type": source_type.value,
            "language": language,
            "question": question,
            "keys": [MARK + key for key in keys],
        },
    )
    rows = found.all()
    if not rows or not rows[0].n_docs:
        return None
    first = rows[0]
    corpus = Corpus(
        first.id,
        first.n_docs,
        max(first.sum_title / first.n_docs, 1.0),
        max(first.sum_body / first.n_docs, 1.0),
        first.has_others,
    )
    asked = [Asked(row.lexeme, row.token, row.found) for row in rows if row.lexeme is not None]
    return corpus, asked


async def one_edit_away(
    read: Read, corpus: Corpus, words: Sequence[str], *, language: str
) -> dict[str, list[Known]]:
    """For each word, what stands in the corpus and differs from it by one edit."""
    found = await read.session.execute(
        _statement(_ONE_EDIT, read.schema),
        {
            "language": language,
            "corpus_id": corpus.id,
            "words": list(words),
            # One text a word: a driver takes several times longer over a list of hundreds.
            "variants": [" ".join(variants(word)) for word in words],
        },
    )
    known: dict[str, list[Known]] = {}
    for word, variant, lexeme, n_docs in found:
        known.setdefault(word, []).append(Known(variant, lexeme, n_docs))
    return known


async def beginning_alike(read: Read, corpus: Corpus, lexeme: str) -> list[Known]:
    """Lexemes of the corpus with the same first letters and about as long, common ones first."""
    beginning = lexeme[:SURE_LETTERS]
    found = await read.session.execute(
        _statement(_SAME_BEGINNING, read.schema),
        {
            "corpus_id": corpus.id,
            "beginning": beginning,
            "behind": beginning + _LAST,
            "shortest": len(lexeme) - 2,
            "longest": len(lexeme) + 2,
            "most": MOST_COMPARED,
        },
    )
    return [Known(lexeme, lexeme, n_docs) for lexeme, n_docs in found]


async def language_known(read: Read, language: str) -> bool:
    """Whether this Postgres has a text search configuration of that name."""
    found = await read.session.scalar(
        text(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_ts_config g WHERE g.cfgname = :language"
            " AND pg_catalog.pg_ts_config_is_visible(g.oid))"
        ),
        {"language": language},
    )
    return bool(found)


async def read_otherwise(read: Read, language: str) -> int:
    """How many documents of the workspace have words that were read in another language."""
    found = await read.session.scalar(
        text(
            f"SELECT count(*) FROM {read.qualified('search_docs')}"  # noqa: S608 - our own name
            " WHERE workspace = :workspace AND language IS DISTINCT FROM :language"
        ),
        {"workspace": read.workspace, "language": language},
    )
    return int(found or 0)


@cache
def _statement(template: str, schema: str) -> TextClause:
    return text(
        template.format(
            configuration=CONFIGURATION,
            search_corpora=qualified(schema, "search_corpora"),
            search_lexemes=qualified(schema, "search_lexemes"),
        )
    )
