"""The chat page's colours are the design's, and can be read."""

from __future__ import annotations

import re

import pytest

from cairnloop_engine.channels.widget.pages import STATIC

# The canonical values of the design for the tokens that the page uses: light, dark.
CANONICAL = {
    "bg": ("F4EEE2", "101614"),
    "surface": ("FAF5EB", "141B19"),
    "raised": ("FFFFFF", "1F2C28"),
    "sunken": ("EFE9DC", "0C110F"),
    "text": ("141B19", "F5F0E6"),
    "muted": ("5E665D", "B7C0B2"),
    "border": ("8E8068", "5B7066"),
    "primary": ("A8492A", "D98A4A"),
    "primary-hover": ("97462A", "E69A5C"),
    "primary-text": ("FFFFFF", "18211F"),
    "success": ("4A6238", "A8B56C"),
    "warning": ("8B531E", "D98A4A"),
    "danger-surface": ("F6E3DE", "2A1A16"),
    "danger-border": ("E3B6AC", "4A302A"),
    "danger-text": ("9A3E2C", "ECA99C"),
    "neutral-surface": ("EFEADF", "1C2622"),
}

# Foreground, background, and the contrast that the pair needs.
PAIRS = [
    ("text", "surface", 4.5),
    ("text", "raised", 4.5),
    ("muted", "surface", 4.5),
    ("muted", "raised", 4.5),
    ("muted", "sunken", 4.5),
    ("muted", "neutral-surface", 4.5),
    ("primary", "surface", 4.5),
    ("primary", "sunken", 4.5),
    ("primary-text", "primary", 4.5),
    ("primary-text", "primary-hover", 4.5),
    ("danger-text", "danger-surface", 4.5),
    ("danger-text", "surface", 4.5),
    ("border", "surface", 3.0),
    ("success", "surface", 3.0),
    ("warning", "surface", 3.0),
]


def tokens() -> tuple[dict[str, str], dict[str, str]]:
    """The page's custom properties, light and dark."""
    style = (STATIC / "page.css").read_text(encoding="utf-8")
    light, dark = style.split("@media (prefers-color-scheme: dark)", 1)
    dark = dark.split("\n}\n", 1)[0]

    def read(block: str) -> dict[str, str]:
        return dict(re.findall(r"--([a-z-]+): #([0-9A-F]{6});", block))

    return read(light), read(dark)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("token", CANONICAL)
def test_a_token_has_the_designs_value(token: str) -> None:
    light, dark = tokens()

    assert (light[token], dark[token]) == CANONICAL[token]


@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_a_pair_of_colours_can_be_read(front: str, back: str, least: float) -> None:
    for scheme in tokens():
        assert contrast(scheme[front], scheme[back]) >= least
