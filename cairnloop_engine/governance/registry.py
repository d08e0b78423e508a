"""The tools that this site has: checked when the engine is put together, found by plain name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cairnloop_engine.core.errors import JsonObject, Misconfigured
from cairnloop_engine.governance.model import (
    DERIVED_MODE,
    ApprovalMode,
    GovernanceConfig,
    ToolSpec,
    digest,
    is_stricter,
    strictest,
)
from cairnloop_engine.governance.tools import Tool


@dataclass(frozen=True, slots=True)
class Registry:
    """The registered tools, in the order in which the host listed them."""

    tools: tuple[Tool[Any], ...]

    @classmethod
    def of(cls, listed: Iterable[object]) -> Registry:
        """Check every tool.

        Raises:
            Misconfigured: ``tool_unfit`` or ``tool_name_taken``, naming the tool.
        """
        tools = tuple(_instance(one) for one in listed)
        names: set[str] = set()
        for tool in tools:
            if tool.spec.name in names:
                raise Misconfigured(
                    "tool_name_taken",
                    f"Two tools are called {tool.spec.name}; give one another name.",
                    tool=tool.spec.name,
                )
            names.add(tool.spec.name)
        return cls(tools)

    def __iter__(self) -> Iterator[Tool[Any]]:
        return iter(self.tools)

    def find(self, name: str) -> Tool[Any] | None:
        """The tool of that name. Nothing is ever imported by a name from outside."""
        for tool in self.tools:
            if tool.spec.name == name:
                return tool
        return None


@dataclass(frozen=True, slots=True)
class Resolution:
    """How the approval mode of a tool came about; ``revision`` changes whenever a rule does."""

    mode: ApprovalMode
    source: str
    revision: str
    loosened: bool = False


def resolve(spec: ToolSpec, config: GovernanceConfig) -> Resolution:
    """The strictest of what the tool declares, what the site says and what the tier asks for.

    A site may loosen (``loosening``); then its word about the tier stands alone, and doctor says
    so. A destructive action stays blocked even then.
    """
    derived = DERIVED_MODE.get(spec.risk_tier, ApprovalMode.ALWAYS_BLOCK)
    declared = spec.declared_mode or derived
    override = config.overrides.get(spec.risk_tier)
    strict = strictest(declared, derived)
    mode, source = strict, "declared" if spec.declared_mode else "tier"
    if override is not None:
        loosened = config.loosening and derived is not ApprovalMode.ALWAYS_BLOCK
        chosen = override if loosened else strictest(mode, override)
        if chosen is not mode:
            mode, source = chosen, "site"
    rules: JsonObject = {
        "mode": mode.value,
        "tier": spec.risk_tier.value,
        "scopes": [*sorted(spec.scopes)],
        "distinct": spec.risk_tier in config.distinct_approver_for,
    }
    return Resolution(mode, source, digest(rules)[:16], is_stricter(strict, mode))


def _instance(listed: object) -> Tool[Any]:
    made = listed() if isinstance(listed, type) and issubclass(listed, Tool) else listed
    if not isinstance(made, Tool) or not isinstance(getattr(made, "spec", None), ToolSpec):
        name = getattr(listed, "__name__", type(listed).__name__)
        raise Misconfigured(
            "tool_unfit",
            f"{name} is no tool: it must extend cairnloop_engine.Tool and declare its risk tier.",
            tool=name,
        )
    return made
