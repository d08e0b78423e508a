"""langchain-postgres: its hybrid search with weighted sums and with reciprocal rank fusion."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_postgres import Column, PGEngine, PGVectorStore
from langchain_postgres.v2.hybrid_search_config import (
    HybridSearchConfig,
    reciprocal_rank_fusion,
    weighted_sum_ranking,
)

from benchmarks.peers.task import Find, Task, asked

PACKAGES = ("langchain-postgres", "langchain-core")
TABLE = "langchain_texts"
# Its default of four candidates from each list would lose by itself.
CANDIDATES = 50


class Known:
    """Answers with the vectors that were made before."""

    def __init__(self, task: Task) -> None:
        self._known = task.known()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._known[text]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


def run(task: Task, url: str) -> dict[str, Any]:
    engine = PGEngine.from_connection_string(url.replace("postgresql:", "postgresql+psycopg:", 1))
    engine.init_vectorstore_table(
        table_name=TABLE,
        vector_size=task.vectors.shape[1],
        id_column=Column("langchain_id", "TEXT"),
        overwrite_existing=True,
        hybrid_search_config=_config(weighted_sum_ranking),
    )
    store = PGVectorStore.create_sync(
        engine=engine,
        embedding_service=Known(task),
        table_name=TABLE,
        hybrid_search_config=_config(weighted_sum_ranking),
    )
    store.add_texts(task.texts, ids=task.ids)
    return {
        "LangChain, weighted sum": asked(task, _finder(store, weighted_sum_ranking, task.most)),
        "LangChain, RRF (k 60)": asked(task, _finder(store, reciprocal_rank_fusion, task.most)),
    }


def _config(fuse: Callable[..., Any]) -> HybridSearchConfig:
    return HybridSearchConfig(
        tsv_column="content_tsv",
        tsv_lang="pg_catalog.english",
        fusion_function=fuse,
        primary_top_k=CANDIDATES,
        secondary_top_k=CANDIDATES,
    )


def _finder(store: PGVectorStore, fuse: Callable[..., Any], most: int) -> Find:
    def find(question: str, vector: Sequence[float]) -> list[tuple[str, float]]:
        # A new configuration each time: the store keeps the words of the first question in it.
        found = store.similarity_search_with_score(
            question, k=most, hybrid_search_config=_config(fuse)
        )
        return [(document.id, float(score)) for document, score in found]

    return find
