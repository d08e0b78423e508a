"""The host protocols in one place, and how one named in the settings is found."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cairnloop_engine.channels.widget.ports import WidgetIdentity, WidgetVerifier
from cairnloop_engine.conversations.ports import ContextProvider
from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.drafting.ports import AutomationPolicy, DraftGenerator
from cairnloop_engine.retrieval.ports import Embedder

__all__ = [
    "AutomationPolicy",
    "ContextProvider",
    "DraftGenerator",
    "Embedder",
    "WidgetIdentity",
    "WidgetVerifier",
    "load",
]


def load(dotted: str | None, port: str, *methods: str) -> Any:
    """The object at ``package.module:name``, made when it is a class; None when none is named.

    Raises:
        Misconfigured: ``host_part_missing`` or ``host_part_unfit``.
    """
    if dotted is None:
        return None
    module_name, _, path = dotted.partition(":")
    try:
        found: object = import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise Misconfigured(
            "host_part_missing", f"{port}: there is nothing to import at {dotted}."
        ) from error
    made = found() if isinstance(found, type) else found
    absent = [method for method in methods if not callable(getattr(made, method, None))]
    if absent:
        raise Misconfigured(
            "host_part_unfit", f"{dotted} is no {port}: it lacks {', '.join(absent)}."
        )
    return made
