"""What operators typed and did not send yet, per conversation; it survives leaving and crashes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.errors import JsonObject
from cairnloop_tui.keeping import KeptFile


class Kind(StrEnum):
    """What the text in the composer will become."""

    REPLY = "reply"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation inserted into the reply."""

    number: int
    title: str
    source_type: str
    article_id: int | None = None
    chunk_id: int | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """One text in progress; ``draft_id`` when it is an edit of a draft."""

    text: str
    kind: Kind = Kind.REPLY
    draft_id: int | None = None
    cited: tuple[Cited, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.text.strip()

    def still_cited(self) -> tuple[Cited, ...]:
        """The citations whose marker still stands in the text."""
        return tuple(cited for cited in self.cited if f"[{cited.number}]" in self.text)

    def citations(self) -> list[Citation]:
        """The same, as the engine stores them with the reply."""
        return [
            Citation(cited.title, cited.source_type, cited.article_id, cited.chunk_id)
            for cited in self.still_cited()
        ]


class UnsentTexts:
    """All unsent texts of one operator in one workspace."""

    def __init__(self, file: KeptFile) -> None:
        self._file = file
        self._texts = {
            int(conversation): unsent
            for conversation, kept in file.read().items()
            if conversation.isdecimal() and (unsent := _read(kept)) is not None
        }

    @property
    def problem(self) -> str | None:
        return self._file.problem

    def of(self, conversation_id: int) -> Unsent | None:
        return self._texts.get(conversation_id)

    def conversations(self) -> tuple[int, ...]:
        return tuple(self._texts)

    def keep(self, conversation_id: int, unsent: Unsent) -> None:
        """Remember the text; an empty one is forgotten."""
        if self._texts.get(conversation_id) == unsent:
            return
        if unsent.is_empty:
            self.forget(conversation_id)
            return
        self._texts[conversation_id] = unsent
        self._write()

    def forget(self, conversation_id: int) -> None:
        if self._texts.pop(conversation_id, None) is not None:
            self._write()

    def _write(self) -> None:
        self._file.write({str(key): _written(unsent) for key, unsent in self._texts.items()})


def _written(unsent: Unsent) -> JsonObject:
    return {
        "text": unsent.text,
        "kind": unsent.kind.value,
        "draft_id": unsent.draft_id,
        "cited": [
            {
                "number": cited.number,
                "title": cited.title,
                "source_type": cited.source_type,
                "article_id": cited.article_id,
                "chunk_id": cited.chunk_id,
            }
            for cited in unsent.cited
        ],
    }


def _read(kept: object) -> Unsent | None:
    if not isinstance(kept, dict) or not isinstance(kept.get("text"), str):
        return None
    draft_id, cited = kept.get("draft_id"), kept.get("cited")
    kind = Kind.NOTE if kept.get("kind") == Kind.NOTE.value else Kind.REPLY
    return Unsent(
        text=kept["text"],
        kind=kind,
        draft_id=draft_id if isinstance(draft_id, int) else None,
        cited=tuple(filter(None, map(_read_cited, cited))) if isinstance(cited, list) else (),
    )


def _read_cited(kept: object) -> Cited | None:
    if not isinstance(kept, dict) or not isinstance(kept.get("number"), int):
        return None
    article_id, chunk_id = kept.get("article_id"), kept.get("chunk_id")
    return Cited(
        number=kept["number"],
        title=str(kept.get("title", "")),
        source_type=str(kept.get("source_type", "")),
        article_id=article_id if isinstance(article_id, int) else None,
        chunk_id=chunk_id if isinstance(chunk_id, int) else None,
    )
