"""Importing a folder: every file is told of, no file stops the rest, twice changes nothing."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Forbidden, Invalid
from cairnloop_engine.knowledge.importing import ImportItem, ImportReport
from cairnloop_engine.knowledge.model import ArticleStatus, ImportStatus, RevisionState

MAYA = Caller.operator("maya")
CREATED, UPDATED, UNCHANGED, FAILED = (
    ImportStatus.CREATED,
    ImportStatus.UPDATED,
    ImportStatus.UNCHANGED,
    ImportStatus.FAILED,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kb = tmp_path / "kb"
    (kb / "billing").mkdir(parents=True)
    (kb / "keys.md").write_text("# Reset your key\nOpen Settings and press Revoke.")
    (kb / "billing" / "email.md").write_text(
        "---\ntitle: Billing email\n---\nOpen Settings and choose Billing."
    )
    return kb


def outcome(report: ImportReport) -> dict[str, ImportStatus]:
    return {item.path: item.status for item in report.items}


async def test_a_folder_becomes_published_articles_that_can_be_found(
    engine: Engine, folder: Path
) -> None:
    report = await engine.knowledge.import_folder(MAYA, folder)

    found = await engine.retrieval.search(MAYA, "how do I revoke a key")
    assert outcome(report) == {"billing/email.md": CREATED, "keys.md": CREATED}
    assert found.items[0].title == "Reset your key"


async def test_the_same_folder_again_changes_nothing(engine: Engine, folder: Path) -> None:
    first = await engine.knowledge.import_folder(MAYA, folder)

    second = await engine.knowledge.import_folder(MAYA, folder)

    assert set(outcome(second).values()) == {UNCHANGED}
    assert [i.article_id for i in first.items] == [i.article_id for i in second.items]
    assert len((await engine.knowledge.articles(MAYA)).items) == 2


async def test_a_changed_file_is_published_as_the_next_version(
    engine: Engine, folder: Path
) -> None:
    await engine.knowledge.import_folder(MAYA, folder)
    (folder / "keys.md").write_text("# Reset your key\nCall the hotline.")

    report = await engine.knowledge.import_folder(MAYA, folder)

    changed = next(item for item in report.items if item.path == "keys.md")
    assert outcome(report) == {"billing/email.md": UNCHANGED, "keys.md": UPDATED}
    assert changed.article_id is not None
    view = await engine.knowledge.article(MAYA, changed.article_id)
    assert [(r.version, r.state) for r in view.revisions] == [
        (2, RevisionState.PUBLISHED),
        (1, RevisionState.ARCHIVED),
    ]


async def test_drafts_wait_until_an_import_publishes_them(engine: Engine, folder: Path) -> None:
    held = await engine.knowledge.import_folder(MAYA, folder, publish=False)
    again = await engine.knowledge.import_folder(MAYA, folder, publish=False)
    let_out = await engine.knowledge.import_folder(MAYA, folder)

    listed = await engine.knowledge.articles(MAYA)
    assert set(outcome(held).values()) == {CREATED}
    assert set(outcome(again).values()) == {UNCHANGED}
    assert set(outcome(let_out).values()) == {UPDATED}
    assert {row.status for row in listed.items} == {ArticleStatus.PUBLISHED}


async def test_an_operators_draft_is_not_overwritten(engine: Engine, folder: Path) -> None:
    first = await engine.knowledge.import_folder(MAYA, folder)
    article_id = first.items[1].article_id
    assert article_id is not None
    view = await engine.knowledge.article(MAYA, article_id)
    await engine.knowledge.save_draft(
        MAYA, article_id, "My edit", expected_version=view.edit_version
    )
    (folder / "keys.md").write_text("# Reset your key\nFrom the file.")

    report = await engine.knowledge.import_folder(MAYA, folder)

    assert report.failed[0].code == "draft_in_progress"
    assert (await engine.knowledge.article(MAYA, article_id)).content == "My edit"


async def test_an_archived_article_stays_archived(engine: Engine, folder: Path) -> None:
    first = await engine.knowledge.import_folder(MAYA, folder)
    article_id = first.items[1].article_id
    assert article_id is not None
    await engine.knowledge.archive(MAYA, article_id)
    (folder / "keys.md").write_text("# Reset your key\nChanged.")

    report = await engine.knowledge.import_folder(MAYA, folder)

    assert outcome(report)["keys.md"] is UNCHANGED
    assert (await engine.knowledge.article(MAYA, article_id)).status is ArticleStatus.ARCHIVED


async def test_bad_files_are_told_of_and_the_rest_goes_on(engine: Engine, folder: Path) -> None:
    (folder / "binary.md").write_bytes(b"\x89PNG\x00\xff")
    (folder / "huge.md").write_bytes(b"# Huge\n" + b"word " * 1_000_000)
    (folder / "empty.md").write_bytes(b"")
    (folder / "markup.md").write_text("# Hostile\n" + "<div>" * 3000 + "[" * 3000)
    (folder / "hidden.md").write_text("# Pay\nSend it to \u202ecba\u202c now")
    (folder / "title.md").write_text(f"# {'t' * 300}\nText")
    (folder / "nothing.md").write_text("# Only a title\n<!-- nothing -->")
    (folder / "bad\udcffname.md").write_text("# Name\nText")
    (folder / "\x1b[31mred.md").write_text("# Red\nText")
    (folder / "deep.md").write_text("Text\n\n" + "> " * 2000 + "deep\n" + "- " * 2000 + "deeper")
    (folder / "table.md").write_text("|a|b|\n|-|-|\n" + "|x|y|\n" * 3_000)
    (folder / "nowhere.md").symlink_to(folder / "gone.md")
    (folder / "outside.md").symlink_to("/etc/hostname")
    (folder / "loop.md").symlink_to(folder / "loop.md")
    (folder / "round").symlink_to(folder, target_is_directory=True)
    told: list[tuple[int, int, ImportItem]] = []

    report = await engine.knowledge.import_folder(
        MAYA, folder, progress=lambda done, total, item: told.append((done, total, item))
    )

    assert {item.code for item in report.failed} == {
        "file_not_text",
        "article_too_large",
        "article_empty",
        "hidden_characters",
        "title_too_long",
        "file_name_not_text",
        "file_unreadable",
        "file_outside_folder",
    }
    assert report.count(FAILED) == 10
    assert report.count(CREATED) == 6
    assert all(item.message for item in report.failed)
    assert all("\x1b" not in item.path for item in report.items)
    assert [done for done, _, _ in told] == list(range(1, 17))
    assert {total for _, total, _ in told} == {16}
    lines = {item.path: item.line for item in report.failed}
    assert (lines["hidden.md"], lines["binary.md"], lines["huge.md"]) == (2, 1, None)


async def test_a_refusal_names_the_line_of_the_file_below_its_front_matter(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: Pay\nother: x\n---\nOne\nSend \u202ecba\u202c")

    report = await engine.knowledge.import_folder(MAYA, tmp_path)

    assert [(item.code, item.line) for item in report.items] == [("hidden_characters", 6)]


async def test_five_megabytes_are_refused_without_being_read(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "huge.md").write_bytes(b"# Huge\n" + b"word " * 1_000_000)
    tracemalloc.start()
    try:
        report = await engine.knowledge.import_folder(MAYA, tmp_path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert report.failed[0].code == "article_too_large"
    assert most < 4_000_000


async def test_what_is_missing_is_told_and_archived_only_when_asked(
    engine: Engine, folder: Path
) -> None:
    (folder / "seat.md").write_text("# Seat\nText")
    first = await engine.knowledge.import_folder(MAYA, folder)
    (folder / "keys.md").unlink()

    told = await engine.knowledge.import_folder(MAYA, folder)
    kept = {row.status for row in (await engine.knowledge.articles(MAYA)).items}
    pruned = await engine.knowledge.import_folder(MAYA, folder, prune=True)
    after = await engine.knowledge.import_folder(MAYA, folder)

    keys = next(item for item in first.items if item.path == "keys.md")
    assert outcome(told)["keys.md"] is ImportStatus.MISSING
    assert (told.items[-1].article_id, told.failed) == (keys.article_id, ())
    assert kept == {ArticleStatus.PUBLISHED}
    assert outcome(pruned)["keys.md"] is ImportStatus.ARCHIVED
    assert "keys.md" not in outcome(after)
    (event, *_) = (await engine.audit.events(MAYA)).items
    assert (event.action, event.personal["file_gone"]) == ("knowledge.archived", "keys.md")


async def test_pruning_leaves_what_a_person_is_editing(engine: Engine, folder: Path) -> None:
    (folder / "seat.md").write_text("# Seat\nText")
    first = await engine.knowledge.import_folder(MAYA, folder)
    article_id = next(item.article_id for item in first.items if item.path == "keys.md")
    assert article_id is not None
    view = await engine.knowledge.article(MAYA, article_id)
    await engine.knowledge.save_draft(
        MAYA, article_id, "My edit", expected_version=view.edit_version
    )
    (folder / "keys.md").unlink()

    report = await engine.knowledge.import_folder(MAYA, folder, prune=True)

    assert [(item.path, item.code) for item in report.failed] == [("keys.md", "draft_in_progress")]
    assert (await engine.knowledge.article(MAYA, article_id)).status is ArticleStatus.PUBLISHED


async def test_a_draft_of_an_earlier_import_gives_way_to_the_file(
    engine: Engine, folder: Path
) -> None:
    await engine.knowledge.import_folder(MAYA, folder)
    old = (folder / "keys.md").read_text()
    (folder / "keys.md").write_text("# Reset your key\nNot yet.")
    held = await engine.knowledge.import_folder(MAYA, folder, publish=False)
    (folder / "keys.md").write_text(old)

    report = await engine.knowledge.import_folder(MAYA, folder)

    changed = next(item for item in report.items if item.path == "keys.md")
    assert (outcome(held)["keys.md"], changed.status) == (UPDATED, UPDATED)
    assert changed.article_id is not None
    view = await engine.knowledge.article(MAYA, changed.article_id)
    assert (view.draft, view.content) == (None, old)


async def test_a_refused_file_leaves_no_article_behind(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "hidden.md").write_text("# Pay\nSend it to \u202ecba\u202c now")

    refused = await engine.knowledge.import_folder(MAYA, tmp_path)
    meant = await engine.knowledge.import_folder(MAYA, tmp_path, acknowledge_hidden=True)

    assert outcome(refused) == {"hidden.md": FAILED}
    assert outcome(meant) == {"hidden.md": CREATED}


async def test_two_imports_at_once_make_each_article_once(engine: Engine, folder: Path) -> None:
    for number in range(8):
        (folder / f"more{number}.md").write_text(f"# Article {number}\nCommon words and {number}")

    reports = await asyncio.gather(
        *(engine.knowledge.import_folder(MAYA, folder) for _ in range(3))
    )

    listed = await engine.knowledge.articles(MAYA)
    assert len(listed.items) == 10
    assert all(not report.failed for report in reports)
    assert sum(report.count(CREATED) for report in reports) == 10


async def test_the_same_file_in_two_workspaces_is_two_articles(
    engine: Engine, folder: Path
) -> None:
    other = Caller.operator("noor", "elsewhere")

    await engine.knowledge.import_folder(MAYA, folder)
    await engine.knowledge.import_folder(other, folder)

    assert len((await engine.knowledge.articles(MAYA)).items) == 2
    assert len((await engine.knowledge.articles(other)).items) == 2


async def test_a_missing_folder_and_a_missing_operator_are_refused(
    engine: Engine, folder: Path
) -> None:
    with pytest.raises(Invalid) as missing:
        await engine.knowledge.import_folder(MAYA, folder / "nowhere")
    with pytest.raises(Forbidden) as nobody:
        await engine.knowledge.import_folder(Caller.operator(None), folder)

    assert (missing.value.code, nobody.value.code) == ("folder_missing", "operator_missing")
