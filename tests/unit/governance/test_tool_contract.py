"""What a tool declares: checked when its class is defined and when the engine is put together."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from cairnloop_engine import Done, Misconfigured, RiskTier, Run, Tool, ToolInput, Verdict
from cairnloop_engine.core.actors import Actor
from cairnloop_engine.governance.masking import marked_fields
from cairnloop_engine.governance.model import DERIVED_MODE, ApprovalMode, ToolSpec
from cairnloop_engine.governance.registry import Registry
from cairnloop_engine.governance.tools import ALLOWED, Asker, TransactionalTool

MAYA = Asker(Actor.operator("maya"), frozenset(), "default", None, None, "operator")


class Nothing(ToolInput):
    pass


def declared(base: type[Any] = Tool, **attributes: Any) -> type[Tool[Any]]:
    """A tool class as a host would write it, with these attributes."""
    body = {
        "name": "greet",
        "title": "Greet",
        "description": "Says hello.",
        "risk_tier": RiskTier.LOW_WRITE,
        "Input": Nothing,
    }
    return type("Greet", (base,), {**body, **attributes})


@pytest.mark.requirement("02-governance:1")
@pytest.mark.parametrize("tier", ["extreme", "", None, 3])
def test_an_unknown_risk_tier_fails_when_the_tool_is_defined(tier: object) -> None:
    with pytest.raises(TypeError, match=r"invalid risk_tier.*read_only, low_write, high_write"):
        declared(risk_tier=tier)


@pytest.mark.requirement("02-governance:2")
def test_an_unknown_approval_mode_fails_when_the_tool_is_defined() -> None:
    with pytest.raises(TypeError, match=r"invalid approval_mode 'perhaps'; allowed: auto, "):
        declared(approval_mode="perhaps")


@pytest.mark.requirement("02-governance:3")
@pytest.mark.parametrize("tier", RiskTier)
@pytest.mark.parametrize("mode", ApprovalMode)
def test_every_known_tier_goes_with_every_known_mode(tier: RiskTier, mode: ApprovalMode) -> None:
    spec = declared(risk_tier=tier, approval_mode=mode).spec

    assert (spec.risk_tier, spec.approval_mode, spec.declared_mode) == (tier, mode, mode)


@pytest.mark.requirement("02-governance:4")
@pytest.mark.requirement("02-governance:5")
def test_the_spec_is_an_immutable_value_and_no_row() -> None:
    spec = declared(idempotent=True, timeout=timedelta(seconds=5)).spec

    assert isinstance(spec, ToolSpec)
    assert not hasattr(spec, "__tablename__")
    assert (spec.name, spec.title, spec.description, spec.version, spec.idempotent) == (
        "greet",
        "Greet",
        "Says hello.",
        "1",
        True,
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.title = "Other"  # type: ignore[misc]


@pytest.mark.requirement("02-governance:6")
def test_a_tool_without_a_policy_denies() -> None:
    verdict = declared()().authorize(Nothing(), MAYA)

    assert (verdict.allowed, verdict.code) == (False, "no_policy_defined")


@pytest.mark.requirement("02-governance:7")
def test_a_policy_of_its_own_may_allow() -> None:
    def authorize(self: object, given: object, asker: Asker) -> Verdict:
        return ALLOWED

    assert declared(authorize=authorize)().authorize(Nothing(), MAYA).allowed


@pytest.mark.requirement("02-governance:9")
@pytest.mark.requirement("02-governance:10")
@pytest.mark.requirement("02-governance:11")
@pytest.mark.requirement("02-governance:12")
@pytest.mark.parametrize(
    ("tier", "mode"),
    [
        (RiskTier.READ_ONLY, ApprovalMode.AUTO),
        (RiskTier.LOW_WRITE, ApprovalMode.REQUIRES_APPROVAL),
        (RiskTier.HIGH_WRITE, ApprovalMode.REQUIRES_APPROVAL),
        (RiskTier.DESTRUCTIVE, ApprovalMode.ALWAYS_BLOCK),
    ],
)
def test_a_tool_without_a_mode_gets_the_one_of_its_tier(tier: RiskTier, mode: ApprovalMode) -> None:
    spec = declared(risk_tier=tier).spec

    assert spec.approval_mode is mode
    assert spec.declared_mode is None
    assert set(DERIVED_MODE) == set(RiskTier)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": "Greet!"}, "invalid name"),
        ({"name": None}, "invalid name"),
        ({"Input": dict}, "Input must be a pydantic model"),
        ({"title": "  "}, "title"),
        ({"timeout": timedelta(0)}, "timeout"),
        ({"timeout": timedelta(hours=1)}, "timeout"),
        ({"scopes": "billing"}, "scopes must be a set"),
        ({"run": lambda self, given, run: Done()}, "run must be an async function"),
        ({"targets": lambda self, given, asker: ()}, "targets must be an async function"),
        ({"reconcile": lambda self, key: None}, "reconcile must be an async function"),
    ],
)
def test_a_wrong_declaration_fails_at_the_definition(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=f"Greet: .*{told}"):
        declared(**wrong)


def test_what_a_tool_can_do_about_an_unknown_outcome_is_read_off_its_class() -> None:
    async def reconcile(self: object, run_key: str) -> None: ...

    assert not declared().spec.reconciles
    assert declared(reconcile=reconcile).spec.reconciles
    assert declared(TransactionalTool).spec.transactional
    assert not declared().spec.transactional


@pytest.mark.requirement("02-governance:15")
@pytest.mark.requirement("02-governance:16")
def test_a_tool_is_found_by_its_exact_name_and_nothing_else_is_made_of_a_name() -> None:
    registry = Registry.of([declared()])

    found = registry.find("greet")
    assert found is not None
    assert found.spec.name == "greet"
    for name in ("Greet", "greet ", "os.system", "cairnloop_engine.Tool", "", "gr\x00eet"):
        assert registry.find(name) is None


@pytest.mark.requirement("02-governance:14")
@pytest.mark.requirement("02-governance:17")
def test_a_registry_takes_classes_and_objects_and_refuses_what_is_no_tool() -> None:
    assert [one.spec.name for one in Registry.of([declared(), declared(name="wave")()])] == [
        "greet",
        "wave",
    ]
    assert list(Registry.of([])) == []
    for unfit in (object(), "greet", Nothing, Tool, 7):
        with pytest.raises(Misconfigured) as refused:
            Registry.of([unfit])
        assert refused.value.code == "tool_unfit"


def test_two_tools_of_one_name_are_refused_at_start() -> None:
    with pytest.raises(Misconfigured) as refused:
        Registry.of([declared(), declared(title="Other")])

    assert refused.value.code == "tool_name_taken"


async def test_a_tool_that_implements_nothing_does_nothing() -> None:
    run = Run("key", 1, MAYA, "noah")

    with pytest.raises(Exception, match="nothing to run"):
        await declared()().run(Nothing(), run)
    assert await declared()().targets(Nothing(), MAYA) == ()
    assert declared()().business_key(Nothing()) is None
    assert declared()().preview(Nothing()) is None


def test_an_input_refuses_fields_that_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Nothing.model_validate({"surprise": 1})


@pytest.mark.requirement("02-governance:B17")
def test_a_field_of_an_inner_model_can_be_marked_as_sensitive() -> None:
    from pydantic import Field

    class Card(BaseModel):
        number: str = Field(json_schema_extra={"sensitive": True})
        holder: str

    class Payment(ToolInput):
        card: Card
        iban: str | None = Field(None, json_schema_extra={"sensitive": True})

    assert marked_fields(Payment.model_json_schema()) == {"number", "iban"}
