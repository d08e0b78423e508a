"""How an approval mode comes about: the strictest word holds, unless a site loosens on purpose."""

from __future__ import annotations

import itertools

import pytest

from cairnloop_engine import Misconfigured, RiskTier, Settings
from cairnloop_engine.governance.config import governance_config
from cairnloop_engine.governance.model import (
    DERIVED_MODE,
    ApprovalMode,
    GovernanceConfig,
    is_riskier,
    is_stricter,
    strictest,
)
from cairnloop_engine.governance.registry import resolve
from tests.unit.governance.test_tool_contract import declared

AUTO, ASK, NEVER = ApprovalMode


def site(override: ApprovalMode | None, *, loosening: bool = False) -> GovernanceConfig:
    """A site with one rule for every tier."""
    overrides = {} if override is None else dict.fromkeys(RiskTier, override)
    return GovernanceConfig(overrides=overrides, loosening=loosening)


@pytest.mark.parametrize("tier", RiskTier)
@pytest.mark.parametrize(
    ("declared_mode", "override"),
    list(itertools.product([None, *ApprovalMode], [None, *ApprovalMode])),
)
def test_without_loosening_the_strictest_of_tool_site_and_tier_holds(
    tier: RiskTier, declared_mode: ApprovalMode | None, override: ApprovalMode | None
) -> None:
    spec = declared(risk_tier=tier, approval_mode=declared_mode).spec

    resolution = resolve(spec, site(override))

    words = [mode for mode in (declared_mode, override, DERIVED_MODE[tier]) if mode is not None]
    assert resolution.mode is strictest(*words)
    assert not resolution.loosened


def test_a_site_that_loosens_on_purpose_is_followed_and_told_of() -> None:
    spec = declared(risk_tier=RiskTier.HIGH_WRITE).spec

    resolution = resolve(spec, site(AUTO, loosening=True))

    assert (resolution.mode, resolution.source, resolution.loosened) == (AUTO, "site", True)


def test_no_site_can_loosen_a_destructive_action() -> None:
    spec = declared(risk_tier=RiskTier.DESTRUCTIVE, approval_mode=AUTO).spec

    assert resolve(spec, site(AUTO, loosening=True)).mode is NEVER


def test_every_rule_that_matters_to_an_approval_changes_the_policy_revision() -> None:
    spec = declared(risk_tier=RiskTier.HIGH_WRITE).spec
    usual = resolve(spec, GovernanceConfig()).revision
    others = {
        "mode": resolve(spec, site(NEVER)).revision,
        "tier": resolve(declared(risk_tier=RiskTier.LOW_WRITE).spec, GovernanceConfig()).revision,
        "scopes": resolve(
            declared(risk_tier=RiskTier.HIGH_WRITE, scopes={"billing"}).spec, GovernanceConfig()
        ).revision,
        "separation": resolve(spec, GovernanceConfig(distinct_approver_for=frozenset())).revision,
    }

    assert usual not in others.values()
    assert len(set(others.values())) == len(others)
    assert resolve(spec, GovernanceConfig()).revision == usual


def test_strictness_and_risk_have_an_order() -> None:
    assert is_stricter(NEVER, ASK)
    assert is_stricter(ASK, AUTO)
    assert not is_stricter(ASK, ASK)
    assert is_riskier(RiskTier.DESTRUCTIVE, RiskTier.HIGH_WRITE)
    assert not is_riskier(RiskTier.READ_ONLY, RiskTier.LOW_WRITE)


@pytest.mark.requirement("02-governance:60")
def test_an_approval_lives_for_48_hours_unless_the_site_says_otherwise() -> None:
    config = governance_config(Settings.load(database_url="postgresql:///none"))

    assert config.approval_ttl.total_seconds() == 172_800
    assert config.attempts == 3
    assert config.distinct_approver_for == {RiskTier.HIGH_WRITE}
    assert not config.loosening


def test_the_site_s_rules_are_read_from_its_settings() -> None:
    config = governance_config(
        Settings.load(
            database_url="postgresql:///none",
            approval_overrides=["low_write=always_block", "read_only = requires_approval"],
            approval_ttl=60,
        )
    )

    assert config.overrides == {RiskTier.LOW_WRITE: NEVER, RiskTier.READ_ONLY: ASK}
    assert config.approval_ttl.total_seconds() == 60


@pytest.mark.parametrize(
    "rule", ["low_write", "low_write=maybe", "huge=auto", "=", "low_write:auto"]
)
def test_a_rule_that_nobody_can_read_stops_the_start(rule: str) -> None:
    settings = Settings.load(database_url="postgresql:///none", approval_overrides=[rule])

    with pytest.raises(Misconfigured) as refused:
        governance_config(settings)
    assert refused.value.code == "settings_invalid"
    assert refused.value.facts["setting"] == "approval_overrides"
