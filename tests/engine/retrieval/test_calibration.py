"""Calibrating on one's own labelled questions, and what it does to the searches after it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cairnloop_engine import Caller, Engine, Invalid, Unavailable
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.errors import Forbidden
from cairnloop_engine.retrieval.calibrations import Standing
from cairnloop_engine.retrieval.facade import Retrieval
from cairnloop_engine.retrieval.grounding import replay
from cairnloop_engine.retrieval.model import GroundingStatus
from tests.engine.retrieval.desk import ARTICLES, MAYA, Scripted, index, publish, scalar, stock

STRONG = GroundingStatus.STRONG
# Few labels are enough for a loose promise.
LOOSE = 0.3
# Below the uncalibrated thresholds, and still answered by an article.
PLAIN = "my colleague needs access, how does he join?"

QUESTIONS = {
    "Resetting your API key": (
        "How do I reset my API key?",
        "Where do I generate a new key?",
        "I want to revoke the old API key",
        "our API key leaked, how do we replace it",
    ),
    "Updating your billing email": (
        "How do I change the billing email?",
        "Invoices go to the wrong address",
        "update the invoice address please",
        "where can I change who gets the invoices",
    ),
    "Adding a team seat": (
        "How do I add a team seat?",
        "invite a colleague to our team",
        "I want to add another person to the team",
        "who confirms an invitation to a seat",
    ),
    "Why a CI run was skipped": (
        "Why was my CI run skipped?",
        "a run is skipped after my push",
        "what does error E4012 mean",
        "no file of the push matched a trigger path",
    ),
}
ELSEWHERE = (
    "What is a good recipe for banana bread?",
    "Who won the football match?",
    "Do you sell gift cards?",
    "How tall is the Eiffel tower?",
)


def labels(*, wrong: bool = False) -> list[str]:
    """Labelled questions; ``wrong`` ones say that another article would be right."""
    titles = list(QUESTIONS)
    meant = {title: titles[(place + wrong) % 4] for place, title in enumerate(titles)}
    told = [
        {"query": query, "article": meant[title]} for title in titles for query in QUESTIONS[title]
    ]
    told += [{"query": query, "article": None} for query in ELSEWHERE]
    return [json.dumps(one) for one in told]


async def test_labels_that_agree_with_the_search_grant_a_threshold(stocked: Engine) -> None:
    before = await stocked.retrieval.calibration(MAYA)

    report = await stocked.evaluation.calibrate(MAYA, labels(), risk=LOOSE)

    after = await stocked.retrieval.calibration(MAYA)
    found = await stocked.retrieval.search(MAYA, "How do I reset my API key?")
    assert before.standing is Standing.NONE
    assert report.outcome.granted
    assert (report.outcome.n, report.n_unanswerable, report.model_id) == (20, 4, "minilm-int8")
    assert (after.standing, after.n_labels, after.made_by) == (Standing.GRANTED, 20, "maya")
    assert after.drift == 0.0
    assert (found.grounding.status, found.grounding.calibrated) == (STRONG, True)
    threshold = report.outcome.threshold
    assert threshold is not None
    assert found.grounding.confidence >= threshold
    assert found.grounding.signals["calibration"] == report.calibration_id
    for question in ELSEWHERE:
        asked = await stocked.retrieval.search(MAYA, question)
        assert not asked.grounding.may_reply


async def test_what_a_calibrated_draft_stores_is_enough_to_decide_again(stocked: Engine) -> None:
    await stocked.evaluation.calibrate(MAYA, labels(), risk=LOOSE)

    for question in ("How do I reset my API key?", PLAIN, ELSEWHERE[0]):
        bundle = await stocked.retrieval.evidence_for(MAYA, question)
        stored = json.loads(json.dumps(bundle.grounding.to_json()))
        assert replay(stored) == bundle.grounding
        strong = bundle.grounding.may_reply
        assert any(one.groundable for one in bundle.canonical) or not strong


async def test_after_a_refusal_an_earlier_calibration_grants_nothing(stocked: Engine) -> None:
    await stocked.evaluation.calibrate(MAYA, labels(), risk=LOOSE)

    report = await stocked.evaluation.calibrate(MAYA, labels(wrong=True), risk=LOOSE)

    found = await stocked.retrieval.search(MAYA, "How do I reset my API key?")
    assert not report.outcome.granted
    assert (await stocked.retrieval.calibration(MAYA)).standing is Standing.REFUSED
    assert (found.grounding.status, found.grounding.calibrated) == (
        GroundingStatus.CLARIFICATION,
        False,
    )


async def test_a_calibration_can_be_withdrawn(stocked: Engine) -> None:
    await stocked.evaluation.calibrate(MAYA, labels(wrong=True), risk=LOOSE)

    assert await stocked.evaluation.withdraw_calibration(MAYA)
    assert not await stocked.evaluation.withdraw_calibration(MAYA)

    found = await stocked.retrieval.search(MAYA, "How do I reset my API key?")
    assert (found.grounding.status, found.grounding.calibrated) == (STRONG, False)
    page = await stocked.audit.events(MAYA, filter=AuditFilter(), limit=2)
    assert [event.action for event in page.items] == [
        "retrieval.calibration_withdrawn",
        "retrieval.calibrated",
    ]


async def test_it_expires_when_too_much_of_the_knowledge_changed(stocked: Engine) -> None:
    question = "How do I reset my API key?"
    await stocked.evaluation.calibrate(MAYA, labels(), risk=LOOSE)
    tolerant = Retrieval(
        stocked.db,
        stocked.retrieval.embedding,
        replace(stocked.retrieval.config, calibration_max_drift=0.5),
    )

    await publish(stocked, "Deleting your account", "Open Settings and choose Delete account.")
    await index(stocked)

    one = await stocked.retrieval.calibration(MAYA)
    assert (one.standing, one.drift) == (Standing.GRANTED, 0.2)
    await publish(stocked, "Changing your name", "Open Settings and choose Profile.")
    await index(stocked)
    two = await stocked.retrieval.calibration(MAYA)
    found = await stocked.retrieval.search(MAYA, question)
    assert (two.standing, two.drift) == (Standing.EXPIRED, pytest.approx(1 / 3))
    assert (found.grounding.status, found.grounding.calibrated) == (STRONG, False)
    status = await stocked.retrieval.status(MAYA)
    assert not status.calibrated
    assert "calibration_expired" in {problem.code for problem in status.problems}
    assert (await tolerant.search(MAYA, question)).grounding.calibrated


async def test_another_workspace_keeps_its_own(stocked: Engine) -> None:
    elsewhere = Caller.operator("noor", "elsewhere")
    await publish(stocked, "Resetting your API key", "Press Revoke.", caller=elsewhere)
    await index(stocked)

    await stocked.evaluation.calibrate(MAYA, labels(), risk=LOOSE)

    assert (await stocked.retrieval.calibration(elsewhere)).standing is Standing.NONE
    found = await stocked.retrieval.search(elsewhere, "How do I reset my API key?")
    assert not found.grounding.calibrated


async def test_labels_that_name_no_article_store_nothing(stocked: Engine) -> None:
    bad = [*labels(), json.dumps({"query": "q", "article": "No such article"}), "{"]

    with pytest.raises(Invalid) as unreadable:
        await stocked.evaluation.calibrate(MAYA, bad, risk=LOOSE)
    with pytest.raises(Invalid) as unknown:
        await stocked.evaluation.calibrate(MAYA, bad[:-1], risk=LOOSE)
    with pytest.raises(Invalid, match="share between"):
        await stocked.evaluation.calibrate(MAYA, labels(), risk=0)
    with pytest.raises(Forbidden):
        await stocked.evaluation.calibrate(Caller.operator(None), labels(), risk=LOOSE)

    assert [one["line"] for one in unreadable.value.facts["lines"]] == [22]  # type: ignore[index, union-attr]
    assert [one["line"] for one in unknown.value.facts["lines"]] == [21]  # type: ignore[index, union-attr]
    assert await scalar(stocked, "SELECT count(*) FROM cairnloop.grounding_calibrations") == 0


async def test_an_embedder_that_goes_away_interrupts_and_stores_nothing(
    scripted: Engine, embedder: Scripted
) -> None:
    await stock(scripted)
    embedder.error = Unavailable("embedder_unavailable", "away")

    with pytest.raises(Unavailable) as interrupted:
        await scripted.evaluation.calibrate(MAYA, labels(), risk=LOOSE)

    assert interrupted.value.code == "calibration_interrupted"
    assert await scalar(scripted, "SELECT count(*) FROM cairnloop.grounding_calibrations") == 0


async def test_two_at_once_leave_one_that_stands(stocked: Engine) -> None:
    first = await stocked.evaluation.calibrate(MAYA, labels(), risk=LOOSE)
    second = await stocked.evaluation.calibrate(MAYA, labels(), risk=LOOSE)

    assert second.calibration_id > first.calibration_id
    standing = "SELECT id FROM cairnloop.grounding_calibrations WHERE superseded_at IS NULL"
    assert await scalar(stocked, standing) == second.calibration_id


def test_the_labels_name_the_articles_of_the_desk() -> None:
    assert set(QUESTIONS) == set(ARTICLES)
