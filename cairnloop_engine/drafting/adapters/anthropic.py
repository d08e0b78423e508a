"""Drafts in a model's words where the sources carry them; in every other case Scoria's draft.

Only strong grounding reaches the model. It is asked twice: for a literal quote that answers, and
then for the reply. Both answers are checked here, and whatever goes wrong on the way costs the
model's words, never the draft.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.text import safe
from cairnloop_engine.drafting import checking, compose
from cairnloop_engine.drafting.model import ProposalType
from cairnloop_engine.drafting.ports import Line
from cairnloop_engine.drafting.prompting import Material, Prompt, material
from cairnloop_engine.drafting.proposal import Proposal, grounding_metadata, within_limit
from cairnloop_engine.retrieval.model import GroundingBundle, GroundingStatus, Reason

if TYPE_CHECKING:
    from ssl import SSLContext
    from types import ModuleType

log = logging.getLogger(__name__)

NAME = "anthropic"
BASE_URL = "https://api.anthropic.com"
MODEL = "claude-sonnet-4-6"
QUOTE_TOKENS = 300
# Spec 03 R9: no draft waits longer for a model, retry included.
LONGEST = timedelta(seconds=20)
# An API that asks for more patience than this is not asked again for this draft.
MOST_PATIENCE_S = 5.0
MODEL_NAME_LENGTH = 80

_TRY_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_COMPLETE = frozenset({"end_turn", "stop_sequence"})
_CUT_OFF = frozenset({"max_tokens", "model_context_window_exceeded"})
# At DEBUG these write whole requests, which hold what customers wrote.
_TALKATIVE = ("anthropic", "httpx2", "httpcore2")


@dataclass(frozen=True, slots=True)
class AnthropicConfig:
    """Which model, on whose account, and how long a draft may wait for it.

    ``pause`` is the wait before the one retry. ``clarification_limit`` and ``max_length`` are
    those of drafting.
    """

    key: SecretStr | None = None
    model: str = MODEL
    max_tokens: int = 1024
    base_url: str = BASE_URL
    timeout: timedelta = LONGEST
    pause: timedelta = timedelta(milliseconds=500)
    clarification_limit: int = 1
    max_length: int = 10_000


class Anthropic:
    """Composes a reply with a model of Anthropic's, cited and checked."""

    def __init__(self, config: AnthropicConfig) -> None:
        self._config = config

    async def generate(self, conversation_id: ConversationId, bundle: GroundingBundle) -> Proposal:
        return await self.generate_in_thread(conversation_id, bundle, ())

    async def generate_in_thread(
        self, conversation_id: ConversationId, bundle: GroundingBundle, thread: Sequence[Line]
    ) -> Proposal:
        """The model's draft, or Scoria's with the reason why; raises nothing of the model's."""
        assert_no_transaction("a model")
        reason = self._why_not(bundle)
        if reason is None:
            known = material(bundle, thread)
            try:
                # Reading libraries and certificates takes seconds, once; no model is asked yet.
                library = await asyncio.to_thread(_loaded)
                async with asyncio.timeout(min(self._config.timeout, LONGEST).total_seconds()):
                    return await self._written(library, conversation_id, bundle, known)
            except _Unusable as unusable:
                reason = unusable.reason
            except TimeoutError:
                reason = "timeout"
            # Whatever a client library raises costs the model's words, not the draft. Its message
            # may hold the request, so only its class is told.
            except Exception as error:
                log.error("the model's client broke", extra={"error": type(error).__name__})
                reason = "model_failed"
        if reason not in _EXPECTED:
            log.warning("a draft is written without the model", extra={"code": reason})
        return compose.propose(conversation_id, bundle, fallback_reason=reason)

    def _why_not(self, bundle: GroundingBundle) -> str | None:
        if bundle.grounding.status is not GroundingStatus.STRONG:
            return "weak_grounding"
        key = self._config.key
        return "no_key" if key is None or not key.get_secret_value().strip() else None

    async def _written(
        self,
        library: _Library,
        conversation_id: ConversationId,
        bundle: GroundingBundle,
        known: Material,
    ) -> Proposal:
        if not known.sources:
            raise _Unusable("no_sources")
        async with _client(library, self._config) as client:
            calls = _Calls(library.sdk, client, self._config)
            answer = await calls.ask(known.quote(), QUOTE_TOKENS)
            quoted = checking.literal_quote(answer.text, known.sources)
            if quoted is None:
                return self._without_an_answer(conversation_id, bundle, answer.model)
            written = await calls.ask(known.reply(), self._config.max_tokens)
        number, quote = quoted
        checked: JsonObject = {"model": answer.model, "source": number, "text": quote}
        return self._proposal(conversation_id, bundle, known, written, checked)

    def _proposal(
        self,
        conversation_id: ConversationId,
        bundle: GroundingBundle,
        known: Material,
        written: _Answer,
        quote: JsonObject,
    ) -> Proposal:
        reply = checking.tidied(written.text)
        broken = checking.fault(reply, known.grounds, max_length=self._config.max_length)
        if broken is not None:
            raise _Unusable(broken.value)
        noted = compose.with_notes(reply, bundle)
        if len(noted) > self._config.max_length:
            raise _Unusable(checking.Fault.TOO_LONG.value)
        return Proposal(
            conversation_id=conversation_id,
            proposal_type=ProposalType.REPLY,
            operator_summary=compose.written_by(written.model, reply, bundle),
            customer_reply=noted,
            content=noted,
            evidence=bundle.evidence,
            grounding_metadata={**grounding_metadata(bundle), "quote": quote},
            clarification_attempts=bundle.attempts,
            generator=NAME,
            model=written.model,
        )

    def _without_an_answer(
        self, conversation_id: ConversationId, bundle: GroundingBundle, model: str
    ) -> Proposal:
        """No passage holds an answer: what weak grounding would have become."""
        grounding = replace(
            bundle.grounding,
            status=GroundingStatus.CLARIFICATION,
            reason=Reason.CANONICAL_INSUFFICIENT_DETAIL,
        )
        weaker = within_limit(
            replace(bundle, grounding=grounding), limit=self._config.clarification_limit
        )
        made = compose.propose(conversation_id, weaker, fallback_reason="no_quote")
        quote: JsonObject = {"model": model, "source": None, "text": None}
        return replace(made, grounding_metadata={**made.grounding_metadata, "quote": quote})


