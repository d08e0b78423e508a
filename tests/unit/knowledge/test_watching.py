"""Looking at a folder again and again: what counts as changed, and when."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.knowledge.watching import FolderWatch, Seen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "b.md").write_text("two")
    return tmp_path


def told(seen: Seen) -> tuple[list[str], list[str]]:
    return [seen.listing.name(path) for path in seen.changed], list(seen.gone)


def began(folder: Path) -> FolderWatch:
    watch = FolderWatch(folder)
    watch.look()
    return watch


def test_the_first_look_tells_of_every_file_and_the_next_of_none(folder: Path) -> None:
    watch = FolderWatch(folder)

    assert told(watch.look()) == (["a.md", "b.md"], [])
    assert told(watch.look()) == ([], [])


def test_a_change_is_told_once_it_has_come_to_rest(folder: Path) -> None:
    watch = began(folder)
    (folder / "a.md").write_text("half")
    at_once = told(watch.look())
    (folder / "a.md").write_text("half and the rest")
    still_moving = told(watch.look())

    assert (at_once, still_moving) == (([], []), ([], []))
    assert told(watch.look()) == (["a.md"], [])
    assert told(watch.look()) == ([], [])


def test_a_file_of_the_same_size_and_date_is_seen_to_be_another(folder: Path) -> None:
    watch = began(folder)
    before = (folder / "a.md").stat()
    (folder / "new").write_text("eno")
    os.utime(folder / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "new").replace(folder / "a.md")
    watch.look()

    assert told(watch.look()) == (["a.md"], [])


def test_a_file_that_is_replaced_is_never_gone(folder: Path) -> None:
    watch = began(folder)
    (folder / "a.md").unlink()
    while_away = told(watch.look())
    (folder / "a.md").write_text("back")

    assert while_away == ([], [])
    assert told(watch.look()) == ([], [])
    assert told(watch.look()) == (["a.md"], [])


def test_a_file_that_stays_away_is_gone_and_comes_back_as_news(folder: Path) -> None:
    watch = began(folder)
    (folder / "a.md").unlink()
    watch.look()
    gone = told(watch.look())
    (folder / "a.md").write_text("one")
    watch.look()

    assert gone == ([], ["a.md"])
    assert told(watch.look()) == (["a.md"], [])


def test_new_files_and_forgotten_ones_are_told(folder: Path) -> None:
    watch = began(folder)
    (folder / "deep").mkdir()
    (folder / "deep" / "c.md").write_text("three")
    watch.forget("b.md")
    watch.look()

    assert told(watch.look()) == (["b.md", "deep/c.md"], [])


def test_a_folder_that_is_away_is_told_and_nothing_in_it_is_gone(folder: Path) -> None:
    watch = began(folder)
    away = folder.with_name("away")
    folder.rename(away)
    for _ in range(3):
        with pytest.raises(Invalid) as refused:
            watch.look()
    away.rename(folder)

    assert refused.value.code == "folder_missing"
    assert told(watch.look()) == ([], [])


def test_a_subfolder_that_cannot_be_read_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "c.md").write_text("three")
    watch = began(folder)
    real = os.scandir

    def locked(path: str) -> object:
        if Path(path).name == "deep":
            raise PermissionError(13, "denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", locked)

    assert [told(watch.look()) for _ in range(3)] == [([], [])] * 3
    assert watch.look().listing.unreadable == (folder / "deep",)


def test_a_link_to_nowhere_is_there(folder: Path) -> None:
    (folder / "nowhere.md").symlink_to(folder / "gone.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")

    assert told(FolderWatch(folder).look())[0] == ["a.md", "b.md", "loop.md", "nowhere.md"]
