"""A word with a typo is read as the word that it was meant as, and the reader is told."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from cairnloop_engine import Engine, Settings
from cairnloop_engine.wiring import HostParts
from tests.engine.retrieval.desk import MAYA, Scripted, publish, stock
from tests.fakes import FixedClock


@pytest.mark.parametrize(
    ("question", "read", "title"),
    [
        ("rveoke", "revoke", "Resetting your API key"),
        ("invocies", "invoices", "Updating your billing email"),
        ("billng", "billing", "Updating your billing email"),
        ("collegue", "colleague", "Adding a team seat"),
        ("inviation", "invitation", "Adding a team seat"),
        ("integratoins", "integrations", "Resetting your API key"),
        ("SKIPED RUN", "skipped", "Why a CI run was skipped"),
    ],
)
async def test_one_slip_is_forgiven(scripted: Engine, question: str, read: str, title: str) -> None:
    await stock(scripted)

    found = await scripted.retrieval.search(MAYA, question)

    assert found.items[0].title == title
    assert [one.read for one in found.read_as] == [read]
    assert found.items[0].why.read_as == (found.read_as[0].asked,)


async def test_two_slips_in_a_long_word_are_forgiven(scripted: Engine) -> None:
    await stock(scripted)

    found = await scripted.retrieval.search(MAYA, "collaegeu")

    assert found.items[0].title == "Adding a team seat"
    assert len(found.read_as) == 1


@pytest.mark.parametrize("question", ["zxqv", "kye", "SAML", "E4013", "請求書"])
async def test_what_is_no_typo_is_left_alone(scripted: Engine, question: str) -> None:
    await stock(scripted)

    assert (await scripted.retrieval.search(MAYA, question)).read_as == ()


async def test_a_word_that_is_known_is_never_changed(scripted: Engine) -> None:
    await stock(scripted)
    await publish(scripted, "Seals", "A seal on every box.")

    found = await scripted.retrieval.search(MAYA, "seal")

    assert found.read_as == ()
    assert found.items[0].title == "Seals"


async def test_a_corrected_word_counts_less_than_the_word_itself(scripted: Engine) -> None:
    await stock(scripted)

    right = await scripted.retrieval.search(MAYA, "revoke the integration")
    slipped = await scripted.retrieval.search(MAYA, "revoke the integraton")

    assert 0 < slipped.items[0].why.bm25_share < right.items[0].why.bm25_share


async def test_another_language_brings_its_own_stems_and_letters(
    settings: Settings, clock: FixedClock, embedder: Scripted
) -> None:
    german = settings.with_changes(language="german")
    async with Engine(german, clock=clock, host=HostParts(embedder=embedder)) as engine:
        await publish(engine, "Größe ändern", "Öffnen Sie die Einstellungen der Rechnungen.")
        await publish(engine, "Sprache", "Wählen Sie eine Sprache.")

        stemmed = await engine.retrieval.search(MAYA, "Rechnung")
        slipped = await engine.retrieval.search(MAYA, "Gröse")
        status = await engine.retrieval.status(MAYA)

    assert stemmed.items[0].title == "Größe ändern"
    assert slipped.items[0].title == "Größe ändern"
    assert [one.asked for one in slipped.read_as] == ["Gröse"]
    assert not {"language_unknown", "language_changed"} & {one.code for one in status.problems}


@pytest.mark.slow
async def test_the_work_stays_small_beside_a_large_vocabulary(scripted: Engine) -> None:
    """A hundred thousand words, of which none is read to correct one."""
    await stock(scripted)
    q = f'"{scripted.settings.schema_prefix}"'
    async with scripted.db.work(MAYA) as work:
        await work.session.execute(
            text(
                f"INSERT INTO {q}.search_lexemes (corpus_id, lexeme, n_docs)"
                f" SELECT c.id, 'w' || md5(n::text), 1 FROM {q}.search_corpora c,"
                " generate_series(1, 100000) n"
            )
        )
        await work.session.execute(text(f"ANALYZE {q}.search_lexemes"))
        plan = await work.session.execute(
            text(
                f"EXPLAIN SELECT lexeme FROM {q}.search_lexemes WHERE corpus_id = 1"
                " AND lexeme ~>=~ 'col' AND lexeme ~<~ 'com'"
            )
        )
        told = "\n".join(row[0] for row in plan)

    found = await scripted.retrieval.search(MAYA, "rveoke collaegeu", explain=True)

    assert "ix_search_lexemes_beginning" in told
    assert len(found.read_as) == 2
