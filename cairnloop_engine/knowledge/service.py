"""Writing, publishing and archiving articles. Every function takes a Work."""

from __future__ import annotations

from collections.abc import Sequence

from cairnloop_engine.audit import service as audit
from cairnloop_engine.core.actors import ActorKind
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Conflict, Forbidden, Invalid, NotFound
from cairnloop_engine.core.ids import ArticleId, RevisionId
from cairnloop_engine.core.text import has_hidden
from cairnloop_engine.knowledge import link_queries, queries
from cairnloop_engine.knowledge.events import ArticleArchived, ArticlePublished
from cairnloop_engine.knowledge.links import targets
from cairnloop_engine.knowledge.markdown import Link
from cairnloop_engine.knowledge.model import (
    Archived,
    ArticleStatus,
    Origin,
    Published,
    RevisionState,
    Saved,
)
from cairnloop_engine.knowledge.tables import RevisionRow, StoredArticleRow
from cairnloop_engine.knowledge.texts import Passages, Text, hidden_line


async def create(work: Work, text: Text, links: Sequence[Link]) -> Saved:
    """Begin an article as a draft.

    Raises:
        Forbidden: ``operator_required``.
    """
    check_author(work)
    article = await queries.insert_article(work, text.title, None)
    if article is None:
        raise AssertionError("an article without a file cannot collide")
    draft = await write_draft(work, article, None, text, links=links, origin=Origin.EDITOR)
    # Somebody may have linked to this id before there was an article of it.
    await link_queries.resolve(work)
    return _saved(article, draft)


async def save_draft(
    work: Work,
    article_id: ArticleId,
    content: str,
    links: Sequence[Link],
    *,
    title: str | None,
    expected_version: int,
) -> Saved:
    """Store an edit: in the article's draft, or as a new draft after a published revision.

    ``title`` None keeps the article's. Title and content were checked before.

    Raises:
        NotFound: ``article_not_found``.
        Conflict: ``version_conflict`` when somebody else saved meanwhile, ``article_archived``.
        Forbidden: ``operator_required``.
    """
    check_author(work)
    article = await _locked(work, article_id)
    if article.edit_version != expected_version:
        raise Conflict(
            "version_conflict",
            "Somebody else changed this article meanwhile. Reload it and merge your edit.",
            article_id=article_id,
            edit_version=article.edit_version,
        )
    _check_in_use(article)
    latest = await queries.latest_revision(work, article_id)
    text = Text(article.title if title is None else title, content)
    draft = await write_draft(work, article, latest, text, links=links, origin=Origin.EDITOR)
    return _saved(article, draft)


async def publish(
    work: Work,
    article_id: ArticleId,
    passages: Passages,
    *,
    acknowledge_hidden: bool,
    expected_version: int | None = None,
) -> Published:
    """Make the article's draft the current revision; the one before becomes history.

    Raises:
        NotFound: ``article_not_found``.
        Conflict: ``nothing_to_publish``, ``article_archived``, or ``version_conflict`` when the
            passages were cut from another text or ``expected_version`` is no longer current.
        Invalid: ``article_empty`` or ``hidden_characters``.
        Forbidden: ``operator_required``.
    """
    check_author(work)
    article = await _locked(work, article_id)
    _check_in_use(article)
    if expected_version is not None and article.edit_version != expected_version:
        raise _changed(article)
    draft = await queries.revision_in(work, article_id, RevisionState.DRAFT)
    if draft is None:
        raise Conflict(
            "nothing_to_publish",
            "This article has no draft; what is published is current.",
            article_id=article_id,
        )
    return await publish_draft(
        work, article, draft, passages, acknowledge_hidden=acknowledge_hidden
    )


async def archive(work: Work, article_id: ArticleId) -> Archived:
    """Take an article out of use; it stays readable, it is never found again.

    Raises:
        NotFound: ``article_not_found``.
        Forbidden: ``operator_required``.
    """
    check_author(work)
    article = await _locked(work, article_id)
    if article.status is ArticleStatus.ARCHIVED:
        return Archived(article_id, changed=False)
    await archive_locked(work, article)
    return Archived(article_id, changed=True)


async def archive_locked(
    work: Work, article: StoredArticleRow, *, file_gone: str | None = None
) -> None:
    """Archive a locked article that is in use; ``file_gone`` names the file that it had."""
    article_id = ArticleId(article.id)
    for state in (RevisionState.PUBLISHED, RevisionState.DRAFT):
        revision = await queries.revision_in(work, article_id, state)
        if revision is not None:
            revision.state = RevisionState.ARCHIVED
    article.status = ArticleStatus.ARCHIVED
    _touch(work, article)
    await work.session.flush()
    await audit.record(
        work,
        "knowledge.archived",
        subject=("article", article_id),
        # The name of a file may well be that of a person.
        personal={"file_gone": file_gone},
    )
    await work.emit(ArticleArchived(article_id))


async def mark_indexed(work: Work, article_id: ArticleId, revision_id: RevisionId) -> None:
    """Note that the vectors of a revision are recorded (called by the slice that records them)."""
    await queries.mark_indexed(work, revision_id, work.now)
    work.changed("article", article_id)


