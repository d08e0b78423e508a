"""Evaluation: retrieval on a set of questions, and grounding calibrated on one's own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Shown, Table
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.phrases import count
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import to_json, view
from cairnloop_engine.core.errors import Invalid, JsonObject, JsonValue

if TYPE_CHECKING:
    from cairnloop_engine.retrieval.calibrating import Outcome
    from cairnloop_engine.retrieval.evaluating import Asked
    from cairnloop_engine.retrieval.evaluation_facade import (
        CalibrationReport,
        Progress,
        RetrievalReport,
    )

evaluation = plain_typer(
    "Measure retrieval, grounding and drafts; calibrate on your own questions.", group=True
)


@evaluation.command("retrieval")
def score_retrieval(
    ctx: typer.Context,
    *,
    corpus: Annotated[
        Path, typer.Option("--corpus", metavar="FILE", help="corpus.jsonl {_id, title, text}.")
    ],
    queries: Annotated[
        Path, typer.Option("--queries", metavar="FILE", help="queries.jsonl {_id, text}.")
    ],
    qrels: Annotated[
        Path,
        typer.Option("--qrels", metavar="FILE", help="qrels.tsv: query-id, corpus-id, score."),
    ],
    k: Annotated[
        int, typer.Option("--k", metavar="N", min=1, max=100, help="Also measure at this depth.")
    ] = 10,
    per_query_file: Annotated[
        Path,
        typer.Option("--per-query-file", metavar="FILE", help="Where each question is written."),
    ] = Path("eval-retrieval.jsonl"),
) -> None:
    """Run the real retrieval on a set of questions; the working data is not touched.

    A question without a judgement has no answer in the corpus, and should be refused.
    """

    async def work(desk: Desk) -> Answer:
        # deferred: --help loads no engine
        from cairnloop_engine.retrieval.datasets import read_dataset

        _check_writable(per_query_file)
        dataset = read_dataset(_lines(corpus), _lines(queries), _lines(qrels))
        with _told(desk) as progress:
            report = await desk.engine.evaluation.score(dataset, k=k, progress=progress)
        _write(per_query_file, report.asked)
        return _scored(report, per_query_file)

    serve(ctx, work)


@evaluation.command("calibrate")
def calibrate_grounding(
    ctx: typer.Context,
    *,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="{query, article or null}, one a line."),
    ] = None,
    risk: Annotated[
        float, typer.Option("--risk", metavar="R", help="The share of wrong answers to accept.")
    ] = 0.1,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Go back to the uncalibrated thresholds.")
    ] = False,
) -> None:
    """Fit grounding to your own labelled questions.

    That no threshold is granted is an answer as well: then drafts ask back or hand over.
    """
    if (labels is None) is not withdraw:
        raise typer.BadParameter("give either --labels FILE or --withdraw")

    async def work(desk: Desk) -> Answer:
        if labels is None:
            done = await desk.engine.evaluation.withdraw_calibration(desk.caller)
            said = "The calibration is withdrawn." if done else "There was no calibration."
            return Answer({"withdrawn": done}, [said])
        with _told(desk) as progress:
            try:
                report = await desk.engine.evaluation.calibrate(
                    desk.caller, _lines(labels), risk=risk, progress=progress
                )
            except Invalid as error:
                _tell_lines(desk, error)
                raise
        return _calibrated(report)

    serve(ctx, work)


@contextmanager
def _told(desk: Desk) -> Iterator[Progress]:
    """Progress of several kinds, one bar after the other."""
    with desk.out.progress("Reading") as bar:

        def tell(what: str, done: int, total: int) -> None:
            bar.what = what
            bar.step(done, total)

        yield tell


def _lines(path: Path) -> list[str]:
    try:
        # Only a line feed ends a line; JSON may hold the other separators of Unicode.
        return path.read_bytes().decode("utf-8-sig").split("\n")
    except OSError as error:
        raise Invalid(
            "file_unreadable", f"{path.name} cannot be read ({error.strerror})."
        ) from error
    except UnicodeDecodeError as error:
        raise Invalid("file_not_utf8", f"{path.name} is not UTF-8 text.") from error


def _check_writable(path: Path) -> None:
    """Say it now, not after minutes of work."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Invalid("file_unwritable", f"{path.name} cannot be written in that folder.")


