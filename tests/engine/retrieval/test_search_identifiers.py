"""Error codes, product numbers and versions find the article that names them, and no other."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from cairnloop_engine import Engine
from tests.engine.retrieval.desk import MAYA, Scripted, index, publish, scalar

ARTICLES = {
    "Empty push": "## Reason\nA run stops with ERR-4012 when the push holds no file.",
    "Quota exceeded": "## Reason\nA run stops with ERR-4013 when the quota of the month is spent.",
    "Lost connection": "The agent writes E_CONN_RESET when a proxy closes the line.",
    "Update failed": "Windows shows 0x80070005 when the service account may not write.",
    "Blue adapter": "The part SKU-AB-12-X fits every rack that was sold after 2019.",
    "Red adapter": "The part SKU-AB-12-Y fits every rack that was sold before 2019.",
    "What is new in spring": "Version 2.3.1 brings queues. It needs no migration.",
    "What is new in autumn": "Version 2.31.0 brings lists. It needs a migration.",
    "A delayed order": "The order ORD/2024/113 waits for customs.",
    "Publishing": "Name the package as user@scope/package before you publish it.",
    "Too many requests": "The gateway answers 429 when a client calls more than 60 times a minute.",
    "Bad gateway": "The gateway answers HTTP 502 when no worker listens behind it.",
}


@pytest.fixture
async def shelf(scripted: Engine, embedder: Scripted) -> Engine:
    """Articles that differ by their identifiers, under an embedder that tells nothing apart."""
    embedder.answer = None
    for title, body in ARTICLES.items():
        await publish(scripted, title, body)
    return scripted


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("ERR-4012", "Empty push"),
        ("what does err4012 mean?", "Empty push"),
        ("our build says Err_4013", "Quota exceeded"),
        ("error 4013 in the log", "Quota exceeded"),
        ("E_CONN_RESET", "Lost connection"),
        ("econnreset again", "Lost connection"),
        ("0X80070005", "Update failed"),
        ("is sku ab-12-x in stock", "Blue adapter"),
        ("SKU-AB-12-Y", "Red adapter"),
        ("changes of v2.3.1", "What is new in spring"),
        ("2.31.0", "What is new in autumn"),
        ("where is ord-2024-113", "A delayed order"),
        ("user@scope/package", "Publishing"),
        ("429", "Too many requests"),
        ("we see http-502 since noon", "Bad gateway"),
        ("HTTP502", "Bad gateway"),
    ],
)
async def test_an_identifier_in_any_spelling_finds_its_article(
    shelf: Engine, question: str, title: str
) -> None:
    found = await shelf.retrieval.search(MAYA, question)

    assert found.items[0].title == title
    assert found.items[0].why.bm25_share > 0


async def test_the_match_is_named_and_its_passage_is_shown(shelf: Engine) -> None:
    filler = "\n\n".join(f"## Part {n}\n" + "Runs are queued in order. " * 40 for n in range(4))
    await publish(shelf, "Codes", f"{filler}\n\n## Last\nERR-7788 means that nobody is left.")

    found = await shelf.retrieval.search(MAYA, "runs queued err7788", explain=True)

    assert set(found.items[0].why.identifiers) == {"err7788", "7788"}
    assert found.items[0].heading == "Last"
    assert "ERR-7788" in found.items[0].excerpt
    assert found.trace is not None
    assert set(found.trace.identifiers) == {"err7788", "7788"}
    assert not any(word.startswith("#") for word in found.items[0].why.lexemes)


async def test_an_identifier_is_never_taken_for_a_typo(shelf: Engine) -> None:
    found = await shelf.retrieval.search(MAYA, "SKU-AB-12-Z ERR-4014 paackage@2x")

    assert found.read_as == ()


async def test_identifiers_make_no_document_longer_and_come_back_with_a_rebuild(
    shelf: Engine,
) -> None:
    q = f'"{shelf.settings.schema_prefix}"'
    lengths = (
        f"SELECT sum(p.tf_title + p.tf_body) - max(d.len_title + d.len_body) FROM {q}.search_docs d"
        f" JOIN {q}.search_postings p ON p.doc_id = d.id AND p.lexeme NOT LIKE '#%'"
        " WHERE d.title = 'Empty push'"
    )
    assert await scalar(shelf, lengths) == 0
    async with shelf.db.work(MAYA) as work:
        await work.session.execute(text(f"DELETE FROM {q}.search_postings WHERE lexeme LIKE '#%'"))
    assert (await shelf.retrieval.search(MAYA, "err4012")).items == ()

    await shelf.retrieval.rebuild(MAYA)
    await index(shelf)

    assert (await shelf.retrieval.search(MAYA, "err4012")).items[0].title == "Empty push"
