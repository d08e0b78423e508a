"""Question sets in the layout of BEIR, read line by line. No IO here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.core.text import safe, storable

# An evaluation holds the whole set in memory, with its vectors.
MOST_LINES = 100_000


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a corpus; its title may be empty."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question; without anything ``relevant`` it has no answer in the corpus."""

    id: str
    text: str
    relevant: Mapping[str, float] = field(default_factory=dict)


T = TypeVar("T", Document, Query)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A corpus and its questions. ``n_unknown`` judgements name something that is in neither."""

    documents: tuple[Document, ...]
    queries: tuple[Query, ...]
    n_unknown: int = 0

    @property
    def n_unanswerable(self) -> int:
        return sum(not query.relevant for query in self.queries)


def read_dataset(corpus: Iterable[str], queries: Iterable[str], qrels: Iterable[str]) -> Dataset:
    """A set from the lines of ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv``.

    A judgement counts when its score is above zero and its document is in the corpus; so a
    corpus from which articles were taken out turns their questions into unanswerable ones.

    Raises:
        Invalid: ``dataset_invalid`` with the first line that cannot be read,
            ``dataset_too_large`` or ``dataset_empty``.
    """
    documents = {one.id: one for one in _objects(corpus, "corpus", _document)}
    asked = {one.id: one for one in _objects(queries, "queries", _query)}
    if not documents or not asked:
        raise Invalid("dataset_empty", "An evaluation needs documents and questions.")
    relevant: dict[str, dict[str, float]] = {}
    n_unknown = 0
    for query_id, document_id, score in _judgements(qrels):
        if score <= 0:
            continue
        if query_id in asked and document_id in documents:
            relevant.setdefault(query_id, {})[document_id] = score
        else:
            n_unknown += 1
    return Dataset(
        documents=tuple(documents.values()),
        queries=tuple(Query(one.id, one.text, relevant.get(one.id, {})) for one in asked.values()),
        n_unknown=n_unknown,
    )


def _document(read: Mapping[str, Any]) -> Document | str:
    title, text = read.get("title", ""), read.get("text")
    if not isinstance(text, str) or not isinstance(title, str | None):
        return "`text` is missing, or `title` is no text"
    return Document(str(read["_id"]), " ".join(storable(title or "").split()), storable(text))


def _query(read: Mapping[str, Any]) -> Query | str:
    text = read.get("text")
    if not isinstance(text, str):
        return "`text` is missing"
    return Query(str(read["_id"]), text)


def _objects(
    lines: Iterable[str], what: str, made: Callable[[Mapping[str, Any]], T | str]
) -> Iterator[T]:
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _object(line.lstrip("\ufeff") if number == 1 else line, made)
        if isinstance(found, str):
            raise _unreadable(what, number, found)
        if found.id in seen:
            raise _unreadable(what, number, f"the id {safe(found.id, limit=80)} is there twice")
        seen.add(found.id)
        if len(seen) > MOST_LINES:
            raise Invalid("dataset_too_large", f"An evaluation takes at most {MOST_LINES:,} lines.")
        yield found


def _object(line: str, made: Callable[[Mapping[str, Any]], T | str]) -> T | str:
    """What a line holds, or what is wrong with it."""
    try:
        read: Any = json.loads(line)
    except (ValueError, RecursionError):
        return "it is not valid JSON"
    if not isinstance(read, Mapping) or not isinstance(read.get("_id"), str | int):
        return "it is not an object with an `_id`"
    return made(read)


def _judgements(lines: Iterable[str]) -> Iterator[tuple[str, str, float]]:
    for number, line in enumerate(lines, start=1):
        parts = line.lstrip("\ufeff").strip().split("\t")
        if parts == [""]:
            continue
        try:
            query_id, document_id, score = parts
            yield query_id, document_id, float(score)
        except ValueError:
            # The first line may name the columns.
            if number > 1 or len(parts) != 3:
                raise _unreadable(
                    "qrels", number, "it is not query-id, corpus-id and score between tabs"
                ) from None


def _unreadable(what: str, line: int, message: str) -> Invalid:
    return Invalid(
        "dataset_invalid", f"Line {line} of the {what} cannot be used: {message}.", line=line
    )
