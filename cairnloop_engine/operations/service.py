"""What a person does with a job that was put aside: run it again as a new one, or give it up."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.audit.service import record
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.dead_letters import DeadLetterRow
from cairnloop_engine.core.errors import Conflict, Invalid, NotFound
from cairnloop_engine.core.jobs import Job
from cairnloop_engine.core.text import is_blank, storable
from cairnloop_engine.operations import queries

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Redriven:
    """The new job, and the dead letter that it came from."""

    dead_letter_id: int
    job_id: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """The dead letter that was given up."""

    dead_letter_id: int


async def redrive(work: Work, letter_id: int) -> Redriven:
    """Enqueue the job anew with the same arguments; each knows of the other.

    A debounced job carries the generation that it was asked for, and stands down by itself when
    a newer request was answered meanwhile.
    """
    letter = await _waiting(work, letter_id)
    job_id = await work.enqueue(Job(letter.task, letter.args))
    letter.redriven_at = work.now
    letter.redriven_by = work.actor.id
    letter.new_job_id = job_id
    await record(
        work,
        "operations.job_redriven",
        subject=("dead_letter", letter.id),
        task=letter.task,
        reason=letter.reason.value,
        job_id=letter.job_id,
        new_job_id=job_id,
    )
    return Redriven(letter.id, job_id)


async def drop(work: Work, letter_id: int, reason: str) -> Dropped:
    """Give the job up; it stays readable for a while, with who did it and why."""
    if is_blank(reason):
        raise Invalid("reason_missing", "A reason is required; say in a few words why.")
    if len(reason) > LONGEST_REASON:
        raise Invalid(
            "reason_too_long",
            f"A reason has at most {LONGEST_REASON} characters.",
            limit=LONGEST_REASON,
        )
    letter = await _waiting(work, letter_id)
    letter.dropped_at = work.now
    letter.dropped_by = work.actor.id
    letter.drop_reason = storable(reason.strip())
    await record(
        work,
        "operations.job_dropped",
        subject=("dead_letter", letter.id),
        personal={"reason": letter.drop_reason},
        task=letter.task,
        job_id=letter.job_id,
    )
    return Dropped(letter.id)


async def _waiting(work: Work, letter_id: int) -> DeadLetterRow:
    letter = await queries.lock_dead_letter(work, letter_id)
    if letter is None:
        raise NotFound("dead_letter_not_found", "There is no dead letter of that number.")
    if letter.redriven_at is not None:
        raise Conflict(
            "dead_letter_settled",
            f"It was run again already, as job {letter.new_job_id}, by {letter.redriven_by}.",
            job_id=letter.new_job_id,
            by=letter.redriven_by,
        )
    if letter.dropped_at is not None:
        raise Conflict(
            "dead_letter_settled", f"It was dropped by {letter.dropped_by}.", by=letter.dropped_by
        )
    return letter
