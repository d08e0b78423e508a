"""The gates that every action passes, in their fixed order, each time that it matters.

They run before anything is locked: when an action is proposed, again when it was approved, and
again right before it runs, each time with the rights, revisions and rules of that moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cairnloop_engine.core.actors import Actor
from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.core.errors import Invalid, JsonObject
from cairnloop_engine.core.text import humanise, is_blank, safe, storable
from cairnloop_engine.governance import hostcode
from cairnloop_engine.governance.hostcode import Seam
from cairnloop_engine.governance.model import (
    ApprovalMode,
    Call,
    GovernanceConfig,
    Origin,
    ProposalStatus,
    Reason,
    Target,
    canonical,
    digest,
)
from cairnloop_engine.governance.ports import DecisionAsked, IdentityProvider
from cairnloop_engine.governance.registry import Registry, Resolution, resolve
from cairnloop_engine.governance.tools import Asker, Tool, Verdict, denied

LONGEST_PREVIEW = 2_000
LONGEST_KEY = 500
DEEPEST_INPUT = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done, as it came in."""

    tool: str
    input: JsonObject
    actor: Actor
    workspace: str
    origin: Origin
    account_id: str | None = None
    conversation_id: int | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """A registered tool was asked for and a gate stopped it; this is worth a row."""

    tool: Tool[Any]
    resolution: Resolution
    status: ProposalStatus
    reason: Reason
    input: JsonObject
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Passed:
    """Every gate let it through: the exact call, ready to be bound by an approval."""

    tool: Tool[Any]
    resolution: Resolution
    typed: Any
    call: Call
    asker: Asker
    business_key: str | None


@dataclass(frozen=True, slots=True)
class Gates:
    """Judges wishes; asks host code and the identity provider, never the database."""

    registry: Registry
    identity: IdentityProvider
    config: GovernanceConfig

    async def judge(self, wish: Wish) -> Passed | Blocked | None:
        """Pass a wish through the gates; None means that no such tool is registered.

        The order is the precedence: registered, input, scopes, the tool's policy, the mode.

        Raises:
            Invalid: ``input_too_large``.
            Unavailable: ``identity_unavailable`` or ``targets_unavailable``.
        """
        assert_no_transaction("the gates")
        tool = self.registry.find(wish.tool)
        if tool is None:
            return None
        given = self._storable(wish.input)
        resolution = resolve(tool.spec, self.config)
        typed = _typed(tool, given)
        kept = typed if isinstance(typed, Reason) else _kept(tool, typed)
        if isinstance(kept, Reason):
            return Blocked(tool, resolution, ProposalStatus.NEEDS_INPUT, kept, given, frozenset())
        scopes = await self.scopes_of(wish.actor, wish.workspace)
        asker = Asker(
            wish.actor,
            scopes,
            wish.workspace,
            wish.account_id,
            wish.conversation_id,
            wish.origin.value,
        )
        stopped = _stopped(tool, resolution, typed, asker)
        if stopped is not None:
            return Blocked(tool, resolution, *stopped, kept, scopes)
        business_key = _business_key(tool, typed)
        if isinstance(business_key, Reason):
            status = ProposalStatus.POLICY_DENIED
            return Blocked(tool, resolution, status, business_key, kept, scopes)
        targets = await self._targets(tool, typed, asker)
        call = Call(
            workspace=wish.workspace,
            tool=tool.spec.name,
            version=tool.spec.version,
            input=kept,
            targets=targets,
            policy=resolution.revision,
            asker=f"{wish.actor.kind.value}:{wish.actor.id}",
            account_id=wish.account_id,
            conversation_id=wish.conversation_id,
            title=tool.spec.title,
            consequence=preview(tool, typed),
        )
        return Passed(tool, resolution, typed, call, asker, business_key)

    async def scopes_of(self, actor: Actor, workspace: str) -> frozenset[str]:
        """The scopes that an actor holds now.

        Raises:
            Unavailable: ``identity_unavailable``.
        """
        held: object = await hostcode.asked(
            lambda: self.identity.scopes(actor, workspace),
            within=self._patience,
            seam=Seam.IDENTITY,
        )
        if isinstance(held, str) or not isinstance(held, Collection):
            # Not an answer: a single word would be read letter by letter.
            return frozenset()
        return frozenset(str(one) for one in held if isinstance(one, str))

    async def may_decide(self, operator: Actor, asked: DecisionAsked) -> bool:
        """Whether the identity provider lets this operator decide.

        Raises:
            Unavailable: ``identity_unavailable``.
        """
        answer: object = await hostcode.asked(
            lambda: self.identity.may_decide(operator, asked),
            within=self._patience,
            seam=Seam.IDENTITY,
        )
        return answer is True

    @property
    def _patience(self) -> float:
        return self.config.seam_timeout.total_seconds()

    async def _targets(self, tool: Tool[Any], typed: Any, asker: Asker) -> tuple[Target, ...]:
        async def look_up() -> tuple[Target, ...]:
            found: object = await tool.targets(typed, asker)
            return tuple(sorted(_checked(found), key=lambda one: (one.kind, one.id)))

        return await hostcode.asked(
            look_up,
            within=self._patience,
            seam=Seam.TARGETS,
        )

    def _storable(self, given: JsonObject) -> JsonObject:
        """The input with nothing in it that the database could not keep.

        Raises:
            Invalid: ``input_invalid`` or ``input_too_large``.
        """
        try:
            cleaned = _cleaned(given, depth=0)
            size = len(canonical(cleaned).encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise Invalid(
                "input_invalid", "The input must be a JSON object of plain values."
            ) from error
        if size > self.config.most_input_bytes:
            raise Invalid(
                "input_too_large",
                f"The input has {size} bytes; {self.config.most_input_bytes} are allowed.",
                limit=self.config.most_input_bytes,
            )
        if not isinstance(cleaned, dict):
            raise Invalid("input_invalid", "The input must be a JSON object of plain values.")
        return cleaned


def preview(tool: Tool[Any], typed: Any) -> str | None:
    """The tool's own sentence about what will happen; a broken preview is no sentence."""
    told: object = hostcode.attempted(tool, "preview", lambda: tool.preview(typed))
    if not isinstance(told, str) or is_blank(told):
        return None
    return safe(told, multiline=True, limit=LONGEST_PREVIEW)


def _checked(found: object) -> list[Target]:
    """The targets that a tool named, with nothing in them that could not be bound.

    Raises:
        TypeError: it named something else.
    """
    if not isinstance(found, Iterable):
        raise TypeError("targets must be a sequence of Target")
    targets = []
    for one in found:
        if not isinstance(one, Target):
            raise TypeError("targets must be a sequence of Target")
        targets.append(Target(*(storable(str(part)) for part in (one.kind, one.id, one.revision))))
    return targets


def _typed(tool: Tool[Any], given: JsonObject) -> Any:
    """The typed input, or the reason why it is none."""

    def typed() -> Any:
        try:
            return tool.Input.model_validate(given)
        except ValidationError as error:
            return _wrong(error)

    found = hostcode.attempted(tool, "Input", typed)
    # A validator of the host's failed in its own way; its words may hold the input.
    if found is None:
        return Reason("input_invalid", "The tool could not check this input.")
    return found


def _wrong(error: ValidationError) -> Reason:
    """Which fields are wrong and why, without their values."""
    wrong: dict[str, list[str]] = {}
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in one["loc"]) or "input"
        wrong.setdefault(safe(field, limit=80), []).append(safe(one["msg"], limit=200))
    text = "; ".join(f"{field}: {', '.join(said)}" for field, said in wrong.items())
    fields: JsonObject = {field: [*said] for field, said in wrong.items()}
    return Reason("input_invalid", safe(text, limit=2_000), {"fields": fields})


