"""The emergency embedder: signed feature hashing of words, word pairs and letter triples."""

from __future__ import annotations

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from cairnloop_engine.retrieval.ports import EmbedderRecord, Purpose, Vectors

HASHING = EmbedderRecord(
    model_id="hash-1024",
    dim=1024,
    # Lexical overlap says little beyond what the keyword arm knows, so it weighs little.
    alpha=0.35,
    # Its scores were never measured as evidence: it orders results, it never grounds a reply.
    thresholds=None,
    label="feature hashing (lexical only, emergency mode)",
)

_WORD = re.compile(r"\w+")
_TRIPLE_WEIGHT = 0.4
_PAIR_WEIGHT = 0.7


class Hashing:
    """Needs no model file. Similar spelling gives similar vectors; meaning does not."""

    record = HASHING

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        """Embed in a thread, because a long import would hold up the event loop."""
        return await asyncio.to_thread(self.embed_now, list(texts))

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        """One unit vector for each text; never zero, also for a text without a word."""
        vectors = np.zeros((len(texts), HASHING.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for feature, weight in features(text):
                digest = hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest()
                number = int.from_bytes(digest, "big")
                row[number % HASHING.dim] += weight if number >> 63 else -weight
            if not row.any():
                row[0] = 1.0
        scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return scaled


def features(text: str) -> Iterator[tuple[str, float]]:
    """The words, neighbouring pairs and letter triples of a text, with their weights."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    previous = ""
    for word in words:
        yield f"w:{word}", 1.0
        if previous:
            yield f"p:{previous} {word}", _PAIR_WEIGHT
        padded = f"^{word}$"
        for start in range(len(padded) - 2):
            yield f"t:{padded[start : start + 3]}", _TRIPLE_WEIGHT
        previous = word
