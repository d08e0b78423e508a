"""The statement of the search, as text."""

from __future__ import annotations

import re

import pytest

from cairnloop_engine.core.tables import qualified
from cairnloop_engine.retrieval.model import SourceType
from cairnloop_engine.retrieval.ranking import Fusion
from cairnloop_engine.retrieval.search_sql import TABLES, search_statement

OWN = {
    SourceType.KNOWLEDGE_BASE: {"search_docs", "search_postings", "search_vectors", "chunks"},
    SourceType.RESOLVED_CASE: {
        *("search_docs", "search_postings", "search_vectors"),
        *("case_chunks", "resolved_cases"),
    },
}


@pytest.mark.requirement("03-retrieval-drafting:39")
@pytest.mark.parametrize("source_type", SourceType)
@pytest.mark.parametrize("fusion", Fusion)
@pytest.mark.parametrize("model", [None, ("minilm-int8", 384)])
def test_each_corpus_is_searched_in_its_own_tables_by_their_full_names(
    source_type: SourceType, fusion: Fusion, model: tuple[str, int] | None
) -> None:
    statement = search_statement(
        lambda name: qualified("desk", name), source_type=source_type, model=model, fusion=fusion
    )

    named = set(re.findall(r'"desk"\."(\w+)"', statement))
    bare = set(re.findall(r"(?<![.\"\w])(\w+)(?![\"\w])", statement))
    assert named == OWN[source_type] - (set() if model else {"search_vectors"})
    assert not bare & set(TABLES)
    assert "{" not in statement
