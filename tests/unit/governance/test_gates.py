"""The gates: a fixed order, host code that may do anything, and never a yes by accident."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from cairnloop_engine import Invalid, RiskTier, Tool, ToolInput, Unavailable
from cairnloop_engine.core.actors import Actor
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.governance.gates import Blocked, Gates, Passed, Wish
from cairnloop_engine.governance.model import (
    ApprovalMode,
    GovernanceConfig,
    Origin,
    ProposalStatus,
    Target,
    canonical,
)
from cairnloop_engine.governance.registry import Registry
from cairnloop_engine.governance.tools import ALLOWED, Asker, Verdict, denied


class Order(ToolInput):
    order: str = Field(min_length=1)
    amount: Decimal = Field(gt=0)


class Plain(Tool[Any]):
    name = "refund"
    title = "Refund an order"
    risk_tier = RiskTier.HIGH_WRITE
    scopes = frozenset({"billing"})
    Input = Order

    def authorize(self, given: Any, asker: Asker) -> Verdict:
        return ALLOWED


GIVEN: JsonObject = {"order": "A-17", "amount": "82.00"}


@dataclass
class Directory:
    answer: object = frozenset({"billing"})

    async def scopes(self, actor: Actor, workspace: str) -> Any:
        return self._told()

    async def may_decide(self, operator: Actor, asked: object) -> Any:
        return self._told()

    def _told(self) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def judged(
    tool: type[Tool[Any]] = Plain,
    given: Any = GIVEN,
    *,
    name: str = "refund",
    held: object = frozenset({"billing"}),
    config: GovernanceConfig | None = None,
) -> Passed | Blocked | None:
    """One wish through the gates; no database is anywhere near."""
    config = config or GovernanceConfig(seam_timeout=timedelta(seconds=0.05))
    gates = Gates(Registry.of([tool]), Directory(held), config)
    return await gates.judge(
        Wish(name, given, Actor.operator("maya"), "default", Origin.OPERATOR, "acme", 7)
    )


async def blocked(*arguments: Any, **named: Any) -> Blocked:
    found = await judged(*arguments, **named)
    assert isinstance(found, Blocked)
    return found


def tool(base: type[Tool[Any]] = Plain, **attributes: Any) -> type[Tool[Any]]:
    return type("Odd", (base,), attributes)


def raising(error: BaseException) -> Callable[..., Any]:
    def fails(*_: object) -> Any:
        raise error

    return fails


def answering(value: object) -> Callable[..., Any]:
    return lambda *_: value


@pytest.mark.requirement("02-governance:18")
@pytest.mark.requirement("02-governance:24")
async def test_an_unknown_tool_is_nothing_whatever_else_is_wrong() -> None:
    assert await judged(given={"order": 5}, name="wipe", held=frozenset()) is None
    assert await judged(given="rubbish", name="wipe") is None


@pytest.mark.requirement("02-governance:19")
async def test_a_missing_field_needs_input_and_says_which() -> None:
    found = await blocked(given={"amount": "1"}, held=frozenset())

    assert found.status is ProposalStatus.NEEDS_INPUT
    assert found.reason.code == "input_invalid"
    assert found.reason.details == {"fields": {"order": ["Field required"]}}
    assert found.reason.text == "order: Field required"


@pytest.mark.requirement("02-governance:20")
@pytest.mark.requirement("02-governance:21")
async def test_missing_rights_are_named_and_stop_before_the_tool_s_policy() -> None:
    found = await blocked(tool(authorize=raising(AssertionError())), held=frozenset({"other"}))

    assert found.status is ProposalStatus.SCOPE_INVALID
    assert (found.reason.code, found.reason.details) == ("missing_scopes", {"scopes": ["billing"]})


@pytest.mark.requirement("02-governance:22")
async def test_a_denying_policy_is_heard_with_its_own_reason() -> None:
    found = await blocked(tool(authorize=answering(denied("too_much", "That is too much."))))

    assert found.status is ProposalStatus.POLICY_DENIED
    assert (found.reason.code, found.reason.text) == ("too_much", "That is too much.")


@pytest.mark.requirement("02-governance:23")
async def test_what_passes_every_gate_comes_with_everything_that_an_approval_binds() -> None:
    found = await judged()

    assert isinstance(found, Passed)
    assert found.resolution.mode is ApprovalMode.REQUIRES_APPROVAL
    assert found.asker.scopes == {"billing"}
    assert found.call.as_json() == {
        "workspace": "default",
        "tool": "refund",
        "version": "1",
        "input": {"order": "A-17", "amount": "82.00"},
        "targets": [],
        "policy": found.resolution.revision,
        "asker": "operator:maya",
        "account": "acme",
        "conversation": 7,
        "title": "Refund an order",
        "consequence": None,
    }


async def test_the_last_gate_is_the_mode() -> None:
    config = GovernanceConfig(overrides={RiskTier.HIGH_WRITE: ApprovalMode.ALWAYS_BLOCK})

    assert (await blocked(config=config)).reason.code == "always_blocked"
    too_much = await blocked(tool(authorize=answering(denied("too_much"))), config=config)
    assert (too_much.reason.code, too_much.reason.text) == ("too_much", "Too much")


@pytest.mark.parametrize(
    "policy",
    [
        raising(RuntimeError("secret-4711")),
        answering(None),
        answering(True),
        answering("yes"),
        answering(Verdict("yes")),  # type: ignore[arg-type]
        answering(Verdict(1)),  # type: ignore[arg-type]
        answering(denied(None, None)),  # type: ignore[arg-type]
        answering(denied("\x00" * 9, "\ud800" * 9)),
    ],
)
async def test_a_policy_that_answers_rubbish_denies(
    policy: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    found = await blocked(tool(authorize=policy))

    assert found.status is ProposalStatus.POLICY_DENIED
    assert found.reason.code
    canonical({"code": found.reason.code, "text": found.reason.text}).encode()
    assert "4711" not in found.reason.text + caplog.text


@pytest.mark.parametrize(
    "answer", [ConnectionError("away"), TimeoutError(), Invalid("odd", "Odd."), ValueError()]
)
async def test_rights_that_cannot_be_asked_for_allow_nothing_and_can_be_asked_again(
    answer: Exception,
) -> None:
    with pytest.raises(Unavailable) as refused:
        await judged(held=answer)
    assert refused.value.code == "identity_unavailable"


@pytest.mark.parametrize("answer", [None, "billing", 7, [7, None], True, {1: 2}.values()])
async def test_rights_that_are_rubbish_are_no_rights(answer: object) -> None:
    assert (await blocked(held=answer)).status is ProposalStatus.SCOPE_INVALID


@pytest.mark.parametrize("answer", ["yes", 1, None, {"allowed": True}, []])
async def test_only_a_plain_yes_lets_somebody_decide(answer: object) -> None:
    gates = Gates(Registry.of([Plain]), Directory(answer), GovernanceConfig())

    assert await gates.may_decide(Actor.operator("noah"), None) is False  # type: ignore[arg-type]


async def _never(*_: object) -> Any:
    await asyncio.Event().wait()


async def _fails(*_: object) -> Any:
    raise KeyError("secret")


async def _refuses(*_: object) -> Any:
    raise Invalid("their_code", "Their words.")


def _async(value: object) -> Callable[..., Any]:
    async def answer(*_: object) -> Any:
        return value

    return answer


@pytest.mark.parametrize(
    "targets",
    [_never, _fails, _refuses, _async(None), _async(5), _async(["A-17"]), _async([("order", "A")])],
)
async def test_targets_that_cannot_be_looked_up_postpone(targets: Callable[..., Any]) -> None:
    with pytest.raises(Unavailable) as refused:
        await judged(tool(targets=targets))
    assert refused.value.code == "targets_unavailable"


async def test_targets_are_bound_in_one_order_and_as_plain_text() -> None:
    found = [Target("order", "B", "2"), Target("order", "A\x00", 3)]  # type: ignore[arg-type]

    passed = await judged(tool(targets=_async(found)))

    assert isinstance(passed, Passed)
    assert [(one.id, one.revision) for one in passed.call.targets] == [("A\ufffd", "3"), ("B", "2")]


@pytest.mark.requirement("02-governance:102")
@pytest.mark.requirement("02-governance:103")
@pytest.mark.parametrize(
    "preview",
    [raising(RuntimeError("secret")), answering(None), answering(5), answering(" "), answering("")],
)
async def test_a_broken_preview_is_no_sentence_and_no_obstacle(preview: Callable[..., Any]) -> None:
    passed = await judged(tool(preview=preview))

    assert isinstance(passed, Passed)
    assert passed.call.consequence is None


@pytest.mark.parametrize("key", [raising(RuntimeError()), answering(5), answering(" ")])
async def test_a_business_key_that_is_rubbish_counts_as_no(key: Callable[..., Any]) -> None:
    found = await blocked(tool(business_key=key))

    assert (found.status, found.reason.code) == (ProposalStatus.POLICY_DENIED, "policy_error")


async def test_two_long_business_keys_stay_two() -> None:
    keys = set()
    for end in ("a", "b"):
        passed = await judged(tool(business_key=answering("x" * 5000 + end)))
        assert isinstance(passed, Passed)
        keys.add(passed.business_key)

    assert len(keys) == 2


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        "text",
        {"order": float("nan")},
        {"order": float("inf")},
        {"order": b"bytes"},
        {"order": {1, 2}},
        {"order": 10**5000},
    ],
)
async def test_what_is_no_plain_json_is_refused(given: object) -> None:
    with pytest.raises(Invalid) as refused:
        await judged(given=given)
    assert refused.value.code == "input_invalid"


async def test_deep_and_large_inputs_are_refused() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = {"a": deep}
    looped: dict[str, Any] = {}
    looped["self"] = looped
    for given in (deep, looped):
        with pytest.raises(Invalid) as refused:
            await judged(given=given)
        assert refused.value.code == "input_invalid"
    with pytest.raises(Invalid) as refused:
        await judged(given={"order": "x" * 64_001})
    assert refused.value.code == "input_too_large"


async def test_what_postgres_cannot_hold_is_replaced_before_anybody_sees_it() -> None:
    passed = await judged(given={"order": "a\x00\ud800b", "amount": "1"})

    assert isinstance(passed, Passed)
    assert passed.typed.order == passed.call.input["order"] == "a\ufffd\ufffdb"


class Odd(BaseModel):
    """Inputs whose stored form is not what was given."""

    model_config = ConfigDict(populate_by_name=False)
    secret: SecretStr = SecretStr("")
    ratio: float = 0.0
    text: str = ""

    @field_validator("text")
    @classmethod
    def _grows(cls, value: str) -> str:
        if value == "boom":
            raise ZeroDivisionError("secret-4711")
        return value + "!" if value else value


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"secret": "4711"}, "input_unstable"),
        ({"ratio": "inf"}, "input_unstable"),
        ({"ratio": "nan"}, "input_unstable"),
        ({"text": "hi"}, "input_unstable"),
        ({"text": "boom"}, "input_invalid"),
    ],
)
async def test_an_input_that_cannot_be_kept_as_it_was_given_can_never_be_approved(
    given: JsonObject, code: str
) -> None:
    found = await blocked(tool(Input=Odd), given)

    assert (found.status, found.reason.code) == (ProposalStatus.NEEDS_INPUT, code)
    assert "4711" not in found.reason.text


async def test_an_input_with_aliases_is_kept_under_the_names_it_is_read_by() -> None:
    class Aliased(ToolInput):
        order_id: str = Field(alias="orderId")

    passed = await judged(tool(Input=Aliased), {"orderId": "A-17"})

    assert isinstance(passed, Passed)
    assert passed.call.input == {"orderId": "A-17"}


async def test_a_tool_without_any_input_can_be_asked_for() -> None:
    assert isinstance(await judged(tool(Input=ToolInput), {}), Passed)
