"""Search as the drafter sees it, and the state of the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Block, Shown, Table
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.parameters import words
from cairnloop_cli.phrases import at, count
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import to_json, view
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import humanise
from cairnloop_engine.retrieval.gap_model import Surface
from cairnloop_engine.retrieval.model import SourceType

if TYPE_CHECKING:
    from cairnloop_engine.retrieval.health import IndexStatus
    from cairnloop_engine.retrieval.model import Hit, SearchResult, Trace

retrieval = plain_typer("The search index: its health and its repair.", group=True)


def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(metavar="QUERY|-", help="The question.")],
    explain: Annotated[
        bool, typer.Option("--explain", help="Show why each was found, and what it took.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=50)] = 8,
) -> None:
    """Hybrid search by words and meaning, with how sure the answers make us."""
    question = words(query)

    async def work(desk: Desk) -> Answer:
        found = await desk.engine.retrieval.search(
            desk.caller, question, limit=limit, explain=explain, surface=Surface.API
        )
        items: list[JsonValue] = [view(hit) for hit in found.items]
        data: JsonObject = {
            "items": items,
            "next": None,
            "grounding": view(found.grounding),
            "degraded": to_json(found.degraded),
            "embedder": found.embedder,
            "read_as": to_json(found.read_as),
            "trace": to_json(found.trace),
        }
        notes = [f"Without {humanise(lack.value).lower()}." for lack in found.degraded]
        return Answer(data, _found(found, explain=explain), notes)

    serve(ctx, work)


@retrieval.command("status")
def index_status(ctx: typer.Context) -> None:
    """How complete the index is; exit 1 when something about it needs a person."""

    async def work(desk: Desk) -> Answer:
        index = await desk.engine.retrieval.status(desk.caller)
        data = view(index)
        data["healthy"] = index.healthy
        return Answer(data, _status(index), ok=index.healthy)

    serve(ctx, work)


@retrieval.command("rebuild")
def rebuild_index(
    ctx: typer.Context,
    article: Annotated[
        list[int] | None,
        typer.Option("--article", metavar="ID", min=1, help="Only this article; repeatable."),
    ] = None,
    index: Annotated[
        bool,
        typer.Option("--index", help="Build the vector index of the embedder's model instead."),
    ] = False,
) -> None:
    """Index everything again, in the background; or build the index over the vectors."""
    if index and article:
        raise typer.BadParameter("--index concerns every article; leave --article out")

    async def articles(desk: Desk) -> Answer:
        chosen = [ArticleId(one) for one in article] if article else None
        done = await desk.engine.retrieval.rebuild(desk.caller, article_ids=chosen)
        queued = f"{count(done.n_queued, 'article')} of the knowledge base"
        data = {**view(done), "corpus": SourceType.KNOWLEDGE_BASE.value if chosen else "all"}
        if not chosen:
            queued = f"{queued} and {count(done.n_cases, 'resolved case')}"
        return Answer(data, [f"{queued} will be indexed again when a worker runs."])

    async def vectors(desk: Desk) -> Answer:
        done = await desk.engine.retrieval.build_vector_index(desk.caller)
        told = (
            f"The index over the vectors of {done.embedder} will be built when a worker runs."
            if done.queued
            else f"There is an index over the vectors of {done.embedder} already."
        )
        return Answer(view(done), [told])

    serve(ctx, vectors if index else articles)


@retrieval.command("replay-failed")
def replay_failed(ctx: typer.Context) -> None:
    """Try again to make the vectors that could not be made."""

    async def work(desk: Desk) -> Answer:
        done = await desk.engine.retrieval.replay_failed(desk.caller)
        queued = f"{count(done.n_queued, 'article')} and {count(done.n_cases, 'resolved case')}"
        return Answer(view(done), [f"{queued} will be tried again when a worker runs."])

    serve(ctx, work)


def _found(found: SearchResult, *, explain: bool) -> list[Shown]:
    shown: list[Shown] = [f'Read "{one.asked}" as "{one.read}".' for one in found.read_as]
    for number, hit in enumerate(found.items, start=1):
        place = f" · {hit.heading}" if hit.heading else ""
        shown.append(
            f"{number}. {hit.score:.3f} · {humanise(hit.trust.value)} · {hit.title}{place}"
        )
        shown.append(Block(hit.excerpt))
        if explain:
            shown.append(_why(hit))
    grounding = found.grounding
    shown.append(
        f"Grounding: {humanise(grounding.status.value)} · {humanise(grounding.reason.value)}"
        f" · confidence {grounding.confidence:.2f}"
        + ("" if grounding.calibrated else " (not calibrated)")
    )
    if found.trace is not None:
        shown += _trace(found.trace)
    return shown


def _why(hit: Hit) -> str:
    why = hit.why
    cosines = (("title", why.cos_title), ("document", why.cos_doc), ("passage", why.cos_chunk))
    told = [f"{name} {value:.3f}" for name, value in cosines if value is not None]
    matched = ", ".join(why.lexemes) or "none"
    told = [f"{' · '.join(told) or 'no vectors'} · words {why.bm25_share:.2f} ({matched})"]
    if why.identifiers:
        told.append(f"exactly {', '.join(why.identifiers)}")
    if why.read_as:
        told.append(f"as corrected: {', '.join(why.read_as)}")
    return f"  why: {' · '.join(told)}"


def _trace(trace: Trace) -> list[Shown]:
    shown: list[Shown] = [
        f"Made by {trace.embedder}, {trace.fusion}, alpha {trace.alpha:.2f}, {trace.language}:"
        f" embedding {trace.embed_ms:.0f} ms, search {trace.search_ms:.0f} ms"
        f" (reading {trace.read_ms:.1f} ms, cases {trace.cases_ms:.1f} ms),"
        f" reranking {trace.rerank_ms:.0f} ms."
    ]
    if trace.identifiers:
        shown.append(f"Looked up exactly: {', '.join(trace.identifiers)}.")
    if trace.left_out:
        shown.append(f"Too common to look for: {', '.join(trace.left_out)}.")
    return shown


def _status(index: IndexStatus) -> list[Shown]:
    calibrated = "calibrated" if index.calibrated else "not calibrated"
    shown: list[Shown] = [
        f"{index.n_ready} of {count(index.n_documents, 'article')} ready,"
        f" {index.n_pending} pending, {index.n_failed} failed; {index.n_vectors} vectors.",
        f"Embedder {index.label} ({index.embedder}), {calibrated}.",
    ]
    if index.serving != index.embedder:
        shown.append(f"Searches are answered by {index.serving} until it has all vectors.")
    if index.oldest_pending is not None:
        shown.append(f"The oldest pending one waits since {at(index.oldest_pending)}.")
    if len(index.models) > 1:
        shown.append(
            Table(
                ("MODEL", "READY", "PENDING", "VECTORS", "INDEX"),
                [
                    (
                        one.model_id,
                        str(one.n_ready),
                        str(one.n_pending),
                        str(one.n_vectors),
                        "yes" if one.has_index else "no",
                    )
                    for one in index.models
                ],
            )
        )
    problems = [(one.code, one.message, one.remedy) for one in index.problems]
    if problems:
        shown.append(Table(("PROBLEM", "WHAT", "REMEDY"), problems, whole=True))
    failures = [(str(one.article_id), one.code) for one in index.failures]
    if failures:
        shown.append(Table(("ARTICLE", "CODE"), failures))
    return shown
