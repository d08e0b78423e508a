"""What a host writes: a tool, its typed input, its risk, and the kinds of result it may have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from cairnloop_engine.core.actors import Actor
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.governance.model import DERIVED_MODE, ApprovalMode, RiskTier, Target, ToolSpec

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
LONGEST_TIMEOUT = timedelta(minutes=10)


class ToolInput(BaseModel):
    """The base of every tool's input: unknown fields are refused, values are never coerced twice.

    Mark a field that must never be shown with ``json_schema_extra={"sensitive": True}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


InputT = TypeVar("InputT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Asker:
    """In whose name a tool is asked for: what ``authorize`` may look at."""

    actor: Actor
    scopes: frozenset[str]
    workspace: str
    account_id: str | None
    conversation_id: int | None
    origin: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of ``authorize``. ``code`` is a stable word, ``text`` a sentence for people."""

    allowed: bool
    code: str = ""
    text: str = ""


ALLOWED = Verdict(True)


def denied(code: str, text: str = "") -> Verdict:
    """A refusal by the tool's own policy."""
    return Verdict(False, code, text)


@dataclass(frozen=True, slots=True)
class Run:
    """One call of a tool.

    ``run_key`` is the same for every attempt of this action: hand it to the target as its
    idempotency key. ``attempt`` counts from 1.
    """

    run_key: str
    attempt: int
    asker: Asker
    approved_by: str


@dataclass(frozen=True, slots=True)
class Done:
    """The effect happened. ``summary`` is a sentence for people, ``facts`` what can be referred to.

    Never put a secret in either: both are kept and shown.
    """

    summary: str | None = None
    facts: JsonObject = field(default_factory=dict)


class Transient(Exception):
    """No effect happened, and trying again later may help."""


class Permanent(Exception):
    """No effect happened, and trying again cannot help."""


class Unknown(Exception):
    """The effect may or may not have happened. Any other exception means the same."""


class Trace(StrEnum):
    """What the target knows of a run key."""

    CONFIRMED = "confirmed"
    ABSENT = "absent"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The target's answer about a run key. ``ABSENT`` promises that no effect happened or will."""

    trace: Trace
    done: Done = field(default_factory=Done)


class Tool(Generic[InputT]):
    """An action that can be proposed, approved and run at most once.

    Declare ``Input``, ``title``, ``description``, ``risk_tier`` and implement ``authorize`` and
    ``run``. ``version`` is part of what an approval binds: raise it when ``run`` changes meaning.

    ``idempotent`` promises that the target does nothing the second time it sees the same run key;
    only then is an attempt with an unknown outcome run again by itself. Implementing
    ``reconcile`` lets the engine ask instead. With neither, a person settles an unknown outcome.

    Raises:
        TypeError: at the definition of the class, naming what is wrong with the declaration.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    risk_tier: ClassVar[RiskTier]
    approval_mode: ClassVar[ApprovalMode | None] = None
    scopes: ClassVar[frozenset[str]] = frozenset()
    idempotent: ClassVar[bool] = False
    timeout: ClassVar[timedelta] = timedelta(seconds=30)
    Input: ClassVar[type[BaseModel]]
    spec: ClassVar[ToolSpec]

    def __init_subclass__(cls, *, abstract: bool = False, **attributes: Any) -> None:
        super().__init_subclass__(**attributes)
        if not abstract:
            cls.spec = _specified(cls)

    def authorize(self, given: InputT, asker: Asker) -> Verdict:
        """Whether this asker may have this done. Asked when proposed and again before running.

        Denies unless overridden. Anything but an allowing verdict, also an exception, denies.
        """
        return denied("no_policy_defined", "The tool has no policy, so nobody may use it.")

    def preview(self, given: InputT) -> str | None:
        """What will happen, in a sentence. Pure: it is part of what the approval binds."""
        return None

    async def targets(self, given: InputT, asker: Asker) -> Sequence[Target]:
        """The things that the action is about, with their current revisions.

        Called with no transaction open. When a revision changes after the approval, the action
        goes back to the person instead of running.
        """
        return ()

    def business_key(self, given: InputT) -> str | None:
        """What makes requests of different people the same, such as ``refund:order-17``."""
        return None

    async def run(self, given: InputT, run: Run) -> Done:
        """Bring about the effect, keyed on ``run.run_key``. Called with no transaction open.

        Raise :class:`Transient` or :class:`Permanent` only when no effect happened. Any other
        exception, a timeout and a dying process count as an unknown outcome.
        """
        raise Permanent("The tool has nothing to run.")

    async def reconcile(self, run_key: str) -> Reconciled:
        """Ask the target what became of a run key. Override it when the target can tell."""
        return Reconciled(Trace.UNCLEAR)


class TransactionalTool(Tool[InputT], abstract=True):
    """A tool whose effect is rows of this database: effect and record commit together.

    Its effect happens exactly once; nothing of it can be unknown.
    """

    def writes_in(self, given: InputT) -> Collection[int]:
        """The conversations in which it writes: they are locked first, for all in one order."""
        return ()

    async def run_within(self, work: Work, given: InputT, run: Run) -> Done:
        """Write the effect in the Work that records the outcome; raise only :class:`Permanent`."""
        raise Permanent("The tool has nothing to run.")


def _specified(cls: type[Tool[Any]]) -> ToolSpec:
    tier = _word(cls, "risk_tier", RiskTier, required=True)
    declared = _word(cls, "approval_mode", ApprovalMode, required=False)
    name = getattr(cls, "name", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TypeError(
            f"{cls.__name__}: invalid name {name!r}; use 1 to 64 of a-z, 0-9 and _, "
            "beginning with a letter"
        )
    given = getattr(cls, "Input", None)
    if not (inspect.isclass(given) and issubclass(given, BaseModel)):
        raise TypeError(f"{cls.__name__}: Input must be a pydantic model")
    if not getattr(cls, "title", "").strip():
        raise TypeError(f"{cls.__name__}: a title that people can read is missing")
    scopes: object = cls.scopes
    if isinstance(scopes, str):
        raise TypeError(f"{cls.__name__}: scopes must be a set of names, not one text")
    for hook in ("run", "targets", "reconcile", "run_within"):
        if not inspect.iscoroutinefunction(getattr(cls, hook, Tool.run)):
            raise TypeError(f"{cls.__name__}: {hook} must be an async function")
    if not timedelta(0) < cls.timeout <= LONGEST_TIMEOUT:
        raise TypeError(f"{cls.__name__}: timeout must lie between 0 and {LONGEST_TIMEOUT}")
    return ToolSpec(
        name=name,
        version=str(cls.version),
        title=cls.title.strip(),
        description=cls.description.strip(),
        risk_tier=RiskTier(tier),
        approval_mode=declared or DERIVED_MODE.get(RiskTier(tier), ApprovalMode.ALWAYS_BLOCK),
        declared_mode=declared,
        scopes=frozenset(cls.scopes),
        idempotent=bool(cls.idempotent),
        reconciles=cls.reconcile is not Tool.reconcile,
        transactional=issubclass(cls, TransactionalTool),
        timeout=cls.timeout,
    )


def _word(cls: type[Any], attribute: str, words: type[StrEnum], *, required: bool) -> Any:
    value = getattr(cls, attribute, None)
    if value is None and not required:
        return None
    try:
        return words(str(value))
    except ValueError:
        allowed = ", ".join(word.value for word in words)
        raise TypeError(
            f"{cls.__name__}: invalid {attribute} {value!r}; allowed: {allowed}"
        ) from None
