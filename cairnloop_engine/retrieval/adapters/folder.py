"""Any sentence model in a local folder, as sentence-transformers and its exporters write them.

Read are ``model.onnx`` or ``onnx/model.onnx``, ``tokenizer.json`` and, where they are, the small
files beside them that say how the model wants to be used.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.adapters.ids import slug
from cairnloop_engine.retrieval.adapters.onnx import Graph, Pooling, Runner
from cairnloop_engine.retrieval.ports import EmbedderRecord, Purpose, Vectors

PREFIX = "onnx"

WEIGHTS = ("model.onnx", "onnx/model.onnx")
TOKENIZER = "tokenizer.json"
POOLING = "1_Pooling/config.json"
MODULES = "modules.json"
LIMITS = "sentence_bert_config.json"
PROMPTS = "config_sentence_transformers.json"
CONFIG = "config.json"

# Our passages have about 200 tokens, a whole article is cut: longer input only costs time.
MOST_TOKENS = 512
USUAL_TOKENS = 256
LARGEST_CONFIG = 1_000_000
LARGEST_TOKENIZER = 64_000_000

# How much of the weights tells one model from another: so many places, so many bytes of each.
SAMPLES = 16
SAMPLE_BYTES = 65_536

_POOLINGS = {"pooling_mode_cls_token": Pooling.CLS, "pooling_mode_mean_tokens": Pooling.MEAN}
_DIMENSIONS = ("word_embedding_dimension", "embedding_dimension", "hidden_size", "dim", "d_model")
_QUERY_PROMPTS = ("query",)
_PASSAGE_PROMPTS = ("passage", "document")
# The sentence-transformers modules that stand in the graph, or that we do ourselves.
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on this machine, and what the settings say beside what it says itself."""

    path: Path
    name: str | None = None
    dim: int | None = None
    pooling: Pooling | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds: the graph, the words put before a text, and what tells it apart."""

    model: Graph
    query_prefix: str
    passage_prefix: str
    fingerprint: str

    def graph(self) -> Graph:
        return self.model


def examine(folder: Folder) -> Found:
    """Read everything but the weights themselves.

    Raises:
        Misconfigured: ``embedder_folder_unusable`` naming what is missing or wrong in it.
    """
    path = folder.path.expanduser()
    if not path.is_dir():
        raise _unusable(path, "there is no such folder")
    weights = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if weights is None:
        raise _unusable(path, f"it has neither {' nor '.join(WEIGHTS)}")
    tokenizer = path / TOKENIZER
    if not tokenizer.is_file():
        raise _unusable(path, f"it has no {TOKENIZER}")
    if tokenizer.stat().st_size > LARGEST_TOKENIZER:
        raise _unusable(path, f"{TOKENIZER} is larger than any tokenizer")
    _refuse_other_modules(path)
    pooling, config = _object(path, POOLING), _object(path, CONFIG)
    graph = Graph(
        weights,
        tokenizer,
        folder.dim or _dimension(path, pooling, config),
        folder.pooling or _pooling(path, pooling),
        _max_tokens(_object(path, LIMITS), config),
    )
    prompts = _object(path, PROMPTS).get("prompts")
    told = prompts if isinstance(prompts, dict) else {}
    query, passage = _prompt(told, _QUERY_PROMPTS), _prompt(told, _PASSAGE_PROMPTS)
    return Found(graph, query, passage, _fingerprint(path, graph, (query, passage)))


class LocalModel:
    """A sentence model of the host's choice, run here."""

    def __init__(self, folder: Folder, *, threads: int) -> None:
        """Examine the folder; the model itself is loaded at the first text.

        Raises:
            Misconfigured: ``embedder_folder_unusable``.
        """
        found = examine(folder)
        name = folder.name or folder.path.expanduser().resolve().name
        self._prefixes = {Purpose.QUERY: found.query_prefix, Purpose.PASSAGE: found.passage_prefix}
        self._runner = Runner(found, threads)
        self.record = EmbedderRecord(
            model_id=f"{PREFIX}/{slug(name, length=48)}-{found.fingerprint[:8]}/{found.model.dim}",
            dim=found.model.dim,
            alpha=0.65,
            # Nobody measured what its scores mean.
            thresholds=None,
            label=f"{slug(name, length=48)} (ONNX, local)",
        )

    async def prepare(self) -> None:
        """Load the model, in a thread.

        Raises:
            Misconfigured: ``embedder_not_installed``, ``embedder_files_unreadable`` or
                ``embedder_dim_wrong``.
        """
        await self._runner.prepare()

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        prefix = self._prefixes[purpose]
        return await self._runner.embed([prefix + text for text in texts])


