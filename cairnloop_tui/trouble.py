"""From errors to calm words: what happened, and what to do next; pure."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.core.errors import CairnloopError, Conflict, Unavailable, UnknownOutcome
from cairnloop_tui.text import one_line
from cairnloop_tui.theme.tokens import Tone

# Unavailable for these reasons means that nothing else will work either.
DATABASE_AWAY = frozenset({"database_unavailable"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """How the console answers a failed call."""

    text: str
    tone: Tone
    database_away: bool = False
    reload: bool = False
    lasting: bool = False


def trouble_of(error: Exception, doing: str, *, reference: str) -> Trouble:
    """The words for an error that came up while ``doing`` (such as "sending the reply")."""
    match error:
        case Unavailable() if error.code in DATABASE_AWAY:
            return Trouble(
                f"Database unreachable while {doing}; nothing was changed. Retrying.",
                Tone.DANGER,
                database_away=True,
            )
        case Unavailable():
            return Trouble(f"{one_line(error.message)} ({doing})", Tone.DANGER)
        case UnknownOutcome():
            return Trouble(one_line(error.message), Tone.DANGER, reload=True, lasting=True)
        case Conflict():
            return Trouble(one_line(error.message), Tone.WARNING, reload=True)
        case CairnloopError():
            return Trouble(one_line(error.message), Tone.WARNING)
        case _:
            # The exception's own words may hold a message body: they go nowhere.
            return Trouble(
                f"Something broke while {doing}; the console goes on. Reference {reference}.",
                Tone.DANGER,
                lasting=True,
            )
