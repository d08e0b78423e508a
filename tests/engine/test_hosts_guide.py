"""The examples of docs/hosts.md work as they stand there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.hosts import load
from tools.sources import ROOT

MODULE = "shop_desk"

GUIDE = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(?:python|toml)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the guide's module and its settings file, as a host would have it."""
    parts, configured, _ = EXAMPLES
    (tmp_path / f"{MODULE}.py").write_text(parts, encoding="utf-8")
    (tmp_path / "cairnloop.toml").write_text(configured, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop(MODULE, None)


async def test_the_parts_of_the_guide_are_found_by_its_settings_and_asked(
    shop: Path, database_url: str, home: Path
) -> None:
    settings = Settings.load(shop / "cairnloop.toml", database_url=database_url, home=home)
    async with Engine(settings) as engine:
        arrived = await engine.conversations.ingest(
            Caller.customer("acme", "default"), customer_ref="acme", text="Hello?"
        )
        context = await engine.conversations.customer_context(
            Caller.operator("maya"), arrived.conversation_id
        )

    assert "Team" in str(context)


async def test_the_verifier_of_the_guide_knows_its_sessions_and_no_others(shop: Path) -> None:
    verifier: Any = load(f"{MODULE}:Sessions", "WidgetVerifier", "verify")

    identity = await verifier.verify("a session id of the shop")

    assert (identity.customer_ref, identity.workspace) == ("acme", "default")
    with pytest.raises(KeyError):
        await verifier.verify("somebody else's")


async def test_the_program_of_the_guide_reads_the_inbox(
    settings: Settings,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await engine.conversations.ingest(
        Caller.customer("acme", "default"), customer_ref="acme", text="Where is my key?"
    )
    assert settings.database_url is not None
    monkeypatch.setenv("CAIRNLOOP_DATABASE_URL", settings.database_url.get_secret_value())
    program: dict[str, Any] = {"__name__": "the guide"}
    exec(compile(EXAMPLES[2], "docs/hosts.md", "exec"), program)

    await program["main"]()

    assert "1 new Where is my key?" in capsys.readouterr().out