async def write_draft(
    work: Work,
    article: StoredArticleRow,
    latest: RevisionRow | None,
    text: Text,
    *,
    links: Sequence[Link],
    origin: Origin,
) -> RevisionRow:
    """Put a text into the draft of a locked article, with its links, or begin one."""
    if latest is not None and latest.state is RevisionState.DRAFT:
        draft = latest
        draft.title, draft.content, draft.digest = text.title, text.content, text.digest
        draft.origin = origin
        draft.author_kind, draft.author_id = work.actor.kind.value, work.actor.id
        draft.updated_at = work.now
    else:
        draft = _new_revision(work, article, latest, text, origin)
        work.session.add(draft)
    article.title = text.title
    _touch(work, article)
    await work.session.flush()
    await link_queries.replace(work, RevisionId(draft.id), targets(links, article.source_path))
    await audit.record(
        work,
        "knowledge.draft_saved",
        subject=("article", article.id),
        revision_id=draft.id,
        version=draft.version,
        origin=origin.value,
    )
    return draft


def _new_revision(
    work: Work,
    article: StoredArticleRow,
    latest: RevisionRow | None,
    text: Text,
    origin: Origin,
) -> RevisionRow:
    return RevisionRow(
        workspace=work.workspace,
        article_id=article.id,
        version=1 if latest is None else latest.version + 1,
        state=RevisionState.DRAFT,
        origin=origin,
        title=text.title,
        content=text.content,
        digest=text.digest,
        author_kind=work.actor.kind.value,
        author_id=work.actor.id,
        inserted_at=work.now,
        updated_at=work.now,
    )


async def publish_draft(
    work: Work,
    article: StoredArticleRow,
    draft: RevisionRow,
    passages: Passages,
    *,
    acknowledge_hidden: bool,
) -> Published:
    """Publish the draft of a locked article. Raises what :func:`publish` raises of its text."""
    _check_publishable(article, draft, passages, acknowledge_hidden=acknowledge_hidden)
    article_id, revision_id = ArticleId(article.id), RevisionId(draft.id)
    previous = await queries.revision_in(work, article_id, RevisionState.PUBLISHED)
    if previous is not None:
        previous.state = RevisionState.ARCHIVED
        # One published revision for each article: the old one steps down first.
        await work.session.flush()
    draft.state = RevisionState.PUBLISHED
    draft.published_at, draft.published_by = work.now, work.actor.id
    article.status = ArticleStatus.PUBLISHED
    _touch(work, article)
    await work.session.flush()
    await queries.write_chunks(work, revision_id, passages.chunks)
    await audit.record(
        work,
        "knowledge.published",
        subject=("article", article_id),
        revision_id=revision_id,
        version=draft.version,
        chunk_count=len(passages.chunks),
        hidden_acknowledged=acknowledge_hidden,
    )
    await work.emit(ArticlePublished(article_id, revision_id, draft.title, passages.body))
    crashpoint("knowledge.before_publish_commit")
    return Published(
        article_id,
        revision_id,
        draft.version,
        draft.state,
        indexed=False,
        chunk_count=len(passages.chunks),
    )


def _saved(article: StoredArticleRow, draft: RevisionRow) -> Saved:
    return Saved(
        ArticleId(article.id),
        RevisionId(draft.id),
        draft.version,
        draft.state,
        article.edit_version,
    )


def _check_publishable(
    article: StoredArticleRow,
    draft: RevisionRow,
    passages: Passages,
    *,
    acknowledge_hidden: bool,
) -> None:
    if draft.digest != passages.digest:
        raise _changed(article)
    if not passages.chunks:
        raise Invalid(
            "article_empty", "This article holds nothing that can be read.", article_id=article.id
        )
    if not acknowledge_hidden and (has_hidden(draft.content) or has_hidden(draft.title)):
        raise Invalid(
            "hidden_characters",
            "This article holds hidden control characters. Remove them, or publish with the "
            "acknowledgement that they are meant.",
            article_id=article.id,
            line=hidden_line(draft.content),
        )


def _changed(article: StoredArticleRow) -> Conflict:
    return Conflict(
        "version_conflict",
        "Somebody else changed this article meanwhile. Read it again before publishing.",
        article_id=article.id,
        edit_version=article.edit_version,
    )


async def _locked(work: Work, article_id: ArticleId) -> StoredArticleRow:
    article = await queries.lock_article(work, article_id)
    if article is None:
        raise NotFound("article_not_found", "There is no such article.", article_id=article_id)
    return article


def check_author(work: Work) -> None:
    """Refuse a writer who is neither an operator nor the system.

    Raises:
        Forbidden: ``operator_required``.
    """
    if work.actor.kind in {ActorKind.CUSTOMER, ActorKind.TOKEN}:
        raise Forbidden(
            "operator_required",
            "Only an operator may change the knowledge base.",
            actor_kind=work.actor.kind.value,
        )


def _check_in_use(article: StoredArticleRow) -> None:
    if article.status is ArticleStatus.ARCHIVED:
        raise Conflict(
            "article_archived",
            "This article is archived; write a new one instead.",
            article_id=article.id,
        )


def _touch(work: Work, article: StoredArticleRow) -> None:
    article.edit_version += 1
    article.updated_at = work.now
    work.changed("article", article.id)
