"""One article as it reads, with its revisions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from textual.containers import Horizontal
from textual.widget import Widget

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.ids import ArticleId, RevisionId
from cairnloop_engine.knowledge.reads import ArticleView, RevisionView
from cairnloop_tui.commands.registry import ARTICLE
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.knowledge import cards
from cairnloop_tui.knowledge.markdown import rendered
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.live import concerns
from cairnloop_tui.text import Block, Line, Para, Piece, cut_line, muted
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

KINDS = frozenset({"article"})

# From an article and a step to the one beside it in the list that this was opened from.
Beside = Callable[[int, int], "int | None"]
Drawn = tuple[ArticleView, RevisionView, tuple[Block, ...]]


class ArticleScreen(ConsoleScreen[None]):
    """What do we say about this, since when, and is it current?"""

    scope = ARTICLE

    DEFAULT_CSS = """
    ArticleScreen #head { height: 2; background: $c-surface; }
    ArticleScreen #panes { height: 1fr; }
    ArticleScreen #text { width: 1fr; padding: 0 1; }
    ArticleScreen #revisions { width: 34; border-left: solid $c-border; }
    ArticleScreen #revisions:focus { border-left: heavy $c-focus; }
    ArticleScreen.-narrow #panes { layout: vertical; }
    ArticleScreen.-narrow #text { height: 1fr; }
    ArticleScreen.-narrow #revisions {
        width: 1fr; height: auto; max-height: 6; border-left: none; border-top: solid $c-border;
    }
    ArticleScreen.-narrow #revisions:focus { border-left: none; border-top: heavy $c-focus; }
    ArticleScreen.-only-text #revisions { display: none; }
    """

    def __init__(
        self,
        article_id: ArticleId,
        *,
        beside: Beside | None = None,
        revision_id: RevisionId | None = None,
    ) -> None:
        """``revision_id`` opens that revision instead of the current one."""
        super().__init__()
        self.article_id = article_id
        self.article: ArticleView | None = None
        # Which version is shown; None shows what is published, else the newest.
        self.version: int | None = None
        self._beside = beside
        self._wanted = revision_id
        self._missing = False

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._head, id="head")
        yield Horizontal(
            BlockView(glyphs=self.glyphs, id="text"),
            BlockView(glyphs=self.glyphs, id="revisions"),
            id="panes",
        )

    def on_mount(self) -> None:
        self.text.focus()
        self.begin_reading()
        self.reload()

    @property
    def text(self) -> BlockView:
        return self.query_one("#text", BlockView)

    @property
    def revisions(self) -> BlockView:
        return self.query_one("#revisions", BlockView)

    @property
    def shown(self) -> RevisionView | None:
        """The revision whose text stands in the window."""
        return None if self.article is None else _chosen(self.article, self.version, None)

    # Frame

    def crumbs(self) -> Sequence[str]:
        return ("Knowledge", f"Article {self.article_id}")

    def moves(self) -> Movable | None:
        return self.revisions if self.revisions.has_focus else self.text

    def panes(self) -> Sequence[Widget]:
        return (self.text, self.revisions)

    def step_back(self) -> bool:
        """From the revisions back to the text, then to the current revision; then leave."""
        if self.revisions.has_focus:
            self.text.focus()
        elif self.version is not None:
            self._show_version(None)
        else:
            return False
        return True

    def open_focused(self) -> None:
        """The revision or the linked article under the cursor."""
        if not self.revisions.has_focus:
            self.console.say("Tab goes to revisions and links; e edits the article.")
        elif (place := self.place()) is not None:
            self.follow(place)
        else:
            self._show_version(self.revisions.cursor_key)

    def place(self) -> cards.Place | None:
        """The link under the cursor."""
        if self.article is None or not self.revisions.has_focus:
            return None
        key = self.revisions.cursor_key
        return next((place for place in cards.places(self.article) if place.key == key), None)

    def follow(self, place: cards.Place) -> None:
        """Read the linked article; Esc comes back to this one."""
        if place.article_id is None:
            self.console.warn("This link leads to no article that exists.")
        else:
            self.app.push_screen(ArticleScreen(place.article_id))

    def toggle_revisions(self) -> None:
        self.toggle_class("-only-text")
        self.text.focus()

    def _show_version(self, version: int | None) -> None:
        self.version = version
        self.text.move_to(0)
        self.reload()

    # Beside others

    def neighbour(self, step: int) -> int | None:
        """The article beside this one in the list that it was opened from."""
        return None if self._beside is None else self._beside(int(self.article_id), step)

    @property
    def has_list(self) -> bool:
        return self._beside is not None

    def go_to(self, article_id: ArticleId) -> None:
        """Show another article in this screen."""
        self.disarm()
        self.article_id = article_id
        self.article, self.version, self._wanted = None, None, None
        self._missing = False
        self.text.show(())
        self.text.move_to(0)
        self.begin_reading()
        self.reload()
        self.refresh_chrome()

    # Reading

    def reload(self) -> None:
        article_id, glyphs = self.article_id, self.glyphs
        version, wanted = self.version, self._wanted

        async def read(engine: Engine, caller: Caller) -> Drawn:
            article = await engine.knowledge.article(caller, article_id)
            chosen = _chosen(article, version, wanted)
            # A thread, because a long or hostile text takes seconds.
            return article, chosen, await asyncio.to_thread(rendered, chosen.content, glyphs)

        self.console.ask(
            self,
            read,
            lambda drawn: self._show(version, drawn),
            doing="reading the article",
            group="article",
            failed=self._could_not_read,
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS, int(self.article_id)):
            self.reload()

    def minute_passed(self) -> None:
        self._draw_around()

    def _show(self, version: int | None, drawn: Drawn) -> None:
        article, chosen, blocks = drawn
        if (article.id, version) != (self.article_id, self.version):
            return
        self._missing = False
        self.article = article
        if self._wanted == chosen.id and chosen != article.published:
            self.version = chosen.version
        self._wanted = None
        self.text.show((*self._notes(), *blocks))
        self._draw_around()
        self.check_armed()
        self.have_read()
        self.refresh_chrome()

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self._missing = self.article is None and not trouble.database_away
        self.query_one("#head", LineBox).redraw()
        self.have_read()

    # Drawing

    def _draw_around(self) -> None:
        self.query_one("#head", LineBox).redraw()
        if self.article is not None and self.shown is not None:
            now = self.console.clock.now()
            revisions = cards.revision_blocks(self.article, self.shown.version, now, self.glyphs)
            self.revisions.show((*revisions, *cards.place_blocks(self.article, self.glyphs)))

    def _notes(self) -> tuple[Block, ...]:
        """What a reader must know before the text: that it is not the current one, or odd."""
        revision = self.shown
        if self.article is None or revision is None:
            return ()
        paras: list[Para] = []
        current = self.article.published
        if current is None or revision.version != current.version:
            words = cards.revision_words(revision, self.console.clock.now())
            paras.append(Para((Piece(f"{self.glyphs.info} This is {words}.", Tone.INFO),), hang=2))
        if revision.hidden_characters:
            said = "This text holds hidden characters; they are shown as ⟨U+…⟩."
            paras.append(Para((Piece(f"{self.glyphs.warning} {said}", Tone.WARNING),), hang=2))
        return (Block((*paras, Para())),) if paras else ()

    def _head(self, width: int) -> list[Line]:
        if self.article is None:
            gone = f" Article {self.article_id} could not be read. Esc goes back."
            return [cut_line((muted(gone if self._missing else ""),), width), ()]
        now = self.console.clock.now()
        return cards.article_lines(self.article, width, now, self.glyphs)


def _chosen(article: ArticleView, version: int | None, wanted: RevisionId | None) -> RevisionView:
    """The one that was asked for, else what customers are answered with, else what is written."""
    for revision in article.revisions:
        if revision.version == version or (version is None and revision.id == wanted):
            return revision
    return article.published or article.latest
