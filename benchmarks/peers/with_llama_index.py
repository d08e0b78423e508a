"""llama-index-vector-stores-postgres: its hybrid mode."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
from llama_index.vector_stores.postgres import PGVectorStore

from benchmarks.peers.task import Task, asked

PACKAGES = ("llama-index-vector-stores-postgres", "llama-index-core")
TABLE = "llama_texts"


def run(task: Task, url: str) -> dict[str, Any]:
    rest = url.removeprefix("postgresql:")
    store = PGVectorStore.from_params(
        connection_string=f"postgresql+psycopg2:{rest}",
        async_connection_string=f"postgresql+asyncpg:{rest}",
        table_name=TABLE,
        embed_dim=task.vectors.shape[1],
        hybrid_search=True,
        text_search_config="english",
    )
    rows = zip(task.ids, task.texts, task.vectors.tolist(), strict=True)
    store.add([TextNode(id_=one, text=text, embedding=vector) for one, text, vector in rows])
    # It appends one list to the other without fusing them: half of the places for each.
    each = task.most // 2

    def find(question: str, vector: Sequence[float]) -> list[tuple[str, float]]:
        found = store.query(
            VectorStoreQuery(
                query_str=question,
                query_embedding=list(vector),
                mode=VectorStoreQueryMode.HYBRID,
                similarity_top_k=each,
                sparse_top_k=each,
            )
        )
        return list(zip(found.ids or [], map(float, found.similarities or []), strict=True))

    return {"LlamaIndex, hybrid": asked(task, find)}
