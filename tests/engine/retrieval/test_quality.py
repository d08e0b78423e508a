"""How good the search is, as floors: on our identifiers, and on public sets where they lie beside.

The public sets are not kept in the repository; a machine without them says so. The floors guard
against a fall, they do not promise the same elsewhere: the recipe was chosen on such sets.
"""

from __future__ import annotations

import pytest

from benchmarks import beir, library, scoring
from benchmarks.beir import Dataset
from benchmarks.scoring import Found
from cairnloop_engine import Engine
from tests.engine.retrieval.desk import MAYA, index

SEED = 20261
QUESTIONS = 400


def beside(name: str) -> Dataset:
    folder = beir.OUTSIDE / name
    if not (folder / "qrels.tsv").exists():
        pytest.skip(f"the set {name} does not lie beside this checkout")
    return beir.read(folder)


async def answered(engine: Engine, data: Dataset) -> list[Found]:
    """Publish and index the set, then ask all of its questions."""
    names = await library.stock(engine, MAYA, data.documents)
    await index(engine)
    return [await library.ask(engine.retrieval, MAYA, names, query) for query in data.queries]


@pytest.mark.slow
async def test_identifiers_are_found_however_they_are_written(engine: Engine) -> None:
    data = beir.read(beir.INSIDE / "identifiers")

    found = await answered(engine, data)

    assert len(data.queries) >= 100
    assert scoring.ranked(data, found)["recall@5"] >= 0.95


@pytest.mark.slow
async def test_paraphrased_questions_find_their_article_first(engine: Engine) -> None:
    data = beir.sampled(beside("stackfaq"), QUESTIONS, seed=SEED)

    told = scoring.ranked(data, await answered(engine, data))

    assert told["ndcg@10"] >= 0.965
    assert told["p@1"] >= 0.93
    assert told["empty"] == 0
