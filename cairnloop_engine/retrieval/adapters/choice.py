"""Which embedder a setting means."""

from __future__ import annotations

import importlib.metadata

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.adapters.hashing import Hashing
from cairnloop_engine.retrieval.adapters.minilm import TOKENIZER, WEIGHTS, MiniLM
from cairnloop_engine.retrieval.ports import Embedder

NEEDED = ("onnxruntime", "tokenizers", WEIGHTS.distribution, TOKENIZER.distribution)


def embedder_named(name: str, *, threads: int) -> Embedder:
    """``minilm``, ``hashing``, or ``auto``: the sentence model when it is installed.

    Loads nothing; a model that was asked for and is missing says so when it is first used.

    Raises:
        Misconfigured: ``embedder_unknown``.
    """
    match name:
        case "minilm":
            return MiniLM(threads=threads)
        case "hashing":
            return Hashing()
        case "auto":
            return MiniLM(threads=threads) if _installed() else Hashing()
        case _:
            raise Misconfigured("embedder_unknown", f"There is no embedder called {name}.")


def _installed() -> bool:
    try:
        for distribution in NEEDED:
            importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
