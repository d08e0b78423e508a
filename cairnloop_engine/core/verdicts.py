"""What becomes of a job whose run did not end well. No IO in this module."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cairnloop_engine.core.errors import CairnloopError, Unavailable, UnknownOutcome
from cairnloop_engine.core.jobs import UNAVAILABLE_RETRIES, TaskSpec
from cairnloop_engine.core.redaction import redact
from cairnloop_engine.core.text import safe

# A job that keeps killing its worker is put aside, visibly, when it was rescued this often.
MOST_RESCUES = 8
LONGEST_WAIT_S = 60.0
LONGEST_TEXT = 200


class Trouble(StrEnum):
    """Why a run did not finish its job; each kind has a budget of its own."""

    ERROR = "error"
    OUTAGE = "outage"
    RESCUE = "rescue"


class Reason(StrEnum):
    """Why a job was put aside as a dead letter."""

    FAILED = "failed"
    OUTAGE = "outage"
    STRANDED = "stranded"
    TASK_UNKNOWN = "task_unknown"
    UNKNOWN_OUTCOME = "unknown_outcome"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in a run, in words that hold no body and no secret."""

    trouble: Trouble
    reason: Reason
    error_type: str
    error_text: str
    retry_after_s: float = 0.0

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Read an error; of one that is not ours only its type and its place are kept."""
        if not isinstance(error, CairnloopError):
            return cls(Trouble.ERROR, Reason.FAILED, type(error).__name__, _place(error))
        words = safe(redact(error.message), limit=LONGEST_TEXT)
        if isinstance(error, Unavailable):
            wait = error.retry_after or 0.0
            return cls(Trouble.OUTAGE, Reason.OUTAGE, error.code, words, wait)
        if isinstance(error, UnknownOutcome):
            return cls(Trouble.ERROR, Reason.UNKNOWN_OUTCOME, error.code, words)
        return cls(Trouble.ERROR, Reason.FAILED, error.code, words)


# A worker of another release may know the task: waited for like a dependency that is away.
TASK_UNKNOWN = Failure(
    Trouble.OUTAGE, Reason.TASK_UNKNOWN, "task_unknown", "This worker has no task of that name."
)
# The run's owner died, was cut off, or does not know the run.
STRANDED = Failure(
    Trouble.RESCUE, Reason.STRANDED, "run_lost", "Its worker did not bring the run to an end."
)


@dataclass(frozen=True, slots=True)
class History:
    """How often a job met each kind of trouble, the present time included."""

    errors: int = 0
    outages: int = 0
    rescues: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """Back into the queue, due after this many seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Dead:
    """Put aside for a person."""

    reason: Reason


def judge(
    failure: Failure, history: History, *, retries: int, outage_retries: int, jitter: float
) -> Again | Dead:
    """Whether a job that met trouble runs again. ``jitter`` spreads a herd: about 0.5 to 1.5."""
    if failure.reason is Reason.UNKNOWN_OUTCOME:
        return Dead(failure.reason)
    match failure.trouble:
        case Trouble.ERROR:
            met, allowed = history.errors, retries
        case Trouble.OUTAGE:
            met, allowed = history.outages, outage_retries
        case Trouble.RESCUE:
            met, allowed = history.rescues, MOST_RESCUES - 1
    if met > allowed:
        return Dead(failure.reason)
    if failure.trouble is Trouble.RESCUE:
        return Again(0.0)
    wait = min(LONGEST_WAIT_S, 2.0 ** min(met - 1, 6)) * jitter
    return Again(max(wait, failure.retry_after_s))


def budgets(spec: TaskSpec | None) -> tuple[int, int]:
    """How often a task is tried again after errors and after outages."""
    if spec is None:
        # Nothing is known of it here; what it is waited for is a worker that knows it.
        return 0, UNAVAILABLE_RETRIES
    return spec.retries, spec.outage_retries


def _place(error: BaseException) -> str:
    """Where it was raised; its own text may hold what a customer wrote."""
    trace = error.__traceback__
    place = "no place is known"
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "?")
        place = f"in {module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return safe(place, limit=LONGEST_TEXT)
