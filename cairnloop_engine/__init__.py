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
    from cairnloop_engine.settings import Settings

_HOMES = {
    "Actor": "core.actors",
    "ActorKind": "core.actors",
    "Blocked": "core.errors",
    "CairnloopError": "core.errors",
    "Caller": "core.actors",
    "Conflict": "core.errors",
    "Engine": "engine",
    "Forbidden": "core.errors",
    "Invalid": "core.errors",
    "Misconfigured": "core.errors",
    "NotFound": "core.errors",
    "Refused": "core.errors",
    "Settings": "settings",
    "Unavailable": "core.errors",
    "UnknownOutcome": "core.errors",
}

__all__ = [
    "Actor",
    "ActorKind",
    "Blocked",
    "CairnloopError",
    "Caller",
    "Conflict",
    "Engine",
    "Forbidden",
    "Invalid",
    "Misconfigured",
    "NotFound",
    "Refused",
    "Settings",
    "Unavailable",
    "UnknownOutcome",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
