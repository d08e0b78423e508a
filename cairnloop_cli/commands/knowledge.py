"""The knowledge base: articles, their revisions, folders in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Block, Shown, Table, listing
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.export import export_articles
from cairnloop_cli.folders import serve_import
from cairnloop_cli.parameters import LARGEST_ID, Cursor, Limit, words
from cairnloop_cli.phrases import at
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import view
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import humanise
from cairnloop_engine.knowledge.model import ArticleStatus, How

if TYPE_CHECKING:
    from cairnloop_engine.knowledge.model import Saved
    from cairnloop_engine.knowledge.reads import ArticleView, LinkView, RevisionView

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
    query: Annotated[
        str | None, typer.Option("--query", metavar="TEXT", help="Words of the title.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Articles, the most recently changed first."""

    async def work(desk: Desk) -> Answer:
        page = await desk.engine.knowledge.articles(
            desk.caller, status=status, title=query, cursor=cursor, limit=limit
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
def show_article(
    ctx: typer.Context,
    article_id: ArticleArg,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", min=1, max=LARGEST_ID, help="As it was then."),
    ] = None,
) -> None:
    """One article as an editor would open it, with its revisions and links."""

    async def work(desk: Desk) -> Answer:
        article = await desk.engine.knowledge.article(desk.caller, ArticleId(article_id))
        return _article(article, article.latest if version is None else article.as_of(version))

    serve(ctx, work)


@kb.command("diff")
def diff_article(
    ctx: typer.Context,
    article_id: ArticleArg,
    older: Annotated[
        int | None,
        typer.Option(
            "--from", metavar="N", min=0, max=LARGEST_ID, help="Else the published one, or N - 1."
        ),
    ] = None,
    newer: Annotated[
        int | None,
        typer.Option("--to", metavar="M", min=1, max=LARGEST_ID, help="Else the newest."),
    ] = None,
) -> None:
    """What changed between two versions of an article."""

    async def work(desk: Desk) -> Answer:
        found = await desk.engine.knowledge.diff(
            desk.caller, ArticleId(article_id), older=older, newer=newer
        )
        data: JsonObject = {
            "article_id": found.article_id,
            "from": found.older,
            "to": found.newer,
            "changed": bool(found.lines),
            "diff": "\n".join(found.lines),
        }
        same = f"Version {found.newer} says the same as version {found.older}."
        return Answer(data, [Block("\n".join(found.lines), gutter="") if found.lines else same])

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
    *,
    draft: Annotated[bool, typer.Option("--draft", help="Import without publishing.")] = False,
    hidden: Hidden = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Archive the articles whose files are gone.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --prune: also when that is most of them.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Stay, and take in what changes; Ctrl+C ends it."),
    ] = False,
) -> None:
    """Take in a folder of Markdown; the same folder again changes nothing."""
    serve_import(ctx, folder, How(not draft, hidden, prune, force), watch=watch)


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


def _article(article: ArticleView, shown: RevisionView) -> Answer:
    head = f"Article {article.id} · {humanise(article.status.value)} · {shown.title}"
    flag = " · ▲ hidden characters" if shown.hidden_characters else ""
    past = "" if shown is article.latest else f" · version {shown.version}"
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
        "revision_id": shown.id,
        "version": shown.version,
        "state": shown.state.value,
        "indexed": article.indexed,
        "content": shown.content,
    }
    table = Table(("VERSION", "STATE", "PUBLISHED", "INDEXED", "BY"), history)
    return Answer(data, [head + past + flag, Block(shown.content), *_links(article), "", table])


def _links(article: ArticleView) -> list[Shown]:
    """Where the newest text leads, and from where others lead here; nothing when there is none."""
    found: list[Shown] = []
    if article.links:
        rows = [(*_led(link), link.target) for link in article.links]
        found += ["", Table(("ARTICLE", "NOTE", "LINKS TO"), rows)]
    if article.backlinks:
        back = [(str(one.article_id), one.title) for one in article.backlinks]
        found += ["", Table(("LINKED FROM", "TITLE"), back)]
    return found


def _led(link: LinkView) -> tuple[str, str]:
    """The article at the other end, and what is wrong with it."""
    if link.article_id is None:
        return "-", "leads nowhere"
    return str(link.article_id), "archived" if link.broken else ""
