"""What every screen of the console has: title, banner, status, footer, hints, armed strip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import Widget
from textual.widgets import Input, TextArea

from cairnloop_engine.core.changes import Change
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.live import freshness_piece
from cairnloop_tui.surroundings import banner, footer_keys, who
from cairnloop_tui.text import Line
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets import chrome
from cairnloop_tui.widgets.armed_strip import ArmedStrip
from cairnloop_tui.widgets.line_box import LineBox

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp

# One pane at a time below the first of these widths, everything side by side from the second.
MEDIUM, WIDE = 100, 140


class ConsoleScreen(Screen[ScreenResultType], Generic[ScreenResultType], inherit_bindings=False):
    """A screen between a title line and a footer. It translates messages; verbs are commands."""

    # A screen may change it with its focus: keys and help are those of the focused part.
    scope: str
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (MEDIUM, "-medium"), (WIDE, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-high")]
    AUTO_FOCUS = None

    DEFAULT_CSS = """
    ConsoleScreen { background: $c-bg; color: $c-text; layout: vertical; overflow: hidden; }
    ConsoleScreen #title { height: 1; background: $c-raised; }
    ConsoleScreen #banner.-danger { background: $c-danger-surface; }
    ConsoleScreen #banner.-warning { background: $c-warning-surface; }
    ConsoleScreen #foot { dock: bottom; height: auto; }
    ConsoleScreen #hints {
        background: $c-raised; border-top: solid $c-border; display: none;
    }
    ConsoleScreen #hints.-shown { display: block; }
    ConsoleScreen #status { height: 1; background: $c-raised; }
    ConsoleScreen #footer { height: 1; background: $c-raised; }
    ConsoleScreen.-low #title { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.armed: Armed | None = None
        # What stands over this screen until the armed action is confirmed or sent away.
        self.confirmation: Screen[None] | None = None
        self.is_reading = False
        self._focus_before: Widget | None = None

    @property
    def console(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    @property
    def glyphs(self) -> Glyphs:
        return self.console.glyphs

    def compose(self) -> ComposeResult:
        yield LineBox(self._title, id="title")
        yield LineBox(self._banner, id="banner")
        yield from self.body()
        with Vertical(id="foot"):
            yield ArmedStrip(self.glyphs)
            yield LineBox(id="hints")
            yield LineBox(self._status, id="status")
            yield LineBox(self._footer, id="footer")

    # What a screen answers

    def body(self) -> Iterable[Widget]:
        """The widgets between title and footer."""
        return ()

    def crumbs(self) -> Sequence[str]:
        """Where this is, from the outside in. Names of data must have passed ``one_line``."""
        return ()

    def reload(self) -> None:
        """Read everything again."""

    def data_changed(self, changes: frozenset[Change]) -> None:
        """Something changed somewhere; reload when it concerns this screen."""

    def minute_passed(self) -> None:
        """Relative times are older now."""

    def moves(self) -> Movable | None:
        """What the motion keys move on this screen."""
        return None

    def mover(self) -> Movable | None:
        """What the motion keys move now: the words of an armed action come first."""
        if self.armed is not None:
            return self.query_one(ArmedStrip).reader
        return self.moves() if self.is_mounted else None

    def open_focused(self) -> None:
        """Open what the cursor stands on."""

    def step_back(self) -> bool:
        """Take one step back inside this screen; False when only leaving it is left."""
        return False

    def panes(self) -> Sequence[Widget]:
        """What Tab walks through, in the order of decisions."""
        return ()

    def marked_count(self) -> int:
        return 0

    def leaving(self) -> Armed | None:
        """What to confirm before this screen is left; its action leaves. None when nothing is."""
        return None

    # Coming up

    def begin_reading(self) -> None:
        """What this screen is about is not there yet; keys that need it wait."""
        self.is_reading = True

    def have_read(self) -> None:
        """It is there, or it cannot be read, and what waited for it finds out."""
        if self.is_reading:
            self.is_reading = False
            self.console.guard.opened()
            self.console.desk.look_again()

    # Focus

    def next_pane(self, step: int) -> None:
        """Focus the next visible pane; with none focused, the first."""
        panes = [pane for pane in self.panes() if pane.display and not pane.disabled]
        if not panes:
            return
        here = [number for number, pane in enumerate(panes) if pane.has_focus_within]
        at = (here[0] + step) % len(panes) if here else 0
        self.focus_pane(panes[at])

    def focus_pane(self, pane: Widget) -> None:
        pane.focus(scroll_visible=False)

    # Arming

    def arm(self, armed: Armed) -> None:
        """Show what would happen and wait for Enter."""
        self.armed = armed
        self._focus_before = self.focused
        self.hide_hints()
        if armed.show is None:
            self.query_one(ArmedStrip).show(armed)
        else:
            armed.show(armed)
        self.console.guard.opened()
        self.refresh_chrome()

    def disarm(self, reason: str | None = None) -> bool:
        """Send the armed action away; says whether there was one."""
        if self.armed is None:
            return False
        self.armed = None
        self.query_one(ArmedStrip).hide()
        over, self.confirmation = self.confirmation, None
        if over is not None and over.is_current:
            over.dismiss(None)
        if self._focus_before is not None and self._focus_before.is_attached:
            self._focus_before.focus(scroll_visible=False)
        if reason:
            self.console.say(reason)
        self.refresh_chrome()
        return True

    def confirm(self) -> None:
        """Let the armed action happen, unless what was shown no longer holds."""
        armed = self.armed
        if armed is None:
            return
        no_longer = armed.still()
        self.disarm(no_longer)
        if no_longer is None:
            armed.act()

    def check_armed(self) -> None:
        """The data changed: what stands ready may no longer be what it says."""
        if self.armed is not None and (no_longer := self.armed.still()):
            self.disarm()
            self.console.warn(no_longer)

    # The lines around

    def refresh_chrome(self) -> None:
        """Draw title, banner, status and footer again."""
        if not self.is_mounted:
            return
        lasting = banner(self.console)
        box = self.query_one("#banner", LineBox)
        box.set_class(lasting is not None and lasting[1] is Tone.DANGER, "-danger")
        box.set_class(lasting is not None and lasting[1] is Tone.WARNING, "-warning")
        for box in self.query(LineBox):
            if box.id in {"title", "banner", "status", "footer"}:
                box.redraw()

    def show_hints(self, prefix: str, rest: Mapping[str, str]) -> None:
        """Say what may follow a half-typed sequence."""
        keys = [
            chrome.FooterKey(key, self.console.commands[command_id].title.split(": ")[-1])
            for key, command_id in rest.items()
        ]
        box = self.query_one("#hints", LineBox)
        box.show(lambda width: chrome.hint_lines(prefix, keys, width))
        box.add_class("-shown")

    def hide_hints(self) -> None:
        self.query_one("#hints", LineBox).remove_class("-shown")

    def _title(self, width: int) -> list[Line]:
        fresh = freshness_piece(self.console.freshness, self.glyphs)
        return [chrome.title_line(self.crumbs(), fresh, width, self.glyphs)]

    def _banner(self, width: int) -> list[Line]:
        lasting = banner(self.console)
        return [] if lasting is None else chrome.banner_lines(*lasting, width, self.glyphs)

    def _status(self, width: int) -> list[Line]:
        notice = self.console.notices.shown
        mover = self.mover()
        return [
            chrome.status_line(
                notice=None if notice is None else (notice.text, notice.tone),
                pending=self.console.desk.typed,
                marked=self.marked_count(),
                place="" if mover is None else mover.place(),
                who=who(self.console),
                width=width,
                glyphs=self.glyphs,
            )
        ]

    def _footer(self, width: int) -> list[Line]:
        help_key = "F1" if self.typing() else "?"
        return [chrome.footer_line(footer_keys(self.console, self), width, help_key)]

    # Events

    def on_mount(self) -> None:
        self.refresh_chrome()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.console.guard.opened()
        self.refresh_chrome()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.refresh_chrome()

    def typing(self) -> bool:
        """Whether a text field has the focus."""
        return isinstance(self.focused, Input | TextArea)


class ConsoleDialog(ConsoleScreen[ScreenResultType], ModalScreen[ScreenResultType]):
    """A screen that stands over another one until it is answered."""

    DEFAULT_CSS = """
    ConsoleDialog { align: center middle; background: $c-bg; }
    """


AnyScreen = ConsoleScreen[Any]
