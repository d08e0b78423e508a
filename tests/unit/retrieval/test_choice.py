"""Which embedder a setting means."""

from __future__ import annotations

import pytest

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.retrieval.adapters import choice
from cairnloop_engine.retrieval.adapters.choice import embedder_named


@pytest.mark.parametrize(
    ("name", "model_id"),
    [("minilm", "minilm-int8"), ("hashing", "hash-1024"), ("auto", "minilm-int8")],
)
def test_a_setting_names_an_embedder(name: str, model_id: str) -> None:
    assert embedder_named(name, threads=1).record.model_id == model_id


def test_without_the_sentence_model_auto_takes_the_emergency_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "NEEDED", ("no-such-distribution",))

    assert embedder_named("auto", threads=1).record.model_id == "hash-1024"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Misconfigured) as refused:
        embedder_named("gpt", threads=1)

    assert refused.value.code == "embedder_unknown"
