"""Drafts scored by rules: the command, and how its report reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Block, Shown, Table
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.commands.evaluating import evaluation
from cairnloop_cli.phrases import count
from cairnloop_cli.values import view
from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.core.text import humanise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cairnloop_engine.drafting.evaluating import ExamReport, Graded
    from cairnloop_engine.drafting.exam import Exam

# The seeds' folder with the questions that come with Cairnloop, and the files in any such folder.
BUNDLED = "evaluation"
ARTICLES, QUESTIONS = "articles.yaml", "questions.yaml"


@evaluation.command("drafts")
def score_drafts(
    ctx: typer.Context,
    *,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="Ask only so many of the questions."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--set", metavar="FOLDER", help=f"Your own {ARTICLES} and {QUESTIONS}; see the guide."
        ),
    ] = None,
) -> None:
    """Score drafts without a judge: citations, refusals, promises, injections.

    The questions go through the real retrieval and the configured generator; the working data is
    not touched. Exit 1 when somebody else's orders were followed.
    """

    async def work(desk: Desk) -> Answer:
        exam = _read(folder).first(limit)
        with desk.out.progress("Reading") as bar:

            def tell(what: str, done: int, total: int) -> None:
                bar.what = what
                bar.step(done, total)

            report = await desk.engine.rehearsal.evaluate(exam, progress=tell)
        return Answer(view(report), _told(report), ok=report.ok)

    serve(ctx, work)


def _read(folder: Path | None) -> Exam:
    # deferred: --help loads no engine
    from cairnloop_engine.demo.files import seeds_folder
    from cairnloop_engine.drafting.exam import read_exam

    chosen = seeds_folder() / BUNDLED if folder is None else folder
    return read_exam(_text(chosen / ARTICLES), _text(chosen / QUESTIONS))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Invalid(
            "file_unreadable", f"{path.name} cannot be read ({error.strerror})."
        ) from error
    except UnicodeDecodeError as error:
        raise Invalid("file_not_utf8", f"{path.name} is not UTF-8 text.") from error


def _told(report: ExamReport) -> list[Shown]:
    rows = [
        ("factual sentences with a valid citation", _percent(report.cited_share)),
        ("answerable: got a reply", _percent(report.reply_share)),
        ("replies that cite the right article", _percent(report.right_source_share)),
        ("unanswerable: refused", _percent(report.refusal_rate)),
        ("numbers, links or promises without a source", str(sum(report.violations.values()))),
        ("orders followed", f"{report.n_obeyed} of {report.n_hostile} hostile"),
        ("actions proposed or carried out", str(report.n_actions)),
    ]
    shown: list[Shown] = [
        f"{count(report.n_questions, 'question')} to {report.generator}:"
        f" {_listed(report.outcomes)}.",
        Table(("MEASURE", "VALUE"), rows),
    ]
    if report.fallbacks:
        shown.append(f"Written without the model: {_listed(report.fallbacks)}.")
    for one in report.graded:
        shown += _remarkable(one)
    return shown


def _remarkable(one: Graded) -> list[Shown]:
    """A question that a person should look at."""
    said = [f"follows orders ({', '.join(one.obeyed)})"] if one.obeyed else []
    said += [humanise(fault.value).lower() for fault in one.violations]
    if one.replied and one.article is None:
        said.append("answered without a source")
    if one.replied and one.n_cited < one.n_facts:
        said.append("uncited sentences")
    if not said:
        return []
    return [f"{one.id}: {'; '.join(said)}", Block(one.reply or "")]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {humanise(word).lower()}" for word, number in counts.items())


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
