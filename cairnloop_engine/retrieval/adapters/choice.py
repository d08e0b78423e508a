"""Which embedder a setting means, and which one can read the vectors of an earlier setting."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.adapters.folder import PREFIX as FOLDER_PREFIX
from cairnloop_engine.retrieval.adapters.folder import Folder, LocalModel
from cairnloop_engine.retrieval.adapters.hashing import HASHING, Hashing
from cairnloop_engine.retrieval.adapters.minilm import MINILM, TOKENIZER, WEIGHTS, MiniLM
from cairnloop_engine.retrieval.adapters.onnx import Pooling
from cairnloop_engine.retrieval.adapters.providers import PROVIDERS, Account, remote
from cairnloop_engine.retrieval.embedding import Unusable
from cairnloop_engine.retrieval.ports import Embedder

NEEDED = ("onnxruntime", "tokenizers", WEIGHTS.distribution, TOKENIZER.distribution)


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings that are about the embedder, as one value."""

    name: str = "auto"
    threads: int = 1
    folder: Path | None = None
    model: str | None = None
    url: str | None = None
    key: SecretStr | None = None
    dim: int | None = None
    pooling: str | None = None


def chosen(choice: Choice) -> Embedder:
    """The embedder of these settings; loads no model and asks nobody.

    What is missing on this host, a model or a key, is said when a text is to be embedded.

    Raises:
        Misconfigured: ``embedder_unknown``.
    """
    try:
        return _made(choice)
    except Misconfigured as problem:
        if problem.code == "embedder_unknown":
            raise
        return Unusable(problem)


def made_for(choice: Choice, model_id: str) -> Embedder | None:
    """An embedder of exactly this model, when the settings of this host suffice to make one."""
    if model_id == MINILM.model_id:
        return MiniLM(threads=choice.threads) if _installed() else None
    if model_id == HASHING.model_id:
        return Hashing()
    wanted = _named_in(choice, model_id)
    if wanted is None:
        return None
    try:
        made = _made(wanted)
    except Misconfigured:
        return None
    return made if made.record.model_id == model_id else None


def _named_in(choice: Choice, model_id: str) -> Choice | None:
    """The settings that would lead to this id, if this host has the folder or the key for it."""
    source, _, rest = model_id.partition("/")
    if source == FOLDER_PREFIX:
        return replace(choice, name="onnx") if choice.folder else None
    model, _, dim = rest.rpartition("/")
    # The key and the address in the settings are those of the provider that they name.
    if source.partition("-")[0] != choice.name or not model or not dim.isdecimal():
        return None
    return replace(choice, model=model, dim=int(dim))


def _made(choice: Choice) -> Embedder:
    match choice.name:
        case "minilm":
            return MiniLM(threads=choice.threads)
        case "hashing":
            return Hashing()
        case "auto":
            return MiniLM(threads=choice.threads) if _installed() else Hashing()
        case "onnx":
            return LocalModel(_folder(choice), threads=choice.threads)
        case "openai" | "voyage":
            account = Account(choice.key, choice.model, choice.url, choice.dim)
            return remote(PROVIDERS[choice.name], account)
        case _:
            raise Misconfigured(
                "embedder_unknown", f"There is no embedder called {choice.name[:80]}."
            )


def _folder(choice: Choice) -> Folder:
    if choice.folder is None:
        raise Misconfigured(
            "embedder_folder_missing",
            "The embedder onnx needs a folder with a sentence model: set embedder_folder.",
        )
    pooling = None if choice.pooling is None else Pooling(choice.pooling)
    return Folder(choice.folder, choice.model, choice.dim, pooling)


def _installed() -> bool:
    try:
        for distribution in NEEDED:
            importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
