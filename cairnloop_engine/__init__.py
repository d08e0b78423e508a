"""The headless engine of Cairnloop; it knows no front end.

Names are resolved on first use, so that importing the package loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cairnloop_engine.core.actors import Actor, ActorKind, Caller
    from cairnloop_engine.core.errors import (
        Blocked,
        CairnloopError,
        Conflict,
        Forbidden,
        Invalid,
        Misconfigured,
        NotFound,
        Refused,
        Unavailable,
        UnknownOutcome,
    )
    from cairnloop_engine.engine import Engine
    from cairnloop_engine.governance.model import RiskTier, Target
    from cairnloop_engine.governance.tools import (
        Asker,
        Done,
        Permanent,
        Reconciled,
        Run,
        Tool,
        ToolInput,
        Trace,
        TransactionalTool,
        Transient,
        Unknown,
        Verdict,
    )
    from cairnloop_engine.settings import Settings

_HOMES = {
    "Actor": "core.actors",
    "ActorKind": "core.actors",
    "Asker": "governance.tools",
    "Blocked": "core.errors",
    "CairnloopError": "core.errors",
    "Caller": "core.actors",
    "Conflict": "core.errors",
    "Done": "governance.tools",
    "Engine": "engine",
    "Forbidden": "core.errors",
    "Invalid": "core.errors",
    "Misconfigured": "core.errors",
    "NotFound": "core.errors",
    "Permanent": "governance.tools",
    "Reconciled": "governance.tools",
    "Refused": "core.errors",
    "RiskTier": "governance.model",
    "Run": "governance.tools",
    "Settings": "settings",
    "Target": "governance.model",
    "Tool": "governance.tools",
    "ToolInput": "governance.tools",
    "Trace": "governance.tools",
    "TransactionalTool": "governance.tools",
    "Transient": "governance.tools",
    "Unavailable": "core.errors",
    "Unknown": "governance.tools",
    "UnknownOutcome": "core.errors",
    "Verdict": "governance.tools",
}

__all__ = [
    "Actor",
    "ActorKind",
    "Asker",
    "Blocked",
    "CairnloopError",
    "Caller",
    "Conflict",
    "Done",
    "Engine",
    "Forbidden",
    "Invalid",
    "Misconfigured",
    "NotFound",
    "Permanent",
    "Reconciled",
    "Refused",
    "RiskTier",
    "Run",
    "Settings",
    "Target",
    "Tool",
    "ToolInput",
    "Trace",
    "TransactionalTool",
    "Transient",
    "Unavailable",
    "Unknown",
    "UnknownOutcome",
    "Verdict",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
