"""The question that a draft is grounded on, made from the customer's own words. Pure."""

from __future__ import annotations

from cairnloop_engine.drafting import followups
from cairnloop_engine.drafting.ports import CustomerTurn

QUERY_LENGTH = 500
SUBJECT_LENGTH = 120
# How far back a follow-up may look for its topic.
MESSAGES = 6
# How many messages in a row are taken as one question.
TOGETHER = 3

# Subjects that channels fill in by themselves say nothing about the question.
DEFAULT_SUBJECTS = frozenset(
    {
        "",
        "chat",
        "contact form",
        "conversation",
        "customer chat",
        "email",
        "help",
        "live chat",
        "message",
        "new chat",
        "new conversation",
        "new message",
        "no subject",
        "question",
        "support",
        "support request",
        "web chat",
        "website chat",
        "widget chat",
    }
)


def build_query(turn: CustomerTurn) -> str:
    """What the customer wants to know now, newest words first, within 500 characters.

    What was written since the last reply is one question. Where it does not stand on its own
    ("and on Android?"), the telling words of the question before it follow; where it does, an
    older topic stays out. A single message is the query as it stands. The subject leads while
    nobody has replied, unless a channel made it up or it only repeats a message.
    """
    messages = [_line(message) for message in turn.messages[:MESSAGES]]
    since = len(messages) if turn.unanswered is None else max(1, turn.unanswered)
    fresh = _distinct([message for message in messages[: min(since, TOGETHER)] if message])
    before = [message for message in messages[since:] if message]

    parts = followups.together(fresh)
    leans = not any(followups.is_complete(part) for part in parts)
    carried = followups.carried(parts, before) if leans and before else ""
    subject = _cut(_line(turn.subject or ""), SUBJECT_LENGTH)
    if (turn.unanswered is None or leans) and _tells(subject, [*parts, *before]):
        parts.insert(0, subject)
    if carried:
        parts.append(carried)
    return _fitted(parts)


def _fitted(parts: list[str]) -> str:
    chosen: list[str] = []
    room = QUERY_LENGTH
    for part in parts:
        piece = _cut(part, room)
        if not piece:
            break
        chosen.append(piece)
        room -= len(piece) + 1
        if room <= 0:
            break
    return "\n".join(chosen)


def _line(text: str) -> str:
    return " ".join(text.replace("\x00", " ").split())


def _distinct(parts: list[str]) -> list[str]:
    seen: set[str] = set()
    kept = []
    for part in parts:
        if part.casefold() not in seen:
            seen.add(part.casefold())
            kept.append(part)
    return kept


def _tells(subject: str, parts: list[str]) -> bool:
    plain = subject.casefold().strip(" .:!?()[]-#")
    if plain in DEFAULT_SUBJECTS:
        return False
    # A subject cut from a message ends in an ellipsis; what stands before it repeats.
    start = plain.rstrip("…").rstrip(". ")
    return not any(start in part.casefold() for part in parts)


def _cut(text: str, limit: int) -> str:
    """The text within the limit, at a word boundary where there is one."""
    if len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    head = text[: limit + 1]
    words = head.rsplit(" ", 1)[0] if " " in head else ""
    return (words or text[:limit]).strip()
