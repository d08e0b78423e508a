"""Following a folder: each change is taken in and told, until somebody says stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Invalid, Settings
from cairnloop_engine.core.errors import Blocked, CairnloopError
from cairnloop_engine.knowledge.folders import Follower
from cairnloop_engine.knowledge.importing import ImportItem
from cairnloop_engine.knowledge.model import ArticleStatus, How
from tests.postgres import TestCluster
from tests.waiting import until

MAYA = Caller.operator("maya")
POLL_S = 0.02
AS_USUAL = How()


@dataclass
class Heard:
    """What a follower said."""

    items: list[ImportItem] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def trouble(self, error: CairnloopError) -> None:
        self.troubles.append(error.code)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(item.path, item.status.value) for item in self.items]

    async def says(self, path: str, status: str, *, within: float = 10.0) -> None:
        await until(lambda: (path, status) in self.said, within=within, what=f"{path} {status}")


def follower(engine: Engine, heard: Heard, how: How = AS_USUAL) -> Follower:
    made = engine.knowledge.follow_folder(
        MAYA, how=how, stop=heard.stop, tell=heard.items.append, trouble=heard.trouble
    )
    made.poll_s = POLL_S
    return made


@asynccontextmanager
async def following(engine: Engine, folder: Path, how: How = AS_USUAL) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(follower(engine, heard, how).follow(folder))
    try:
        yield heard
    finally:
        heard.stop.set()
        async with asyncio.timeout(10):
            await task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kb = tmp_path / "kb"
    kb.mkdir()
    for name in ("keys", "mail", "seat"):
        (kb / f"{name}.md").write_text(f"# {name}\nText of {name}")
    return kb


async def statuses(engine: Engine) -> dict[str, ArticleStatus]:
    rows = (await engine.knowledge.articles(MAYA)).items
    return {row.title: row.status for row in rows}


async def test_changes_new_files_and_bad_ones_are_told_as_they_come(
    engine: Engine, folder: Path
) -> None:
    await engine.knowledge.import_folder(MAYA, folder)

    async with following(engine, folder) as heard:
        (folder / "keys.md").write_text("# keys\nAnother text")
        await heard.says("keys.md", "updated")
        (folder / "more.md").write_text("# more\nSee [nothing](nothing.md)")
        await heard.says("more.md", "created")
        (folder / "bad.md").write_bytes(b"\xff")
        await heard.says("bad.md", "failed")

    # Of what was there already and did not change, nothing is said.
    assert heard.said == [("keys.md", "updated"), ("more.md", "created"), ("bad.md", "failed")]
    assert heard.items[1].broken_links == ("nothing.md",)
    assert heard.items[2].line == 1


async def test_a_file_that_goes_is_told_and_its_article_stays(engine: Engine, folder: Path) -> None:
    async with following(engine, folder) as heard:
        await heard.says("seat.md", "created")
        (folder / "keys.md").unlink()
        await heard.says("keys.md", "missing")

    assert set((await statuses(engine)).values()) == {ArticleStatus.PUBLISHED}


async def test_with_prune_the_article_goes_with_its_file_and_comes_back_as_a_new_one(
    engine: Engine, folder: Path
) -> None:
    async with following(engine, folder, How(prune=True)) as heard:
        await heard.says("seat.md", "created")
        (folder / "keys.md").rename(folder / "keys.bak")
        await heard.says("keys.md", "archived")
        (folder / "keys.bak").rename(folder / "keys.md")
        await until(lambda: heard.said.count(("keys.md", "created")) == 2)

    rows = (await engine.knowledge.articles(MAYA)).items
    assert sorted(row.status.value for row in rows if row.title == "keys") == [
        "archived",
        "published",
    ]


async def test_most_of_a_knowledge_base_is_never_archived_by_accident(
    engine: Engine, folder: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (folder / "deep").mkdir()
    for number in range(4):
        (folder / "deep" / f"{number}.md").write_text(f"# Deep {number}\nText")
    async with following(engine, folder, How(prune=True)) as heard:
        await heard.says("seat.md", "created")
        (folder / "deep").rename(empty.with_name("away"))
        await heard.says("deep/3.md", "missing")

    with pytest.raises(Blocked) as refused:
        await engine.knowledge.import_folder(MAYA, empty, prune=True)
    before = set((await statuses(engine)).values())
    report = await engine.knowledge.import_folder(MAYA, empty, prune=True, force=True)

    assert refused.value.code == "prune_too_many"
    assert refused.value.facts == {"missing": 7, "known": 7}
    assert before == {ArticleStatus.PUBLISHED}
    assert {item.status.value for item in report.items} == {"archived"}
    assert set((await statuses(engine)).values()) == {ArticleStatus.ARCHIVED}


async def test_a_persons_draft_keeps_a_file_out_until_it_is_published(
    engine: Engine, folder: Path
) -> None:
    report = await engine.knowledge.import_folder(MAYA, folder)
    article_id = report.items[0].article_id
    assert article_id is not None
    view = await engine.knowledge.article(MAYA, article_id)
    await engine.knowledge.save_draft(MAYA, article_id, "Mine", expected_version=view.edit_version)

    async with following(engine, folder) as heard:
        (folder / "keys.md").write_text("# keys\nFrom the file")
        await heard.says("keys.md", "failed")
        await engine.knowledge.publish(MAYA, article_id)
        await heard.says("keys.md", "updated")

    # It was tried several times and told once.
    assert heard.said == [("keys.md", "failed"), ("keys.md", "updated")]
    assert heard.items[0].code == "draft_in_progress"


async def test_a_folder_that_goes_away_is_waited_for(engine: Engine, folder: Path) -> None:
    async with following(engine, folder, How(prune=True)) as heard:
        await heard.says("seat.md", "created")
        folder.rename(folder.with_name("away"))
        await until(lambda: heard.troubles == ["folder_missing"])
        folder.with_name("away").rename(folder)
        (folder / "keys.md").write_text("# keys\nBack again")
        await heard.says("keys.md", "updated")

    assert set((await statuses(engine)).values()) == {ArticleStatus.PUBLISHED}


async def test_a_folder_that_was_never_there_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        await follower(engine, Heard()).follow(tmp_path / "nowhere")

    assert refused.value.code == "folder_missing"


async def test_stopping_does_not_wait_for_the_rest_of_the_folder(
    engine: Engine, folder: Path
) -> None:
    heard = Heard()
    running = follower(engine, heard)
    running.progress = lambda done, total, item: heard.stop.set()

    await running.follow(folder)

    assert list(await statuses(engine)) == ["keys"]


@pytest.mark.slow
async def test_an_absent_database_is_waited_for_and_nothing_is_lost(
    private_cluster: TestCluster, home: Path, folder: Path
) -> None:
    url = private_cluster.copy_template("follow")
    settings = Settings.load(database_url=url, home=home, embedder="hashing")
    async with Engine(settings) as engine, following(engine, folder) as heard:
        await heard.says("seat.md", "created", within=30)
        private_cluster.server.stop("immediate")
        (folder / "keys.md").write_text("# keys\nWritten meanwhile")
        await until(lambda: heard.troubles, within=60)
        private_cluster.server.start()
        await heard.says("keys.md", "updated", within=60)

        assert set(heard.troubles) <= {"database_unavailable", "database_timeout"}


@pytest.mark.slow
async def test_stopping_does_not_wait_for_an_absent_database(home: Path, folder: Path) -> None:
    nowhere = Settings.load(database_url="postgresql://u@127.0.0.1:1/none", home=home)
    async with Engine(nowhere) as engine, following(engine, folder) as heard:
        await until(lambda: heard.troubles, within=60)

    assert heard.items == []
