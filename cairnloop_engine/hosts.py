"""The host protocols in one place, and how one named in the settings is found."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cairnloop_engine.channels.widget.ports import WidgetIdentity, WidgetVerifier
from cairnloop_engine.conversations.ports import ContextProvider
from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.drafting.ports import (
    ActionSuggester,
    AutomationPolicy,
    DraftGenerator,
    Line,
    QueryRewriter,
    Speaker,
    SuggestedAction,
    SuggestionContext,
    ThreadedGenerator,
)
from cairnloop_engine.governance.ports import DecisionAsked, IdentityProvider
from cairnloop_engine.governance.tools import Tool, TransactionalTool
from cairnloop_engine.retrieval.ports import Embedder, Reranker

__all__ = [
    "ActionSuggester",
    "AutomationPolicy",
    "ContextProvider",
    "DecisionAsked",
    "DraftGenerator",
    "Embedder",
    "IdentityProvider",
    "Line",
    "QueryRewriter",
    "Reranker",
    "Speaker",
    "SuggestedAction",
    "SuggestionContext",
    "ThreadedGenerator",
    "Tool",
    "TransactionalTool",
    "WidgetIdentity",
    "WidgetVerifier",
    "load",
]


def load(dotted: str | None, port: str, *methods: str, settings: object = None) -> Any:
    """The object at ``package.module:name``, made when it is a class; None when none is named.

    A class that has ``from_settings`` is made with it, where settings are given.

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
    with_settings = getattr(found, "from_settings", None) if settings is not None else None
    if isinstance(found, type) and callable(with_settings):
        made = with_settings(settings)
    else:
        made = found() if isinstance(found, type) else found
    absent = [method for method in methods if not callable(getattr(made, method, None))]
    if absent:
        raise Misconfigured(
            "host_part_unfit", f"{dotted} is no {port}: it lacks {', '.join(absent)}."
        )
    return made
