"""The seams of retrieval: what turns text into vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.model import GroundingThresholds

# What pgvector can index as half-precision numbers.
MOST_DIMENSIONS = 4000

# The length of a stored model id. A sign always stands between letters, so that no statement in
# which the id appears reads a colon as a parameter of its own.
MODEL_ID_LENGTH = 80
_MODEL_ID = re.compile(rf"[a-z0-9](?:[a-z0-9]|[._:/-](?=[a-z0-9])){{0,{MODEL_ID_LENGTH - 1}}}")

# Rows of numbers, one row a text.
Vectors = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float32]
# What a host may answer with: lists do, an array is faster.
Answer = Sequence[Sequence[float]] | Vectors


class Purpose(StrEnum):
    """Some models embed a question differently from a passage."""

    QUERY = "query"
    PASSAGE = "passage"


@dataclass(frozen=True, slots=True)
class EmbedderRecord:
    """What belongs to a model and to nothing else.

    ``model_id`` names model, size and source, and stands on every stored vector; vectors of
    different models are never compared.
    ``alpha`` is the weight of the cosine against the keyword share. ``thresholds`` None means
    that nobody has measured what this model's scores mean, so it never grounds a reply.

    Raises:
        Misconfigured: ``embedder_record_invalid``.
    """

    model_id: str
    dim: int
    alpha: float
    thresholds: GroundingThresholds | None
    label: str

    def __post_init__(self) -> None:
        # The id becomes part of a statement, because an index of one model names it literally.
        fits = (
            _MODEL_ID.fullmatch(self.model_id)
            and 1 <= self.dim <= MOST_DIMENSIONS
            and 0.0 <= self.alpha <= 1.0
        )
        if not fits:
            raise Misconfigured(
                "embedder_record_invalid",
                f"An embedder needs an id of at most {MODEL_ID_LENGTH} lower-case letters and "
                f"digits with single . _ : / - between them, 1 to {MOST_DIMENSIONS} dimensions, "
                "and an alpha between 0 and 1.",
                model_id=self.model_id,
            )


class Embedder(Protocol):
    """Turns texts into vectors, in order; called with no transaction open.

    An implementation raises ``Unavailable`` when trying again later can help and
    ``Misconfigured`` when it cannot. What it returns is checked before it is used.
    """

    @property
    def record(self) -> EmbedderRecord: ...

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Answer: ...


@runtime_checkable
class Preparing(Protocol):
    """An embedder that has to load something once, which may take longer than a question may."""

    async def prepare(self) -> None:
        """Load what is needed; does nothing when it is loaded. Raises as ``embed`` does."""
        ...


@runtime_checkable
class Closing(Protocol):
    """An embedder that holds connections."""

    async def close(self) -> None:
        """Give them back; the next text opens them again. Raises nothing."""
        ...


class Reranker(Protocol):
    """Reads the best passages once more beside the question; called with no transaction open.

    It may raise anything and take as long as it likes: the order of the search stands then.
    """

    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """How well each passage answers, in the order of the passages; larger is better."""
        ...