# Part of everyday work; the other reasons are worth a line in the log.
_EXPECTED = frozenset({"weak_grounding", "no_key"})


class _Unusable(Exception):
    """The model gave nothing that may become a draft; ``reason`` is stored with the draft."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    model: str


@dataclass(slots=True)
class _Calls:
    """The calls of one draft: one retry for all of them together."""

    sdk: ModuleType
    client: Any
    config: AnthropicConfig
    retries: int = field(default=1)

    async def ask(self, prompt: Prompt, max_tokens: int) -> _Answer:
        answer = await self._answered(prompt, max_tokens)
        text = _text(answer)
        if prompt.key in text:
            raise _Unusable("prompt_leaked")
        named = getattr(answer, "model", None)
        model = named if isinstance(named, str) and named else self.config.model
        return _Answer(text, safe(model, limit=MODEL_NAME_LENGTH))

    async def _answered(self, prompt: Prompt, max_tokens: int) -> object:
        while True:
            try:
                answer: object = await self._sent(prompt, max_tokens)
            except ValueError:
                # What should have been JSON is none; the message quotes what came instead.
                raise _Unusable("unparseable") from None
            except self.sdk.APIError as error:
                reason, patience = _judged(self.sdk, error, self.config.pause.total_seconds())
            else:
                return answer
            if patience is None or not self.retries:
                raise _Unusable(reason)
            self.retries -= 1
            await asyncio.sleep(patience)

    async def _sent(self, prompt: Prompt, max_tokens: int) -> object:
        rules = {"type": "text", "text": prompt.rules, "cache_control": {"type": "ephemeral"}}
        answer: object = await self.client.messages.create(
            model=self.config.model,
            max_tokens=max_tokens,
            system=[rules],
            messages=[{"role": "user", "content": prompt.request}],
        )
        return answer


@dataclass(frozen=True, slots=True)
class _Library:
    """The vendor's library, and the certificates that its connections are checked with."""

    sdk: ModuleType
    certificates: SSLContext


@cache
def _loaded() -> _Library:
    import anthropic  # deferred: it takes seconds to load, and most processes never call it
    import httpx2

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    return _Library(anthropic, httpx2.create_ssl_context())


def _client(library: _Library, config: AnthropicConfig) -> Any:
    """A client for one draft. A redirect would carry the key elsewhere, so none is followed."""
    assert config.key is not None
    seconds = min(config.timeout, LONGEST).total_seconds()
    sdk = library.sdk
    return sdk.AsyncAnthropic(
        api_key=config.key.get_secret_value().strip(),
        base_url=config.base_url,
        timeout=seconds,
        max_retries=0,
        open_telemetry=False,
        http_client=sdk.DefaultAsyncHttpxClient(
            follow_redirects=False, timeout=seconds, verify=library.certificates
        ),
    )


def _judged(sdk: ModuleType, error: Any, pause: float) -> tuple[str, float | None]:
    """The reason that a failed call leaves, and the seconds until the retry; None for no retry."""
    if isinstance(error, sdk.APITimeoutError):
        return "timeout", None
    if isinstance(error, sdk.APIConnectionError):
        return "connection_failed", pause
    if not isinstance(error, sdk.APIStatusError):
        return "unparseable", None
    reason = f"http_{error.status_code}"
    asked = error.response.headers.get("retry-after", "")
    patience = float(asked) if asked.replace(".", "", 1).isdecimal() else pause
    again = error.status_code in _TRY_AGAIN and patience <= MOST_PATIENCE_S
    return reason, max(patience, pause) if again else None


def _text(answer: object) -> str:
    """The words of a complete answer."""
    content = getattr(answer, "content", None)
    stopped = getattr(answer, "stop_reason", None)
    if not isinstance(content, list) or not isinstance(stopped, str):
        raise _Unusable("unparseable")
    if stopped in _CUT_OFF:
        raise _Unusable("truncated")
    if stopped == "refusal":
        raise _Unusable("refused")
    if stopped not in _COMPLETE:
        raise _Unusable("unparseable")
    texts = [getattr(block, "text", None) for block in content]
    text = "".join(one for one in texts if isinstance(one, str)).strip()
    if not text:
        raise _Unusable(checking.Fault.EMPTY.value)
    return text
