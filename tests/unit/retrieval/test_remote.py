"""Embedders over HTTP, against a real server on loopback that fails in every way."""

from __future__ import annotations

import asyncio
import gzip
import logging
import traceback
from collections.abc import AsyncIterator

import numpy as np
import pytest
from pydantic import SecretStr

from cairnloop_engine.core.errors import CairnloopError, Misconfigured, Unavailable
from cairnloop_engine.retrieval.adapters import remote as adapter
from cairnloop_engine.retrieval.adapters.providers import OPENAI, VOYAGE, Account, remote
from cairnloop_engine.retrieval.adapters.providers import Provider as Interface
from cairnloop_engine.retrieval.adapters.remote import Endpoint, Remote, TimeLimits, batches
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.ports import Purpose
from tests.unit.retrieval.provider import DIM, Provider, Reply, data, embedded, serving

KEY = "sk-never-shown-0123456789"
QUICK = TimeLimits(connect=1.0, read=0.2)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with serving() as provider:
        yield provider


def account(provider: Provider, *, limits: TimeLimits | None = None) -> Account:
    return Account(SecretStr(KEY), "tiny", provider.url, DIM, limits or TimeLimits())


@pytest.fixture
async def openai(provider: Provider) -> AsyncIterator[Remote]:
    made = remote(OPENAI, account(provider))
    yield made
    await made.close()


def embedding(embedder: Remote) -> Embedding:
    return Embedding(embedder, query_timeout_s=5, passage_timeout_s=20, remembered_queries=1)


async def refusal(embedder: Remote, purpose: Purpose = Purpose.QUERY) -> CairnloopError:
    with pytest.raises(CairnloopError) as refused:
        await embedder.embed(["hello"], purpose=purpose)
    return refused.value


async def test_texts_are_sent_in_batches_and_come_back_in_their_order(
    provider: Provider, openai: Remote
) -> None:
    texts = ["x" * (n + 1) for n in range(130)]

    vectors = await openai.embed(texts, purpose=Purpose.PASSAGE)

    assert [vector[1] for vector in vectors] == [float(n + 1) for n in range(130)]
    assert [len(request.body["input"]) for request in provider.asked] == [64, 64, 2]
    assert {request.path for request in provider.asked} == {"/v1/embeddings"}
    assert {request.headers["authorization"] for request in provider.asked} == {f"Bearer {KEY}"}


async def test_vectors_are_put_in_order_by_their_index(provider: Provider, openai: Remote) -> None:
    provider.answering = lambda request: data(list(reversed(embedded(request.body["input"]))))

    vectors = await openai.embed(["a", "bbb", "cc"], purpose=Purpose.PASSAGE)

    assert [vector[1] for vector in vectors] == [1.0, 3.0, 2.0]


def test_a_batch_holds_neither_too_many_texts_nor_too_much_text() -> None:
    texts = ["a" * 60_000, "b" * 60_000, *["c"] * 70, "d" * 500_000]

    found = list(batches(texts))

    assert [text for batch in found for text in batch] == texts
    assert [len(batch) for batch in found] == [1, 64, 7, 1]


async def test_a_text_without_a_word_is_not_sent_empty(provider: Provider, openai: Remote) -> None:
    await openai.embed(["", "  "], purpose=Purpose.PASSAGE)

    assert provider.asked[0].body["input"] == [".", "."]


@pytest.mark.requirement("03-retrieval-drafting:28")
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "embedder_request_refused"),
        (401, "embedder_key_refused"),
        (402, "embedder_quota_used_up"),
        (403, "embedder_key_refused"),
        (404, "embedder_model_missing"),
        (413, "embedder_request_refused"),
        (422, "embedder_request_refused"),
        (302, "embedder_request_refused"),
    ],
)
async def test_what_trying_again_cannot_mend_is_said_at_once(
    provider: Provider, openai: Remote, status: int, code: str
) -> None:
    provider.replies = [Reply(status, b"{}", {"location": "http://127.0.0.1:1/"})]

    refused = await refusal(openai, Purpose.PASSAGE)

    assert isinstance(refused, Misconfigured)
    assert refused.code == code
    assert refused.facts["status"] == status
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "embedder_busy"),
        (408, "embedder_down"),
        (500, "embedder_down"),
        (529, "embedder_down"),
    ],
)
async def test_a_passage_is_tried_again_where_that_can_help(
    provider: Provider, openai: Remote, status: int, code: str
) -> None:
    wait = {"retry-after": "0.01"}
    provider.replies = [Reply(status, b"<html>", wait), Reply(status, b"", wait), Reply()]

    vectors = await openai.embed(["hello"], purpose=Purpose.PASSAGE)
    asked = len(provider.asked)
    provider.replies = [Reply(status, b"", wait)]
    away = await refusal(openai, Purpose.PASSAGE)

    assert (len(vectors), asked) == (1, 3)
    assert isinstance(away, Unavailable)
    assert (away.code, away.retry_after) == (code, 0.01)
    assert len(provider.asked) == 6