def _kept(tool: Tool[Any], typed: Any) -> JsonObject | Reason:
    """The typed input as it is stored and bound; read back, it has to be the same again.

    A tool that hides or changes a value on the way out would otherwise run with something else
    than what was approved.
    """

    def kept() -> JsonObject | None:
        stored = _cleaned(typed.model_dump(mode="json", by_alias=True), depth=0)
        digest(stored)
        return stored if tool.Input.model_validate(stored) == typed else None

    found = hostcode.attempted(tool, "Input", kept)
    if found is not None:
        return found
    return Reason(
        "input_unstable",
        "The tool cannot keep this input exactly as it was given, so nobody could approve it.",
    )


def _stopped(
    tool: Tool[Any], resolution: Resolution, typed: Any, asker: Asker
) -> tuple[ProposalStatus, Reason] | None:
    missing = sorted(tool.spec.scopes - asker.scopes)
    if missing:
        names = ", ".join(missing)
        return ProposalStatus.SCOPE_INVALID, Reason(
            "missing_scopes", f"Missing rights: {names}.", {"scopes": [*missing]}
        )
    verdict = _authorized(tool, typed, asker)
    if not verdict.allowed:
        code = verdict.code or "denied"
        return ProposalStatus.POLICY_DENIED, Reason(
            code, safe(verdict.text, limit=500) or humanise(code)
        )
    if resolution.mode is ApprovalMode.ALWAYS_BLOCK:
        return ProposalStatus.POLICY_DENIED, Reason(
            "always_blocked",
            "Actions of this kind are always blocked here; nobody can approve them.",
        )
    return None


def _authorized(tool: Tool[Any], typed: Any, asker: Asker) -> Verdict:
    """The tool's verdict; anything that is not clearly a yes is a no."""
    verdict: object = hostcode.attempted(tool, "authorize", lambda: tool.authorize(typed, asker))
    if not isinstance(verdict, Verdict) or not isinstance(verdict.allowed, bool):
        return denied("policy_error", "The tool's policy gave no clear answer, so it counts as no.")
    return Verdict(verdict.allowed, _word(verdict.code), _word(verdict.text))


def _word(said: object) -> str:
    return safe(said, limit=500) if isinstance(said, str) else ""


def _business_key(tool: Tool[Any], typed: Any) -> str | Reason | None:
    """What makes equal requests one; None when the tool has no such thing."""

    def key() -> tuple[str | None]:
        found: object = tool.business_key(typed)
        if found is None:
            return (None,)
        if not isinstance(found, str) or is_blank(found):
            raise TypeError("a business key is a text")
        told = storable(found)
        # An index holds no more; two long keys must not become one by being cut.
        return (told if len(told) <= LONGEST_KEY else digest(told),)

    answered = hostcode.attempted(tool, "business_key", key)
    return _NO_CLEAR_KEY if answered is None else answered[0]


_NO_CLEAR_KEY = Reason(
    "policy_error", "The tool could not say what makes requests the same, so it counts as no."
)


def _cleaned(value: Any, *, depth: int) -> Any:
    if depth > DEEPEST_INPUT:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {
            storable(str(key)): _cleaned(inner, depth=depth + 1) for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_cleaned(inner, depth=depth + 1) for inner in value]
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError("not a plain value")
