"""What must outlive the console is kept privately and read tolerantly."""

from __future__ import annotations

import stat
from pathlib import Path

from cairnloop_tui.keeping import KeptFile, kept_file
from cairnloop_tui.preferences import Preferences
from cairnloop_tui.unsent import Cited, Kind, Unsent, UnsentTexts


def test_unsent_texts_come_back_with_everything_that_belongs_to_them(tmp_path: Path) -> None:
    text = Unsent("See [1]", Kind.REPLY, 7, (Cited(1, "Rotating", "knowledge_base", 3, 4),))
    UnsentTexts(kept_file(tmp_path, "unsent", "maya", "default")).keep(12, text)

    again = UnsentTexts(kept_file(tmp_path, "unsent", "maya", "default"))

    assert again.of(12) == text
    assert again.conversations() == (12,)


def test_only_the_owner_may_read_what_is_kept(tmp_path: Path) -> None:
    UnsentTexts(kept_file(tmp_path / "deep", "unsent", "maya", "default")).keep(1, Unsent("secret"))

    (path,) = (tmp_path / "deep").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700


def test_each_operator_and_workspace_has_texts_of_its_own(tmp_path: Path) -> None:
    UnsentTexts(kept_file(tmp_path, "unsent", "maya", "default")).keep(1, Unsent("mine"))

    assert UnsentTexts(kept_file(tmp_path, "unsent", "noor", "default")).of(1) is None
    assert UnsentTexts(kept_file(tmp_path, "unsent", "maya", "other")).of(1) is None


def test_names_that_look_like_paths_stay_in_the_folder(tmp_path: Path) -> None:
    UnsentTexts(kept_file(tmp_path, "unsent", "../../evil", "a/b")).keep(1, Unsent("x"))

    assert [path.parent for path in tmp_path.iterdir()] == [tmp_path]


def test_an_emptied_text_is_forgotten(tmp_path: Path) -> None:
    texts = UnsentTexts(kept_file(tmp_path, "unsent", "maya", "default"))
    texts.keep(1, Unsent("something"))
    texts.keep(1, Unsent("  \n"))

    assert texts.of(1) is None


def test_a_broken_file_is_said_and_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text("{half", encoding="utf-8")
    texts = UnsentTexts(KeptFile(path))

    assert texts.conversations() == ()
    assert texts.problem is not None


def test_a_folder_that_cannot_be_made_is_said_and_texts_stay_in_memory(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    texts = UnsentTexts(kept_file(in_the_way / "folder", "unsent", "maya", "default"))
    texts.keep(1, Unsent("kept here"))

    assert texts.of(1) == Unsent("kept here")
    assert texts.problem is not None


def test_only_citations_whose_marker_stands_are_sent() -> None:
    cited = (Cited(1, "One", "knowledge_base", 1), Cited(2, "Two", "knowledge_base", 2))

    assert [c.title for c in Unsent("as [2] says", cited=cited).citations()] == ["Two"]


def test_preferences_come_back(tmp_path: Path) -> None:
    first = Preferences(kept_file(tmp_path, "preferences", "maya"))
    first.choose_theme("cairn-light")
    first.show_preview(False)

    again = Preferences(kept_file(tmp_path, "preferences", "maya"))
    assert (again.theme, again.preview) == ("cairn-light", False)
