"""From errors to calm words: what happened, and what to do next; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.core.errors import CairnloopError, Conflict, Unavailable, UnknownOutcome
from cairnloop_tui.text import clock_time, one_line
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
            words = f"{one_line(error.message)}{_when(error)}"
            return Trouble(words, Tone.WARNING, reload=True)
        case CairnloopError():
            return Trouble(one_line(error.message), Tone.WARNING)
        case _:
            # The exception's own words may hold a message body: they go nowhere.
            return Trouble(
                f"Something broke while {doing}; the console goes on. Reference {reference}.",
                Tone.DANGER,
                lasting=True,
            )


def _when(error: Conflict) -> str:
    """When somebody else was faster, if the error tells."""
    said = error.facts.get("decided_at")
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return ""
    return f" That was at {clock_time(moment)}." if moment is not None else ""
