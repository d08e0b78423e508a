"""Searches that need no library: vectors alone, and the hybrid that pgvector's guide shows.

Both read one table with one vector for each text, beside our own database in the same cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

import psycopg
from psycopg import sql

from cairnloop_engine.retrieval.ports import Vector, Vectors

# The customary constant of reciprocal rank fusion, and how deep the guide looks into each list.
RRF_K = 60
DEPTH = 20

_NEAREST = """
SELECT name, 1 - (embedding <=> %(vector)s::vector) AS score
FROM texts ORDER BY embedding <=> %(vector)s::vector, name LIMIT %(most)s
"""

_RRF = """
WITH by_vector AS (
  SELECT name, rank() OVER (ORDER BY embedding <=> %(vector)s::vector) AS place
  FROM texts ORDER BY embedding <=> %(vector)s::vector LIMIT %(depth)s
), by_words AS (
  SELECT name, rank() OVER (ORDER BY ts_rank_cd(to_tsvector('english', content), asked) DESC)
    AS place
  FROM texts, plainto_tsquery('english', %(query)s) AS asked
  WHERE to_tsvector('english', content) @@ asked
  ORDER BY ts_rank_cd(to_tsvector('english', content), asked) DESC LIMIT %(depth)s
)
SELECT name, coalesce(1.0 / (%(k)s + v.place), 0) + coalesce(1.0 / (%(k)s + w.place), 0) AS score
FROM by_vector v FULL JOIN by_words w USING (name)
ORDER BY score DESC, name LIMIT %(most)s
"""

SEARCHES = {"one vector, no words": _NEAREST, "pgvector guide, RRF (k 60)": _RRF}

Answers = list[tuple[list[tuple[str, float]], float]]


def create_database(cluster_url: str, name: str) -> None:
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def fill(url: str, texts: Mapping[str, str], vectors: Vectors) -> None:
    """One row for each text; what stood there before goes, also what a peer left."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(
            sql.SQL(
                "CREATE TABLE texts (name text PRIMARY KEY, content text, embedding vector({}))"
            ).format(sql.Literal(vectors.shape[1]))
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO texts VALUES (%s, %s, %s)",
                [
                    (name, content, literal(vector))
                    for (name, content), vector in zip(texts.items(), vectors, strict=True)
                ],
            )
        connection.execute("CREATE INDEX ON texts USING hnsw (embedding vector_cosine_ops)")
        connection.execute("CREATE INDEX ON texts USING gin (to_tsvector('english', content))")
        connection.execute("VACUUM ANALYZE texts")


def answers(
    url: str, statement: str, questions: Sequence[str], vectors: Vectors, *, most: int
) -> Answers:
    """What one statement finds for each question, and the milliseconds that it took."""
    found: Answers = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET hnsw.ef_search = 100")
        for asked, vector in zip(questions, vectors, strict=True):
            values = {
                "vector": literal(vector),
                "query": asked,
                "most": most,
                "depth": max(DEPTH, most),
                "k": RRF_K,
            }
            began = perf_counter()
            rows = connection.execute(statement, values).fetchall()
            taken = (perf_counter() - began) * 1000
            found.append(([(name, float(score)) for name, score in rows], taken))
    return found


def literal(vector: Vector) -> str:
    return "[" + ",".join(f"{number:.7g}" for number in vector.tolist()) + "]"
