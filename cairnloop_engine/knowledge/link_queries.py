"""Every SQL statement about links between articles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, String, any_, cast, delete, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import aliased

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import ArticleId, RevisionId
from cairnloop_engine.knowledge.links import Target
from cairnloop_engine.knowledge.model import ArticleStatus, RevisionState
from cairnloop_engine.knowledge.tables import ArticleLinkRow, RevisionRow, StoredArticleRow

TARGET = aliased(StoredArticleRow)
SOURCE = aliased(StoredArticleRow)

# How many articles that link to one are told of.
MOST_BACKLINKS = 200


@dataclass(frozen=True, slots=True)
class Linked:
    """A link of a revision, with the article it leads to when there is one."""

    label: str
    target: str
    article: StoredArticleRow | None


async def replace(work: Work, revision_id: RevisionId, targets: Sequence[Target]) -> None:
    """Record the links of a draft in the place of the ones before, resolved as far as they go."""
    await work.session.execute(
        delete(ArticleLinkRow).where(
            ArticleLinkRow.workspace == work.workspace, ArticleLinkRow.revision_id == revision_id
        )
    )
    if not targets:
        return
    known = await _articles_named(work, targets)
    await work.session.execute(
        insert(ArticleLinkRow),
        [
            {
                "revision_id": revision_id,
                "position": position,
                "workspace": work.workspace,
                "label": target.label,
                "target": target.name,
                "target_article_id": known.get(target.name),
            }
            for position, target in enumerate(targets)
        ],
    )


async def _articles_named(work: Work, targets: Sequence[Target]) -> dict[str, ArticleId]:
    ids = {target.article_id for target in targets if target.article_id is not None}
    paths = {target.name for target in targets if target.article_id is None}
    found = await work.session.execute(
        select(StoredArticleRow.id, StoredArticleRow.source_path).where(
            StoredArticleRow.workspace == work.workspace,
            or_(StoredArticleRow.id.in_(ids), StoredArticleRow.source_path.in_(paths)),
        )
    )
    named: dict[str, ArticleId] = {}
    for article_id, source_path in found:
        named[f"article:{article_id}"] = ArticleId(article_id)
        if source_path is not None:
            named[source_path] = ArticleId(article_id)
    return named


async def resolve(work: Work) -> None:
    """Lead the links that had no target to the articles that appeared since."""
    by_id = literal("article:").concat(cast(StoredArticleRow.id, String))
    for name in (StoredArticleRow.source_path, by_id):
        await work.session.execute(
            update(ArticleLinkRow)
            .where(
                ArticleLinkRow.workspace == work.workspace,
                ArticleLinkRow.target_article_id.is_(None),
                StoredArticleRow.workspace == work.workspace,
                name == ArticleLinkRow.target,
            )
            .values(target_article_id=StoredArticleRow.id)
            .execution_options(synchronize_session=False)
        )


async def links(read: Read, revision_id: RevisionId) -> list[Linked]:
    """The links of a revision in the order of its text."""
    found = await read.session.execute(
        select(ArticleLinkRow.label, ArticleLinkRow.target, TARGET)
        .select_from(ArticleLinkRow)
        .outerjoin(TARGET, TARGET.id == ArticleLinkRow.target_article_id)
        .where(
            ArticleLinkRow.workspace == read.workspace, ArticleLinkRow.revision_id == revision_id
        )
        .order_by(ArticleLinkRow.position)
    )
    return [Linked(*row) for row in found]


async def backlinks(read: Read, article_id: ArticleId) -> Sequence[tuple[StoredArticleRow, str]]:
    """Other articles in use whose draft or published text links to this one, with its words."""
    found = await read.session.execute(
        select(SOURCE, ArticleLinkRow.label)
        .select_from(ArticleLinkRow)
        .join(RevisionRow, RevisionRow.id == ArticleLinkRow.revision_id)
        .join(SOURCE, SOURCE.id == RevisionRow.article_id)
        .where(
            ArticleLinkRow.workspace == read.workspace,
            ArticleLinkRow.target_article_id == article_id,
            RevisionRow.state != RevisionState.ARCHIVED,
            SOURCE.id != article_id,
        )
        .ext(distinct_on(SOURCE.id))
        .order_by(SOURCE.id, RevisionRow.version.desc(), ArticleLinkRow.position)
        .limit(MOST_BACKLINKS)
    )
    return [(row[0], row[1]) for row in found]


async def broken(read: Read, article_ids: Sequence[ArticleId]) -> Sequence[tuple[ArticleId, str]]:
    """Links of these articles, in what is drafted or published, that lead to nothing in use."""
    found = await read.session.execute(
        select(RevisionRow.article_id, ArticleLinkRow.target)
        .select_from(ArticleLinkRow)
        .join(RevisionRow, RevisionRow.id == ArticleLinkRow.revision_id)
        .outerjoin(TARGET, TARGET.id == ArticleLinkRow.target_article_id)
        .where(
            ArticleLinkRow.workspace == read.workspace,
            RevisionRow.article_id == any_(literal(list(article_ids), ARRAY(BigInteger))),
            RevisionRow.state != RevisionState.ARCHIVED,
            or_(TARGET.id.is_(None), TARGET.status == ArticleStatus.ARCHIVED),
        )
        .distinct()
        .order_by(RevisionRow.article_id, ArticleLinkRow.target)
    )
    return [(ArticleId(row.article_id), row.target) for row in found]
