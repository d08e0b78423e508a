"""Textual themes made from the tokens, and the choice among them."""

from __future__ import annotations

from textual.theme import Theme

from cairnloop_tui.theme.tokens import ANSI, DARK, LIGHT, Tokens, Tone

ANSI_DARK = "cairn-ansi-dark"
ANSI_LIGHT = "cairn-ansi-light"
PLAIN = "cairn-plain"

# What Ctrl+T walks through.
CYCLE = (DARK.name, LIGHT.name, ANSI_DARK)


def themes() -> tuple[Theme, ...]:
    """Every theme of the console."""
    return (
        _truecolor(DARK),
        _truecolor(LIGHT),
        _ansi(ANSI_DARK, dark=True),
        _ansi(ANSI_LIGHT, dark=False),
        _plain(),
    )


def first_theme(preferred: str | None, *, no_color: bool, few_colors: bool) -> str:
    """The theme to start with: what was asked for, else what the terminal can show."""
    if no_color:
        return PLAIN
    if preferred in CYCLE:
        return preferred
    return ANSI_DARK if few_colors else DARK.name


def next_theme(name: str) -> str:
    """The theme after this one; one that is not in the cycle leads to its start."""
    if name not in CYCLE:
        return CYCLE[0]
    return CYCLE[(CYCLE.index(name) + 1) % len(CYCLE)]


def _truecolor(tokens: Tokens) -> Theme:
    variables = {
        "c-bg": tokens.bg,
        "c-surface": tokens.surface,
        "c-raised": tokens.surface_raised,
        "c-sunken": tokens.surface_sunken,
        "c-text": tokens.text,
        "c-muted": tokens.text_muted,
        "c-border": tokens.status[Tone.MUTED].surface if tokens.dark else tokens.border_strong,
        "c-focus": tokens.primary,
        "c-primary": tokens.primary,
        "c-primary-text": tokens.primary_text,
    }
    for tone, status in tokens.status.items():
        variables[f"c-{tone}-surface"] = status.surface
        variables[f"c-{tone}-border"] = status.border
        variables[f"c-{tone}-text"] = status.text
    return Theme(
        name=tokens.name,
        dark=tokens.dark,
        primary=tokens.primary,
        secondary=tokens.info,
        accent=tokens.primary,
        warning=tokens.warning,
        error=tokens.danger,
        success=tokens.success,
        foreground=tokens.text,
        background=tokens.bg,
        surface=tokens.surface,
        panel=tokens.surface_raised,
        variables=variables | _widget_variables(tokens),
    )


def _widget_variables(tokens: Tokens) -> dict[str, str]:
    return {
        "scrollbar": tokens.border,
        "scrollbar-hover": tokens.primary,
        "scrollbar-active": tokens.primary,
        "scrollbar-background": tokens.bg,
        "scrollbar-background-hover": tokens.bg,
        "scrollbar-background-active": tokens.bg,
        "scrollbar-corner-color": tokens.bg,
        "input-cursor-background": tokens.primary,
        "input-cursor-foreground": tokens.primary_text,
        "input-selection-background": tokens.status[Tone.INFO].border,
        "screen-selection-background": tokens.status[Tone.INFO].border,
    }


def _ansi(name: str, *, dark: bool) -> Theme:
    """The terminal's own palette; surfaces stay the terminal's background."""
    colour = {tone: f"ansi_{ANSI[tone]}" for tone in Tone}
    return Theme(
        name=name,
        dark=dark,
        ansi=True,
        primary=colour[Tone.PRIMARY],
        secondary=colour[Tone.INFO],
        accent=colour[Tone.PRIMARY],
        warning=colour[Tone.WARNING],
        error=colour[Tone.DANGER],
        success=colour[Tone.SUCCESS],
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        variables=_flat_variables(
            primary=colour[Tone.PRIMARY],
            border="ansi_bright_black" if dark else "ansi_black",
            tones={tone: colour[tone] for tone in Tone},
        ),
    )


def _plain() -> Theme:
    """No colour at all: the default pair, bold, underline and reverse."""
    default = "ansi_default"
    return Theme(
        name=PLAIN,
        dark=True,
        ansi=True,
        primary=default,
        secondary=default,
        accent=default,
        warning=default,
        error=default,
        success=default,
        foreground=default,
        background=default,
        surface=default,
        panel=default,
        boost=default,
        variables=_flat_variables(
            primary=default, border=default, tones=dict.fromkeys(Tone, default)
        ),
    )


def _flat_variables(*, primary: str, border: str, tones: dict[Tone, str]) -> dict[str, str]:
    default = "ansi_default"
    variables = dict.fromkeys(
        ("c-bg", "c-surface", "c-raised", "c-sunken", "c-text", "c-muted"), default
    )
    variables |= {"c-border": border, "c-focus": primary, "c-primary": primary}
    variables["c-primary-text"] = "ansi_black" if primary != default else default
    for tone in DARK.status:
        colour = tones[tone]
        variables[f"c-{tone}-surface"] = default
        variables[f"c-{tone}-border"] = colour
        variables[f"c-{tone}-text"] = colour
    variables |= {
        "ansi-background": default,
        "ansi-foreground": default,
        "input-cursor-background": primary,
        "input-cursor-foreground": variables["c-primary-text"],
    }
    scrollbars = ("scrollbar", "scrollbar-hover", "scrollbar-active")
    grounds = (
        "scrollbar-background",
        "scrollbar-background-hover",
        "scrollbar-background-active",
        "scrollbar-corner-color",
    )
    return variables | dict.fromkeys(scrollbars, border) | dict.fromkeys(grounds, default)
