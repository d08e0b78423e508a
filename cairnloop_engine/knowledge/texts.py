"""A title and a body as they may be stored, and what can be read in them. No IO."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.core.text import has_hidden, is_blank, storable
from cairnloop_engine.knowledge.chunking import Chunk, chunk
from cairnloop_engine.knowledge.markdown import Link, parse
from cairnloop_engine.knowledge.model import KnowledgeConfig, digest


@dataclass(frozen=True, slots=True)
class Text:
    """A title and a body that may be stored."""

    title: str
    content: str

    @property
    def digest(self) -> str:
        return digest(self.title, self.content)


@dataclass(frozen=True, slots=True)
class Passages:
    """What can be read in one exact text; cutting a long one takes too long for a transaction."""

    digest: str
    body: str
    chunks: tuple[Chunk, ...]
    links: tuple[Link, ...]

    @classmethod
    def of(cls, text: Text) -> Passages:
        document = parse(text.content, title=text.title)
        return cls(text.digest, document.text, chunk(document), document.links)


def checked_title(title: str, config: KnowledgeConfig) -> str:
    """The title as it will be stored, on one line.

    Raises:
        Invalid: ``title_blank`` or ``title_too_long``.
    """
    one_line = " ".join(storable(title).split())
    if is_blank(one_line):
        raise Invalid("title_blank", "An article needs a title.")
    if len(one_line) > config.max_title_length:
        raise Invalid(
            "title_too_long",
            f"A title has at most {config.max_title_length} characters.",
            length=len(one_line),
        )
    return one_line


def checked_content(content: str, config: KnowledgeConfig) -> str:
    """The body as it will be stored, with plain line ends.

    Raises:
        Invalid: ``article_too_large``.
    """
    body = storable(content).replace("\r\n", "\n").replace("\r", "\n")
    size = len(body.encode())
    if size > config.max_article_bytes:
        raise Invalid(
            "article_too_large",
            f"An article has at most {config.max_article_bytes:,} bytes; this one has {size:,}.",
            size=size,
        )
    return body


def checked_text(title: str, content: str, config: KnowledgeConfig) -> Text:
    """Title and body as they will be stored.

    Raises:
        Invalid: ``title_blank``, ``title_too_long``, ``article_too_large``.
    """
    return Text(checked_title(title, config), checked_content(content, config))


def hidden_line(content: str) -> int | None:
    """The first line, from 1, with something that a reader would not see; None without one."""
    lines = content.split("\n")
    return next((number for number, line in enumerate(lines, 1) if has_hidden(line)), None)
