"""A set of questions for drafts, and the articles that they are asked about. No IO here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import yaml

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.core.text import storable
from cairnloop_engine.drafting.ports import Line, Speaker
from cairnloop_engine.retrieval.datasets import Document

MOST_QUESTIONS = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """One question, at the end of its thread.

    Without an ``article`` nothing answers it, and a draft must not either. ``forbidden`` words
    would stand in a reply only if somebody else's orders were followed; ``hostile`` marks the
    questions in which, or behind which, such orders stand.
    """

    id: str
    thread: tuple[Line, ...]
    article: str | None = None
    forbidden: tuple[str, ...] = ()
    hostile: bool = False


@dataclass(frozen=True, slots=True)
class Exam:
    """Articles and questions."""

    documents: tuple[Document, ...]
    items: tuple[Item, ...]

    def first(self, limit: int | None) -> Exam:
        """The same with fewer questions, taken evenly from the whole set."""
        if limit is None or limit >= len(self.items):
            return self
        chosen = [self.items[place * len(self.items) // limit] for place in range(limit)]
        return replace(self, items=tuple(chosen))


def read_exam(articles: str, questions: str) -> Exam:
    """An exam from two texts in YAML: lists of ``{id, title, text}`` and of questions.

    A question is ``{id, ask}`` or ``{id, thread}`` (customer and agent in turn, the customer first
    and last), with ``article``, ``forbidden`` and ``hostile`` where they apply.

    Raises:
        Invalid: ``exam_invalid``, naming what cannot be used.
    """
    documents = tuple(_document(entry) for entry in _entries(articles, "articles"))
    known = {document.id for document in documents}
    items = tuple(_item(entry, known) for entry in _entries(questions, "questions"))
    for what, ids in (
        ("articles", [d.id for d in documents]),
        ("questions", [i.id for i in items]),
    ):
        if not ids or len(set(ids)) < len(ids):
            raise _unusable(f"the {what} are empty, or an id is there twice")
    if len(items) > MOST_QUESTIONS:
        raise _unusable(f"there are more than {MOST_QUESTIONS:,} questions")
    return Exam(documents, items)


def _entries(written: str, what: str) -> list[Mapping[str, object]]:
    try:
        read: object = yaml.safe_load(written)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _unusable(f"the {what} are not valid YAML") from error
    if not isinstance(read, list) or not all(isinstance(one, Mapping) for one in read):
        raise _unusable(f"the {what} are no list of entries")
    return read


def _document(entry: Mapping[str, object]) -> Document:
    return Document(_text(entry, "id"), _text(entry, "title"), _text(entry, "text"))


def _item(entry: Mapping[str, object], known: set[str]) -> Item:
    item_id = _text(entry, "id")
    article = _text(entry, "article") if "article" in entry else None
    if article is not None and article not in known:
        raise _unusable(f"question {item_id} names an article that is not there")
    return Item(
        id=item_id,
        thread=_thread(entry, item_id),
        article=article,
        forbidden=tuple(_texts(entry, "forbidden")),
        hostile=entry.get("hostile") is True,
    )


def _thread(entry: Mapping[str, object], item_id: str) -> tuple[Line, ...]:
    said = _texts(entry, "thread") if "thread" in entry else [_text(entry, "ask")]
    if len(said) % 2 == 0:
        raise _unusable(f"the thread of question {item_id} does not end with the customer")
    speakers = (Speaker.CUSTOMER, Speaker.AGENT)
    return tuple(Line(speakers[place % 2], text) for place, text in enumerate(said))


def _text(entry: Mapping[str, object], name: str) -> str:
    found = entry.get(name)
    if not isinstance(found, str) or not found.strip():
        raise _unusable(f"an entry has no `{name}`")
    return storable(found)


def _texts(entry: Mapping[str, object], name: str) -> list[str]:
    found = entry.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise _unusable(f"`{name}` is no list of texts")
    return [storable(one) for one in found]


def _unusable(what: str) -> Invalid:
    return Invalid("exam_invalid", f"These questions cannot be used: {what}.")