async def test_a_question_is_not_tried_again(provider: Provider, openai: Remote) -> None:
    provider.replies = [Reply(503, b"", {"retry-after": "0.01"})]

    away = await refusal(openai)

    assert away.code == "embedder_down"
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("90", 90.0),
        ("86400", 300.0),
        ("Wed, 21 Oct 2026 07:29:05 GMT", 65.0),
        ("Wed, 21 Oct 2020 07:28:00 GMT", None),
        ("soon", None),
        ("nan", None),
        ("-3", None),
        ("", None),
    ],
)
async def test_a_wait_that_is_asked_for_is_handed_to_the_job_within_bounds(
    provider: Provider, openai: Remote, told: str, seconds: float | None
) -> None:
    headers = {"retry-after": told, "date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    provider.replies = [Reply(429, b"", headers)]

    away = await refusal(openai)

    assert isinstance(away, Unavailable)
    assert away.retry_after == seconds


async def test_a_wait_longer_than_a_run_allows_ends_the_run(
    provider: Provider, openai: Remote
) -> None:
    provider.replies = [Reply(429, b"", {"retry-after": "90"})]

    await refusal(openai, Purpose.PASSAGE)

    assert len(provider.asked) == 1


async def test_a_used_up_quota_is_no_reason_to_wait(provider: Provider, openai: Remote) -> None:
    provider.replies = [Reply(429, b'{"error": {"code": "insufficient_quota"}}')]

    refused = await refusal(openai, Purpose.PASSAGE)

    assert refused.code == "embedder_quota_used_up"
    assert len(provider.asked) == 1


@pytest.mark.parametrize("reply", [Reply(stalls=True), Reply(hangs_up=True)])
async def test_a_server_that_does_not_answer_is_away(provider: Provider, reply: Reply) -> None:
    provider.replies = [reply]
    embedder = remote(OPENAI, account(provider, limits=QUICK))

    away = await refusal(embedder)
    await embedder.close()

    assert isinstance(away, Unavailable)
    assert away.code == "embedder_unreachable"


async def test_a_server_that_is_not_there_is_away() -> None:
    embedder = remote(OPENAI, Account(None, "tiny", "http://127.0.0.1:9/v1", DIM, QUICK))

    away = await refusal(embedder)
    await embedder.close()

    assert away.code == "embedder_unreachable"


@pytest.mark.requirement("03-retrieval-drafting:100")
@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(body=b"<html>Welcome</html>"), "format"),
        (Reply(body=b""), "format"),
        (Reply(body=b"[]"), "format"),
        (Reply(body=b'{"data": 7}'), "format"),
        (Reply(body=b'{"data": [{"index": 0}]}'), "format"),
        (Reply(body=b'{"data": [{"index": [], "embedding": []}]}'), "format"),
        (Reply(body=b"[" * 100_000), "format"),
        (Reply(body=b"not gzip", headers={"content-encoding": "gzip"}), "format"),
        (data([{"index": 0, "embedding": ["a", "b", "c", "d"]}]), "format"),
        (data([{"index": 0, "embedding": 7}]), "format"),
        (data([]), "count"),
        (data(embedded(["a", "b"])), "count"),
        (data([{"index": 3, "embedding": [1.0] * DIM}]), "count"),
        (data([{"index": 0, "embedding": [1.0] * (DIM + 1)}]), "dimension"),
        (data([{"index": 0, "embedding": [1.0, float("nan"), 0.0, 0.0]}]), "not_a_number"),
        (data([{"index": 0, "embedding": [1.0, float("inf"), 0.0, 0.0]}]), "not_a_number"),
        (data([{"index": 0, "embedding": [0.0] * DIM}]), "zero"),
    ],
)
async def test_an_answer_that_is_none_is_refused_by_its_problem(
    provider: Provider, openai: Remote, reply: Reply, problem: str
) -> None:
    provider.replies = [reply]

    with pytest.raises(Misconfigured) as refused:
        await embedding(openai).query("hello")

    assert refused.value.code == "embedder_answer_invalid"
    assert refused.value.facts["problem"] == problem


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_of_any_length_is_read_to_a_bound_only(
    provider: Provider, openai: Remote, packed: bool
) -> None:
    body = b" " * (adapter.MOST_BYTES + 1_000_000)
    headers = {"content-encoding": "gzip"} if packed else {}
    provider.replies = [Reply(body=gzip.compress(body, 1) if packed else body, headers=headers)]

    refused = await refusal(openai)

    assert refused.code == "embedder_answer_invalid"
    assert refused.facts["problem"] == "size"


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
async def test_neither_the_key_nor_what_was_sent_or_answered_is_repeated(
    provider: Provider, openai: Remote, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    answer = f'{{"error": {{"code": "{KEY} is wrong", "message": "{KEY} hello"}}}}'
    provider.replies = [Reply(status, answer.encode())]

    with caplog.at_level(logging.DEBUG):
        refused = await refusal(openai)

    told = [refused.message, str(refused.facts), repr(refused), repr(openai), str(openai.record)]
    told += ["".join(traceback.format_exception(refused)), caplog.text]
    assert not any(KEY in text for text in told)
    assert not any("hello" in text for text in (refused.message, str(refused.facts)))
    assert len(refused.message) < 400
    assert refused.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://127.0.0.1/v1", "127.0.0.1:80", "http://", "http://[::1/v1"),
        *("http://user:secret@127.0.0.1/v1", "http://127.0.0.1/v1?key=secret", ""),
    ],
)
def test_an_address_that_cannot_be_used_or_would_show_a_secret_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        Endpoint(url)

    assert refused.value.code == "embedder_url_invalid"
    assert "secret" not in refused.value.message


