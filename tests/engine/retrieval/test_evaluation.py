"""Retrieval on somebody else's documents: as good as the real one, and without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from cairnloop_engine import Engine, Invalid, Settings
from cairnloop_engine.retrieval.datasets import Dataset, Document, Query
from cairnloop_engine.wiring import HostParts
from tests.engine.retrieval.desk import ARTICLES, MAYA, Scripted, index, stock
from tests.fakes import FixedClock
from tests.waiting import wait_until

QUESTIONS = {
    "How do I reset my API key?": "Resetting your API key",
    "invite a colleague to our team": "Adding a team seat",
    "what does error E4012 mean": "Why a CI run was skipped",
    "our CFO changed, invoices go to the wrong person": "Updating your billing email",
    "What is a good recipe for banana bread?": "",
}

DYING = """
import asyncio, sys
from cairnloop_engine import Engine, Settings
from cairnloop_engine.retrieval.datasets import Dataset, Document, Query

documents = tuple(Document(str(n), f"Title {n}", f"The text of document {n}.") for n in range(50))

async def main():
    settings = Settings.load(database_url=sys.argv[1], embedder="hashing", home=sys.argv[2])
    async with Engine(settings) as engine:
        await engine.evaluation.score(Dataset(documents, (Query("q", "document 7"),)))

asyncio.run(main())
"""


def dataset() -> Dataset:
    """The articles of the desk under names of their own."""
    names = {title: f"doc-{place}" for place, title in enumerate(ARTICLES)}
    return Dataset(
        tuple(Document(names[title], title, text) for title, text in ARTICLES.items()),
        tuple(
            Query(str(place), query, {names[title]: 1.0} if title else {})
            for place, (query, title) in enumerate(QUESTIONS.items())
        ),
    )


def rows(url: str) -> dict[str, int]:
    """How many rows each table holds, temporary ones included, as anybody else sees them."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND (n.nspname IN ('public',"
            " 'cairnloop') OR n.nspname LIKE 'pg\\_temp%')"
        ).fetchall()
        counted = {}
        for (table,) in tables:
            found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert found is not None
            counted[table] = found[0]
        return counted


async def test_an_evaluation_finds_and_grades_as_the_desk_does(
    stocked: Engine, database_url: str
) -> None:
    before = rows(database_url)

    report = await stocked.evaluation.score(dataset())

    assert rows(database_url) == before
    assert report.ranking["ndcg@10"] == 1.0
    assert report.grounding.auroc == 1.0
    assert (report.n_documents, report.n_unanswerable, report.n_unreadable) == (4, 1, 0)
    names = {one.id: one.title for one in dataset().documents}
    for asked, question in zip(report.asked, QUESTIONS, strict=True):
        real = await stocked.retrieval.search(MAYA, question, limit=10)
        assert [names[found] for found in asked.found] == [hit.title for hit in real.items]
        assert asked.scores == pytest.approx([hit.score for hit in real.items])
        assert asked.grounding.status is real.grounding.status
        assert dict(asked.grounding.signals) == pytest.approx(dict(real.grounding.signals))


async def test_it_can_be_done_again_in_one_process_and_knows_no_workspace(
    engine: Engine, database_url: str
) -> None:
    before = rows(database_url)

    first = await engine.evaluation.score(dataset())
    second = await engine.evaluation.score(dataset(), k=1)

    assert [one.found for one in first.asked] == [one.found for one in second.asked]
    assert "ndcg@1" in second.ranking
    assert rows(database_url) == before


async def test_documents_without_a_title_or_without_text_are_no_trouble(
    settings: Settings, clock: FixedClock
) -> None:
    documents = (
        Document("a", "", "An invoice shows the tax number."),
        Document("b", "", "\n \n"),
        Document("c", "", "'; DROP TABLE articles; -- \x1b[31m <b>"),
    )
    asked = (Query("q", "tax number", {"a": 1.0}), Query("empty", "  "), Query("odd", "'\"&|!"))

    async with Engine(settings, clock=clock, host=HostParts(embedder=Scripted())) as engine:
        report = await engine.evaluation.score(Dataset(documents, asked))

    assert report.n_unreadable == 1
    assert report.asked[0].found[0] == "a"
    assert report.asked[1].found == []


async def test_a_set_without_text_is_refused(engine: Engine) -> None:
    with pytest.raises(Invalid) as refused:
        await engine.evaluation.score(Dataset((Document("a", "T", " "),), (Query("q", "x"),)))

    assert refused.value.code == "dataset_empty"


async def test_a_progress_bar_hears_of_every_part(engine: Engine) -> None:
    heard: dict[str, tuple[int, int]] = {}

    def hear(what: str, done: int, total: int) -> None:
        heard[what] = (done, total)

    await engine.evaluation.score(dataset(), progress=hear)

    assert all(done == total for done, total in heard.values())
    assert list(heard) == ["Embedding documents", "Embedding questions", "Indexing", "Searching"]


async def test_killed_in_the_middle_it_leaves_nothing_behind(
    own_database: str, tmp_path: Path
) -> None:
    settings = Settings.load(database_url=own_database, embedder="hashing", home=tmp_path)
    async with Engine(settings) as engine:
        await stock(engine)
        await index(engine)
    before = rows(own_database)

    died = subprocess.run(
        [sys.executable, "-c", DYING, own_database, str(tmp_path)],
        env={**os.environ, "CAIRNLOOP_CRASH_AT": "retrieval.evaluation_loaded"},
        cwd=Path(__file__).parents[3],
        timeout=60,
        capture_output=True,
        check=False,
    )

    assert died.returncode == -signal.SIGKILL, died.stderr
    wait_until(lambda: _alone(own_database), what="the connection of the dead is gone")
    assert rows(own_database) == before


def _alone(url: str) -> bool:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
    return found == (0,)
