"""Reading the site's rules about governed actions out of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.governance.model import ApprovalMode, GovernanceConfig, RiskTier

WordT = TypeVar("WordT", bound=StrEnum)


class Rules(Protocol):
    """The settings that this slice reads."""

    @property
    def approval_ttl(self) -> float: ...
    @property
    def approval_overrides(self) -> Sequence[str]: ...
    @property
    def approval_loosening(self) -> bool: ...
    @property
    def distinct_approver_for(self) -> Sequence[str]: ...
    @property
    def tool_attempts(self) -> int: ...


def governance_config(settings: Rules) -> GovernanceConfig:
    """The rules, checked.

    Raises:
        Misconfigured: ``settings_invalid``, naming the setting and the words it may hold.
    """
    overrides = {}
    for rule in settings.approval_overrides:
        tier, _, mode = rule.partition("=")
        overrides[_word("approval_overrides", tier, RiskTier)] = _word(
            "approval_overrides", mode, ApprovalMode
        )
    return GovernanceConfig(
        approval_ttl=timedelta(seconds=settings.approval_ttl),
        overrides=overrides,
        loosening=settings.approval_loosening,
        distinct_approver_for=frozenset(
            _word("distinct_approver_for", tier, RiskTier)
            for tier in settings.distinct_approver_for
        ),
        attempts=settings.tool_attempts,
    )


def _word(setting: str, given: str, words: type[WordT]) -> WordT:
    try:
        return words(given.strip())
    except ValueError as error:
        known = ", ".join(word.value for word in words)
        raise Misconfigured(
            "settings_invalid",
            f"The setting {setting} holds {given!r}; it may hold {known}"
            " (overrides as `tier=mode`).",
            setting=setting,
        ) from error
