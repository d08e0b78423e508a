"""The knobs of retrieval."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from cairnloop_engine.retrieval.ranking import Fusion, Recipe


@dataclass(frozen=True, slots=True)
class RetrievalConfig:
    """Limits and constants of the slice, from the settings.

    ``language`` names the Postgres text search configuration; a change needs
    ``retrieval rebuild``. ``alpha`` None takes the embedder's own. ``case_limit`` is the most
    resolved cases that one search returns beside the articles.
    """

    language: str = "english"
    fusion: Fusion = Fusion.CONVEX
    alpha: float | None = None
    clarification_limit: int = 1
    search_timeout: timedelta = timedelta(seconds=2)
    rerank_timeout: timedelta = timedelta(seconds=1)
    query_embedding_timeout: timedelta = timedelta(seconds=2)
    passage_embedding_timeout: timedelta = timedelta(minutes=4)
    remembered_queries: int = 256
    max_query_length: int = 2_000
    evidence_limit: int = 5
    # The share of articles that may change before a calibration expires.
    calibration_max_drift: float = 0.2
    case_limit: int = 3
    gap_retention: timedelta = timedelta(days=90)
    recipe: Recipe = field(default_factory=Recipe)
