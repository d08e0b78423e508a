"""The index from the command line: its state, its repair, its own index."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import CommandLine


@pytest.fixture
def stocked(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """A desk with two articles that are indexed."""
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "refunds.md").write_text("# Refunds\n\nA refund takes five working days.\n")
    (folder / "seats.md").write_text("# Seats\n\nOpen Settings and choose Team.\n")
    cli("kb", "import", folder)
    cli.json("worker", "--drain", "--queues", "indexing")
    return cli


@pytest.mark.requirement("03-retrieval-drafting:42")
def test_one_article_can_be_rebuilt_and_the_count_is_told(stocked: CommandLine) -> None:
    done = stocked.json("retrieval", "rebuild", "--article", 1)
    told = stocked("retrieval", "rebuild", "--article", 1, "--article", 2)
    unknown = stocked("retrieval", "rebuild", "--article", 42, "--json")

    assert done == {"n_queued": 1, "n_cases": 0, "corpus": "knowledge_base"}
    assert (
        told.out == "2 articles of the knowledge base will be indexed again when a worker runs.\n"
    )
    assert (unknown.code, unknown.error) == (1, "article_not_published")


@pytest.mark.requirement("03-retrieval-drafting:43")
def test_a_replay_tells_how_many_are_tried_again(stocked: CommandLine) -> None:
    refusing = stocked.having(
        {
            "CAIRNLOOP_EMBEDDER": "openai",
            "CAIRNLOOP_EMBEDDER_URL": "http://127.0.0.1:9/v1",
            "CAIRNLOOP_EMBEDDER_MODEL": "tiny",
            "CAIRNLOOP_EMBEDDER_DIM": "4",
        }
    )
    none = stocked.json("retrieval", "replay-failed")

    status = refusing("retrieval", "status", "--json")
    told = refusing("retrieval", "status")

    assert none == {"n_queued": 0, "n_cases": 0}
    assert status.code == 1
    assert status.json["problems"][0]["code"] == "embedder_unreachable"
    assert (status.json["serving"], status.json["n_pending"]) == ("hash-1024", 2)
    assert "Searches are answered by hash-1024" in told.out
    assert "MODEL" in told.out


def test_the_index_over_the_vectors_is_there_for_the_models_that_ship(
    stocked: CommandLine,
) -> None:
    told = stocked("retrieval", "rebuild", "--index")
    done = stocked.json("retrieval", "rebuild", "--index")
    both = stocked("retrieval", "rebuild", "--index", "--article", 1)

    assert told.out == "There is an index over the vectors of hash-1024 already.\n"
    assert done == {"embedder": "hash-1024", "queued": False}
    assert both.code == 2