async def test_voyage_is_told_a_question_from_a_passage(provider: Provider) -> None:
    voyage = remote(VOYAGE, account(provider))

    await voyage.embed(["a"], purpose=Purpose.QUERY)
    await voyage.embed(["a"], purpose=Purpose.PASSAGE)
    await voyage.close()

    asked = [request.body for request in provider.asked]
    assert [body["input_type"] for body in asked] == ["query", "document"]
    assert all(body["truncation"] is True for body in asked)


@pytest.mark.parametrize(
    ("provider_of", "model", "field"),
    [(OPENAI, "text-embedding-3-small", "dimensions"), (VOYAGE, "voyage-3.5", "output_dimension")],
)
async def test_another_length_than_the_models_own_is_asked_for(
    provider: Provider, provider_of: Interface, model: str, field: str
) -> None:
    key = SecretStr(KEY)
    bodies = []
    for dim in (DIM, provider_of.dimensions[model]):
        embedder = remote(provider_of, Account(key, model, provider.url, dim))
        await embedder.embed(["a"], purpose=Purpose.QUERY)
        await embedder.close()
        bodies.append(provider.asked[-1].body)

    assert bodies[0][field] == DIM
    assert field not in bodies[1]


def test_the_id_of_a_model_names_model_length_and_source() -> None:
    key = SecretStr(KEY)
    ids = [
        remote(OPENAI, Account(key)).record.model_id,
        remote(OPENAI, Account(key, dim=256)).record.model_id,
        remote(OPENAI, Account(key, "text-embedding-3-large")).record.model_id,
        remote(OPENAI, Account(key, base_url="http://127.0.0.1:1/v1")).record.model_id,
        remote(OPENAI, Account(key, base_url="http://127.0.0.1:2/v1")).record.model_id,
        remote(OPENAI, Account(key, "Org/Model:v1 x", dim=3)).record.model_id,
        remote(OPENAI, Account(key, "org/model:v1 x", dim=3)).record.model_id,
        remote(VOYAGE, Account(key)).record.model_id,
    ]

    assert ids[0] == "openai/text-embedding-3-small/1536"
    assert ids[-1] == "voyage/voyage-3.5/1024"
    assert len(set(ids)) == len(ids)


def test_the_usual_address_is_the_same_however_it_is_written() -> None:
    key = SecretStr(KEY)
    written = Account(key, base_url="https://api.openai.com/v1/")

    assert remote(OPENAI, written).record.model_id == remote(OPENAI, Account(key)).record.model_id


@pytest.mark.parametrize(
    ("provider_of", "given", "code"),
    [
        (OPENAI, Account(), "embedder_key_missing"),
        (VOYAGE, Account(base_url="http://127.0.0.1:1/v1"), "embedder_key_missing"),
        (OPENAI, Account(SecretStr(KEY), "unheard-of"), "embedder_dim_missing"),
    ],
)
def test_settings_that_are_not_enough_say_what_is_missing(
    provider_of: Interface, given: Account, code: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        remote(provider_of, given)

    assert refused.value.code == code


async def test_a_server_of_ones_own_needs_no_key(provider: Provider) -> None:
    embedder = remote(OPENAI, Account(None, "tiny", provider.url, DIM))

    await embedder.embed(["a"], purpose=Purpose.QUERY)
    await embedder.close()

    assert "authorization" not in provider.asked[0].headers


async def test_a_closed_embedder_opens_again(provider: Provider, openai: Remote) -> None:
    await openai.prepare()
    await openai.embed(["a"], purpose=Purpose.QUERY)
    await openai.close()
    await openai.close()

    vectors = await openai.embed(["bb"], purpose=Purpose.QUERY)

    assert vectors[0][1] == 2.0


async def test_many_questions_at_once_share_the_connections(
    provider: Provider, openai: Remote
) -> None:
    asked = ["x" * (n + 1) for n in range(24)]

    found = await asyncio.gather(*(openai.embed([text], purpose=Purpose.QUERY) for text in asked))

    assert np.array(found)[:, 0, 1].tolist() == [float(len(text)) for text in asked]
