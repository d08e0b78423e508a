"""The knowledge base: articles, their revisions, folders in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Block, Table, listing
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.export import export_articles
from cairnloop_cli.parameters import LARGEST_ID, Cursor, Limit, words
from cairnloop_cli.phrases import at, count
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import view
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import humanise
from cairnloop_engine.knowledge.model import ArticleStatus

if TYPE_CHECKING:
    from cairnloop_engine.knowledge.importing import ImportItem, ImportReport
    from cairnloop_engine.knowledge.model import Saved
    from cairnloop_engine.knowledge.reads import ArticleView

ArticleArg = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The article.")
]
ContentArg = Annotated[
    str, typer.Argument(metavar="TEXT|-", help="Markdown; - reads it from a pipe.")
]
FolderArg = Annotated[Path, typer.Argument(metavar="DIR", help="The folder.")]
Hidden = Annotated[
    bool,
    typer.Option("--acknowledge-hidden", help="Also with invisible or steering characters."),
]

kb = plain_typer("The knowledge base: articles and their revisions.", group=True)


@kb.command("list")
def list_articles(
    ctx: typer.Context,
    status: Annotated[ArticleStatus | None, typer.Option("--status", help="Only these.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Articles, the most recently changed first."""

    async def work(desk: Desk) -> Answer:
        page = await desk.engine.knowledge.articles(
            desk.caller, status=status, cursor=cursor, limit=limit
        )
        indexed = {None: "-", True: "yes", False: "not yet"}
        rows = [
            (
                str(row.id),
                humanise(row.status.value),
                str(row.version),
                indexed[row.indexed],
                "yes" if row.has_draft else "-",
                row.title,
            )
            for row in page.items
        ]
        table = Table(
            ("ID", "STATUS", "VERSION", "INDEXED", "DRAFT", "TITLE"), rows, empty="No article."
        )
        items = [{"article_id": row.id, **view(row)} for row in page.items]
        return listing(items, table, following=page.next)

    serve(ctx, work)


@kb.command("show")
def show_article(ctx: typer.Context, article_id: ArticleArg) -> None:
    """One article as an editor would open it, with its revisions."""

    async def work(desk: Desk) -> Answer:
        article = await desk.engine.knowledge.article(desk.caller, ArticleId(article_id))
        return _article(article)

    serve(ctx, work)


@kb.command("new")
def new_article(
    ctx: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE")],
    content: ContentArg,
    publish: Annotated[bool, typer.Option("--publish", help="Make it findable at once.")] = False,
) -> None:
    """Begin an article as a draft."""
    text = words(content)

    async def work(desk: Desk) -> Answer:
        saved = await desk.engine.knowledge.create(desk.caller, title, text)
        if publish:
            desk.out.note(f"Article {saved.article_id} was begun.")
            return await _publish(desk, saved.article_id, acknowledge_hidden=False)
        return _saved(saved)

    serve(ctx, work)


@kb.command("edit")
def edit_article(
    ctx: typer.Context,
    article_id: ArticleArg,
    content: ContentArg,
    title: Annotated[str | None, typer.Option("--title", help="A new title.")] = None,
    expected_version: Annotated[
        int | None,
        typer.Option("--expected-version", metavar="N", help="The `edit_version` that you read."),
    ] = None,
) -> None:
    """Put a new text into an article's draft; what is published stays until you publish."""
    text = words(content)

    async def work(desk: Desk) -> Answer:
        knowledge, article = desk.engine.knowledge, ArticleId(article_id)
        expected = expected_version
        if expected is None:
            expected = (await knowledge.article(desk.caller, article)).edit_version
        return _saved(
            await knowledge.save_draft(
                desk.caller, article, text, expected_version=expected, title=title
            )
        )

    serve(ctx, work)


@kb.command("publish")
def publish_article(ctx: typer.Context, article_id: ArticleArg, hidden: Hidden = False) -> None:
    """Make an article's draft its current text."""
    serve(ctx, lambda desk: _publish(desk, ArticleId(article_id), acknowledge_hidden=hidden))


