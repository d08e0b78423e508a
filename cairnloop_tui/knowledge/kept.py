"""What operators wrote into articles and did not save yet; it survives leaving and crashes."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.core.errors import JsonObject
from cairnloop_tui.keeping import KeptFile


@dataclass(frozen=True, slots=True)
class Writing:
    """A title and a text in progress; ``edit_version`` is that of the article they began from."""

    title: str
    text: str
    edit_version: int


class UnsavedArticles:
    """All unsaved texts of one operator in one workspace, by article."""

    def __init__(self, file: KeptFile) -> None:
        self._file = file
        self._texts = {
            int(article): writing
            for article, kept in file.read().items()
            if article.isdecimal() and (writing := _read(kept)) is not None
        }

    @property
    def problem(self) -> str | None:
        return self._file.problem

    def of(self, article_id: int) -> Writing | None:
        return self._texts.get(article_id)

    def articles(self) -> tuple[int, ...]:
        return tuple(self._texts)

    def keep(self, article_id: int, writing: Writing) -> None:
        if self._texts.get(article_id) != writing:
            self._texts[article_id] = writing
            self._write()

    def forget(self, article_id: int) -> None:
        if self._texts.pop(article_id, None) is not None:
            self._write()

    def _write(self) -> None:
        self._file.write({str(key): _written(writing) for key, writing in self._texts.items()})


def _written(writing: Writing) -> JsonObject:
    return {
        "title": writing.title,
        "text": writing.text,
        "edit_version": writing.edit_version,
    }


def _read(kept: object) -> Writing | None:
    if not isinstance(kept, dict):
        return None
    title, text, version = kept.get("title"), kept.get("text"), kept.get("edit_version")
    if not (isinstance(title, str) and isinstance(text, str) and isinstance(version, int)):
        return None
    return Writing(title, text, version)
