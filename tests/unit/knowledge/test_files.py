"""Files of a folder: which are articles, and what is wrong with those that are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.knowledge.files import (
    articles_in,
    checked_name,
    read_article,
    split_front_matter,
)

LIMIT = 10_000


def refusal(path: Path) -> str:
    with pytest.raises(Invalid) as refused:
        read_article(path, path.parent, limit=LIMIT)
    return refused.value.code


def test_markdown_files_are_found_in_subfolders_in_a_stable_order(tmp_path: Path) -> None:
    for name in ("b.md", "a.MD", "sub/c.markdown", ".hidden.md", ".git/d.md", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")

    listing = articles_in(tmp_path)

    assert [listing.name(path) for path in listing.files] == ["a.MD", "b.md", "sub/c.markdown"]
    assert listing.covers("sub/gone.md")


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "round").symlink_to(tmp_path / "round")

    assert [path.name for path in articles_in(tmp_path).files] == ["a.md"]


def test_a_subfolder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("locked", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text("x")
    real = os.scandir

    def denied(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", denied)

    listing = articles_in(tmp_path)

    assert [listing.name(path) for path in listing.files] == ["open/a.md"]
    assert [listing.name(path) for path in listing.unreadable] == ["locked"]
    assert (listing.covers("locked/a.md"), listing.covers("locked.md")) == (False, True)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        articles_in(tmp_path / "nowhere")

    assert refused.value.code == "folder_missing"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: From the front\n---\n# Heading\nText", "From the front"),
        ("---\ntitle: 2026\n---\nText", "2026"),
        ("---\ntitle: No\n---\nText", "No"),
        ("---\ntitle: 2026-01-31\n---\nText", "2026-01-31"),
        ("---\ntitle: [a, b]\n---\n# Heading", "Heading"),
        ("---\ntitle: ''\n---\n# Heading\nText", "Heading"),
        ("# Heading\nText", "Heading"),
        ("Only text", "Reset your api key"),
        ("## Second level\nText", "Reset your api key"),
    ],
)
def test_the_title_comes_from_front_matter_then_heading_then_file_name(
    tmp_path: Path, text: str, title: str
) -> None:
    path = tmp_path / "reset-your_api-key.md"
    path.write_text(text)

    assert read_article(path, tmp_path, limit=LIMIT).title == title


@pytest.mark.parametrize("held", ["status: draft", "status: Draft ", "draft: true", "draft: yes"])
def test_front_matter_can_hold_an_article_back(tmp_path: Path, held: str) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"---\ntitle: A\n{held}\n---\nText")

    found = read_article(path, tmp_path, limit=LIMIT)

    assert (found.publish, found.content, found.lines_before) == (False, "Text", 4)


@pytest.mark.parametrize("other", ["status: accepted", "draft: false", "status: [draft]"])
def test_what_others_say_in_front_matter_holds_nothing_back(tmp_path: Path, other: str) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"---\n{other}\n---\nText")

    assert read_article(path, tmp_path, limit=LIMIT).publish


def test_a_draft_may_still_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    path.write_text("---\nstatus: draft\n---\n")

    assert read_article(path, tmp_path, limit=LIMIT).title == "Plan"


def test_windows_line_ends_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"\xef\xbb\xbf---\r\ntitle: A\r\n---\r\nText\r\n")

    found = read_article(path, tmp_path, limit=LIMIT)

    assert (found.title, found.content) == ("A", "Text\n")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "file_not_text"),
        (b"caf\xe9", "file_not_text"),
        (b"x" * (LIMIT + 1), "article_too_large"),
        (b"", "article_empty"),
        (b" \n\xe2\x80\x8b\n", "article_empty"),
        (b"---\ntitle: [unclosed\n---\nText", "front_matter_invalid"),
        (b"---\na: " + b"[" * 3000 + b"\n---\nText", "front_matter_invalid"),
        (b"---\na: " + b"x" * 5000 + b"\n---\nText", "front_matter_invalid"),
    ],
)
def test_a_file_that_cannot_be_an_article_is_refused_by_code(
    tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(content)

    assert refusal(path) == code


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"one\ntwo\ncaf\xe9", 3),
        (b"one\n\x00", 2),
        (b"---\ntitle: A\nb: [unclosed\n---\nText", 4),
        (b"---\na: b: c\n---\nText", 2),
    ],
)
def test_a_refusal_names_the_line(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(content)

    with pytest.raises(Invalid) as refused:
        read_article(path, tmp_path, limit=LIMIT)

    assert refused.value.facts["line"] == line


def test_a_name_has_to_fit_into_the_index_of_names() -> None:
    assert checked_name("a/b.md") == "a/b.md"
    for name, code in (("\udcff.md", "file_name_not_text"), ("é" * 600, "file_name_too_long")):
        with pytest.raises(Invalid) as refused:
            checked_name(name)
        assert refused.value.code == code


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("# Secret")
    folder = tmp_path / "kb"
    folder.mkdir()
    (folder / "a.md").write_text("# A")
    (folder / "inside.md").symlink_to(folder / "a.md")
    (folder / "outside.md").symlink_to(tmp_path / "secret.md")
    (folder / "nowhere.md").symlink_to(tmp_path / "gone.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")

    assert read_article(folder / "inside.md", folder, limit=LIMIT).title == "A"
    assert refusal(folder / "outside.md") == "file_outside_folder"
    assert refusal(folder / "nowhere.md") == "file_unreadable"
    assert refusal(folder / "loop.md") == "file_unreadable"


def test_a_pipe_with_a_markdown_name_does_not_hang_the_import(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")

    assert refusal(tmp_path / "pipe.md") == "file_unreadable"


def test_text_between_thematic_breaks_is_no_front_matter() -> None:
    text = "---\njust a line\n---\nrest"

    assert split_front_matter(text) == ({}, text)
