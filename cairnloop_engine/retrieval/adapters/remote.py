"""Sentence models behind an HTTP interface: batches, time limits, patience, and what went wrong."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.core.errors import CairnloopError, JsonObject, Misconfigured, Unavailable
from cairnloop_engine.retrieval.embedding import invalid_answer
from cairnloop_engine.retrieval.ports import EmbedderRecord, Purpose

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

MOST_INPUTS = 64
# A token is seldom shorter than a character: this stays below what any provider takes at once.
MOST_CHARACTERS = 100_000
# 64 vectors of 4,000 numbers, each written with twenty digits, are six million bytes.
MOST_BYTES = 24_000_000
MOST_ERROR_BYTES = 64_000

# How often one batch of an article is sent. A question is never sent twice: who asks it waits.
TRIES = 3
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 20.0
# What a provider may ask of a job that comes back later.
LONGEST_RETRY_AFTER_S = 300.0

_PROVIDER_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds for one request."""

    connect: float = 5.0
    read: float = 30.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider answers, and with which key."""

    base_url: str
    key: SecretStr | None = None

    def __post_init__(self) -> None:
        """Raises ``Misconfigured`` (``embedder_url_invalid``): a URL is shown, a key never is."""
        try:
            parts = urlsplit(self.base_url)
            fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits or parts.username or parts.password or parts.query or parts.fragment:
            raise Misconfigured(
                "embedder_url_invalid",
                "embedder_url is not an address such as https://host/v1, without a user name, "
                "a key or a query in it.",
            )

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    @property
    def url(self) -> str:
        return f"{self.base_url.rstrip('/')}/embeddings"


# The body of a request for some texts: where providers differ.
Asking = Callable[[Sequence[str], Purpose], JsonObject]
Embedded = list[list[float]]


@dataclass(slots=True)
class Remote:
    """An embedder that asks a provider. One connection pool, opened at the first text."""

    record: EmbedderRecord
    endpoint: Endpoint
    asking: Asking
    limits: TimeLimits = field(default_factory=TimeLimits)
    _client: AsyncClient | None = field(default=None, repr=False)

    async def prepare(self) -> None:
        """Load the HTTP library and the certificates, which may take longer than a question."""
        await asyncio.to_thread(self._connected)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Embedded:
        """The vectors of the texts, batch after batch.

        Raises:
            Unavailable: ``embedder_busy``, ``embedder_down`` or ``embedder_unreachable``.
            Misconfigured: ``embedder_key_refused``, ``embedder_quota_used_up``,
                ``embedder_model_missing``, ``embedder_request_refused`` or
                ``embedder_answer_invalid``.
        """
        assert_no_transaction("a request for embeddings")
        vectors: Embedded = []
        for batch in batches(texts):
            vectors.extend(await self._patiently(batch, purpose))
        return vectors

    async def _patiently(self, texts: Sequence[str], purpose: Purpose) -> Embedded:
        tries = 1 if purpose is Purpose.QUERY else TRIES
        for attempt in range(1, tries + 1):
            try:
                return await self._ask(texts, purpose)
            except Unavailable as away:
                pause = away.retry_after or FIRST_PAUSE_S * attempt
                if attempt == tries or pause > LONGEST_PAUSE_S:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _ask(self, texts: Sequence[str], purpose: Purpose) -> Embedded:
        body = self.asking([text if text.strip() else "." for text in texts], purpose)
        async with self._answer(body) as response:
            if response.status_code != 200:
                raise _refusal(self.endpoint, response, await _start_of(response))
            content = await self._whole(response)
        return self._read(content, len(texts))

    @asynccontextmanager
    async def _answer(self, body: JsonObject) -> AsyncIterator[Response]:
        """The provider's answer, as far as its headers; what breaks on the way is an outage."""
        library = _library()
        key = self.endpoint.key
        headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
        try:
            async with self._connected().stream(
                "POST", self.endpoint.url, json=body, headers=headers
            ) as response:
                yield response
        except library.TransportError as error:
            # Without its cause: the request that it holds carries the key.
            raise _unreachable(self.endpoint, type(error).__name__) from None
        except library.DecodingError:
            raise invalid_answer(self.record, "format", "an answer that cannot be read") from None

    def _connected(self) -> AsyncClient:
        if self._client is None:
            library = _library()
            limits = self.limits
            self._client = library.AsyncClient(
                timeout=library.Timeout(limits.read, connect=limits.connect),
                follow_redirects=False,
            )
        return self._client

    async def _whole(self, response: Response) -> bytes:
        content = bytearray()
        async for part in response.aiter_bytes():
            content += part
            if len(content) > MOST_BYTES:
                raise invalid_answer(self.record, "size", f"more than {MOST_BYTES} bytes")
        return bytes(content)

    def _read(self, content: bytes, n_texts: int) -> Embedded:
        """The vectors of an answer in the order of the texts, by the index of each."""
        try:
            items = json.loads(content)["data"]
            found = {item["index"]: item["embedding"] for item in items}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise invalid_answer(self.record, "format", "something else than vectors") from None
        if len(items) != n_texts or set(found) != set(range(n_texts)):
            raise invalid_answer(self.record, "count", f"{len(items)} vectors for {n_texts} texts")
        return [found[position] for position in range(n_texts)]


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in their order, as many at once as a provider takes."""
    start = size = 0
    for position, text in enumerate(texts):
        full = position - start == MOST_INPUTS or size + len(text) > MOST_CHARACTERS
        if full and position > start:
            yield texts[start:position]
            start, size = position, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]


def _library() -> Any:
    # deferred: 100 ms that a desk with a local model never pays
    import httpx2

    return httpx2


async def _start_of(response: Response) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > MOST_ERROR_BYTES:
            break
    return bytes(content)


def _refusal(endpoint: Endpoint, response: Response, content: bytes) -> CairnloopError:
    """What another status than 200 means. The provider's own words may repeat what was sent."""
    status, told = response.status_code, _provider_code(content)
    facts: JsonObject = {"status": status, "provider_code": told}
    host = endpoint.host
    if told in _QUOTA or status == 402:
        return Misconfigured(
            "embedder_quota_used_up",
            f"The account at {host} has nothing left to embed with; settle that with the provider.",
            **facts,
        )
    if status in {401, 403}:
        return Misconfigured(
            "embedder_key_refused",
            f"{host} does not accept the key. Set embedder_key to one that may embed.",
            **facts,
        )
    if status == 429:
        return Unavailable(
            "embedder_busy",
            f"{host} asks for fewer requests; this is tried again later.",
            retry_after=_retry_after(response),
            **facts,
        )
    if status >= 500 or status in {408, 425}:
        return Unavailable(
            "embedder_down",
            f"{host} cannot embed at the moment (status {status}).",
            retry_after=_retry_after(response),
            **facts,
        )
    if status == 404:
        return Misconfigured(
            "embedder_model_missing",
            f"{host} does not know this model or address. Check embedder_model and embedder_url.",
            **facts,
        )
    return Misconfigured(
        "embedder_request_refused",
        f"{host} does not accept the request (status {status}). Check embedder_url, "
        "embedder_model and embedder_dim.",
        **facts,
    )


def _unreachable(endpoint: Endpoint, what: str) -> Unavailable:
    return Unavailable(
        "embedder_unreachable",
        f"{endpoint.host} did not answer a request for embeddings ({what}).",
        problem=what,
    )


def _provider_code(content: bytes) -> str | None:
    """The provider's machine word for what went wrong, when it looks like one."""
    try:
        told = json.loads(content)["error"]
        code = told.get("code") or told.get("type")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return code if isinstance(code, str) and _PROVIDER_CODE.fullmatch(code) else None


def _retry_after(response: Response) -> float | None:
    """Seconds until the provider wants to be asked again, bounded; None when it does not say."""
    asked = response.headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        seconds = _seconds_between(response.headers.get("date", ""), asked)
    return min(seconds, LONGEST_RETRY_AFTER_S) if seconds > 0 else None


def _seconds_between(now: str, then: str) -> float:
    """Both by the provider's own clock, which need not be ours."""
    try:
        return (parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