def _unusable(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "embedder_folder_unusable",
        f"The folder {path} holds no usable sentence model: {why}. Set embedder_folder to a folder "
        f"with model.onnx and {TOKENIZER}.",
        folder=str(path),
    )


def _refuse_other_modules(path: Path) -> None:
    """A model with layers that only its own library applies would give other vectors here."""
    listed = _json(path, MODULES)
    for module in listed if isinstance(listed, list) else []:
        kind = str(module.get("type", "")) if isinstance(module, dict) else ""
        if kind and kind.rpartition(".")[2] not in _KNOWN_MODULES:
            raise _unusable(path, f"{MODULES} asks for a layer that is not in the ONNX file")


def _dimension(path: Path, pooling: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    told = (found.get(name) for name in _DIMENSIONS for found in (pooling, config))
    for number in told:
        if isinstance(number, int) and number > 0:
            return number
    raise _unusable(path, "it does not say how long its vectors are; set embedder_dim")


def _pooling(path: Path, told: Mapping[str, Any]) -> Pooling:
    named = told.get("pooling_mode")
    on = [name for name, used in told.items() if name.startswith("pooling_mode_") and used is True]
    if isinstance(named, str) and named in set(Pooling):
        return Pooling(named)
    if not on and named is None:
        return Pooling.MEAN
    if len(on) == 1 and on[0] in _POOLINGS:
        return _POOLINGS[on[0]]
    raise _unusable(path, f"{POOLING} asks for another pooling than mean or cls")


def _max_tokens(limits: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """What the model was made for, within what we ever need."""
    asked = limits.get("max_seq_length")
    room = config.get("max_position_embeddings")
    most = min(MOST_TOKENS, room) if isinstance(room, int) and room > 8 else MOST_TOKENS
    return min(most, asked) if isinstance(asked, int) and asked > 2 else min(most, USUAL_TOKENS)


def _prompt(told: Mapping[str, Any], names: Sequence[str]) -> str:
    found = [told[name] for name in names if isinstance(told.get(name), str)]
    return found[0] if found else ""


def _object(path: Path, name: str) -> dict[str, Any]:
    found = _json(path, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _unusable(path, f"{name} is not a JSON object")
    return found


def _json(path: Path, name: str) -> object:
    """What a small file beside the model says; None when it is not there."""
    file = path / name
    if not file.is_file():
        return None
    if file.stat().st_size > LARGEST_CONFIG:
        raise _unusable(path, f"{name} is larger than any configuration")
    try:
        found: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(path, f"{name} is not valid JSON") from error
    return found


def _fingerprint(path: Path, graph: Graph, prefixes: Sequence[str]) -> str:
    """The same wherever the same model lies, and different for everything that moves a vector."""
    digest = hashlib.sha256()
    try:
        for part in _sampled(graph.weights):
            digest.update(part)
        digest.update(graph.tokenizer.read_bytes())
    except OSError as error:
        raise _unusable(path, "its files cannot be read") from error
    digest.update(json.dumps([graph.pooling, graph.max_tokens, *prefixes]).encode())
    return digest.hexdigest()


def _sampled(file: Path) -> Iterator[bytes]:
    """The size and a megabyte from all over a file that may be too large to read at each start."""
    size = file.stat().st_size
    yield str(size).encode()
    with file.open("rb") as content:
        for place in range(SAMPLES):
            content.seek(place * max(0, size - SAMPLE_BYTES) // (SAMPLES - 1), os.SEEK_SET)
            yield content.read(SAMPLE_BYTES)
