"""Gap events: what the knowledge could not answer, told without anything personal. No IO here."""

from __future__ import annotations

from enum import StrEnum

EXCERPT_LENGTH = 160
MOST_EVIDENCE = 5


class Surface(StrEnum):
    """What asked the question that found nothing."""

    DRAFT_GENERATION = "draft_generation"
    SEARCH_MODAL = "search_modal"
    API = "api"
    UNSPECIFIED = "unspecified"


class UiSurface(StrEnum):
    """Which screen it was asked on."""

    CONVERSATION = "conversation"
    INBOX = "inbox"
    SETTINGS = "settings"
    UNSPECIFIED = "unspecified"


class OutcomeClass(StrEnum):
    """What kind of failure it was; an outage is no gap in the knowledge."""

    EMPTY_RECALL = "empty_recall"
    RETRIEVAL_ERROR = "retrieval_error"
    WEAK_GROUNDING = "weak_grounding"
    POLICY_LIMIT = "policy_limit"
