"""How signals become one score. The search statement computes the same; a test holds them equal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Fusion(StrEnum):
    """How the two arms are joined.

    ``convex`` keeps the strength of both signals and needs an embedder whose cosines mean
    something; ``rrf`` looks at ranks only.
    """

    CONVEX = "convex"
    RRF = "rrf"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The constants of the search: measured on seven sets, chosen with each left out in turn.

    BM25F weights the title five times and normalises it by half its length; ``rrf_k`` and
    ``rrf_vector_weight`` are the best rank fusion that was found, not the customary 60 and 1.
    """

    k1: float = 1.2
    title_weight: float = 5.0
    title_b: float = 0.5
    body_weight: float = 1.0
    body_b: float = 0.75
    nearest_vectors: int = 150
    keyword_candidates: int = 50
    # A question of ten thousand words is answered from its rarest ones.
    most_lexemes: int = 64
    rrf_k: float = 5.0
    rrf_vector_weight: float = 2.0
    # A corrected word counts a little less than one that was typed right.
    typo_discount: float = 0.8
    # In a corpus of this size or more, words that a tenth of the documents share are left out
    # when a rarer one is there.
    common_from: int = 20_000
    common_share: float = 0.1
    # Cases tell of a problem in the customer's own words: meaning finds them better than words do.
    case_alpha: float = 0.85
    # A precedent loses half of its freshness in this time, and freshness is this share of a score.
    case_half_life: timedelta = timedelta(days=180)
    case_recency: float = 0.3

    def alpha_for_cases(self, alpha: float) -> float:
        """The weight of the cosine among cases, for a model whose weight among articles is given.

        A model that is not trusted with articles is not trusted with cases either.
        """
        return max(alpha, self.case_alpha) if alpha >= 0.5 else alpha


def recency(recipe: Recipe, age: timedelta) -> float:
    """What a case's age leaves of its score: all of it today, never less than the rest."""
    halves = max(age / recipe.case_half_life, 0.0)
    return 1 - recipe.case_recency * (1 - math.pow(0.5, halves))


def inverse_frequency(n_docs: float, document_frequency: float) -> float:
    """How telling a word is; a word that nobody uses tells most."""
    return math.log(1 + (n_docs - document_frequency + 0.5) / (document_frequency + 0.5))


def term_frequency(
    recipe: Recipe,
    *,
    tf_title: int,
    tf_body: int,
    len_title: int,
    len_body: int,
    mean_title: float,
    mean_body: float,
) -> float:
    """How much of a word one document holds, its fields weighted and their lengths evened out."""
    title = 1 - recipe.title_b + recipe.title_b * len_title / mean_title
    body = 1 - recipe.body_b + recipe.body_b * len_body / mean_body
    return recipe.title_weight * tf_title / title + recipe.body_weight * tf_body / body


def keyword_share(recipe: Recipe, terms: Sequence[tuple[float, float]]) -> float:
    """BM25F as a share of what this query could reach at most: 0 to 1, comparable.

    ``terms`` holds, for every word of the query, its inverse frequency and its frequency in the
    document.
    """
    reach = sum(weight for weight, _ in terms)
    if reach <= 0:
        return 0.0
    return sum(weight * tf / (tf + recipe.k1) for weight, tf in terms) / reach


def convex(alpha: float, cosine: float | None, share: float) -> float:
    """The fused score; without a vector the keyword share stands for both."""
    return share if cosine is None else alpha * cosine + (1 - alpha) * share


def reciprocal_rank(recipe: Recipe, vector_rank: int | None, keyword_rank: int | None) -> float:
    """The rank-only score, as a share of what the first place in both arms would give."""
    top = (recipe.rrf_vector_weight + 1) / (recipe.rrf_k + 1)
    found = 0.0
    if vector_rank is not None:
        found += recipe.rrf_vector_weight / (recipe.rrf_k + vector_rank)
    if keyword_rank is not None:
        found += 1 / (recipe.rrf_k + keyword_rank)
    return found / top
