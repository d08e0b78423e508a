"""Which embedder the settings mean, and which can be made for the vectors of former settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.adapters import choice
from cairnloop_engine.retrieval.adapters.choice import Choice, chosen, made_for
from cairnloop_engine.retrieval.adapters.ids import identity, slug
from cairnloop_engine.retrieval.adapters.minilm import TOKENIZER, WEIGHTS, locate
from cairnloop_engine.retrieval.embedding import Embedding, Unusable
from cairnloop_engine.retrieval.ports import Embedder, EmbedderRecord, Purpose

KEY = SecretStr("sk-never-shown")
OPENAI = Choice("openai", key=KEY)


@pytest.mark.parametrize(
    ("name", "model_id"),
    [("minilm", "minilm-int8"), ("hashing", "hash-1024"), ("auto", "minilm-int8")],
)
def test_a_setting_names_an_embedder(name: str, model_id: str) -> None:
    assert chosen(Choice(name)).record.model_id == model_id


@pytest.mark.requirement("03-retrieval-drafting:96")
def test_without_the_sentence_model_auto_takes_the_emergency_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "NEEDED", ("no-such-distribution",))

    found = chosen(Choice("auto")).record

    assert found.model_id == "hash-1024"
    assert "emergency" in found.label


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Misconfigured) as refused:
        chosen(Choice("gpt"))

    assert refused.value.code == "embedder_unknown"


@pytest.mark.requirement("03-retrieval-drafting:28")
@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (Choice("openai"), "embedder_key_missing"),
        (Choice("voyage"), "embedder_key_missing"),
        (Choice("openai", model="unheard-of", key=KEY), "embedder_dim_missing"),
        (Choice("openai", url="nowhere", key=KEY), "embedder_url_invalid"),
        (Choice("onnx"), "embedder_folder_missing"),
        (Choice("onnx", folder=Path("nowhere")), "embedder_folder_unusable"),
    ],
)
async def test_settings_that_do_not_suffice_are_told_with_each_text_and_stop_nothing(
    settings: Choice, code: str
) -> None:
    made = chosen(settings)
    embedding = Embedding(made, query_timeout_s=1, passage_timeout_s=1, remembered_queries=1)

    with pytest.raises(Misconfigured) as refused:
        await embedding.query("hello")

    assert refused.value.code == code
    assert not embedding.usable
    assert isinstance(made, Unusable)


def test_the_key_is_not_in_the_repr_of_the_settings() -> None:
    assert KEY.get_secret_value() not in repr(OPENAI)


def test_the_embedder_of_an_earlier_model_is_made_where_the_settings_suffice() -> None:
    made = [
        made_for(OPENAI, "openai/text-embedding-3-large/3072"),
        made_for(OPENAI, "openai/text-embedding-3-small/512"),
        made_for(OPENAI, "minilm-int8"),
        made_for(Choice("minilm"), "hash-1024"),
    ]

    assert [embedder.record.model_id if embedder else None for embedder in made] == [
        "openai/text-embedding-3-large/3072",
        "openai/text-embedding-3-small/512",
        "minilm-int8",
        "hash-1024",
    ]


@pytest.mark.parametrize(
    ("settings", "model_id"),
    [
        # No key for that provider, or another server.
        (Choice("minilm"), "openai/text-embedding-3-small/1536"),
        (OPENAI, "voyage/voyage-3.5/1024"),
        (OPENAI, "openai-0123abcd/text-embedding-3-small/1536"),
        (Choice("onnx"), "onnx/some-model-01234567/384"),
        # Nothing that we ever wrote, or of a host.
        (OPENAI, "openai"),
        (OPENAI, "openai/text-embedding-3-small/many"),
        (OPENAI, "scripted"),
        (OPENAI, ""),
    ],
)
def test_what_this_host_cannot_make_exactly_is_not_made(settings: Choice, model_id: str) -> None:
    assert made_for(settings, model_id) is None


def test_the_sentence_model_is_not_made_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "NEEDED", ("no-such-distribution",))

    assert made_for(Choice("hashing"), "minilm-int8") is None


def test_a_folder_makes_its_own_model_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").symlink_to(locate(WEIGHTS))
    (tmp_path / "tokenizer.json").symlink_to(locate(TOKENIZER))
    settings = Choice("minilm", folder=tmp_path, dim=384)
    model_id = chosen(Choice("onnx", folder=tmp_path, dim=384)).record.model_id

    made = made_for(settings, model_id)

    assert made is not None
    assert made.record.model_id == model_id
    assert made_for(settings, "onnx/another-01234567/384") is None


class Former:
    """An embedder of another model, which counts how often it was made."""

    record = EmbedderRecord("former", 2, 0.5, None, "the former one")
    made = 0

    async def embed(self, texts: object, *, purpose: Purpose) -> list[list[float]]:
        return [[1.0, 0.0]]


async def test_the_embedding_of_another_model_is_made_once_and_kept() -> None:
    def making(model_id: str) -> Embedder | None:
        Former.made += 1
        return Former() if model_id == "former" else None

    hashing = chosen(Choice("hashing"))
    embedding = Embedding(
        hashing,
        query_timeout_s=1,
        passage_timeout_s=1,
        remembered_queries=1,
        alpha=0.2,
        making=making,
    )

    former = embedding.of("former")

    assert former is not None
    assert former is embedding.of("former")
    assert (embedding.of("nobody's"), embedding.of("nobody's"), Former.made) == (None, None, 2)
    assert embedding.of("hash-1024") is embedding
    assert (embedding.record.alpha, former.record.alpha) == (0.2, 0.5)
    assert (await former.query("x")).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("text-embedding-3-small", "text-embedding-3-small"),
        ("BAAI/bge-m3", "baai/bge-m3"),
        ("nomic-embed-text:v1.5", "nomic-embed-text-v1.5"),
        ("../../etc/passwd", "etc/passwd"),
        ("  ", "model"),
        ("'; DROP TABLE x; --", "drop-table-x"),
        ("Ünïcode", "n-code"),
    ],
)
def test_a_slug_may_stand_in_an_id_of_a_model(name: str, found: str) -> None:
    assert slug(name, length=48) == found
    EmbedderRecord(f"x/{slug(name, length=48)}/1", 1, 0.5, None, "")


def test_names_that_differ_have_identities_that_differ() -> None:
    names = ["a/b", "A/b", "a:b", "a-b", "a" * 60, "a" * 61, "ä", "ö"]

    found = [identity(name, length=48) for name in names]

    assert found[0] == "a/b"
    assert len(set(found)) == len(names)
    assert max(map(len, found)) <= 48


@pytest.mark.parametrize("model_id", ["", "a:", ":a", "a/:b", "a--b", "Ab", "a b", "a'b", "a" * 81])
def test_an_id_that_could_change_a_statement_is_refused(model_id: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        EmbedderRecord(model_id, 1, 0.5, None, "")

    assert refused.value.code == "embedder_record_invalid"
