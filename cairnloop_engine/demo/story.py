"""Tells the conversations of a part through the services, step by step.

Each step is a transaction of its own at its own moment. A load that was interrupted goes on from
the step at which the conversation stands; one that somebody took elsewhere is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.errors import Conflict
from cairnloop_engine.core.ids import ArticleId, ConversationId
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.demo.actions import Acting
from cairnloop_engine.demo.clock import StoryClock
from cairnloop_engine.demo.patience import until
from cairnloop_engine.demo.scenario import ConversationSeed, Mark, Step, StepKind
from cairnloop_engine.drafting.model import SuggestionState
from cairnloop_engine.engine import Engine

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Teller:
    """Lives through conversations as their customers and as the story's operator."""

    engine: Engine
    clock: StoryClock
    operator: Caller
    acting: Acting
    articles: Mapping[str, ArticleId]
    titles: Mapping[str, str]

    async def tell(self, seed: ConversationSeed, *, now: datetime) -> ConversationId:
        """Bring one conversation to its end; nothing happens when it already is there.

        Raises:
            Conflict: ``demo_outdated`` when it was loaded from another version of the story.
        """
        moments = seed.moments(now)
        self.clock.set(moments[0])
        conversation_id = await self._begin(seed)
        row = await self.engine.conversations.conversation(self.operator, conversation_id)
        position = seed.next_step(Mark(row.revision, row.message_count))
        if position is None:
            return conversation_id
        for number in range(position, len(seed.steps)):
            self.clock.set(moments[number])
            action = seed.steps[number].action
            if action is None:
                await self._step(seed, conversation_id, number)
            else:
                key = f"demo:{_client_id(seed, number)}"
                await self.acting.act(action, conversation_id, key=key, at=moments[number])
        return conversation_id

    async def _begin(self, seed: ConversationSeed) -> ConversationId:
        """The conversation, found or begun by its customer's first message."""
        try:
            begun = await self.engine.conversations.ingest(
                self._customer(seed),
                customer_ref=seed.person.ref,
                text=seed.steps[0].text,
                subject=seed.subject,
                client_id=_client_id(seed, 0),
                start_new=True,
            )
        except Conflict as error:
            raise Conflict(
                "demo_outdated",
                f"The conversation {seed.key} was loaded from another version of the demo. "
                "Run `cairnloop seed --reset` to load it anew.",
                key=seed.key,
            ) from error
        return begun.conversation_id

    async def _step(
        self, seed: ConversationSeed, conversation_id: ConversationId, number: int
    ) -> None:
        step = seed.steps[number]
        conversations = self.engine.conversations
        match step.kind:
            case StepKind.CUSTOMER:
                await conversations.ingest(
                    self._customer(seed),
                    customer_ref=seed.person.ref,
                    text=step.text,
                    conversation_id=conversation_id,
                    client_id=_client_id(seed, number),
                )
            case StepKind.AGENT:
                citations = [await self._citation(key, step.text) for key in step.cites]
                await conversations.reply(
                    self.operator, conversation_id, step.text, hold=0, citations=citations
                )
            case StepKind.NOTE:
                await conversations.note(self.operator, conversation_id, step.text)
            case StepKind.ASSIGN:
                await conversations.assign(self.operator, conversation_id, step.text)
            case StepKind.RESOLVE:
                await conversations.resolve(self.operator, conversation_id)
            case StepKind.ARCHIVE:
                await conversations.archive(self.operator, conversation_id)
            case _:
                await self._draft_step(step, conversation_id)

    async def _draft_step(self, step: Step, conversation_id: ConversationId) -> None:
        if step.kind is StepKind.DRAFT:
            await self._draft(conversation_id)
            return
        draft = await self.engine.drafting.pending_for(self.operator, conversation_id)
        if draft is None:
            return
        if step.kind is StepKind.DISCARD:
            await self.engine.drafting.discard(self.operator, draft.id, reason=step.text)
        elif draft.sendable:
            await self.engine.drafting.approve(
                self.operator, draft.id, edit=step.text or None, hold=0
            )
        else:
            # Without the local sentence model nothing is grounded, so there is nothing to send.
            await self.engine.drafting.discard(self.operator, draft.id)

    async def _draft(self, conversation_id: ConversationId) -> None:
        """Let the drafting job run, as a worker does."""
        wanted = AuditFilter(action="drafting.created", conversation_id=conversation_id)

        async def drafted() -> bool:
            page = await self.engine.audit.events(self.operator, filter=wanted, limit=1)
            draft = await self.engine.drafting.pending_for(self.operator, conversation_id)
            suggested = None if draft is None else draft.suggested
            handed = suggested is None or suggested.state is not SuggestionState.WAITING
            return bool(page.items) and handed

        async def work() -> None:
            await self.engine.run_worker(queues=[Queues.DRAFTING], drain=True)

        await until(drafted, retry=work, what="a draft")

    async def _citation(self, key: str, text: str) -> Citation:
        """The passage of an article that a reply rests on, as the operator's search finds it."""
        article_id = self.articles[key]
        found = await self.engine.retrieval.search(self.operator, text)
        for hit in found.items:
            if hit.article_id == article_id:
                return hit.citation
        return Citation(self.titles[key], "knowledge_base", article_id=article_id)

    def _customer(self, seed: ConversationSeed) -> Caller:
        return Caller.customer(seed.person.ref, self.operator.workspace)


def _client_id(seed: ConversationSeed, number: int) -> str:
    """The natural key of a customer's message."""
    return f"{seed.key}-{number + 1}"
