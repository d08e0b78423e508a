"""Runs sentence models in the ONNX format: tokenise, run, pool, scale to length one."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.ports import Vectors

MOST_TEXTS = 32
# Beyond this many tokens a batch falls out of the processor's cache: measured, 32 passages at
# once take a quarter longer than eight times four.
MOST_TOKENS = 512
# A text shorter than this share of the longest of its batch would mostly be padding.
PADDING_WORTH_KEEPING = 0.6

INSTALL = "Install it with: pip install 'cairnloop[local]'"
# What a sentence model is fed with; anything else is a model of another kind.
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
# What exporters call the vectors of the single tokens.
_TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings")


class Pooling(StrEnum):
    """How the vectors of a text's tokens become the vector of the text."""

    MEAN = "mean"
    CLS = "cls"


@dataclass(frozen=True, slots=True)
class Graph:
    """What it takes to run one model."""

    weights: Path
    tokenizer: Path
    dim: int
    pooling: Pooling
    max_tokens: int


class Files(Protocol):
    """Where a model comes from. Hashable: two that are equal share one loaded model."""

    def graph(self) -> Graph:
        """Find and check the files. Raises ``Misconfigured`` when they are not usable."""
        ...

    def __hash__(self) -> int: ...


def not_installed(what: str) -> Misconfigured:
    return Misconfigured(
        "embedder_not_installed", f"The local sentence model is missing ({what}). {INSTALL}"
    )


def _unreadable(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "embedder_files_unreadable",
        f"{path.name} is not a sentence model that can be run ({why}). Export the model to ONNX "
        "again, or name another folder.",
        file=path.name,
    )


class Model:
    """One loaded model. Sessions may be used from several threads at once."""

    def __init__(self, graph: Graph, tokenizer: Any, session: Any) -> None:
        self._graph = graph
        self._tokenizer = tokenizer
        self._session = session
        self._turn = threading.Lock()
        self._inputs = {entry.name for entry in session.get_inputs()}
        outputs = [entry.name for entry in session.get_outputs()]
        named = [name for name in _TOKEN_OUTPUTS if name in outputs]
        self._output = (named or outputs)[0]
        # Masked, so that no number depends on it; but some models count positions by it.
        self._padding = _padding(tokenizer)

    @classmethod
    def load(cls, graph: Graph, threads: int) -> Model:
        """Read tokenizer and weights from disk; nothing here can reach the network.

        Raises:
            Misconfigured: ``embedder_not_installed`` or ``embedder_files_unreadable``.
        """
        # The runtime reads this while it is imported; nothing of ours reports to anybody.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # noqa: TID251 - read by a library
        try:
            # deferred: an optional extra, and 200 ms that a process without searches never pays
            import onnxruntime
            import tokenizers
        except ImportError as error:
            raise not_installed(error.name or "onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would burn a core between two questions.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(graph.tokenizer))
        except Exception as error:
            raise _unreadable(graph.tokenizer, type(error).__name__) from error
        try:
            session = onnxruntime.InferenceSession(
                str(graph.weights), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise _unreadable(graph.weights, type(error).__name__) from error
        loaded = cls(graph, tokenizer, session)
        loaded.prove()
        return loaded

    def prove(self) -> None:
        """Embed one word, so that a model of another kind is refused before it is relied on."""
        weights = self._graph.weights
        foreign = sorted(self._inputs - _INPUTS)
        if foreign or "input_ids" not in self._inputs:
            raise _unreadable(weights, f"it wants {', '.join(foreign) or 'no tokens'}")
        # Some files ask for padding to a fixed length, which would make every query cost it.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._graph.max_tokens)
        try:
            found = self._run([self._tokenizer.encode("word").ids])
        except Exception as error:
            raise _unreadable(weights, type(error).__name__) from error
        if found.shape != (1, self._graph.dim):
            size = found.shape[-1]
            raise Misconfigured(
                "embedder_dim_wrong",
                f"{weights.name} makes vectors of {size} numbers, and {self._graph.dim} are "
                f"expected. Set embedder_dim = {size}, or leave it out.",
                found=size,
                expected=self._graph.dim,
            )

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit vector for each text, in the order of the texts."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(rows), self._graph.dim), dtype=np.float32)
        for batch in batches([len(row) for row in rows]):
            # A run uses every core: side by side they only get in each other's way. A question
            # waits for one batch of an article at most, not for the article.
            with self._turn:
                vectors[batch] = self._run([rows[position] for position in batch])
        return vectors

    def _run(self, rows: Sequence[Sequence[int]]) -> Vectors:
        longest = max(1, *(len(row) for row in rows))
        ids = np.full((len(rows), longest), self._padding, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for position, row in enumerate(rows):
            ids[position, : len(row)] = row
            mask[position, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {name: numbers for name, numbers in feed.items() if name in self._inputs}
        return pooled(self._session.run([self._output], wanted)[0], mask, self._graph.pooling)


def _padding(tokenizer: Any) -> int:
    asked: dict[str, Any] = tokenizer.padding or {}
    named = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>"))
    known = [number for number in (asked.get("pad_id"), *named) if isinstance(number, int)]
    return known[0] if known else 0


def pooled(
    hidden: npt.NDArray[np.floating[Any]], mask: npt.NDArray[np.int64], pooling: Pooling
) -> Vectors:
    """One vector of length one for each row, from its real tokens.

    Some exports pool by themselves; their rows are only scaled.
    """
    if hidden.ndim == 2:
        found = hidden.astype(np.float32)
    elif pooling is Pooling.CLS:
        found = hidden[:, 0].astype(np.float32)
    else:
        weights = mask[:, :, None].astype(np.float32)
        found = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    scaled: Vectors = (found / np.maximum(norms, 1e-12)).astype(np.float32)
    return scaled


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Positions grouped by similar length, so that little of a batch is padding."""
    grouped: list[list[int]] = []
    room = 0
    shortest = 0.0
    for position in sorted(range(len(lengths)), key=lambda p: (-lengths[p], p)):
        if grouped and len(grouped[-1]) < room and lengths[position] >= shortest:
            grouped[-1].append(position)
            continue
        grouped.append([position])
        room = max(1, min(MOST_TEXTS, MOST_TOKENS // max(1, lengths[position])))
        shortest = PADDING_WORTH_KEEPING * lengths[position]
    return grouped


_loading = threading.Lock()


# Two: while a model is being replaced, the old one still answers.
@lru_cache(maxsize=2)
def _shared(files: Files, threads: int) -> Model:
    return Model.load(files.graph(), threads)


@dataclass(frozen=True, slots=True)
class Runner:
    """A model that is loaded at the first text, once for everybody in the process."""

    files: Files
    threads: int

    async def prepare(self) -> None:
        """Load the model, in a thread; the second time there is nothing to do."""
        await asyncio.to_thread(self.model)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed in a thread."""
        return await asyncio.to_thread(lambda: self.model().embed(texts))

    def model(self) -> Model:
        with _loading:
            return _shared(self.files, max(1, self.threads))
