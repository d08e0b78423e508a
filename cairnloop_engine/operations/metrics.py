"""The numbers of a site in the text format of Prometheus; labels come from closed lists only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cairnloop_engine.conversations.model import State
from cairnloop_engine.governance.model import ApprovalStatus, AttemptState, ProposalStatus
from cairnloop_engine.operations.governed import Actions
from cairnloop_engine.operations.model import QueueDepth
from cairnloop_engine.operations.reads import SiteNumbers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What one HTTP server counts itself, and how everything is written down."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        self._requests = Counter(
            "cairnloop_http_requests",
            "Requests that this server answered.",
            ["path", "status"],
            registry=self._own,
        )

    def answered(self, path: str, status: int) -> None:
        """Count a request. ``path`` is a route of ours, or ``other``."""
        self._requests.labels(path, f"{status // 100}xx").inc()

    def written(self, site: SiteNumbers | None) -> bytes:
        """All numbers; without ``site`` the database could not be asked, and that is one too."""
        asked = CollectorRegistry()
        asked.register(_Asked(site))
        return generate_latest(asked) + generate_latest(self._own)


class _Asked(Collector):
    """One look at the database."""

    def __init__(self, site: SiteNumbers | None) -> None:
        self._site = site

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "cairnloop_database_up",
            "Whether the database answered this scrape.",
            value=0 if self._site is None else 1,
        )
        if self._site is not None:
            yield from _of(self._site)


def _of(site: SiteNumbers) -> Iterable[Metric]:
    conversations = GaugeMetricFamily(
        "cairnloop_conversations", "Conversations of all workspaces.", labels=["state"]
    )
    for state in State:
        conversations.add_metric([state.value], site.conversations.get(state.value, 0))
    yield conversations
    yield GaugeMetricFamily(
        "cairnloop_drafts_waiting",
        "Drafts that wait for an operator's decision.",
        value=site.waiting_drafts,
    )
    yield from _of_actions(site.actions)
    yield GaugeMetricFamily(
        "cairnloop_workers", "Workers with a recent heartbeat.", value=site.workers.alive
    )
    yield from _of_queues(site.queues)


def _of_actions(actions: Actions) -> Iterable[Metric]:
    families: Sequence[tuple[str, str, type[StrEnum], Mapping[str, int]]] = (
        ("proposals", "What the gates said.", ProposalStatus, actions.proposals),
        ("approvals", "Decisions on actions.", ApprovalStatus, actions.approvals),
        ("executions", "Attempts in the ledger.", AttemptState, actions.executions),
    )
    for name, meaning, words, counted in families:
        family = GaugeMetricFamily(f"cairnloop_action_{name}", meaning, labels=["state"])
        for word in words:
            family.add_metric([word.value], counted.get(word.value, 0))
        yield family
    yield GaugeMetricFamily(
        "cairnloop_oldest_pending_action_seconds",
        "How long the oldest action has waited for a decision.",
        value=actions.oldest_pending_seconds or 0,
    )


def _of_queues(queues: tuple[QueueDepth, ...]) -> Iterable[Metric]:
    jobs = GaugeMetricFamily(
        "cairnloop_jobs", "Jobs by queue and state.", labels=["queue", "state"]
    )
    oldest = GaugeMetricFamily(
        "cairnloop_oldest_job_seconds",
        "How long the oldest job of a queue has been due.",
        labels=["queue"],
    )
    for depth in queues:
        by_state = {
            "ready": depth.ready,
            "scheduled": depth.scheduled,
            "running": depth.running,
            "failed": depth.failed,
            "dead": depth.dead,
        }
        for state, number in by_state.items():
            jobs.add_metric([depth.queue, state], number)
        oldest.add_metric([depth.queue], depth.oldest_seconds or 0)
    yield jobs
    yield oldest
