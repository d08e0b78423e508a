"""The composition root: port to adapter, event to handlers, and what a worker can run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from cairnloop_engine.audit import jobs as audit_jobs
from cairnloop_engine.audit.config import AuditConfig
from cairnloop_engine.channels.widget.ports import WidgetVerifier
from cairnloop_engine.conversations import jobs as conversation_jobs
from cairnloop_engine.conversations.facade import ConversationsConfig
from cairnloop_engine.conversations.ports import ContextProvider, NoContext
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, EventHandler
from cairnloop_engine.core.errors import Blocked, Refused
from cairnloop_engine.core.ids import ConversationId, DraftId, ProposalId
from cairnloop_engine.core.jobs import Sweep, TaskSpec
from cairnloop_engine.core.rescue import PRODUCTION, Windows, check_windows, rescue_stranded
from cairnloop_engine.core.retention import PRUNE_EVERY, Retention, prune
from cairnloop_engine.drafting import handlers as drafting_handlers
from cairnloop_engine.drafting import jobs as drafting_jobs
from cairnloop_engine.drafting.adapters.anthropic import Anthropic, AnthropicConfig
from cairnloop_engine.drafting.adapters.scoria import Scoria
from cairnloop_engine.drafting.jobs import DraftingParts
from cairnloop_engine.drafting.model import DraftingConfig, SuggestionState
from cairnloop_engine.drafting.policy import RequireApproval
from cairnloop_engine.drafting.ports import (
    ActionSuggester,
    AutomationPolicy,
    DraftGenerator,
    Grounder,
    NoSuggestions,
    Outcome,
    Proposer,
    QueryRewriter,
    SuggestedAction,
)
from cairnloop_engine.governance import jobs as governance_jobs
from cairnloop_engine.governance import sweeping as governance_sweeping
from cairnloop_engine.governance import telemetry as governance_telemetry
from cairnloop_engine.governance.bundled import InternalNote
from cairnloop_engine.governance.config import governance_config
from cairnloop_engine.governance.effect_queries import effects
from cairnloop_engine.governance.facade import Governance
from cairnloop_engine.governance.gates import Gates
from cairnloop_engine.governance.ports import ConfiguredIdentity, IdentityProvider
from cairnloop_engine.governance.registry import Registry
from cairnloop_engine.hosts import load
from cairnloop_engine.knowledge.model import KnowledgeConfig
from cairnloop_engine.retrieval import case_jobs, gap_jobs
from cairnloop_engine.retrieval import jobs as retrieval_jobs
from cairnloop_engine.retrieval.adapters.choice import Choice, chosen, made_for
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.ports import Embedder, Reranker
from cairnloop_engine.retrieval.ranking import Fusion
from cairnloop_engine.settings import Settings


@dataclass(frozen=True, slots=True)
class HostParts:
    """What a host hands to the engine as objects; None takes the setting or the default."""

    context_provider: ContextProvider | None = None
    automation_policy: AutomationPolicy | None = None
    draft_generator: DraftGenerator | None = None
    action_suggester: ActionSuggester | None = None
    query_rewriter: QueryRewriter | None = None
    embedder: Embedder | None = None
    reranker: Reranker | None = None
    widget_verifier: WidgetVerifier | None = None
    identity_provider: IdentityProvider | None = None
    # Beside those that the settings name.
    tools: Sequence[object] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """Every collaborator and every knob, chosen once for one engine."""

    audit: AuditConfig
    conversations: ConversationsConfig
    knowledge: KnowledgeConfig
    retrieval: RetrievalConfig
    drafting: DraftingConfig
    gates: Gates
    context_provider: ContextProvider
    automation_policy: AutomationPolicy
    draft_generator: DraftGenerator
    action_suggester: ActionSuggester
    query_rewriter: QueryRewriter | None
    embedding: Embedding
    reranker: Reranker | None
    widget_verifier: WidgetVerifier | None
    retention: Retention


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
    retrieval = _retrieval(settings)
    return Parts(
        audit=_audit(settings),
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
        gates=_gates(settings, host),
        context_provider=host.context_provider
        or load(settings.context_provider, "ContextProvider", "context")
        or NoContext(),
        automation_policy=host.automation_policy
        or load(settings.automation_policy, "AutomationPolicy", "decide")
        or RequireApproval(),
        draft_generator=host.draft_generator
        or load(settings.draft_generator, "DraftGenerator", "generate")
        or _generator(settings),
        action_suggester=_suggester(settings, host),
        query_rewriter=host.query_rewriter
        or load(settings.query_rewriter, "QueryRewriter", "rewrite"),
        embedding=_embedding(settings, host, retrieval),
        reranker=host.reranker or load(settings.reranker, "Reranker", "rerank"),
        widget_verifier=host.widget_verifier
        or load(settings.widget_verifier, "WidgetVerifier", "verify"),
        retention=Retention(
            finished=timedelta(hours=settings.finished_job_hours),
            dead_letters=timedelta(days=settings.dead_letter_days),
        ),
    )


def _retrieval(settings: Settings) -> RetrievalConfig:
    return RetrievalConfig(
        language=settings.language,
        fusion=Fusion(settings.search_fusion),
        clarification_limit=settings.clarification_limit,
        calibration_max_drift=settings.calibration_max_drift,
        gap_retention=timedelta(days=settings.gap_retention_days),
    )


def _generator(settings: Settings) -> DraftGenerator:
    """Who words replies here when the host brings nobody."""
    if settings.drafting_model == "scoria":
        return Scoria()
    return Anthropic(
        AnthropicConfig(
            key=settings.anthropic_api_key,
            model=settings.anthropic_model,
            max_tokens=settings.anthropic_max_tokens,
            base_url=settings.anthropic_base_url,
            timeout=timedelta(seconds=settings.anthropic_timeout),
            clarification_limit=settings.clarification_limit,
            max_length=settings.max_message_length,
        )
    )


def _embedding(settings: Settings, host: HostParts, config: RetrievalConfig) -> Embedding:
    """The embedder that is asked, and the way to those whose vectors are still there."""
    choice = Choice(
        name=settings.embedder,
        threads=os.cpu_count() or 1,
        folder=settings.embedder_folder,
        model=settings.embedder_model,
        url=settings.embedder_url,
        key=settings.embedder_key,
        dim=settings.embedder_dim,
        pooling=settings.embedder_pooling,
    )
    return Embedding(
        host.embedder or chosen(choice),
        query_timeout_s=config.query_embedding_timeout.total_seconds(),
        passage_timeout_s=config.passage_embedding_timeout.total_seconds(),
        remembered_queries=config.remembered_queries,
        alpha=settings.embedder_alpha,
        making=partial(made_for, choice),
    )


def _gates(settings: Settings, host: HostParts) -> Gates:
    """Every tool of this site behind the gates that judge its use."""
    named = [load(path, "Tool", settings=settings) for path in settings.tools]
    identity = (
        host.identity_provider
        or load(settings.identity_provider, "IdentityProvider", "scopes", "may_decide")
        or ConfiguredIdentity(
            operators=settings.operator_scopes, automation=settings.automation_scopes
        )
    )
    return Gates(
        Registry.of([InternalNote, *host.tools, *named]), identity, governance_config(settings)
    )


def _audit(settings: Settings) -> AuditConfig:
    key = settings.audit_key
    return AuditConfig(settings.home_dir, None if key is None else key.get_secret_value())


def _suggester(settings: Settings, host: HostParts) -> ActionSuggester:
    named = load(settings.action_suggester, "ActionSuggester", "suggest", settings=settings)
    return host.action_suggester or named or NoSuggestions()


def handlers(parts: Parts) -> dict[type, Sequence[EventHandler]]:
    """In-transaction handlers, in the order in which they run before the commit."""
    retrieval = retrieval_jobs.handlers(parts.retrieval)
    listed: dict[type, Sequence[EventHandler]] = {
        event: [handler] for event, handler in retrieval.items()
    }
    others = (
        case_jobs.handlers(),
        drafting_handlers.handlers(parts.drafting),
        governance_telemetry.handlers(parts.gates.registry),
    )
    for handled in others:
        for event, following in handled.items():
            listed[event] = [*listed.get(event, ()), *following]
    return listed


def wire(db: Database, parts: Parts, *, ground: Grounder, windows: Windows = PRODUCTION) -> Wired:
    """Register every task and every sweep.

    Raises:
        Misconfigured: as :func:`core.rescue.check_windows`.
    """
    drafting = DraftingParts(
        ground=ground,
        generator=parts.draft_generator,
        policy=parts.automation_policy,
        suggester=parts.action_suggester,
        rewriter=parts.query_rewriter,
    )
    governance = Governance(db, parts.gates, parts.gates.config)
    specs = [
        *conversation_jobs.tasks(db),
        *retrieval_jobs.tasks(db, parts.embedding, parts.retrieval),
        *case_jobs.tasks(db, parts.embedding, parts.retrieval, actions=effects),
        *drafting_jobs.tasks(db, drafting, parts.drafting, propose=_proposer(governance)),
        *governance_jobs.tasks(db, parts.gates, parts.gates.config),
    ]
    tasks = {spec.name: spec for spec in specs}

    check_windows(specs, windows)

    async def rescue() -> None:
        await rescue_stranded(db, tasks, windows=windows)

    async def retain() -> None:
        await prune(db, parts.retention)

    sweeps = [
        Sweep("rescue stranded jobs", windows.sweep_every, rescue),
        Sweep("prune the queue", PRUNE_EVERY, retain),
        *audit_jobs.sweeps(db, parts.audit),
        *conversation_jobs.sweeps(db),
        *retrieval_jobs.sweeps(db, parts.embedding),
        *case_jobs.sweeps(db, parts.embedding),
        *gap_jobs.sweeps(db, retention=parts.retrieval.gap_retention),
        *governance_sweeping.sweeps(db, parts.gates, parts.gates.config),
    ]
    return Wired(tasks, sweeps)


def _proposer(governance: Governance) -> Proposer:
    """What a draft suggests, proposed as every action is: judged by the gates, kept as a row."""

    async def propose(
        caller: Caller, draft_id: DraftId, conversation_id: ConversationId, action: SuggestedAction
    ) -> Outcome:
        try:
            made = await governance.propose(
                caller,
                action.tool,
                action.input,
                conversation_id=conversation_id,
                idempotency_key=f"draft:{draft_id}",
            )
        except Blocked as stopped:
            blocked = stopped.facts.get("proposal_id")
            row = ProposalId(blocked) if isinstance(blocked, int) else None
            return Outcome(SuggestionState.BLOCKED, row, str(stopped.facts.get("reason")))
        except Refused as refusal:
            return Outcome(SuggestionState.REFUSED, None, refusal.code)
        return Outcome(SuggestionState.PROPOSED, made.proposal_id)

    return propose
