"""Passages: how long they are, where they end, what they repeat."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.knowledge.chunking import OVERLAP, WORDS, chunk
from cairnloop_engine.knowledge.markdown import parse
from cairnloop_engine.knowledge.sentences import n_words


def sentence(number: int) -> str:
    return f"Sentence number {number} has exactly nine words in it."


@pytest.mark.requirement("03-retrieval-drafting:20")
@pytest.mark.requirement("03-retrieval-drafting:21")
@pytest.mark.parametrize("level", ["##", "###"])
def test_each_section_is_a_passage_of_its_own(level: str) -> None:
    chunks = chunk(parse(f"{level} One\nFirst body\n{level} Two\nSecond body"))

    assert [(c.position, c.heading, c.content) for c in chunks] == [
        (0, "One", "First body"),
        (1, "Two", "Second body"),
    ]


@pytest.mark.requirement("03-retrieval-drafting:24")
def test_a_passage_names_the_whole_path_above_it() -> None:
    chunks = chunk(parse("## Header 1\nText\n### Subheader\nMore"))

    assert [c.heading for c in chunks] == ["Header 1", "Header 1 > Subheader"]


@pytest.mark.requirement("03-retrieval-drafting:22")
def test_a_long_section_is_cut_between_sentences_and_repeats_the_end_of_the_passage_before() -> (
    None
):
    text = " ".join(sentence(number) for number in range(60))

    chunks = chunk(parse(text))

    assert len(chunks) > 4
    for one, following in pairwise(chunks):
        assert n_words(one.content) <= WORDS
        assert one.content.endswith("in it.")
        shared = following.content[: following.content.index("in it.") + len("in it.")]
        assert shared in one.content
    assert all(sentence(number) in " ".join(c.content for c in chunks) for number in range(60))


def test_a_passage_that_is_full_enough_ends_at_a_block() -> None:
    first = " ".join(sentence(number) for number in range(8))
    second = " ".join(sentence(number) for number in range(8, 16))

    chunks = chunk(parse(f"{first}\n\n{second}"))

    assert chunks[0].content == first
    assert chunks[1].content.endswith(second)
    assert n_words(chunks[1].content) - n_words(second) <= OVERLAP


def test_list_items_and_code_lines_are_never_torn() -> None:
    items = "\n".join(f"- step {number} " + "word " * 20 for number in range(12))

    for c in chunk(parse(items)):
        assert all(line.startswith("- step") for line in c.content.splitlines())


def test_a_text_without_spaces_is_cut_too() -> None:
    chunks = chunk(parse("字" * 10_000))

    assert len(chunks) > 3
    assert all(n_words(c.content) <= WORDS for c in chunks)


@given(
    st.lists(st.sampled_from(["# H\n", "## S\n", "para. two.\n\n", "- item\n", "x" * 90 + "\n"]))
)
def test_every_word_stands_in_some_passage_and_positions_count_up(parts: list[str]) -> None:
    document = parse("".join(parts))

    chunks = chunk(document)

    held = " ".join(c.content for c in chunks)
    assert [c.position for c in chunks] == list(range(len(chunks)))
    assert all(word in held for block in document.blocks for word in block.text.split())


def test_nothing_to_read_gives_no_passages() -> None:
    assert chunk(parse("---\n\n<!-- only a comment -->\n")) == ()
