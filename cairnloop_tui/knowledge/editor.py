"""The editor of an article: title, Markdown, and beside it how the Markdown reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from textual import on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, TextArea

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import has_hidden
from cairnloop_engine.knowledge.model import Saved
from cairnloop_engine.knowledge.reads import ArticleView
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.registry import EDITOR
from cairnloop_tui.conversation.composer import WritingArea
from cairnloop_tui.dialogs.choose import Choose
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.knowledge import cards
from cairnloop_tui.knowledge.kept import Writing
from cairnloop_tui.knowledge.markdown import LONGEST_PREVIEWED, rendered
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.live import concerns
from cairnloop_tui.text import Block, Line, Para, Piece, cut_line, muted, strong
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

KINDS = frozenset({"article"})
PREVIEW_AFTER_S = 0.3
KEEP_AFTER_S = 0.5
MINE, THEIRS, BOTH = "mine", "theirs", "both"


class ArticleArea(WritingArea):
    """Takes as much as an article may hold; the engine knows the exact limit."""

    longest_paste = 1_000_000


class EditorScreen(ConsoleScreen[None]):
    """Is this text right?"""

    scope = EDITOR

    DEFAULT_CSS = """
    EditorScreen #where { height: 1; background: $c-surface; }
    EditorScreen #article-title { background: $c-sunken; }
    EditorScreen #panes { height: 1fr; }
    EditorScreen #text {
        width: 1fr; height: 1fr; border: none; padding: 0 1;
        background: $c-surface; color: $c-text; scrollbar-size-vertical: 1;
    }
    EditorScreen #preview { width: 1fr; padding: 0 1; border-left: solid $c-border; }
    EditorScreen #preview:focus { border-left: heavy $c-focus; }
    EditorScreen.-narrow #panes { layout: vertical; }
    EditorScreen.-narrow #text { height: 3fr; }
    EditorScreen.-narrow #preview {
        width: 1fr; height: 2fr; border-left: none; border-top: solid $c-border;
    }
    EditorScreen.-narrow #preview:focus { border-left: none; border-top: heavy $c-focus; }
    EditorScreen.-low #preview { display: none; }
    """

    def __init__(self, article_id: ArticleId) -> None:
        super().__init__()
        self.article_id = article_id
        # What the text began from, and what somebody else made of it meanwhile.
        self.article: ArticleView | None = None
        self.theirs: ArticleView | None = None
        self.edit_version = 0
        self.saving = self.missing = False
        self._stored = ("", "")
        self._typed = ("", "")
        self._ask_whose = False
        self._preview_run = self._keep_run = 0

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._where, id="where")
        yield Input(
            id="article-title", placeholder="title", compact=True, max_length=400, disabled=True
        )
        yield Horizontal(
            ArticleArea(
                "",
                soft_wrap=True,
                show_line_numbers=False,
                tab_behavior="focus",
                compact=True,
                disabled=True,
                id="text",
            ),
            BlockView(glyphs=self.glyphs, id="preview"),
            id="panes",
        )

    def on_mount(self) -> None:
        self.begin_reading()
        self.reload()

    def on_unmount(self) -> None:
        self.keep()

    @property
    def title_field(self) -> Input:
        return self.query_one("#article-title", Input)

    @property
    def area(self) -> ArticleArea:
        return self.query_one("#text", ArticleArea)

    @property
    def preview(self) -> BlockView:
        return self.query_one("#preview", BlockView)

    @property
    def written(self) -> Writing:
        """What stands in the fields."""
        title, text = self._typed
        return Writing(title, text, self.edit_version)

    @property
    def unsaved(self) -> bool:
        return self._typed != self._stored

    @property
    def title_changed(self) -> bool:
        return self._typed[0] != self._stored[0]

    # Frame

    def crumbs(self) -> Sequence[str]:
        return ("Knowledge", f"Article {self.article_id}", "Edit")

    def moves(self) -> Movable | None:
        return self.preview

    def panes(self) -> Sequence[Widget]:
        return (self.area, self.preview, self.title_field)

    def step_back(self) -> bool:
        """From the fields to the preview, where letters are commands again; then leave."""
        if not self.typing() or not self.preview.display:
            return False
        self.focus_pane(self.preview)
        return True

    def leaving(self) -> Armed | None:
        if not self.unsaved:
            return None
        return Armed(
            title="Leave with unsaved text?",
            facts=(
                ("Article", str(self.article_id)),
                ("Kept", "yes, on this machine; e brings it back"),
            ),
            go="leaves the editor",
            act=self._close,
        )

    def _close(self) -> None:
        if self.app.screen is self:
            self.app.pop_screen()

    # Reading

    def reload(self) -> None:
        article_id = self.article_id
        self.console.ask(
            self,
            lambda engine, caller: engine.knowledge.article(caller, article_id),
            self._show,
            doing="reading the article",
            group="article",
            failed=self._could_not_read,
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS, int(self.article_id)):
            self.reload()

    def minute_passed(self) -> None:
        self._draw_where()

    def _show(self, article: ArticleView) -> None:
        """Take up what is stored; words that were typed here give way to nobody's."""
        if self.article is None:
            self._begin(article)
        elif article.edit_version <= self.edit_version:
            self.article = article
        elif self.saving:
            # Most likely this save itself; its own answer tells.
            return
        elif self.unsaved:
            self.theirs = article
        else:
            self._take(article)
        self._draw_where()
        self.check_armed()
        self.have_read()
        if self._ask_whose:
            self._ask_whose = False
            self._ask_what_counts()

    def _begin(self, article: ArticleView) -> None:
        self.title_field.disabled = self.area.disabled = False
        # Nothing stood here before that Ctrl+Z could bring back.
        self.area.load_text(article.latest.content)
        self._take(article)
        kept = self.console.unsaved_articles.of(self.article_id)
        if kept is not None:
            self._fill(kept.title, kept.text)
            if kept.edit_version != article.edit_version:
                self.edit_version, self.theirs = kept.edit_version, article
            self.console.say("Your unsaved text from before is back.")
        self.area.move_cursor((0, 0))
        self.focus_pane(self.area)

    def _take(self, article: ArticleView) -> None:
        """What is stored stands in the fields, as it is."""
        self.article, self.theirs = article, None
        self.edit_version = article.edit_version
        latest = article.latest
        if (latest.title, latest.content) != self._typed:
            self._fill(latest.title, latest.content)
        self._stored = self._typed

    def _fill(self, title: str, text: str) -> None:
        self.title_field.value = title
        area = self.area
        if area.text != text:
            # As an edit, so that Ctrl+Z brings back what stood here before.
            area.replace(text, (0, 0), area.document.end)
        self._typed = (self.title_field.value, area.text)
        self._preview_now()

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self.missing = self.article is None and not trouble.database_away
        self._draw_where()
        self.have_read()

    # Typing

    @on(TextArea.Changed, "#text")
    @on(Input.Changed, "#article-title")
    def _changed(self) -> None:
        """Draw and keep what is typed soon, but not at every key."""
        typed = (self.title_field.value, self.area.text)
        if typed == self._typed or self.article is None:
            return
        self._typed = typed
        self._preview_run += 1
        self._keep_run += 1
        preview, keep = self._preview_run, self._keep_run
        self.set_timer(
            PREVIEW_AFTER_S, lambda: self._preview_now() if preview == self._preview_run else None
        )
        self.set_timer(KEEP_AFTER_S, lambda: self.keep() if keep == self._keep_run else None)
        self._draw_where()
        self.check_armed()

    @on(Input.Submitted, "#article-title")
    def _title_entered(self, event: Input.Submitted) -> None:
        self.focus_pane(self.area)

    def retype(self, text: str) -> None:
        """Other words in place of the text; Ctrl+Z brings back what stood there."""
        self._fill(self.title_field.value, text)
        self.keep()
        self._draw_where()
        self.focus_pane(self.area)

    def keep(self) -> None:
        """Remember what is unsaved, here and for the next time."""
        if self.article is None:
            return
        if self.unsaved:
            self.console.unsaved_articles.keep(self.article_id, self.written)
        else:
            self.console.unsaved_articles.forget(self.article_id)

    def _preview_now(self) -> None:
        self._preview_run += 1
        text, glyphs = self.area.text, self.glyphs

        async def draw(engine: Engine, caller: Caller) -> tuple[Block, ...]:
            # A thread, because a hostile text takes long, and typing goes on.
            return await asyncio.to_thread(preview_blocks, text, glyphs)

        self.console.ask(
            self, draw, self.preview.show, doing="drawing the preview", group="preview"
        )

    # Saving

    def saved(self, written: Writing, saved: Saved) -> None:
        """``written`` is stored; what was typed since then is unsaved."""
        self.saving = False
        self.edit_version = saved.edit_version
        self._stored = (written.title, written.text)
        if self.theirs is not None and self.theirs.edit_version <= saved.edit_version:
            self.theirs = None
        self.keep()
        self.reload()

    def not_saved(self, *, somebody_else: bool) -> None:
        """The text stays where it was typed; when somebody was faster, ask whose words count."""
        self.saving = False
        self._ask_whose = somebody_else
        self.refresh_chrome()

    def _ask_what_counts(self) -> None:
        theirs = self.theirs
        if theirs is None:
            return
        said = cards.saved_elsewhere(theirs, self.console.clock.now())
        options = [
            (MINE, f"Keep mine. {said}; the next save goes over it."),
            (THEIRS, "Take theirs. Ctrl+Z brings mine back."),
            (BOTH, "Put theirs below mine, to make one of both."),
        ]
        self.app.push_screen(Choose("Saved meanwhile", options), self._decided)

    def _decided(self, whose: str | None) -> None:
        theirs = self.theirs
        if theirs is None or whose is None:
            self.console.say("Your text is kept; Ctrl+S asks again.")
            return
        mine = self.written
        self._take(theirs)
        if whose == MINE:
            self._fill(mine.title, mine.text)
            self.console.say("Yours stands. Ctrl+S, then Enter saves it over theirs.")
        elif whose == BOTH:
            line = f"---- {cards.saved_elsewhere(theirs, self.console.clock.now())} ----"
            self._fill(mine.title, f"{mine.text}\n\n{line}\n\n{theirs.latest.content}")
            self.console.say("Theirs stands below yours. Make one text of both, then save.")
        else:
            self.console.say("Theirs stands. Ctrl+Z in the text brings yours back.")
        self.keep()
        self._draw_where()
        self.focus_pane(self.area)

    # Drawing

    def _draw_where(self) -> None:
        self.query_one("#where", LineBox).redraw()
        self.refresh_chrome()

    def _where(self, width: int) -> list[Line]:
        if self.article is None:
            gone = f" Article {self.article_id} could not be read. Esc goes back."
            return [cut_line((muted(gone if self.missing else " Reading"),), width)]
        now = self.console.clock.now()
        words, tone = cards.editor_banner(
            self.article, unsaved=self.unsaved, theirs=self.theirs, now=now
        )
        return [cut_line((strong(f" {self.glyphs.of(tone)} ", tone), Piece(words, tone)), width)]


def preview_blocks(text: str, glyphs: Glyphs) -> tuple[Block, ...]:
    """How a text reads, with a word about what cannot be seen in it; takes its time."""
    blocks = rendered(text, glyphs, limit=LONGEST_PREVIEWED)
    if not has_hidden(text):
        return blocks
    words = f"{glyphs.warning} Hidden characters, shown as ⟨U+…⟩. Publishing asks about them."
    return (Block((Para((Piece(words, Tone.WARNING),), hang=2), Para())), *blocks)
