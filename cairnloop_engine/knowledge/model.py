"""States and limits of articles and revisions. No IO in this module."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from cairnloop_engine.core.ids import ArticleId, RevisionId


class ArticleStatus(StrEnum):
    """Where an article stands. Only a published one can be found by a search."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class RevisionState(StrEnum):
    """Drafts change in place; a published revision never changes, it is only replaced."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class Origin(StrEnum):
    """Who wrote a revision: a person in the editor, or a folder of files."""

    EDITOR = "editor"
    IMPORT = "import"


class ImportStatus(StrEnum):
    """What an import made of a file."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    # The article's file is not in the folder (any more); the article stays.
    MISSING = "missing"
    # The same, and the article was archived because that was asked for.
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class How:
    """What is wanted of an import."""

    publish: bool = True
    acknowledge_hidden: bool = False
    # Archive the articles whose files are gone; ``force`` also when that is most of them.
    prune: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class KnowledgeConfig:
    """Limits of the slice, from the settings."""

    max_article_bytes: int = 500_000
    max_title_length: int = 200


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of an edit. ``edit_version`` is what the next edit has to name."""

    article_id: ArticleId
    revision_id: RevisionId
    version: int
    state: RevisionState
    edit_version: int


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publication.

    The article can be found by its words at once; ``indexed`` turns true when its vectors are
    recorded too.
    """

    article_id: ArticleId
    revision_id: RevisionId
    version: int
    state: RevisionState
    indexed: bool
    chunk_count: int


@dataclass(frozen=True, slots=True)
class Archived:
    """What became of an archiving; ``changed`` is False when it already was."""

    article_id: ArticleId
    changed: bool


def digest(title: str, content: str) -> str:
    """What tells two texts of an article apart."""
    return hashlib.sha256(f"{title}\0{content}".encode()).hexdigest()
