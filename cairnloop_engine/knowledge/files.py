"""Reading a folder of Markdown files: which ones there are, and what each of them says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.core.text import is_blank, storable
from cairnloop_engine.knowledge.exporting import FENCE, Exported
from cairnloop_engine.knowledge.links import SUFFIXES
from cairnloop_engine.knowledge.markdown import parse

# A name that is longer would not fit into the index of names.
LONGEST_PATH_BYTES = 1_000
# Front matter is a handful of lines; a long one is something else, or an attack on its parser.
LONGEST_FRONT_MATTER = 4_000


@dataclass(frozen=True, slots=True)
class Article:
    """What a file says. ``publish`` False when its front matter calls it a draft.

    ``lines_before`` is how many lines the front matter takes; ``exported`` what it says of an
    export.
    """

    title: str
    content: str
    publish: bool
    lines_before: int = 0
    exported: Exported | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The Markdown files of a folder in a stable order, and the subfolders nobody may read."""

    folder: Path
    files: tuple[Path, ...]
    unreadable: tuple[Path, ...] = ()

    def name(self, path: Path) -> str:
        """How a file or folder is called within the workspace."""
        return path.relative_to(self.folder).as_posix()

    def covers(self, name: str) -> bool:
        """Whether a file of this name would have been seen if it were there."""
        return not any(name.startswith(f"{self.name(path)}/") for path in self.unreadable)


def articles_in(folder: Path) -> Listing:
    """The Markdown files of a folder and its subfolders.

    Hidden files and folders are left out, links to folders are not followed.

    Raises:
        Invalid: ``folder_missing`` when it is no folder that can be read.
    """
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise Invalid("folder_missing", "There is no readable folder at that path.")
    unreadable: list[Path] = []

    def note(error: OSError) -> None:
        unreadable.append(Path(error.filename))

    found = sorted(_walk(folder, note), key=lambda path: path.relative_to(folder).parts)
    if folder in unreadable:
        raise Invalid("folder_missing", "There is no readable folder at that path.")
    return Listing(folder, tuple(found), tuple(unreadable))


def _walk(folder: Path, note: Callable[[OSError], None]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                yield path


def checked_name(name: str) -> str:
    """A file's name within the workspace.

    Raises:
        Invalid: ``file_name_not_text`` or ``file_name_too_long``.
    """
    if storable(name) != name:
        raise Invalid("file_name_not_text", "The file's name is not valid text.")
    if len(name.encode()) > LONGEST_PATH_BYTES:
        raise Invalid(
            "file_name_too_long",
            f"The file's name, with its folders, has more than {LONGEST_PATH_BYTES:,} bytes.",
        )
    return name


def read_article(path: Path, folder: Path, *, limit: int) -> Article:
    """One file as an article.

    Raises:
        Invalid: ``file_unreadable``, ``file_outside_folder``, ``article_too_large``,
            ``file_not_text`` or ``front_matter_invalid``.
    """
    text = _decoded(_bytes_of(path, folder, limit))
    front, content = split_front_matter(text)
    held_back = _is_draft(front)
    if is_blank(content) and not held_back:
        raise Invalid("article_empty", "The file holds nothing that can be read.")
    title = _word(front.get("title"))
    if is_blank(title):
        title = parse(content).title or title_of_name(path)
    return Article(
        title,
        content,
        publish=not held_back,
        lines_before=text.count("\n", 0, len(text) - len(content)),
        exported=Exported.parse(front.get("exported")),
    )


def _is_draft(front: Mapping[str, object]) -> bool:
    status, draft = _word(front.get("status")).lower(), _word(front.get("draft")).lower()
    return status == "draft" or draft in ("true", "yes")


def _word(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


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
        # Reads every scalar as the text that stands there: a title may be `No`, or a date.
        front = yaml.load(source, Loader=yaml.BaseLoader)  # noqa: S506 - makes text, lists, maps
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(
            "front_matter_invalid", "The front matter is not valid YAML.", line=_line_of(error)
        ) from error
    if not isinstance(front, dict):
        # Ordinary Markdown between two thematic breaks.
        return {}, text
    return front, text[end + len(FENCE) + 2 :]


def _line_of(error: Exception) -> int | None:
    """The line of the file on which YAML ends; the front matter begins on the second."""
    mark = getattr(error, "problem_mark", None)
    return None if mark is None else int(mark.line) + 2


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
    binary = content.find(b"\0")
    if binary >= 0:
        raise _not_text(content, binary)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(content, error.start) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _not_text(content: bytes, position: int) -> Invalid:
    line = content.count(b"\n", 0, position) + 1
    return Invalid("file_not_text", "The file is not UTF-8 text.", line=line)
