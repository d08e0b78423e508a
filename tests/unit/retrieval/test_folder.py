"""Sentence models in a folder: used as the folder says, refused by name when it is unfit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.adapters import folder as adapter
from cairnloop_engine.retrieval.adapters.folder import Folder, LocalModel, examine
from cairnloop_engine.retrieval.adapters.minilm import TOKENIZER, WEIGHTS, MiniLM, locate
from cairnloop_engine.retrieval.adapters.onnx import Pooling, pooled
from cairnloop_engine.retrieval.ports import Purpose

TEXTS = ["How do I reset my password?", "The invoice shows the wrong tax rate. " * 20]


def write(folder: Path, name: str, told: object) -> None:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(told if isinstance(told, str) else json.dumps(told))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sentence model that the tests have, laid out as an exporter would."""
    made = tmp_path / "My Model"
    made.mkdir()
    (made / "model.onnx").symlink_to(locate(WEIGHTS))
    (made / "tokenizer.json").symlink_to(locate(TOKENIZER))
    write(made, "1_Pooling/config.json", {"word_embedding_dimension": 384})
    write(made, "sentence_bert_config.json", {"max_seq_length": 256})
    return made


def local(folder: Path) -> LocalModel:
    return LocalModel(Folder(folder), threads=1)


async def test_a_folder_gives_the_vectors_of_its_model(folder: Path) -> None:
    model = local(folder)

    found = await model.embed(TEXTS, purpose=Purpose.PASSAGE)

    assert model.record.dim == 384
    assert model.record.thresholds is None
    assert found == pytest.approx(MiniLM(threads=1).embed_now(TEXTS), abs=1e-6)


async def test_the_graph_may_lie_where_exporters_put_it(folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")

    found = await local(folder).embed(TEXTS[:1], purpose=Purpose.QUERY)

    assert found.shape == (1, 384)


async def test_words_that_the_model_wants_before_a_text_are_put_there(folder: Path) -> None:
    plain = local(folder)
    write(
        folder,
        "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "document": "passage: "}},
    )
    prompted = local(folder)

    asked = await prompted.embed(["refund"], purpose=Purpose.QUERY)
    told = await prompted.embed(["refund"], purpose=Purpose.PASSAGE)
    by_hand = await plain.embed(["query: refund", "passage: refund"], purpose=Purpose.PASSAGE)

    assert np.vstack([asked, told]) == pytest.approx(by_hand, abs=1e-6)
    assert prompted.record.model_id != plain.record.model_id


async def test_a_text_is_cut_where_the_model_ends(folder: Path) -> None:
    write(folder, "sentence_bert_config.json", {"max_seq_length": 16})
    model = local(folder)

    long, longer = await model.embed(["word " * 40, "word " * 400], purpose=Purpose.PASSAGE)

    assert long.tolist() == longer.tolist()


@pytest.mark.parametrize(
    ("files", "tokens"),
    [
        ({}, 256),
        ({"sentence_bert_config.json": {"max_seq_length": 128}}, 128),
        ({"sentence_bert_config.json": {"max_seq_length": 8192}}, 512),
        (
            {
                "sentence_bert_config.json": {"max_seq_length": 512},
                "config.json": {"max_position_embeddings": 400},
            },
            400,
        ),
        ({"sentence_bert_config.json": {"max_seq_length": "many"}}, 256),
    ],
)
def test_the_length_of_a_text_is_what_the_model_was_made_for(
    folder: Path, files: dict[str, object], tokens: int
) -> None:
    (folder / "sentence_bert_config.json").unlink()
    for name, told in files.items():
        write(folder, name, told)

    assert examine(Folder(folder)).model.max_tokens == tokens


@pytest.mark.parametrize(
    ("told", "setting", "pooling"),
    [
        ({}, None, Pooling.MEAN),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, None, Pooling.CLS),
        ({"pooling_mode_mean_tokens": True}, None, Pooling.MEAN),
        ({"pooling_mode": "cls"}, None, Pooling.CLS),
        ({"pooling_mode_max_tokens": True}, Pooling.MEAN, Pooling.MEAN),
    ],
)
def test_pooling_is_the_folders_unless_the_settings_say_another(
    folder: Path, told: dict[str, object], setting: Pooling | None, pooling: Pooling
) -> None:
    write(folder, "1_Pooling/config.json", {"word_embedding_dimension": 384, **told})

    assert examine(Folder(folder, pooling=setting)).model.pooling is pooling


