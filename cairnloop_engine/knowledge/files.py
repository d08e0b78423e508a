"""Reading a folder of Markdown files: which ones there are, and what each of them says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.core.text import is_blank
from cairnloop_engine.knowledge.markdown import parse

SUFFIXES = frozenset({".md", ".markdown"})
FENCE = "---"
# Front matter is a handful of lines; a long one is something else, or an attack on its parser.
LONGEST_FRONT_MATTER = 4_000


@dataclass(frozen=True, slots=True)
class Article:
    """What a file says. ``publish`` False when its front matter calls it a draft."""

    title: str
    content: str
    publish: bool


def articles_in(folder: Path) -> list[Path]:
    """The Markdown files of a folder and its subfolders, in a stable order.

    Hidden files and folders are left out, links to folders are not followed.

    Raises:
        Invalid: ``folder_missing`` when it is no folder that can be read.
    """
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise Invalid("folder_missing", "There is no readable folder at that path.")
    return sorted(_walk(folder), key=lambda path: path.relative_to(folder).parts)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                yield path


def read_article(path: Path, folder: Path, *, limit: int) -> Article:
    """One file as an article.

    Raises:
        Invalid: ``file_unreadable``, ``file_outside_folder``, ``article_too_large``,
            ``file_not_text`` or ``front_matter_invalid``.
    """
    text = _decoded(_bytes_of(path, folder, limit))
    front, content = split_front_matter(text)
    if is_blank(content):
        raise Invalid("article_empty", "The file holds nothing that can be read.")
    named = front.get("title")
    title = str(named) if isinstance(named, str | int | float) else ""
    if is_blank(title):
        title = parse(content).title or title_of_name(path)
    return Article(title, content, publish=str(front.get("status", "")).lower() != "draft")


def title_of_name(path: Path) -> str:
    """A title made from a file name, for a file that names none."""
    words = path.stem.replace("_", " ").replace("-", " ").split()
    return " ".join(words).capitalize() or path.name


def split_front_matter(text: str) -> tuple[dict[str, object], str]:
    """The YAML between two ``---`` lines at the top, if any, and the rest.

    Raises:
        Invalid: ``front_matter_invalid`` when it cannot be read.
    """
    if not text.startswith(FENCE + "\n"):
        return {}, text
    end = text.find(f"\n{FENCE}\n", len(FENCE))
    if end < 0:
        return {}, text
    source = text[len(FENCE) + 1 : end + 1]
    if len(source) > LONGEST_FRONT_MATTER:
        raise Invalid("front_matter_invalid", "The front matter is too long.")
    try:
        front = yaml.safe_load(source)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid("front_matter_invalid", "The front matter is not valid YAML.") from error
    if not isinstance(front, dict):
        # Ordinary Markdown between two thematic breaks.
        return {}, text
    return front, text[end + len(FENCE) + 2 :]


def _bytes_of(path: Path, folder: Path, limit: int) -> bytes:
    try:
        target = path.resolve(strict=True)
        if not target.is_relative_to(folder.resolve()):
            raise Invalid("file_outside_folder", "The file is a link that leads out of the folder.")
        if not target.is_file():
            raise Invalid("file_unreadable", "This is not a regular file.")
        with target.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, RuntimeError) as error:
        raise Invalid("file_unreadable", "The file cannot be read.") from error
    if len(content) > limit:
        raise Invalid("article_too_large", f"The file is larger than {limit:,} bytes.")
    return content


def _decoded(content: bytes) -> str:
    refused = Invalid("file_not_text", "The file is not UTF-8 text.")
    if b"\0" in content:
        raise refused
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
