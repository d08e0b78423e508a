"""The HTTP interfaces that are spoken: OpenAI's, which many servers share, and Voyage AI's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from cairnloop_engine.core.errors import JsonObject, Misconfigured
from cairnloop_engine.retrieval.adapters.ids import identity
from cairnloop_engine.retrieval.adapters.remote import Endpoint, Remote, TimeLimits
from cairnloop_engine.retrieval.ports import EmbedderRecord, Purpose


@dataclass(frozen=True, slots=True)
class Provider:
    """What one interface calls things. Lengths are those of its documentation."""

    name: str
    base_url: str
    model: str
    # The vectors' length of each known model when no other is asked for.
    dimensions: Mapping[str, int]
    dimension_field: str
    fields: Mapping[Purpose, JsonObject]
    # Whether a server of one's own may do without a key.
    key_optional: bool


OPENAI = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    model="text-embedding-3-small",
    dimensions={
        "text-embedding-3-small": 1536,
        "text-embedding-3-large": 3072,
        "text-embedding-ada-002": 1536,
    },
    dimension_field="dimensions",
    fields={purpose: {"encoding_format": "float"} for purpose in Purpose},
    key_optional=True,
)

VOYAGE = Provider(
    name="voyage",
    base_url="https://api.voyageai.com/v1",
    model="voyage-3.5",
    dimensions={
        "voyage-3.5": 1024,
        "voyage-3.5-lite": 1024,
        "voyage-3-large": 1024,
        "voyage-code-3": 1024,
    },
    dimension_field="output_dimension",
    fields={
        Purpose.QUERY: {"input_type": "query", "truncation": True},
        Purpose.PASSAGE: {"input_type": "document", "truncation": True},
    },
    key_optional=False,
)

PROVIDERS = {provider.name: provider for provider in (OPENAI, VOYAGE)}


@dataclass(frozen=True, slots=True)
class Account:
    """How one installation uses a provider; None takes the provider's usual."""

    key: SecretStr | None = None
    model: str | None = None
    base_url: str | None = None
    dim: int | None = None
    limits: TimeLimits = field(default_factory=TimeLimits)


def remote(provider: Provider, account: Account) -> Remote:
    """An embedder behind a provider's interface. Sends nothing yet.

    Raises:
        Misconfigured: ``embedder_key_missing``, ``embedder_dim_missing`` or
            ``embedder_url_invalid``.
    """
    endpoint = Endpoint((account.base_url or provider.base_url).rstrip("/"), account.key)
    if account.key is None and not (provider.key_optional and account.base_url):
        raise Misconfigured(
            "embedder_key_missing",
            f"The embedder {provider.name} needs a key: set embedder_key, or set embedder to auto "
            "for the sentence model that runs here.",
        )
    model = account.model or provider.model
    own = provider.dimensions.get(model)
    dim = account.dim or own
    if dim is None:
        raise Misconfigured(
            "embedder_dim_missing",
            f"The length of the vectors of {model[:80]} is not known here: set embedder_dim.",
        )
    # A model of one length refuses to be asked for a length.
    size: JsonObject = {} if own in {None, dim} else {provider.dimension_field: dim}

    def asking(texts: Sequence[str], purpose: Purpose) -> JsonObject:
        return {"model": model, "input": list(texts), **provider.fields[purpose], **size}

    record = EmbedderRecord(
        model_id=f"{_source(provider, endpoint)}/{identity(model, length=48)}/{dim}",
        dim=dim,
        alpha=0.65,
        # Nobody measured what its scores mean.
        thresholds=None,
        label=f"{model[:80]} at {endpoint.host}",
    )
    return Remote(record, endpoint, asking, account.limits)


def _source(provider: Provider, endpoint: Endpoint) -> str:
    """The interface, and the server when it is not the provider's own."""
    if endpoint.base_url == provider.base_url:
        return provider.name
    return f"{provider.name}-{hashlib.sha256(endpoint.url.encode()).hexdigest()[:8]}"