def test_pooling_takes_the_real_tokens_only() -> None:
    hidden = np.array([[[3.0, 0.0], [0.0, 4.0], [100.0, 100.0]]], dtype=np.float32)
    mask = np.array([[1, 1, 0]], dtype=np.int64)

    assert pooled(hidden, mask, Pooling.MEAN)[0] == pytest.approx([0.6, 0.8])
    assert pooled(hidden, mask, Pooling.CLS)[0] == pytest.approx([1.0, 0.0])
    assert pooled(hidden[:, 0], mask, Pooling.MEAN)[0] == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("model.onnx", None, "model.onnx"),
        ("tokenizer.json", None, "tokenizer.json"),
        (
            "1_Pooling/config.json",
            {"word_embedding_dimension": 384, "pooling_mode_max_tokens": True},
            "pooling",
        ),
        ("1_Pooling/config.json", {}, "embedder_dim"),
        ("1_Pooling/config.json", "{", "not valid JSON"),
        ("1_Pooling/config.json", "[]", "not a JSON object"),
        ("1_Pooling/config.json", "[" * 90_000, "not valid JSON"),
        ("1_Pooling/config.json", " " * 2_000_000, "larger"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense"}], "layer"),
    ],
)
def test_a_folder_that_is_unfit_is_refused_by_what_is_wrong_with_it(
    folder: Path, name: str, content: object, told: str
) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        write(folder, name, content)

    with pytest.raises(Misconfigured) as refused:
        local(folder)

    assert refused.value.code == "embedder_folder_unusable"
    assert told in refused.value.message
    assert "embedder_folder" in refused.value.message


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no such folder"):
        local(tmp_path / "nowhere")


def test_modules_that_the_graph_holds_are_no_obstacle(folder: Path) -> None:
    listed = [
        {"type": f"sentence_transformers.models.{name}"}
        for name in ("Transformer", "Pooling", "Normalize")
    ]
    write(folder, "modules.json", listed)

    assert examine(Folder(folder)).model.dim == 384


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
async def test_files_that_are_no_model_are_refused_when_they_are_loaded(
    folder: Path, name: str
) -> None:
    (folder / name).unlink()
    (folder / name).write_bytes(os.urandom(4096))

    with pytest.raises(Misconfigured) as refused:
        await local(folder).prepare()

    assert refused.value.code == "embedder_files_unreadable"
    assert refused.value.facts == {"file": name}


async def test_a_length_that_is_not_the_models_is_told_with_the_right_one(folder: Path) -> None:
    with pytest.raises(Misconfigured, match="embedder_dim = 384") as refused:
        await LocalModel(Folder(folder, dim=768), threads=1).prepare()

    assert refused.value.code == "embedder_dim_wrong"


def test_the_id_is_the_models_wherever_it_lies_and_another_for_another(
    folder: Path, tmp_path: Path
) -> None:
    first = local(folder).record.model_id
    moved = folder.rename(tmp_path / "elsewhere")
    same = LocalModel(Folder(moved, name="My Model"), threads=1).record.model_id
    clipped = LocalModel(Folder(moved, name="My Model", pooling=Pooling.CLS), threads=1)
    (moved / "model.onnx").unlink()
    (moved / "model.onnx").write_bytes(b"other weights")
    other = LocalModel(Folder(moved, name="My Model"), threads=1).record.model_id

    assert first.startswith("onnx/my-model-")
    assert first.endswith("/384")
    assert same == first
    assert len({first, clipped.record.model_id, other}) == 3


def test_weights_that_differ_anywhere_look_different(tmp_path: Path) -> None:
    weights = bytearray(os.urandom(adapter.SAMPLE_BYTES * 12))
    file = tmp_path / "model.onnx"
    seen = set()
    for change in (0, len(weights) // 2, len(weights) - 1):
        file.write_bytes(bytes(weights))
        seen.add(b"".join(adapter._sampled(file)))
        weights[change] ^= 0xFF
    file.write_bytes(bytes(weights))
    seen.add(b"".join(adapter._sampled(file)))

    assert len(seen) == 4
