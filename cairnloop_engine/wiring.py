"""The composition root: port to adapter, event to handlers, and what a worker can run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cairnloop_engine.channels.widget.ports import WidgetVerifier
from cairnloop_engine.conversations import jobs as conversation_jobs
from cairnloop_engine.conversations.facade import ConversationsConfig
from cairnloop_engine.conversations.ports import ContextProvider, NoContext
from cairnloop_engine.core.database import Database, EventHandler
from cairnloop_engine.core.jobs import Sweep, TaskSpec
from cairnloop_engine.core.rescue import SWEEP_EVERY, rescue_stranded
from cairnloop_engine.drafting import handlers as drafting_handlers
from cairnloop_engine.drafting import jobs as drafting_jobs
from cairnloop_engine.drafting.adapters.scoria import Scoria
from cairnloop_engine.drafting.jobs import DraftingParts
from cairnloop_engine.drafting.model import DraftingConfig
from cairnloop_engine.drafting.policy import RequireApproval
from cairnloop_engine.drafting.ports import AutomationPolicy, DraftGenerator, Grounder
from cairnloop_engine.hosts import load
from cairnloop_engine.knowledge.model import KnowledgeConfig
from cairnloop_engine.retrieval import jobs as retrieval_jobs
from cairnloop_engine.retrieval.adapters.choice import embedder_named
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.ports import Embedder
from cairnloop_engine.settings import Settings


@dataclass(frozen=True, slots=True)
class HostParts:
    """What a host hands to the engine as objects; None takes the setting or the default."""

    context_provider: ContextProvider | None = None
    automation_policy: AutomationPolicy | None = None
    draft_generator: DraftGenerator | None = None
    embedder: Embedder | None = None
    widget_verifier: WidgetVerifier | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """Every collaborator and every knob, chosen once for one engine."""

    conversations: ConversationsConfig
    knowledge: KnowledgeConfig
    retrieval: RetrievalConfig
    drafting: DraftingConfig
    context_provider: ContextProvider
    automation_policy: AutomationPolicy
    draft_generator: DraftGenerator
    embedding: Embedding
    widget_verifier: WidgetVerifier | None


@dataclass(frozen=True, slots=True)
class Wired:
    """Everything that a worker needs, put together."""

    tasks: Mapping[str, TaskSpec]
    sweeps: Sequence[Sweep]


def choose(settings: Settings, host: HostParts) -> Parts:
    """Read the knobs and pick an adapter for every port: the host's object, then its setting.

    Raises:
        Misconfigured: ``host_part_missing`` or ``host_part_unfit``.
    """
    retrieval = RetrievalConfig(clarification_limit=settings.clarification_limit)
    embedder = host.embedder or embedder_named(settings.embedder, threads=os.cpu_count() or 1)
    return Parts(
        conversations=ConversationsConfig(
            max_message_length=settings.max_message_length,
            default_hold=timedelta(seconds=settings.reply_hold),
            reopen_window=timedelta(days=settings.reopen_window_days),
            context_deadline=timedelta(seconds=settings.context_deadline),
        ),
        knowledge=KnowledgeConfig(),
        retrieval=retrieval,
        drafting=DraftingConfig(
            draft_delay=timedelta(seconds=settings.draft_delay),
            clarification_limit=settings.clarification_limit,
            auto_send_enabled=settings.auto_send_enabled,
            default_hold=timedelta(seconds=settings.reply_hold),
            max_length=settings.max_message_length,
        ),
        context_provider=host.context_provider
        or load(settings.context_provider, "ContextProvider", "context")
        or NoContext(),
        automation_policy=host.automation_policy
        or load(settings.automation_policy, "AutomationPolicy", "decide")
        or RequireApproval(),
        draft_generator=host.draft_generator
        or load(settings.draft_generator, "DraftGenerator", "generate")
        or Scoria(),
        embedding=Embedding(
            embedder,
            query_timeout_s=retrieval.query_embedding_timeout.total_seconds(),
            passage_timeout_s=retrieval.passage_embedding_timeout.total_seconds(),
            remembered_queries=retrieval.remembered_queries,
        ),
        widget_verifier=host.widget_verifier
        or load(settings.widget_verifier, "WidgetVerifier", "verify"),
    )


def handlers(parts: Parts) -> dict[type, Sequence[EventHandler]]:
    """In-transaction handlers, in the order in which they run before the commit."""
    retrieval = retrieval_jobs.handlers(parts.retrieval)
    listed: dict[type, Sequence[EventHandler]] = {
        event: [handler] for event, handler in retrieval.items()
    }
    for event, following in drafting_handlers.handlers(parts.drafting).items():
        listed[event] = [*listed.get(event, ()), *following]
    return listed


def wire(db: Database, parts: Parts, *, ground: Grounder) -> Wired:
    """Register every task and every sweep."""
    drafting = DraftingParts(
        ground=ground, generator=parts.draft_generator, policy=parts.automation_policy
    )
    specs = [
        *conversation_jobs.tasks(db),
        *retrieval_jobs.tasks(db, parts.embedding, parts.retrieval),
        *drafting_jobs.tasks(db, drafting, parts.drafting),
    ]
    tasks = {spec.name: spec for spec in specs}

    async def rescue() -> None:
        await rescue_stranded(db, tasks)

    sweeps = [
        Sweep("rescue stranded jobs", SWEEP_EVERY, rescue),
        *conversation_jobs.sweeps(db),
        *retrieval_jobs.sweeps(db, parts.embedding),
    ]
    return Wired(tasks, sweeps)
