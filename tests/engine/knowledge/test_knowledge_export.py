"""A folder out and in again: nothing changes, and everything is found where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.exporting import ExportFile
from cairnloop_engine.knowledge.importing import ImportReport
from cairnloop_engine.knowledge.model import ImportStatus
from cairnloop_engine.knowledge.reads import ArticleView

MAYA = Caller.operator("maya")


async def export(engine: Engine, folder: Path) -> dict[ArticleId, ExportFile]:
    found: dict[ArticleId, ExportFile] = {}
    async for file in engine.knowledge.export(MAYA):
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.text, newline="\n")
        found[file.article_id] = file
    return found


async def everything(engine: Engine) -> list[ArticleView]:
    rows = (await engine.knowledge.articles(MAYA)).items
    return [
        await engine.knowledge.article(MAYA, ArticleId(article_id))
        for article_id in sorted(row.id for row in rows)
    ]


def statuses(report: ImportReport) -> set[ImportStatus]:
    return {item.status for item in report.items}


@pytest.fixture
async def mixed(engine: Engine, tmp_path: Path) -> Engine:
    """Articles of every origin and state: the first three from files, the others written here."""
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "keys.md").write_text("# Keys\nSee [mail](deep/mail.md) and [plans](article:4).")
    (source / "deep" / "mail.md").write_text("---\ntitle: 'Mail: #1'\n---\nSee [keys](../keys.md).")
    (source / "\x1b[31mred.md").write_text("# Red\nText")
    await engine.knowledge.import_folder(MAYA, source)
    for title, content in (
        ("Plans \U0001f600 \x1b[1m", "Back to [keys](article:3).\r\nTwo lines."),
        ("Waits", "A draft"),
        ("Edited", "Version one"),
        ("Empty", ""),
        ("Gone", "Text"),
    ):
        saved = await engine.knowledge.create(MAYA, title, content)
        if title not in ("Waits", "Empty"):
            await engine.knowledge.publish(MAYA, saved.article_id, acknowledge_hidden=True)
    view = (await everything(engine))[5]
    await engine.knowledge.save_draft(
        MAYA, view.id, "Version two", expected_version=view.edit_version
    )
    await engine.knowledge.archive(MAYA, ArticleId(8))
    return engine


async def test_what_was_exported_and_nobody_edited_changes_nothing(
    mixed: Engine, tmp_path: Path
) -> None:
    before = await everything(mixed)

    files = await export(mixed, tmp_path / "out")
    report = await mixed.knowledge.import_folder(MAYA, tmp_path / "out")
    again = await mixed.knowledge.import_folder(MAYA, tmp_path / "out")

    after = await everything(mixed)
    assert statuses(report) == {ImportStatus.UNCHANGED}
    assert statuses(again) == {ImportStatus.UNCHANGED}
    assert sorted(file.path for file in files.values()) == [
        "deep/mail.md",
        "edited-6.md",
        "empty-7.md",
        "keys.md",
        "plans-1m-4.md",
        "red-1.md",
        "waits-5.md",
    ]
    assert [(v.id, v.title, v.status, v.revisions) for v in after] == [
        (v.id, v.title, v.status, v.revisions) for v in before
    ]


async def test_links_by_id_lead_to_files_in_the_exported_folder(
    mixed: Engine, tmp_path: Path
) -> None:
    files = await export(mixed, tmp_path / "out")
    other = Caller.operator("noor", "copy")

    report = await mixed.knowledge.import_folder(other, tmp_path / "out", acknowledge_hidden=True)

    assert "[plans](plans-1m-4.md)" in files[ArticleId(3)].text
    assert "[keys](keys.md)" in files[ArticleId(4)].text
    assert statuses(report) == {ImportStatus.CREATED}
    assert not [item for item in report.items if item.broken_links]


async def test_an_edited_export_changes_the_article_that_it_came_from(
    mixed: Engine, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    await export(mixed, out)
    plans = out / "plans-1m-4.md"
    plans.write_text(plans.read_text().replace("Two lines", "Three lines"))

    report = await mixed.knowledge.import_folder(MAYA, out, acknowledge_hidden=True)

    changed = [item for item in report.items if item.status is not ImportStatus.UNCHANGED]
    view = await mixed.knowledge.article(MAYA, ArticleId(4))
    assert [(item.article_id, item.status) for item in changed] == [(4, ImportStatus.UPDATED)]
    assert view.content.endswith("Three lines.")
    assert view.source_path == "plans-1m-4.md"
    assert len(await everything(mixed)) == 8


async def test_a_published_edit_is_not_undone_by_an_old_file(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "keys.md").write_text("# Keys\nFrom the file.")
    await engine.knowledge.import_folder(MAYA, tmp_path)
    view = (await everything(engine))[0]
    await engine.knowledge.save_draft(
        MAYA, view.id, "From here.", expected_version=view.edit_version
    )
    await engine.knowledge.publish(MAYA, view.id)

    unchanged = await engine.knowledge.import_folder(MAYA, tmp_path)
    (tmp_path / "keys.md").write_text("# Keys\nFrom the file, again.")
    changed = await engine.knowledge.import_folder(MAYA, tmp_path)

    assert [(i.status, i.message) for i in unchanged.items] == [
        (ImportStatus.UNCHANGED, "edited here since")
    ]
    assert statuses(changed) == {ImportStatus.UPDATED}
    assert [r.content for r in (await everything(engine))[0].revisions] == [
        "# Keys\nFrom the file, again.",
        "From here.",
        "# Keys\nFrom the file.",
    ]


async def test_names_that_differ_by_capitals_only_are_told_apart_and_known_again(
    engine: Engine, tmp_path: Path
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "Keys.md").write_text("# Big\nText")
    (source / "keys.md").write_text("# Small\nText")
    await engine.knowledge.import_folder(MAYA, source)

    files = await export(engine, out)
    report = await engine.knowledge.import_folder(MAYA, out)

    assert sorted(file.path for file in files.values()) == ["Keys.md", "small-2.md"]
    assert statuses(report) == {ImportStatus.UNCHANGED}
    assert len(await everything(engine)) == 2
