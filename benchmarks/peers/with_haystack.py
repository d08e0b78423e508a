"""pgvector-haystack: both of its retrievers, joined by reciprocal rank fusion."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.utils import Secret
from haystack_integrations.components.retrievers.pgvector import (
    PgvectorEmbeddingRetriever,
    PgvectorKeywordRetriever,
)
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

from benchmarks.peers.task import Task, asked

PACKAGES = ("pgvector-haystack", "haystack-ai")
TABLE = "haystack_texts"
CANDIDATES = 50


def run(task: Task, url: str) -> dict[str, Any]:
    store = PgvectorDocumentStore(
        connection_string=Secret.from_token(url),
        table_name=TABLE,
        embedding_dimension=task.vectors.shape[1],
        vector_function="cosine_similarity",
        recreate_table=True,
        language="english",
    )
    rows = zip(task.ids, task.texts, task.vectors.tolist(), strict=True)
    store.write_documents(
        [Document(id=one, content=text, embedding=vector) for one, text, vector in rows]
    )
    by_vector = PgvectorEmbeddingRetriever(document_store=store, top_k=CANDIDATES)
    by_words = PgvectorKeywordRetriever(document_store=store, top_k=CANDIDATES)
    joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=task.most)

    def find(question: str, vector: Sequence[float]) -> list[tuple[str, float]]:
        lists = [
            by_vector.run(query_embedding=list(vector))["documents"],
            by_words.run(query=question)["documents"],
        ]
        joined = joiner.run(documents=lists)["documents"]
        return [(document.id, float(document.score or 0)) for document in joined]

    return {"Haystack, RRF (k 60)": asked(task, find)}
