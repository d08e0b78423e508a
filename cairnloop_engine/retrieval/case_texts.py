"""What a resolved conversation tells as evidence: redacted, bounded, cut into passages. No IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile

from cairnloop_engine.conversations.model import Role
from cairnloop_engine.core.ids import MessageId
from cairnloop_engine.core.text import is_blank, redact, truncate
from cairnloop_engine.knowledge.chunking import Chunk, chunk
from cairnloop_engine.knowledge.markdown import Block, BlockKind, Document

ISSUE, RESOLUTION, ACTIONS = "Issue summary", "Resolution note", "Actions taken"
NOTHING_ASKED = "The customer did not ask anything in writing."

SUBJECT_LENGTH = 200
# A subject that is made of the customer's words is a line, not a letter.
LINE_LENGTH = 100
TEXT_LENGTH = 4_000
ACTION_LENGTH = 500
MOST_ACTIONS = 10
# Without governed actions, what an agent wrote before the last word stands for them.
MOST_EARLIER_ANSWERS = 3


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message that the customer wrote or saw."""

    message_id: MessageId
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class CaseText:
    """A resolved case as it is stored and found; nothing in it is personal any more."""

    subject: str
    issue_summary: str
    resolution_note: str
    actions_taken: tuple[str, ...]
    message_ids: tuple[MessageId, ...]

    @property
    def body(self) -> str:
        """Everything beside the subject that can be found by its words."""
        return "\n".join((self.issue_summary, self.resolution_note, *self.actions_taken))

    def passages(self) -> tuple[Chunk, ...]:
        """The passages in reading order, each under the name of its part."""
        prose = BlockKind.PROSE
        blocks = [
            Block(prose, self.issue_summary, (ISSUE,)),
            Block(prose, self.resolution_note, (RESOLUTION,)),
            *(Block(BlockKind.ITEM, action, (ACTIONS,)) for action in self.actions_taken),
        ]
        return chunk(Document(None, tuple(blocks)))


def tell(
    subject: str | None, spoken: Sequence[Spoken], actions: Sequence[str] = ()
) -> CaseText | None:
    """The case of a thread, oldest message first; None without an answer of an agent.

    The issue is what the customer wrote before our first answer, the resolution our last word.
    ``actions`` are what was done beside the words; without any, the answers before the last one
    tell what was tried.
    """
    said = [one for one in spoken if not is_blank(one.content)]
    answers = [one.content for one in said if one.role is Role.AGENT]
    if not answers:
        return None
    title = _kept(" ".join((subject or "").split()), SUBJECT_LENGTH)
    issue = _kept("\n".join(_opening(said)), TEXT_LENGTH)
    earlier = answers[:-1][-MOST_EARLIER_ANSWERS:]
    done = list(actions)[-MOST_ACTIONS:] or earlier
    return CaseText(
        subject=title or truncate(" ".join((issue or NOTHING_ASKED).split()), LINE_LENGTH),
        issue_summary=issue or title or NOTHING_ASKED,
        resolution_note=_kept(answers[-1], TEXT_LENGTH),
        actions_taken=tuple(dict.fromkeys(_kept(one, ACTION_LENGTH) for one in done)),
        message_ids=tuple(one.message_id for one in said),
    )


def _opening(said: Sequence[Spoken]) -> list[str]:
    """The customer's first words, up to our answer; a thread may begin with us."""
    theirs = dropwhile(lambda one: one.role is not Role.USER, said)
    return [one.content.strip() for one in takewhile(lambda one: one.role is Role.USER, theirs)]


def _kept(text: str, limit: int) -> str:
    # Redacted before it is cut: half an address is not recognised.
    return truncate(redact(text).strip(), limit)