def _write(path: Path, asked: Sequence[Asked]) -> None:
    """Write the whole file or none of it."""
    folder = path.absolute().parent
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=folder, prefix=f".{path.name}-", delete=False
        ) as file:
            file.writelines(json.dumps(_line(one)) + "\n" for one in asked)
        Path(file.name).replace(path)
    except OSError as error:
        raise Invalid(
            "file_unwritable", f"{path.name} cannot be written ({error.strerror})."
        ) from error


def _line(asked: Asked) -> JsonObject:
    ranks: JsonObject = {
        found: rank for rank, found in enumerate(asked.found, start=1) if found in asked.relevant
    }
    results: list[JsonValue] = [
        {"id": found, "score": score}
        for found, score in zip(asked.found, asked.scores, strict=True)
    ]
    return {
        "query_id": asked.query_id,
        "answerable": asked.answerable,
        "status": asked.grounding.status.value,
        "reason": asked.grounding.reason.value,
        "confidence": asked.grounding.confidence,
        "ranks": ranks,
        "found": results,
        "signals": to_json(asked.grounding.signals),
        "took_ms": asked.took_ms,
    }


def _scored(report: RetrievalReport, path: Path) -> Answer:
    data: JsonObject = {
        **dict(report.ranking),
        "grounding": view(report.grounding),
        "latency_ms": to_json(report.latency_ms),
        "per_query_file": str(path),
        "embedder": report.embedder,
        "documents": report.n_documents,
        "unreadable_documents": report.n_unreadable,
        "queries": report.n_queries,
        "unanswerable": report.n_unanswerable,
        "unknown_judgements": report.n_unknown,
        "vectors": report.n_vectors,
    }
    grounding = report.grounding
    rows = [(name, _number(value)) for name, value in report.ranking.items()]
    rows += [
        ("AUROC, answerable or not", _number(grounding.auroc)),
        ("AUROC, first result answers or not", _number(grounding.auroc_good)),
        ("strong: first result answers", _number(grounding.strong_precision)),
        ("strong, of the answerable", _number(grounding.strong_coverage)),
        ("strong, of the unanswerable", _number(grounding.false_strong_rate)),
        *((f"latency {name} ms", _number(value)) for name, value in report.latency_ms.items()),
    ]
    head = (
        f"{count(report.n_documents, 'document')}, {count(report.n_queries, 'question')},"
        f" {report.n_unanswerable} of them without an answer; {report.embedder}, not calibrated."
    )
    notes = [f"Each question is in {path}."]
    if report.n_unknown:
        unknown = count(report.n_unknown, "judgement")
        notes.append(f"{unknown} name a question or a document that is not in the set.")
    return Answer(data, [head, Table(("MEASURE", "VALUE"), rows)], notes)


def _calibrated(report: CalibrationReport) -> Answer:
    outcome = report.outcome
    data = view(outcome)
    del data["numbers"], data["table"]
    data |= {
        "granted": outcome.granted,
        "risk": report.risk,
        "risk_coverage": to_json(outcome.table),
        "n_unanswerable": report.n_unanswerable,
        "calibration_id": int(report.calibration_id),
        "model_id": report.model_id,
    }
    rows = [
        (f"{row.coverage:.0%}", f"{row.risk:.1%}", f"{row.threshold:.3f}") for row in outcome.table
    ]
    table = Table(("ANSWERED", "WRONG", "FROM"), rows)
    return Answer(data, [*_verdict(outcome, report.risk), table])


def _verdict(outcome: Outcome, risk: float) -> list[Shown]:
    separated = (
        f"{count(outcome.n, 'label')} of {count(outcome.n_groups, 'group')}:"
        f" AUROC {_number(outcome.auroc)}, AURC {_number(outcome.aurc)}."
    )
    if outcome.threshold is not None:
        said = (
            f"Granted: from a probability of {outcome.threshold:.3f} on, at most {risk:.0%} of the"
            f" strong answers are wrong. That is {outcome.coverage:.0%} of these questions."
        )
        return [said, separated]
    few = "there are too few labels." if outcome.refusal == "too_few_labels" else "none kept it."
    return [
        f"No threshold granted for a risk of {risk:.0%}: {few}",
        "Drafts ask back or hand over until a calibration is granted or withdrawn.",
        separated,
    ]


def _tell_lines(desk: Desk, error: Invalid) -> None:
    lines = error.facts.get("lines")
    for one in lines if isinstance(lines, list) else []:
        if isinstance(one, dict):
            desk.out.note(f"line {one['line']}: {one['message']}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
