"""The parts that the demo plugs into the engine, as any host would: by name, in the settings."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cairnloop_engine.demo.tools import BILLING_SCOPE
from cairnloop_engine.settings import Settings

CONTEXT_PROVIDER = "cairnloop_engine.demo.context:DemoContextProvider"
ACTION_SUGGESTER = "cairnloop_engine.demo.suggester:DemoSuggester"
TOOLS = tuple(
    f"cairnloop_engine.demo.tools:{name}"
    for name in (
        "Refund",
        "ChangeSeats",
        "LookUpOrder",
        "CloseAccount",
        "ExportUsage",
        "HighRiskDemoAction",
        "MoveSubscription",
    )
)
# Whoever opens the demo again next week still finds what waited: nothing expires meanwhile.
APPROVAL_TTL_S = 90 * 86_400.0


def with_actions(settings: Settings, *, billing: str | None) -> Settings:
    """The settings with the demo's tools and the rights to use them, acting on this billing."""
    return settings.with_changes(
        tools=TOOLS,
        operator_scopes=(BILLING_SCOPE,),
        automation_scopes=(BILLING_SCOPE,),
        action_suggester=ACTION_SUGGESTER,
        approval_ttl=APPROVAL_TTL_S,
        demo_billing_url=billing,
    )


def billing_file(settings: Settings) -> Path:
    """Where the demo's billing system remembers what happened, one file for each database."""
    folder = settings.home_dir / "demo"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    url = settings.database_url
    if url is None:
        return folder / "billing.sqlite3"
    named = hashlib.sha256(url.get_secret_value().encode()).hexdigest()[:12]
    return folder / f"billing-{named}.sqlite3"
