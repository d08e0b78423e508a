"""What is looked for in a question, and what each word of it is worth."""

from __future__ import annotations

import pytest

from cairnloop_engine.retrieval.identifiers import asked as named
from cairnloop_engine.retrieval.ranking import Recipe, inverse_frequency
from cairnloop_engine.retrieval.spelling import Known
from cairnloop_engine.retrieval.terms import Asked, Corpus, Terms, unknown, weigh

SMALL = Corpus(1, 100, 5.0, 80.0)
LARGE = Corpus(1, 100_000, 5.0, 80.0)
RECIPE = Recipe()


def weighed(
    question: str, *asked: Asked, corpus: Corpus = SMALL, meant: dict[str, Known] | None = None
) -> Terms:
    return weigh(corpus, asked, named(question), corrections=meant or {}, recipe=RECIPE)


def test_a_word_that_nobody_uses_keeps_every_document_from_reaching_all() -> None:
    terms = weighed("reset zxqv", Asked("reset", "reset", 5), Asked("zxqv", "zxqv", 0))

    assert terms.weights == {"reset": inverse_frequency(100, 5)}
    assert terms.reach == pytest.approx(inverse_frequency(100, 5) + inverse_frequency(100, 0))


def test_a_known_identifier_stands_for_the_pieces_that_the_parser_made() -> None:
    terms = weighed("ERR4012", Asked("err4012", "ERR4012", 0), Asked("#err4012", "#err4012", 2))

    assert list(terms.weights) == ["#err4012"]
    assert terms.reach == terms.weights["#err4012"]
    assert terms.identifiers == ("err4012",)


def test_an_unknown_identifier_leaves_its_pieces_and_stays_uncorrected() -> None:
    asked = (Asked("err", "ERR", 4), Asked("-9999", "-9999", 0), Asked("#err9999", "#err9999", 0))

    assert list(weighed("ERR-9999", *asked).weights) == ["err"]
    assert unknown(asked, named("ERR-9999")) == []


def test_a_corrected_word_counts_a_little_less() -> None:
    meant = {"invoci": Known("invoice", "invoic", 7)}

    terms = weighed("invocie", Asked("invoci", "invocie", 0), meant=meant)

    full = inverse_frequency(100, 7)
    assert terms.weights == {"invoic": pytest.approx(full * RECIPE.typo_discount)}
    assert terms.reach == pytest.approx(full)
    assert [(one.asked, one.read) for one in terms.read_as] == [("invocie", "invoice")]


def test_a_word_that_was_also_typed_right_is_not_counted_twice() -> None:
    meant = {"invoci": Known("invoice", "invoic", 7)}
    asked = (Asked("invoci", "invocie", 0), Asked("invoic", "invoice", 7))

    terms = weighed("invoice invocie", *asked, meant=meant)

    assert terms.weights == {"invoic": inverse_frequency(100, 7)}
    assert terms.reach == terms.weights["invoic"]


def test_common_words_are_left_out_of_a_large_corpus_when_a_rarer_one_is_there() -> None:
    common, rare = Asked("account", "account", 40_000), Asked("refund", "refund", 900)

    assert weighed("account refund", common, rare, corpus=LARGE).left_out == ("account",)
    assert weighed("account", common, corpus=LARGE).left_out == ()
    assert weighed("x", Asked("account", "account", 40), Asked("b", "b", 1)).left_out == ()


def test_a_very_long_question_is_answered_from_its_rarest_words() -> None:
    many = [Asked(f"w{n}", f"w{n}", n + 1) for n in range(90)]

    terms = weighed("", *many)

    assert len(terms.weights) == RECIPE.most_lexemes
    assert "w0" in terms.weights
    assert "w89" not in terms.weights
