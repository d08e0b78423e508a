"""The colour tokens of the console; the only module with literal colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Tone(StrEnum):
    """What a colour means. A tone never stands alone: a glyph and a word go with it."""

    TEXT = "text"
    MUTED = "muted"
    PRIMARY = "primary"
    SUCCESS = "success"
    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"
    AI = "ai"


@dataclass(frozen=True, slots=True)
class Status:
    """Surface, border and text of a block that carries a tone."""

    surface: str
    border: str
    text: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """One complete set of colours."""

    name: str
    dark: bool
    bg: str
    surface: str
    surface_raised: str
    surface_sunken: str
    text: str
    text_muted: str
    border: str
    border_strong: str
    primary: str
    primary_hover: str
    primary_text: str
    danger_button_text: str
    success: str
    info: str
    ai: str
    warning: str
    danger: str
    status: Mapping[Tone, Status]

    def text_of(self, tone: Tone) -> str:
        """The colour for words of a tone on the page; each reaches 4.5:1 on ``bg``."""
        match tone:
            case Tone.TEXT:
                return self.text
            case Tone.MUTED:
                return self.text_muted
            case Tone.PRIMARY:
                return self.primary
            case Tone.SUCCESS:
                return self.success
            case Tone.INFO:
                return self.info
            case Tone.WARNING:
                return self.warning
            case Tone.AI:
                return self.ai
            case Tone.DANGER:
                # The plain danger colour reaches only 4.49:1 on the light page.
                return self.status[Tone.DANGER].text


LIGHT = Tokens(
    name="cairn-light",
    dark=False,
    bg="#F4EEE2",
    surface="#FAF5EB",
    surface_raised="#FFFFFF",
    surface_sunken="#EFE9DC",
    text="#141B19",
    text_muted="#5E665D",
    border="#8E8068",
    border_strong="#BFB6A2",
    primary="#A8492A",
    primary_hover="#97462A",
    primary_text="#FFFFFF",
    danger_button_text="#FFFFFF",
    success="#4A6238",
    info="#3F6F80",
    ai="#7A5D78",
    warning="#8B531E",
    danger="#B54C36",
    status=MappingProxyType(
        {
            Tone.SUCCESS: Status("#EDF1E2", "#C9D3A6", "#3C5430"),
            Tone.INFO: Status("#DDE8E3", "#B7CDD4", "#335A68"),
            Tone.WARNING: Status("#F6ECDD", "#E3C9A0", "#7A4818"),
            Tone.DANGER: Status("#F6E3DE", "#E3B6AC", "#9A3E2C"),
            Tone.AI: Status("#ECE4EB", "#CDB6CB", "#5F4A5D"),
            Tone.MUTED: Status("#EFEADF", "#8E8068", "#5E665D"),
        }
    ),
)

DARK = Tokens(
    name="cairn-dark",
    dark=True,
    bg="#101614",
    surface="#141B19",
    surface_raised="#1F2C28",
    surface_sunken="#0C110F",
    text="#F5F0E6",
    text_muted="#B7C0B2",
    border="#5B7066",
    border_strong="#627A6E",
    primary="#D98A4A",
    primary_hover="#E69A5C",
    primary_text="#18211F",
    danger_button_text="#141B19",
    success="#A8B56C",
    info="#9EC3CF",
    ai="#C9A7C6",
    warning="#D98A4A",
    danger="#C96A55",
    status=MappingProxyType(
        {
            Tone.SUCCESS: Status("#1E2A1C", "#38492E", "#BFD194"),
            Tone.INFO: Status("#16252A", "#2E4750", "#AFD3DE"),
            Tone.WARNING: Status("#2A2014", "#4A3A22", "#E8B488"),
            Tone.DANGER: Status("#2A1A16", "#4A302A", "#ECA99C"),
            Tone.AI: Status("#241E29", "#433A48", "#D6BCD3"),
            Tone.MUTED: Status("#1C2622", "#5B7066", "#B7C0B2"),
        }
    ),
)

# The sixteen colours of the terminal itself, by what they mean.
ANSI: Mapping[Tone, str] = MappingProxyType(
    {
        Tone.TEXT: "default",
        Tone.MUTED: "default",
        Tone.PRIMARY: "yellow",
        Tone.SUCCESS: "green",
        Tone.INFO: "cyan",
        Tone.WARNING: "yellow",
        Tone.DANGER: "red",
        Tone.AI: "magenta",
    }
)
