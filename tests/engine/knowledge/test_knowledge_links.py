"""Links between articles: found when a text is saved, led on when their target appears."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.importing import ImportReport
from cairnloop_engine.knowledge.reads import ArticleView

MAYA = Caller.operator("maya")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kb = tmp_path / "kb"
    (kb / "billing").mkdir(parents=True)
    (kb / "keys.md").write_text(
        "# Keys\nPress Revoke, then see [billing](billing/email.md#invoices)."
    )
    (kb / "billing" / "email.md").write_text(
        "# Billing email\nFirst [reset](../keys.md) it, or read [more](plans.md)."
    )
    return kb


async def view(engine: Engine, title: str) -> ArticleView:
    (row,) = (await engine.knowledge.articles(MAYA, title=title)).items
    return await engine.knowledge.article(MAYA, row.id)


def targets(view: ArticleView) -> list[tuple[str, ArticleId | None, bool]]:
    return [(link.target, link.article_id, link.broken) for link in view.links]


def broken(report: ImportReport) -> dict[str, tuple[str, ...]]:
    return {item.path: item.broken_links for item in report.items if item.broken_links}


async def test_links_of_a_folder_lead_to_its_articles_in_both_directions(
    engine: Engine, folder: Path
) -> None:
    report = await engine.knowledge.import_folder(MAYA, folder)

    keys, email = await view(engine, "Keys"), await view(engine, "Billing")
    assert targets(keys) == [("billing/email.md", email.id, False)]
    assert targets(email) == [("keys.md", keys.id, False), ("billing/plans.md", None, True)]
    assert [(one.article_id, one.label) for one in keys.backlinks] == [(email.id, "reset")]
    assert broken(report) == {"billing/email.md": ("billing/plans.md",)}
    assert not report.failed


async def test_a_broken_link_heals_when_its_file_appears_and_breaks_when_it_is_archived(
    engine: Engine, folder: Path
) -> None:
    await engine.knowledge.import_folder(MAYA, folder)
    (folder / "billing" / "plans.md").write_text("# Plans\nTeam and Solo.")

    healed = await engine.knowledge.import_folder(MAYA, folder)
    plans = await view(engine, "Plans")
    linked = targets(await view(engine, "Billing"))[1]
    await engine.knowledge.archive(MAYA, plans.id)
    after = await engine.knowledge.import_folder(MAYA, folder)

    assert broken(healed) == {}
    assert linked == ("billing/plans.md", plans.id, False)
    assert targets(await view(engine, "Billing"))[1] == ("billing/plans.md", plans.id, True)
    assert broken(after) == {"billing/email.md": ("billing/plans.md",)}


async def test_an_edit_replaces_the_links_of_the_draft_and_history_keeps_its_own(
    engine: Engine,
) -> None:
    one = await engine.knowledge.create(MAYA, "One", "See [two](article:2) and [three](article:3).")
    two = await engine.knowledge.create(MAYA, "Two", "Back to [one](article:1).")
    await engine.knowledge.publish(MAYA, one.article_id)
    before = await engine.knowledge.article(MAYA, one.article_id)
    await engine.knowledge.save_draft(
        MAYA, one.article_id, "Only [itself](article:1).", expected_version=before.edit_version
    )

    after = await engine.knowledge.article(MAYA, one.article_id)
    target = await engine.knowledge.article(MAYA, two.article_id)

    assert targets(before) == [("article:2", two.article_id, False), ("article:3", None, True)]
    assert targets(after) == [("article:1", one.article_id, False)]
    # What is published still links there; a draft without the link does not change that.
    assert [link.article_id for link in target.backlinks] == [one.article_id]
    assert [link.article_id for link in after.backlinks] == [two.article_id]


async def test_a_link_to_an_id_that_is_taken_later_leads_there(engine: Engine) -> None:
    one = await engine.knowledge.create(MAYA, "One", "See [two](article:2).")
    alone = targets(await engine.knowledge.article(MAYA, one.article_id))
    two = await engine.knowledge.create(MAYA, "Two", "Text")

    assert alone == [("article:2", None, True)]
    assert targets(await engine.knowledge.article(MAYA, one.article_id)) == [
        ("article:2", two.article_id, False)
    ]


async def test_a_link_never_leads_into_another_workspace(engine: Engine, folder: Path) -> None:
    noor = Caller.operator("noor", "elsewhere")
    (folder / "billing" / "email.md").unlink()
    other = await engine.knowledge.create(noor, "Theirs", "Text")
    (folder / "ids.md").write_text(f"# Ids\nSee [theirs](article:{other.article_id}).")
    (folder / "keys.md").write_text("# Keys\nSee [out](../../secret.md).")

    await engine.knowledge.import_folder(MAYA, folder)
    await engine.knowledge.create(noor, "More", "Text")

    assert targets(await view(engine, "Ids")) == [(f"article:{other.article_id}", None, True)]
    assert targets(await view(engine, "Keys")) == [("../../secret.md", None, True)]
    assert (await engine.knowledge.article(noor, other.article_id)).backlinks == ()


async def test_words_of_links_are_safe_to_draw(engine: Engine) -> None:
    saved = await engine.knowledge.create(MAYA, "One", "[a\x1b[31mb](article:7 'x') [\u202e](x.md)")

    links = (await engine.knowledge.article(MAYA, saved.article_id)).links

    assert len(links) == 2
    assert all("\x1b" not in link.label and "\u202e" not in link.label for link in links)
