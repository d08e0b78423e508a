"""The command palette: every command of the screen, its keys, and why it cannot act now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual import on
from textual.widget import Widget
from textual.widgets import Input

from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import PALETTE, Command
from cairnloop_tui.frame import AnyScreen, ConsoleDialog
from cairnloop_tui.keys.keymap import shown_keys
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.row_list import RowList, RowSpot
from cairnloop_tui.text import Line, Piece, cut_line, fit, muted
from cairnloop_tui.theme.tokens import Tone


@dataclass(frozen=True, slots=True)
class Offer:
    """A command in the palette."""

    command: Command
    reason: str | None


def offer_line(offer: Offer, spot: RowSpot) -> Line:
    """Title, keys, and what it does or why it cannot."""
    command = offer.command
    keys = shown_keys(command.keys[0]) if command.keys else ""
    can = offer.reason is None
    title = Piece(fit(command.title, 30), Tone.TEXT if can else Tone.MUTED, bold=can)
    key = Piece(fit(keys, 11), Tone.PRIMARY if can else Tone.MUTED)
    said = muted(command.help) if can else Piece(offer.reason or "", Tone.WARNING)
    return cut_line((title, key, said), spot.width)


def matching(offers: Sequence[Offer], typed: str) -> list[Offer]:
    """The offers whose title or help holds every typed word; best titles first."""
    words = typed.casefold().split()
    found = [
        offer
        for offer in offers
        if all(word in f"{offer.command.title} {offer.command.help}".casefold() for word in words)
    ]
    return sorted(
        found,
        key=lambda offer: (
            not all(word in offer.command.title.casefold() for word in words),
            offer.reason is not None,
        ),
    )


class Palette(ConsoleDialog[str | None]):
    """Answers with the id of the chosen command, or None."""

    scope = PALETTE

    DEFAULT_CSS = """
    Palette #query { margin: 1 1 0 1; }
    Palette #offers { height: 1fr; margin-top: 1; }
    """

    def __init__(self, offers: Sequence[Offer]) -> None:
        super().__init__()
        self._offers = offers

    def body(self) -> Iterable[Widget]:
        yield Input(id="query", placeholder="what to do", compact=True)
        yield RowList(
            offer_line,
            lambda offer: offer.command.id,
            self.console.clock.now,
            glyphs=self.glyphs,
            id="offers",
        )

    def on_mount(self) -> None:
        self.query_one("#query", Input).focus()
        self.offers.show(matching(self._offers, ""))

    @property
    def offers(self) -> RowList[str, Offer]:
        return self.query_one("#offers", RowList)

    def crumbs(self) -> Sequence[str]:
        return ("Commands",)

    def moves(self) -> Movable | None:
        return self.offers

    @on(Input.Changed, "#query")
    def _typed(self, event: Input.Changed) -> None:
        self.offers.show(matching(self._offers, event.value))
        self.offers.move_to(0)

    @on(Input.Submitted, "#query")
    def _entered(self, event: Input.Submitted) -> None:
        self.open_focused()

    @on(RowList.Opened, "#offers")
    def _clicked(self, event: RowList.Opened) -> None:
        self.open_focused()

    def open_focused(self) -> None:
        offer = self.offers.current()
        if offer is None:
            return
        reason = offer.reason or self.console.guard.why_not()
        if reason is not None:
            self.console.warn(reason)
            return
        self.dismiss(offer.command.id)


def offers_for(screen: AnyScreen) -> list[Offer]:
    """What the palette offers over a screen: verbs, not motions."""
    app = screen.console
    ctx = Context(app, screen)
    return [
        Offer(command, app.reason_against(command, ctx))
        for command in app.commands.in_scope(screen.scope)
        if command.in_palette
    ]
