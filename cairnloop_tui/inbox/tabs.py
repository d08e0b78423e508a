"""The filter tabs of the inbox and what each lists; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import WAITING, State
from cairnloop_engine.conversations.reads import Counts
from cairnloop_tui.widgets.tab_strip import Tab


@dataclass(frozen=True, slots=True)
class FilterTab:
    """A named filter; ``letter`` follows ``f`` on the keyboard and stands in the label."""

    key: str
    label: str
    letter: str
    filter: InboxFilter
    empty: str


TABS: Mapping[str, FilterTab] = MappingProxyType(
    {
        tab.key: tab
        for tab in (
            FilterTab(
                "you",
                "Needs you",
                "y",
                InboxFilter(states=WAITING),
                "Nobody is waiting. New messages appear here by themselves.",
            ),
            FilterTab(
                "drafts",
                "Drafts",
                "d",
                InboxFilter(has_draft=True),
                "No draft waits for review. A draft appears when a customer has written.",
            ),
            FilterTab(
                "actions",
                "Actions",
                "t",
                InboxFilter(has_action=True),
                "No action waits for a decision in any conversation.",
            ),
            FilterTab(
                "new",
                "New",
                "n",
                InboxFilter(states=frozenset({State.NEW})),
                "No new conversations. Every customer has had an answer.",
            ),
            FilterTab(
                "open",
                "Open",
                "o",
                InboxFilter(states=frozenset({State.OPEN})),
                "No customer has written again.",
            ),
            FilterTab(
                "awaiting",
                "Awaiting",
                "w",
                InboxFilter(states=frozenset({State.AWAITING_CUSTOMER})),
                "No conversation waits for its customer.",
            ),
            FilterTab(
                "held",
                "Held",
                "h",
                InboxFilter(has_held=True),
                "No reply is on its way out.",
            ),
            FilterTab(
                "resolved",
                "Resolved",
                "r",
                InboxFilter(states=frozenset({State.RESOLVED})),
                "No resolved conversations yet.",
            ),
            FilterTab(
                "archived",
                "Archived",
                "c",
                InboxFilter(states=frozenset({State.ARCHIVED})),
                "No archived conversations.",
            ),
            FilterTab("mine", "Mine", "m", InboxFilter(), "Nothing is assigned to you."),
            FilterTab(
                "all",
                "All",
                "a",
                InboxFilter(),
                "No conversations yet. The first message of a customer appears here.",
            ),
        )
    }
)

# These stand in the strip whenever something is in them; the others always do.
SHOWN_WHEN_FILLED = frozenset({"actions", "open", "held", "archived"})


def tab_filter(key: str, operator: str | None) -> InboxFilter:
    """What a tab lists."""
    tab = TABS[key]
    return replace(tab.filter, assignee=operator or "") if key == "mine" else tab.filter


def narrowed(tab: InboxFilter, typed: InboxFilter) -> InboxFilter:
    """Both at once; states that were typed replace those of the tab."""
    return InboxFilter(
        states=typed.states or tab.states,
        assignee=typed.assignee if typed.assignee is not None else tab.assignee,
        customer_ref=typed.customer_ref or tab.customer_ref,
        has_draft=typed.has_draft or tab.has_draft,
        has_held=typed.has_held or tab.has_held,
        has_action=typed.has_action or tab.has_action,
        text=typed.text,
    )


def tab_strip(counts: Counts | None, chosen: str) -> tuple[Tab, ...]:
    """The tabs to draw, with counts where the database gave them."""
    known = {} if counts is None else _counts(counts)
    return tuple(
        Tab(tab.key, tab.label, tab.letter, known.get(tab.key))
        for tab in TABS.values()
        if tab.key == chosen or tab.key not in SHOWN_WHEN_FILLED or known.get(tab.key)
    )


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "you": counts.waiting,
        "drafts": counts.drafts,
        "actions": counts.actions,
        "new": counts.new,
        "open": counts.open,
        "awaiting": counts.awaiting_customer,
        "held": counts.held,
        "resolved": counts.resolved,
        "archived": counts.archived,
    }
