"""The seams around a search: reranker, language, fusion, and what monitoring hears."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from cairnloop_engine import Engine, Misconfigured, Settings
from cairnloop_engine.retrieval.facade import Retrieval
from cairnloop_engine.retrieval.gap_model import Surface
from cairnloop_engine.retrieval.model import Degraded
from cairnloop_engine.retrieval.ranking import Fusion
from cairnloop_engine.wiring import HostParts
from tests.engine.governance.watching import Watch, installed
from tests.engine.retrieval.desk import MAYA, Remembering, index, publish, stock
from tests.engine.retrieval.test_search_cases import resolved
from tests.fakes import FixedClock

QUESTION = "How do I reset my API key?"
LABELS = {
    *("surface", "source_mix", "result_bucket", "grounding_status", "diagnostic_class"),
    *("reason", "canonical_hit_count", "assistive_hit_count", "ranking_outcome"),
}


class Backwards:
    """Prefers what the search put last."""

    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        return list(range(len(passages)))


class Broken:
    """Named in the settings by its path."""

    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        raise RuntimeError("a bug of the host")


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = installed()
    yield watch
    watch.forget()


async def test_a_reranker_orders_the_articles_and_changes_no_score(
    settings: Settings, clock: FixedClock, minilm: Remembering
) -> None:
    host = HostParts(embedder=minilm, reranker=Backwards())
    async with Engine(settings, clock=clock, host=host) as engine:
        await stock(engine)
        await index(engine)
        turned = await engine.retrieval.search(MAYA, QUESTION)
        plain = await replace(engine.retrieval, reranker=None).search(MAYA, QUESTION)

    assert [hit.title for hit in turned.items] == [hit.title for hit in reversed(plain.items)]
    assert {hit.title: hit.score for hit in turned.items} == {
        hit.title: hit.score for hit in plain.items
    }
    assert turned.degraded == ()


async def test_a_reranker_that_fails_leaves_the_order_and_says_so(
    settings: Settings, clock: FixedClock, minilm: Remembering
) -> None:
    named = settings.with_changes(reranker=f"{__name__}:Broken")
    async with Engine(named, clock=clock, host=HostParts(embedder=minilm)) as engine:
        await stock(engine)
        await index(engine)
        found = await engine.retrieval.search(MAYA, QUESTION)

    assert found.degraded == (Degraded.RERANKER_UNAVAILABLE,)
    assert found.items[0].title == "Resetting your API key"
    assert found.grounding.may_reply


def test_a_reranker_that_is_none_is_refused_at_the_start(settings: Settings) -> None:
    with pytest.raises(Misconfigured) as unfit:
        Engine(settings.with_changes(reranker=f"{__name__}:Watch"))

    assert unfit.value.code == "host_part_unfit"


async def test_the_fusion_is_a_setting_of_the_site(settings: Settings) -> None:
    async with Engine(settings.with_changes(search_fusion="rrf")) as engine:
        assert engine.retrieval.config.fusion is Fusion.RRF


async def test_a_change_of_language_is_named_until_the_words_are_read_again(
    settings: Settings, clock: FixedClock, minilm: Remembering
) -> None:
    host = HostParts(embedder=minilm)
    async with Engine(settings, clock=clock, host=host) as engine:
        await stock(engine)
        await index(engine)
    async with Engine(settings.with_changes(language="simple"), clock=clock, host=host) as engine:
        before = await engine.retrieval.status(MAYA)
        await engine.retrieval.rebuild(MAYA)
        await index(engine)
        after = await engine.retrieval.status(MAYA)
        found = await engine.retrieval.search(MAYA, "keys")

    [problem] = [one for one in before.problems if one.code == "language_changed"]
    assert "4 documents" in problem.message
    assert "retrieval rebuild" in problem.remedy
    assert "language_changed" not in {one.code for one in after.problems}
    assert found.items[0].why.lexemes == ("keys",)


async def test_a_language_that_this_postgres_lacks_breaks_nothing_and_is_named(
    settings: Settings, clock: FixedClock, minilm: Remembering
) -> None:
    elvish = settings.with_changes(language="elvish")
    async with Engine(elvish, clock=clock, host=HostParts(embedder=minilm)) as engine:
        await publish(engine, "Keys", "Revoke the old keys.")
        await index(engine)
        found = await engine.retrieval.search(MAYA, "keys")
        status = await engine.retrieval.status(MAYA)

    assert found.items[0].why.lexemes == ("keys",)
    assert "language_unknown" in {one.code for one in status.problems}


@pytest.mark.requirement("03-retrieval-drafting:50")
async def test_monitoring_hears_of_a_search_and_never_of_the_question(
    stocked: Engine, watch: Watch
) -> None:
    await resolved(stocked)
    watch.forget()

    await stocked.retrieval.search(MAYA, QUESTION, limit=1, surface=Surface.SEARCH_MODAL)

    [(name, labels)] = watch.counted
    assert name == "cairnloop.retrieval.search"
    assert labels == {
        "surface": "search_modal",
        "source_mix": "mixed",
        "result_bucket": "few",
        "grounding_status": "not_applicable",
        "diagnostic_class": "search_results",
        "reason": "mixed_results",
        "canonical_hit_count": 1,
        "assistive_hit_count": 1,
        "ranking_outcome": "canonical_first",
    }
    [(timed, took)] = watch.timed
    assert timed == "cairnloop.retrieval.search.duration_ms"
    assert isinstance(took, int)
    assert took >= 0


@pytest.mark.requirement("03-retrieval-drafting:51")
async def test_a_draft_is_heard_of_as_a_search_and_then_as_its_grounding(
    stocked: Engine, watch: Watch
) -> None:
    await stocked.retrieval.evidence_for(MAYA, QUESTION)

    (search, first), (grounding, second) = watch.counted
    assert (search, grounding) == (
        "cairnloop.retrieval.search",
        "cairnloop.retrieval.draft_grounding",
    )
    assert first["surface"] == second["surface"] == "draft_generation"
    assert (second["grounding_status"], second["diagnostic_class"]) == ("strong", "grounded")
    assert second["reason"] == "canonical_results"
    assert second["ranking_outcome"] == "groundable_canonical_only"
    assert first.keys() == second.keys() == LABELS


@pytest.mark.requirement("03-retrieval-drafting:52")
async def test_a_search_that_fails_is_heard_of_with_its_reason(
    stocked: Engine, watch: Watch
) -> None:
    retrieval = stocked.retrieval
    hasty = Retrieval(
        retrieval.db,
        retrieval.embedding,
        replace(retrieval.config, search_timeout=timedelta(milliseconds=100)),
    )
    async with stocked.db.engine.connect() as elsewhere:
        await elsewhere.execute(text(f"LOCK TABLE {stocked.settings.schema_prefix}.search_docs"))
        await hasty.evidence_for(MAYA, QUESTION, surface=Surface.API)

    told = [labels for _, labels in watch.counted]
    assert [one["diagnostic_class"] for one in told] == ["retrieval_error"] * 2
    assert [one["reason"] for one in told] == ["provider_timeout"] * 2
    assert [one["surface"] for one in told] == ["api"] * 2
    assert {(one["canonical_hit_count"], one["assistive_hit_count"]) for one in told} == {(0, 0)}
    assert [one["grounding_status"] for one in told] == ["not_applicable", "escalation"]
    assert all("reset" not in str(one) for one in told)