@kb.command("archive")
def archive_article(ctx: typer.Context, article_id: ArticleArg) -> None:
    """Take an article out of use; archiving again changes nothing."""

    async def work(desk: Desk) -> Answer:
        done = await desk.engine.knowledge.archive(desk.caller, ArticleId(article_id))
        data: JsonObject = {
            "article_id": done.article_id,
            "state": ArticleStatus.ARCHIVED.value,
            "changed": done.changed,
        }
        return Answer(data, [f"Article {done.article_id} is archived."])

    serve(ctx, work)


@kb.command("import")
def import_folder(
    ctx: typer.Context,
    folder: FolderArg,
    draft: Annotated[bool, typer.Option("--draft", help="Import without publishing.")] = False,
    hidden: Hidden = False,
) -> None:
    """Take in a folder of Markdown; the same folder again changes nothing."""

    async def work(desk: Desk) -> Answer:
        with desk.out.progress("Importing") as progress:

            def tell(done: int, total: int, item: ImportItem) -> None:
                progress.step(done, total)

            report = await desk.engine.knowledge.import_folder(
                desk.caller,
                folder,
                publish=not draft,
                acknowledge_hidden=hidden,
                progress=tell,
            )
        return _imported(report)

    serve(ctx, work)


@kb.command("export")
def export_folder(ctx: typer.Context, folder: FolderArg) -> None:
    """Write every article into a folder as Markdown, ready to be imported again."""

    async def work(desk: Desk) -> Answer:
        with desk.out.progress("Exporting") as progress:
            items = await export_articles(desk, folder, progress.step)
        rows = [(str(item["article_id"]), str(item["path"])) for item in items]
        table = Table(("ID", "FILE"), rows, empty="There is no article.")
        return listing(items, table)

    serve(ctx, work)


async def _publish(desk: Desk, article_id: ArticleId, *, acknowledge_hidden: bool) -> Answer:
    done = await desk.engine.knowledge.publish(
        desk.caller, article_id, acknowledge_hidden=acknowledge_hidden
    )
    said = f"Article {done.article_id} is published as version {done.version}"
    later = "." if done.indexed else "; its vectors follow when a worker runs."
    return Answer(view(done), [said + later])


def _saved(saved: Saved) -> Answer:
    said = f"Article {saved.article_id} has draft version {saved.version}; publish it with"
    return Answer(view(saved), [f"{said} `cairnloop kb publish {saved.article_id}`."])


def _article(article: ArticleView) -> Answer:
    latest = article.latest
    head = f"Article {article.id} · {humanise(article.status.value)} · {article.title}"
    flag = " · ▲ hidden characters" if latest.hidden_characters else ""
    history = [
        (
            str(one.version),
            humanise(one.state.value),
            at(one.published_at),
            "yes" if one.indexed else "-",
            one.author,
        )
        for one in article.revisions
    ]
    data: JsonObject = {
        "article_id": article.id,
        **view(article),
        "revision_id": latest.id,
        "version": latest.version,
        "state": latest.state.value,
        "indexed": article.indexed,
        "content": latest.content,
    }
    table = Table(("VERSION", "STATE", "PUBLISHED", "INDEXED", "BY"), history)
    return Answer(data, [head + flag, Block(latest.content), "", table])


def _imported(report: ImportReport) -> Answer:
    rows = [(humanise(item.status.value), item.path, item.message) for item in report.items]
    statuses = sorted({item.status for item in report.items})
    tally = ", ".join(f"{report.count(status)} {status.value}" for status in statuses)
    table = Table(
        ("RESULT", "FILE", "NOTE"), rows, whole=True, empty="The folder holds no Markdown."
    )
    made = listing([view(item) for item in report.items], table, ok=not report.failed)
    notes = [f"{count(len(report.items), 'file')}: {tally or 'nothing to do'}."]
    return Answer(made.data, made.shown, notes, ok=made.ok)
