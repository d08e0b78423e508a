"""What a search looks for: the telling words of a question, weighed. No IO in this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cairnloop_engine.retrieval.identifiers import MARK, Identifier
from cairnloop_engine.retrieval.model import ReadAs
from cairnloop_engine.retrieval.ranking import Recipe, inverse_frequency
from cairnloop_engine.retrieval.spelling import Known


@dataclass(frozen=True, slots=True)
class Corpus:
    """One corpus of a workspace and the statistics that BM25F needs.

    ``has_others`` tells whether the workspace has documents in another corpus.
    """

    id: int
    n_docs: int
    mean_title: float
    mean_body: float
    has_others: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A lexeme of the question, the word that it came from, and in how many documents it stands."""

    lexeme: str
    word: str
    n_docs: int

    @property
    def is_identifier(self) -> bool:
        return self.lexeme.startswith(MARK)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is looked for and what each of it is worth.

    ``reach`` is the largest BM25F that a document could have for this question: words that nobody
    uses are in it, so a document without the telling word stays far from everything.
    ``identifiers`` are those that stand in some document, ``left_out`` words that are too common.
    """

    weights: Mapping[str, float]
    reach: float
    read_as: tuple[ReadAs, ...] = ()
    identifiers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def unknown(asked: Sequence[Asked], identifiers: Sequence[Identifier]) -> list[Asked]:
    """The words that stand in no document and are no part of an identifier."""
    written = [found.written.casefold() for found in identifiers if not found.written.isalpha()]
    return [
        one
        for one in asked
        if not one.n_docs
        and not one.is_identifier
        and not any(_bare(one.word) in run for run in written)
    ]


def weigh(
    corpus: Corpus,
    asked: Sequence[Asked],
    identifiers: Sequence[Identifier],
    *,
    corrections: Mapping[str, Known],
    recipe: Recipe,
) -> Terms:
    """Decide what is looked for.

    ``corrections`` maps a lexeme that nobody uses to the word that it was probably meant as; that
    one counts a little less than if it had been written. An identifier that is known stands for
    the pieces that the parser made of it; one that is not leaves its pieces as they are.
    """
    known = {one.lexeme: one for one in asked if one.n_docs}
    codes = [lexeme for lexeme in known if lexeme.startswith(MARK)]
    found = {code.removeprefix(MARK) for code in codes}
    settled = [
        one.written.casefold() for one in identifiers if any(key in found for key in one.keys)
    ]
    worth: dict[str, tuple[float, float]] = {}
    read_as: list[ReadAs] = []
    for one in asked:
        weight = inverse_frequency(corpus.n_docs, one.n_docs)
        meant = corrections.get(one.lexeme)
        if one.n_docs:
            if one.is_identifier or _bare(one.lexeme) not in found:
                worth[one.lexeme] = (weight, weight)
        elif meant is not None:
            if meant.lexeme not in known:
                weight = inverse_frequency(corpus.n_docs, meant.n_docs)
                worth[meant.lexeme] = (weight * recipe.typo_discount, weight)
            read_as.append(ReadAs(one.word, meant.word, meant.lexeme))
        elif not one.is_identifier and not any(_bare(one.word) in run for run in settled):
            worth[one.lexeme] = (0.0, weight)
    kept, left_out = _affordable(worth, {**_counts(asked), **_meant(corrections)}, corpus, recipe)
    return Terms(
        weights={lexeme: weight for lexeme, (weight, _) in kept.items() if weight},
        reach=sum(reach for _, reach in kept.values()),
        read_as=tuple(read_as),
        identifiers=tuple(code.removeprefix(MARK) for code in codes if code in kept),
        left_out=tuple(left_out),
    )


def _affordable(
    worth: Mapping[str, tuple[float, float]],
    counts: Mapping[str, int],
    corpus: Corpus,
    recipe: Recipe,
) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """The most telling terms; in a large corpus without the common ones, if any is rarer.

    A word that stands in every tenth of a million documents costs a hundred thousand postings and
    moves the order by next to nothing.
    """
    ordered = sorted(worth, key=lambda lexeme: (-worth[lexeme][1], lexeme))
    kept = ordered[: recipe.most_lexemes]
    most = corpus.n_docs * recipe.common_share
    if corpus.n_docs >= recipe.common_from:
        rare = [lexeme for lexeme in kept if counts.get(lexeme, 0) <= most]
        kept = rare if any(counts.get(lexeme) for lexeme in rare) else kept
    chosen = set(kept)
    return {lexeme: worth[lexeme] for lexeme in kept}, [
        lexeme for lexeme in ordered if lexeme not in chosen and counts.get(lexeme)
    ]


def _counts(asked: Sequence[Asked]) -> dict[str, int]:
    return {one.lexeme: one.n_docs for one in asked}


def _meant(corrections: Mapping[str, Known]) -> dict[str, int]:
    return {known.lexeme: known.n_docs for known in corrections.values()}


def _bare(token: str) -> str:
    """A token without the sign that the parser takes a hyphen for."""
    return token.lstrip("-+").casefold()
