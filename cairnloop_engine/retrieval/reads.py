"""Search results as front ends see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from cairnloop_engine.core.database import Read
from cairnloop_engine.retrieval import identifiers, lexicon_queries, queries, spelling
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.hits import article_hit, case_hit
from cairnloop_engine.retrieval.model import Hit, SourceType
from cairnloop_engine.retrieval.ports import EmbedderRecord, Vector
from cairnloop_engine.retrieval.spelling import Known
from cairnloop_engine.retrieval.terms import Asked, Corpus, Terms, unknown, weigh

# How many identifiers of one question are looked up.
MOST_KEYS = 128


@dataclass(frozen=True, slots=True)
class Question:
    """A query on its way to the database. ``vector`` None searches by words alone."""

    text: str
    vector: Vector | None
    limit: int


@dataclass(frozen=True, slots=True)
class Searched:
    """What one corpus has to say, what was looked for, and how long reading the question took."""

    hits: tuple[Hit, ...]
    terms: Terms
    read_ms: float = 0.0
    # Whether the workspace has documents of another kind, too.
    has_others: bool = False


EMPTY = Searched((), Terms({}, 0.0))


async def search(
    read: Read,
    question: Question,
    *,
    record: EmbedderRecord,
    config: RetrievalConfig,
    source_type: SourceType = SourceType.KNOWLEDGE_BASE,
) -> tuple[Hit, ...]:
    """The best documents of one corpus for a question, best first."""
    found = await searched(read, question, record=record, config=config, source_type=source_type)
    return found.hits


async def searched(
    read: Read,
    question: Question,
    *,
    record: EmbedderRecord,
    config: RetrievalConfig,
    source_type: SourceType,
) -> Searched:
    """The same with what was looked for: the question is read first, then one statement searches.

    In a workspace without such a corpus nothing is found.
    """
    await queries.prepare_search(
        read,
        candidates=config.recipe.nearest_vectors,
        timeout_ms=int(config.search_timeout.total_seconds() * 1000),
    )
    began = perf_counter()
    understood = await _understood(read, question.text, source_type, config)
    if understood is None:
        return replace(EMPTY, has_others=True)
    corpus, terms = understood
    read_ms = (perf_counter() - began) * 1000
    among_cases = source_type is SourceType.RESOLVED_CASE
    rows = await queries.search(
        read,
        _parameters(read, question, understood, record, config, among_cases=among_cases),
        source_type=source_type,
        record=None if question.vector is None else record,
        fusion=config.fusion,
    )
    made = case_hit if among_cases else article_hit
    return Searched(
        tuple(made(row, terms) for row in rows), terms, read_ms, has_others=corpus.has_others
    )


async def _understood(
    read: Read, question: str, source_type: SourceType, config: RetrievalConfig
) -> tuple[Corpus, Terms] | None:
    """The corpus and what is looked for in it, typos read as the words that they stand for."""
    named = identifiers.asked(question)
    keys = list(dict.fromkeys(key for one in named for key in one.keys))[:MOST_KEYS]
    found = await lexicon_queries.read_question(
        read, source_type, question, keys, language=config.language
    )
    if found is None:
        return None
    corpus, asked = found
    corrections = await _corrections(read, corpus, unknown(asked, named), config, question)
    return corpus, weigh(corpus, asked, named, corrections=corrections, recipe=config.recipe)


async def _corrections(
    read: Read, corpus: Corpus, strange: Sequence[Asked], config: RetrievalConfig, question: str
) -> dict[str, Known]:
    shouted = question.isupper()
    words = {
        one.word.casefold(): one.lexeme
        for one in sorted(strange, key=lambda one: question.find(one.word))
        if spelling.correctable(one.word, shouted=shouted)
    }
    tried = dict(list(words.items())[: spelling.MOST_WORDS])
    if not tried:
        return {}
    near = await lexicon_queries.one_edit_away(read, corpus, list(tried), language=config.language)
    meant: dict[str, Known] = {}
    for word, lexeme in tried.items():
        known = spelling.nearest(word, near.get(word, ()))
        if known is None and len(word) >= spelling.SHORTEST_FOR_TWO:
            alike = await lexicon_queries.beginning_alike(read, corpus, lexeme)
            known = spelling.within_two(lexeme, alike)
        if known is not None:
            meant[lexeme] = known
    return meant


def _parameters(
    read: Read,
    question: Question,
    understood: tuple[Corpus, Terms],
    record: EmbedderRecord,
    config: RetrievalConfig,
    *,
    among_cases: bool,
) -> dict[str, Any]:
    corpus, terms = understood
    recipe = config.recipe
    candidates = recipe.keyword_candidates
    alpha = record.alpha if config.alpha is None else config.alpha
    parameters: dict[str, Any] = {
        "workspace": read.workspace,
        "language": config.language,
        "corpus_id": corpus.id,
        "mean_title": corpus.mean_title,
        "mean_body": corpus.mean_body,
        "lexemes": list(terms.weights),
        "weights": list(terms.weights.values()),
        "reach": terms.reach or 1.0,
        "limit": question.limit,
        "k1": recipe.k1,
        "title_weight": recipe.title_weight,
        "title_b": recipe.title_b,
        "body_weight": recipe.body_weight,
        "body_b": recipe.body_b,
        "joints": identifiers.JOINTS + " \n\t",
        "marked": identifiers.MARK + "%",
        "keyword_candidates": candidates,
        "now": read.now,
        "recency_weight": recipe.case_recency,
        "half_life_s": recipe.case_half_life.total_seconds(),
        "rrf_k": recipe.rrf_k,
        "vector_weight": recipe.rrf_vector_weight,
        "alpha": recipe.alpha_for_cases(alpha) if among_cases else alpha,
        "nearest_vectors": recipe.nearest_vectors,
    }
    if question.vector is None:
        # Nobody else brings candidates.
        parameters["keyword_candidates"] = max(candidates, question.limit)
    else:
        parameters["vector"] = queries.vector_literal(question.vector)
    return parameters
