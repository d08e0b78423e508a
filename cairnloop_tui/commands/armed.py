"""An action that stands ready: what it would do, shown in full before Enter lets it happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cairnloop_tui.theme.tokens import Tone


@dataclass(frozen=True, slots=True)
class Armed:
    """What would happen, to whom, with which words; ``act`` does exactly that and nothing else.

    ``still`` is asked whenever the screen's data changed and once more before ``act``; a reason
    disarms. ``show`` puts it before the operator; without it, it stands in the strip.
    """

    title: str
    go: str
    act: Callable[[], None]
    facts: tuple[tuple[str, str], ...] = ()
    text: str = ""
    warnings: tuple[str, ...] = ()
    tone: Tone = Tone.WARNING
    still: Callable[[], str | None] = lambda: None
    show: Callable[[Armed], None] | None = None
